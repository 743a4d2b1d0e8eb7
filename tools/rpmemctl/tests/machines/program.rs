// SPDX-License-Identifier: GPL-2.0

//! The program as such: `list`, exit statuses, output that nobody reads.

use crate::tree::{Tree, FIRMWARE, IOMEM};
use std::process::{Command, Stdio};

#[test]
fn lists_disks() {
    let claimed = IOMEM.replace(
        "120000000-127",
        "  100000000-11fffffff : rpmem0\n120000000-127",
    );
    let tree = Tree::with_memory(&claimed, &FIRMWARE);
    tree.load_module();
    let disk = tree.disk(0, "8 2\n11 13\n");
    tree.disk(1, "");
    tree.file(&format!("{disk}/rpmem0p1/partition"), "1\n")
        .file(&format!("{disk}/rpmem0p1/start"), "4096\n")
        .file(&format!("{disk}/rpmem0p1/size"), "8192\n")
        .file(&format!("{disk}/rpmem0p1/dev"), "259:9\n")
        .link(
            "/sys/class/block/rpmem0p1",
            "../../devices/platform/rpmem.0/block/rpmem0/rpmem0p1",
        )
        .file(
            "/proc/self/mountinfo",
            "46 45 259:9 / /mnt/a\\040b rw - xfs /dev/rpmem0p1 rw\n",
        );
    let (status, value) = tree.json(&["list"]);
    assert_eq!(status, 0);
    let devices = value["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    let first = &devices[0];
    assert_eq!(first["name"], "rpmem0");
    assert_eq!(first["start"], 4u64 << 30);
    assert_eq!(first["size"], 1 << 30);
    assert_eq!(first["memory"], "legacy");
    assert_eq!(first["named"], false);
    assert_eq!(
        (&first["bad_sectors"], &first["bad_ranges"]),
        (&15.into(), &2.into())
    );
    assert_eq!(first["partitions"][0]["mount_points"][0], "/mnt/a b");
    assert_eq!(devices[1]["start"], serde_json::Value::Null);
    let text = String::from_utf8(tree.run(&["list", "rpmem0p1", "/dev/rpmem1"]).stdout).unwrap();
    assert!(
        text.contains("/mnt/a b") && text.lines().count() == 4,
        "{text}"
    );
}

/// What it was called with may be a file's name that the shell put there: no line end of it begins a line of ours.
#[test]
fn names_that_are_wrong_take_one_line() {
    let tree = Tree::new();
    let name = |before: &str| format!("{before}x\n1. all is well\u{1b}[m");
    let shown = |before: &str| format!("{before}x\\n1. all is well\\u{{1b}}[m");
    for command in ["list", "doctor"] {
        for before in ["", "/dev/", "/", "/proc/mounts/"] {
            let output = tree.run(&[command, &name(before)]);
            assert_eq!(output.status.code(), Some(1), "{command}");
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(error.contains(&shown("")), "{command}: {error}");
            assert_eq!(error.lines().count(), 1, "{command}: {error}");
        }
    }
    let output = tree.run(&["doctor", &name("/dev/rpmem")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&shown("no device rpmem")), "{text}");
    assert!(!text.contains("\n1. all is well"), "{text}");
}

#[test]
fn names_that_are_no_disks_are_refused() {
    let tree = Tree::new();
    for (arguments, says) in [
        (
            &["list", "rpmem9"][..],
            "rpmem9: there is no such block device",
        ),
        (&["list", "/dev/null"], "no such block device"),
        (&["inject", "rpmem0", "0", "1"], "--sysroot"),
        (&["damage", "/"], "--sysroot"),
        (&["suggest", "1G"], "/proc/iomem"),
        (&["doctor", "nosuch"], "nosuch"),
        (&["doctor", "/nosuch"], "/nosuch"),
    ] {
        let output = tree.run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            error.starts_with("rpmemctl: ") && error.contains(says),
            "{error}"
        );
    }
    for arguments in [
        &["bogus"][..],
        &[],
        &["inject", "rpmem0", "0"],
        &["inject", "rpmem0", "0", "0"],
        &["inject", "rpmem0", "-1", "1"],
        &["inject", "rpmem0", "0", "100B"],
        &["suggest"],
    ] {
        assert_eq!(tree.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn nobody_reads() {
    let tree = Tree::with_memory(IOMEM, &FIRMWARE);
    let mut child = Command::new(env!("CARGO_BIN_EXE_rpmemctl"))
        .arg("--sysroot")
        .arg(tree.root())
        .args(["suggest", "64M"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_full_disk_is_told_of() {
    let tree = Tree::with_memory(IOMEM, &FIRMWARE);
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rpmemctl"))
        .arg("--sysroot")
        .arg(tree.root())
        .args(["suggest", "64M"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr)
        .unwrap()
        .contains("standard output"));
}

#[test]
fn help_that_cannot_be_written_names_the_program() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rpmemctl"))
        .arg("--help")
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("rpmemctl: standard output"), "{said}");
}

/// Neither a mount nor a holder in sysfs shows swap and the log of another disk's file system.
#[test]
fn lists_swap_and_logs_as_uses() {
    let tree = Tree::with_memory(IOMEM, &FIRMWARE);
    tree.load_module();
    tree.disk(0, "");
    tree.disk(1, "");
    tree.disk(2, "");
    tree.file(
        "/proc/swaps",
        "Filename\t\tType\t\tSize\n/dev/rpmem1  partition\t1048572\t0\t-2\n",
    )
    .file(
        "/proc/self/mountinfo",
        "46 45 259:0 / /mnt rw - xfs /dev/rpmem0 rw,logdev=/dev/rpmem2,noquota\n",
    );
    let (_, value) = tree.json(&["list"]);
    let uses = |number: usize| value["devices"][number]["uses"].to_string();
    assert_eq!(uses(0), "[]");
    assert_eq!(uses(1), "[\"swap\"]");
    assert_eq!(uses(2), "[\"log of /mnt\"]");
    let text = String::from_utf8(tree.run(&["list"]).stdout).unwrap();
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("rpmem1").ends_with("swap"), "{text}");
    assert!(line("rpmem2").ends_with("log of /mnt"), "{text}");
}

/// What clap has for values that begin with a dash does not fit here: there are none.
#[test]
fn wrong_arguments_come_without_tips_that_do_not_help() {
    let tree = Tree::new();
    for arguments in [&["list", "--all"][..], &["-x"], &["suggest", "-1G"]] {
        let output = tree.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("unexpected argument"), "{said}");
        assert!(!said.contains("as a value"), "{said}");
    }
    let said = String::from_utf8(tree.run(&["--jsn", "list"]).stderr).unwrap();
    assert!(
        said.contains("a similar argument exists: '--json'"),
        "{said}"
    );
}
