// SPDX-License-Identifier: GPL-2.0

//! What `doctor` makes of machines in known states. Those that can be had in a guest are tried there, too
//! (tests/test_rpmemctl.py).

use crate::tree::{Tree, FIRMWARE, IOMEM, RELEASE};
use serde_json::Value;

/// The names of the problems, sorted, and the whole.
fn problems(tree: &Tree, target: &[&str]) -> (Vec<String>, Value) {
    let mut arguments = vec!["doctor"];
    arguments.extend(target);
    let (status, value) = tree.json(&arguments);
    let findings = value["findings"].as_array().unwrap();
    let mut ids = Vec::new();
    for finding in findings {
        assert!(
            !finding["seen"].as_array().unwrap().is_empty(),
            "no evidence: {finding}"
        );
        assert!(
            !finding["todo"].as_array().unwrap().is_empty(),
            "no way out: {finding}"
        );
        if finding["severity"] == "problem" {
            ids.push(finding["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(status, i32::from(!ids.is_empty()));
    ids.sort();
    (ids, value)
}

/// A machine that lacks only what its memory lacks.
fn with_module(iomem: &str, command_line: &str) -> Tree {
    // Of 16 GiB.
    let above = [
        (0x7800_0000, 0xffff_ffff, "Reserved"),
        (0x1_4000_0000, 0x3_ffff_ffff, "System RAM"),
    ];
    let firmware: Vec<_> = FIRMWARE.into_iter().chain(above).collect();
    let tree = Tree::with_memory(iomem, &firmware);
    tree.load_module().file("/proc/cmdline", command_line);
    tree
}

fn replaced(from: &str, to: &str) -> String {
    assert!(IOMEM.contains(from));
    IOMEM.replace(from, to)
}

const BOTH: &str = "memmap=512M!4G memmap=384M!0x128000000";

#[test]
fn nothing_is_wrong_with_a_disk() {
    let tree = with_module(IOMEM, BOTH);
    tree.disk(0, "");
    let (ids, value) = problems(&tree, &[]);
    assert_eq!(ids, [""; 0], "{value}");
    assert!(value["looked_at"].to_string().contains("rpmem0 has DAX"));
}

#[test]
fn nothing_set_aside() {
    let iomem = "00001000-7fffffff : System RAM\n";
    let (ids, _) = problems(&with_module(iomem, "quiet"), &[]);
    assert_eq!(ids, ["nothing-set-aside"]);
}

#[test]
fn a_lost_address() {
    // GRUB or a shell has eaten "$4G".
    let (ids, value) = problems(
        &with_module("00001000-3fffffff : System RAM\n", "memmap=1G"),
        &[],
    );
    assert_eq!(ids, ["memmap-without-address", "nothing-set-aside"]);
    assert!(value.to_string().contains("limits RAM to 1 GiB"));
}

#[test]
fn a_range_that_nothing_is_behind() {
    let iomem = "\
00100000-77fdcfff : System RAM
3f0000000-40fffffff : Persistent Memory (legacy)
800000000-8ffffffff : Persistent Memory (legacy)
";
    let line = "memmap=512M!16128M memmap=4G!32G";
    let (ids, value) = problems(&with_module(iomem, line), &[]);
    assert_eq!(ids, ["no-memory", "no-memory"], "{value}");
    let findings = value.to_string();
    assert!(
        findings.contains("nothing at 400000000-40fffffff, 256 MiB"),
        "{value}"
    );
    assert!(
        findings.contains("has 3f0000000-3ffffffff as RAM"),
        "{value}"
    );
    assert!(
        findings.contains("nothing at 800000000-8ffffffff, 4 GiB"),
        "{value}"
    );

    // Where there is memory, all is well.
    let (ids, _) = problems(&with_module(IOMEM, "memmap=512M$4G,1G!4G"), &[]);
    assert!(!ids.contains(&"no-memory".to_owned()));
}

#[test]
fn a_range_across_the_hole() {
    let iomem = "\
00100000-bfffffff : System RAM
c0000000-dfffdfff : Persistent Memory (legacy)
dfffe000-dfffffff : Persistent Memory (legacy)
feffc000-feffffff : Persistent Memory (legacy)
100000000-1bfffffff : Persistent Memory (legacy)
";
    let tree = with_module(iomem, "memmap=4G!3G");
    tree.disk(0, "");
    let (ids, value) = problems(&tree, &[]);
    // Two of the pieces begin where no struct pages can.
    assert_eq!(
        ids,
        ["memmap-in-pieces", "misaligned", "misaligned"],
        "{value}"
    );
    assert!(value
        .to_string()
        .contains("memmap=4G!3G came out as 4 ranges"));
}

#[test]
fn without_effect_and_merged() {
    let iomem =
        "100000000-17fffffff : Persistent Memory (legacy)\n00001000-7fffffff : System RAM\n";
    let tree = with_module(iomem, "memmap=1G!4G memmap=1G!5G memmap=1G!64G");
    tree.disk(0, "");
    let (ids, _) = problems(&tree, &[]);
    // Nor is there memory at 64 GiB.
    assert_eq!(ids, ["memmap-merged", "memmap-without-effect", "no-memory"]);
}

#[test]
fn held_by_nd_pmem() {
    let range = "100000000-11fffffff : Persistent Memory (legacy)\n";
    let iomem = replaced(
        range,
        &format!("{range}  100000000-11fffffff : namespace0.0\n"),
    );
    let tree = with_module(&iomem, BOTH);
    tree.link(
        "/sys/bus/platform/devices/e820_pmem/driver",
        "../../drivers/e820_pmem",
    )
    .link(
        "/sys/bus/nd/devices/namespace0.0/driver",
        "../../drivers/nd_pmem",
    );
    let (ids, value) = problems(&tree, &[]);
    assert_eq!(ids, ["held"]);
    let finding = value["findings"][0].to_string();
    assert!(
        finding.contains("512M@4G is held by \\\"namespace0.0\\\", of the driver nd_pmem"),
        "{finding}"
    );
    assert!(
        finding.contains("/sys/bus/platform/drivers/e820_pmem/unbind"),
        "{finding}"
    );
}

#[test]
fn owned_by_nd_e820_without_a_holder() {
    let tree = with_module(IOMEM, BOTH);
    tree.link(
        "/sys/bus/platform/devices/e820_pmem/driver",
        "../../drivers/e820_pmem",
    );
    assert_eq!(problems(&tree, &[]).0, ["e820-held"]);
}

#[test]
fn memory_that_must_be_named() {
    let nvdimm = "00001000-7fffffff : System RAM\n140000000-157ffffff : Persistent Memory\n";
    let (ids, value) = problems(&with_module(nvdimm, ""), &[]);
    assert_eq!(ids, ["not-named"]);
    assert!(value.to_string().contains("modprobe rpmem regions=384M@5G"));
    let reserved = "00001000-7fffffff : System RAM\n140000000-157ffffff : Reserved\n";
    let (ids, value) = problems(&with_module(reserved, "memmap=384M$5G"), &[]);
    assert_eq!(ids, ["not-named"]);
    assert!(value
        .to_string()
        .contains("memmap=384M$5G in /proc/cmdline"));
}

#[test]
fn nvdimms_without_their_driver() {
    let tree = with_module("00001000-7fffffff : System RAM\n", "");
    tree.file("/sys/bus/acpi/devices/ACPI0012:00/status", "15\n");
    assert_eq!(
        problems(&tree, &[]).0,
        ["nothing-set-aside", "nvdimm-driver-missing"]
    );
}

#[test]
fn the_module_is_missing_or_for_another_kernel() {
    let tree = Tree::with_memory(IOMEM, &FIRMWARE);
    tree.file("/lib/modules/6.1.0/updates/rpmem.ko", "");
    let (ids, value) = problems(&tree, &[]);
    assert_eq!(ids, ["module-missing"]);
    assert!(value.to_string().contains("there is one for 6.1.0"));

    let installed = format!("/lib/modules/{RELEASE}/updates/rpmem.ko");
    tree.file(&installed, "not ELF");
    assert_eq!(
        problems(&tree, &[]).0,
        ["module-damaged", "module-not-loaded"]
    );

    tree.file(&format!("{installed}.xz"), "compressed");
    std::fs::remove_file(tree.root().join(installed.trim_start_matches('/'))).unwrap();
    tree.file(
        &format!("/lib/modules/{RELEASE}/modules.dep"),
        "kernel/fs/xfs/xfs.ko:\n",
    );
    let (ids, value) = problems(&tree, &[]);
    assert_eq!(ids, ["module-not-indexed", "module-not-loaded"]);
    assert!(value["skipped"].to_string().contains("it is compressed"));
}

#[test]
fn a_kernel_that_cannot() {
    let tree = with_module(IOMEM, BOTH);
    tree.disk(0, "");
    tree.file(
        &format!("/boot/config-{RELEASE}"),
        "# CONFIG_RUST is not set\nCONFIG_FS_DAX=y\nCONFIG_ZONE_DEVICE=y\n",
    );
    assert_eq!(problems(&tree, &[]).0, ["kernel-option"]);
}

#[test]
fn configuration_of_modprobe() {
    let tree = with_module(IOMEM, BOTH);
    tree.disk(0, "");
    for (text, what) in [
        ("blacklist rpmem", "not loaded by itself"),
        ("install rpmem /bin/false", "/bin/false"),
        ("options rpmem regions=1G!4G", "there is no @"),
        ("options rpmem regions=256M@1G", "RAM that the kernel uses"),
        ("options rpmem regions=64M@0x100001000", "write regions="),
        (
            "options rpmem regions=512M@4G logical_block_size=1024",
            "use 512 or 4096",
        ),
        ("options rpmem bogus=1", "no parameter bogus"),
        ("options rpmem auto=0", "leaves nothing to take"),
    ] {
        tree.file("/etc/modprobe.d/rpmem.conf", &format!("# {text}\n{text}\n"));
        let (ids, value) = problems(&tree, &[]);
        assert_eq!(ids.len(), 1, "{text}: {value}");
        assert!(value.to_string().contains(what), "{text}: {value}");
    }
    // A file hides one of the same name.
    tree.file("/lib/modprobe.d/rpmem.conf", "blacklist rpmem\n")
        .file(
            "/etc/modprobe.d/rpmem.conf",
            "options rpmem regions=512M@4G auto=0\nblacklist nd_pmem\n",
        );
    assert_eq!(problems(&tree, &[]).0, [""; 0]);
}

#[test]
fn bad_blocks_and_partitions() {
    let tree = with_module(IOMEM, BOTH);
    let disk = tree.disk(0, "8 16\n");
    for (number, start, size) in [(1, 2048, 8192), (2, 10241, 8192), (3, 20480, 8191)] {
        let part = format!("{disk}/rpmem0p{number}");
        tree.file(&format!("{part}/partition"), &format!("{number}\n"))
            .file(&format!("{part}/start"), &format!("{start}\n"))
            .file(&format!("{part}/size"), &format!("{size}\n"))
            .file(&format!("{part}/ro"), "0\n")
            .file(&format!("{part}/dev"), &format!("259:1{number}\n"));
    }
    let (ids, value) = problems(&tree, &[]);
    assert_eq!(
        ids,
        ["bad-blocks", "partition-misaligned", "partition-misaligned"]
    );
    let advice = "partition-without-huge-pages";
    assert!(
        value.to_string().contains(advice) && value.to_string().contains("rpmem0p1 does not begin")
    );
}

#[test]
fn a_device_without_dax() {
    let tree = with_module(IOMEM, BOTH);
    let disk = "/sys/devices/virtual/block/dm-0";
    tree.disk(0, "");
    tree.file(&format!("{disk}/queue/dax"), "0\n")
        .file(&format!("{disk}/dev"), "254:0\n")
        .link(
            &format!("{disk}/slaves/rpmem0"),
            "../../../../platform/rpmem.0/block/rpmem0",
        )
        .link("/sys/class/block/dm-0", "../../devices/virtual/block/dm-0");
    let (ids, value) = problems(&tree, &["dm-0"]);
    assert_eq!(ids, ["no-dax"]);
    assert!(value.to_string().contains("rpmem0 below it has DAX"));
    // No option of a mount on it helps.
    tree.file(
        "/proc/self/mountinfo",
        "46 45 254:0 / /mnt rw - ext4 /dev/mapper/x rw\n47 45 254:0 / /never rw - xfs /dev/mapper/x rw,dax=never\n",
    );
    tree.link("/sys/dev/block/254:0", "../../devices/virtual/block/dm-0");
    let (ids, value) = problems(&tree, &["dm-0"]);
    assert_eq!(ids, ["no-dax"]);
    assert!(!value.to_string().contains("dax=always"), "{value}");
    // A node of a copied tree goes by its name; one that is missing leads to the whole machine.
    assert_eq!(problems(&tree, &["/dev/rpmem0"]).0, [""; 0]);
    assert_eq!(problems(&tree, &["/dev/rpmem7"]).0, ["no-device"]);
}

#[test]
fn mounts() {
    let tree = with_module(IOMEM, BOTH);
    tree.disk(0, "");
    let mounted = |options: &str, kind: &str| {
        let line = format!("46 45 259:0 / /mnt rw - {kind} /dev/rpmem0 {options}\n");
        tree.file("/proc/self/mountinfo", &line);
        problems(&tree, &[]).0
    };
    assert_eq!(mounted("rw,dax=always", "ext4"), [""; 0]);
    assert_eq!(mounted("rw,dax", "ext2"), [""; 0]);
    assert_eq!(mounted("rw,dax=never", "xfs"), ["dax-never"]);
    assert_eq!(mounted("rw", "btrfs"), ["file-system-without-dax"]);
}

/// A mount point cannot steer the terminal, in text or in JSON.
#[test]
fn hostile_mount_points() {
    let tree = with_module(IOMEM, BOTH);
    tree.disk(0, "");
    let line = "46 45 259:0 / /mnt/\u{1b}[2J\u{202e}x rw - ext4 /dev/rpmem0 rw,dax=never\n";
    tree.file("/proc/self/mountinfo", line);
    for arguments in [
        &["doctor"][..],
        &["list"],
        &["--json", "doctor"],
        &["--json", "list"],
    ] {
        let said = String::from_utf8(tree.run(arguments).stdout).unwrap();
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
        let shown = r"/mnt/\u{1b}[2J\u{202e}x";
        let in_json = shown.replace('\\', r"\\");
        let is_json = arguments[0] == "--json";
        let wanted = if is_json { &in_json } else { shown };
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
}

#[test]
fn a_disk_that_is_unbound() {
    let tree = with_module(IOMEM, BOTH);
    tree.disk(0, "");
    tree.file("/sys/bus/platform/devices/rpmem.1/uevent", "");
    let (ids, value) = problems(&tree, &[]);
    assert_eq!(ids, ["disk-unbound"]);
    assert!(value
        .to_string()
        .contains("echo rpmem.1 > /sys/bus/platform/drivers/rpmem/bind"));
    // Where there is none at all, list sends to doctor, which has to know something.
    let tree = with_module(IOMEM, BOTH);
    tree.file("/sys/bus/platform/devices/rpmem.0/uevent", "");
    assert!(problems(&tree, &[]).0.contains(&"disk-unbound".to_owned()));
    let tree = with_module(IOMEM, BOTH);
    assert!(!problems(&tree, &[]).0.is_empty());
}

#[test]
fn addresses_that_are_hidden_are_said_to_be() {
    let tree = with_module("00000000-00000000 : System RAM\n", BOTH);
    tree.disk(0, "");
    let (ids, value) = problems(&tree, &[]);
    assert_eq!(ids, [""; 0]);
    assert!(value["skipped"].to_string().contains("run this as root"));
}
