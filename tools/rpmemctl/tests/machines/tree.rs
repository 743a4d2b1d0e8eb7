// SPDX-License-Identifier: GPL-2.0

//! Machines made of files, for `--sysroot`, and the program run on them.

use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The kernel of these machines.
pub(crate) const RELEASE: &str = "7.3.4+deb13-amd64";

/// /proc/iomem of a guest with 2 GiB of RAM and `memmap=512M!4G memmap=384M!4736M`, without devices.
pub(crate) const IOMEM: &str = "\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-000fffff : Reserved
  000f0000-000fffff : System ROM
00100000-77fdcfff : System RAM
  01000000-021d3f8f : Kernel code
  03f6d000-043fffff : Kernel bss
77fdd000-77ffffff : Reserved
fffc0000-ffffffff : Reserved
100000000-11fffffff : Persistent Memory (legacy)
120000000-127ffffff : System RAM
128000000-13fffffff : Persistent Memory (legacy)
fd00000000-ffffffffff : Reserved
";

/// The firmware's map of that guest: first and last address, type.
pub(crate) const FIRMWARE: [(u64, u64, &str); 5] = [
    (0x0, 0x9fbff, "System RAM"),
    (0x9fc00, 0xfffff, "Reserved"),
    (0x100000, 0x77fd_cfff, "System RAM"),
    (0x77fd_d000, 0x77ff_ffff, "Reserved"),
    (0x1_0000_0000, 0x1_3fff_ffff, "System RAM"),
];

/// A machine.
pub(crate) struct Tree {
    directory: TempDir,
}

impl Tree {
    /// One that has nothing but a kernel.
    pub(crate) fn new() -> Self {
        let tree = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        tree.file("/proc/sys/kernel/osrelease", &format!("{RELEASE}\n"));
        tree.file("/proc/cmdline", "quiet\n");
        tree.file("/proc/self/mountinfo", "");
        let config = "CONFIG_RUST=y\nCONFIG_FS_DAX=y\nCONFIG_ZONE_DEVICE=y\n";
        tree.file(&format!("/boot/config-{RELEASE}"), config);
        tree
    }

    /// With this memory.
    pub(crate) fn with_memory(iomem: &str, firmware: &[(u64, u64, &str)]) -> Self {
        let tree = Self::new();
        tree.file("/proc/iomem", iomem);
        for (number, (first, last, kind)) in firmware.iter().enumerate() {
            let directory = format!("/sys/firmware/memmap/{number}");
            tree.file(&format!("{directory}/start"), &format!("{first:#x}\n"));
            tree.file(&format!("{directory}/end"), &format!("{last:#x}\n"));
            tree.file(&format!("{directory}/type"), &format!("{kind}\n"));
        }
        tree
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    fn place(&self, path: &str) -> std::path::PathBuf {
        let place = self.root().join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    pub(crate) fn file(&self, path: &str, text: &str) -> &Self {
        fs::write(self.place(path), text).unwrap();
        self
    }

    pub(crate) fn link(&self, path: &str, to: &str) -> &Self {
        symlink(to, self.place(path)).unwrap();
        self
    }

    /// A module in memory, as sysfs has one.
    pub(crate) fn load_module(&self) -> &Self {
        self.file("/sys/module/rpmem/initstate", "live\n")
            .file("/sys/module/rpmem/parameters/regions", "(null)\n")
    }

    /// A disk of rpmem, of 1 GiB.
    pub(crate) fn disk(&self, number: u32, badblocks: &str) -> String {
        let device = format!("/sys/devices/platform/rpmem.{number}");
        let disk = format!("{device}/block/rpmem{number}");
        self.link(
            &format!("{device}/driver"),
            "../../../bus/platform/drivers/rpmem",
        )
        .file(&format!("{device}/numa_node"), "0\n")
        .link(
            &format!("{disk}/device"),
            &format!("../../../rpmem.{number}"),
        )
        .file(&format!("{disk}/size"), "2097152\n")
        .file(&format!("{disk}/ro"), "0\n")
        .file(&format!("{disk}/dev"), &format!("259:{number}\n"))
        .file(&format!("{disk}/badblocks"), badblocks)
        .file(&format!("{disk}/queue/dax"), "1\n")
        .file(&format!("{disk}/queue/logical_block_size"), "512\n");
        let target = format!("../../devices/platform/rpmem.{number}/block/rpmem{number}");
        self.link(&format!("/sys/block/rpmem{number}"), &target)
            .link(&format!("/sys/class/block/rpmem{number}"), &target)
            .link(&format!("/sys/dev/block/259:{number}"), &target);
        disk
    }

    /// Runs the program on it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rpmemctl"))
            .arg("--sysroot")
            .arg(self.root())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Its exit status, and what it printed as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let output = self.run(&all);
        let errors = String::from_utf8(output.stderr).unwrap();
        let value = serde_json::from_slice(&output.stdout);
        (
            output.status.code().unwrap(),
            value.unwrap_or_else(|_| panic!("no JSON: {errors}")),
        )
    }
}
