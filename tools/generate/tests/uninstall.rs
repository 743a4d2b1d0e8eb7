// SPDX-License-Identifier: GPL-2.0

//! What `make uninstall` removes, and what it leaves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn uninstall(dest: &Path) -> Output {
    let mut command = Command::new(project().join("scripts/install"));
    command.arg("--uninstall").env("DESTDIR", dest);
    command.output().unwrap()
}

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn what_is_ours_goes_and_what_is_not_stays() {
    // With a blank, on purpose.
    let dest = std::env::temp_dir().join(format!("rpmem uninstall {}", std::process::id()));
    let _ = fs::remove_dir_all(&dest);
    let write = |name: &str, text: &[u8]| {
        let path = dest.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let conf = fs::read(project().join("drivers/rpmem/modprobe.d/rpmem.conf")).unwrap();
    for ours in [
        "lib/modules/7.3.4+deb13-amd64/updates/rpmem.ko",
        "lib/modules/7.2.12+deb13-amd64/updates/kernel_ext.ko",
        "usr/lib/modprobe.d/rpmem.conf",
        "usr/lib/udev/rules.d/60-rpmem.rules",
        "usr/lib/udev/rules.d/61-rdaxfs.rules",
        "usr/sbin/mkfs.rdaxfs",
        "usr/share/man/man8/fsck.rdaxfs.8",
        "usr/share/zsh/vendor-completions/_rpmemctl",
    ] {
        write(ours, b"ours");
    }
    // An older version's, as it was installed; and one that an administrator has changed.
    write("etc/modprobe.d/rpmem.conf", &conf);
    let kept = [
        "etc/udev/rules.d/60-rpmem.rules",
        "lib/modules/7.3.4+deb13-amd64/updates/other.ko",
        "usr/lib/modprobe.d/other.conf",
        "usr/sbin/mkfs.other",
    ];
    for other in kept {
        write(other, b"not ours");
    }

    let output = uninstall(&dest);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("etc/udev/rules.d/60-rpmem.rules' comes before"),
        "{said}"
    );
    let mut left = Vec::new();
    files(&dest, &mut left);
    left.sort();
    assert_eq!(left, kept.map(|name| dest.join(name)));

    // There is nothing left to remove, which is no error.
    assert!(uninstall(&dest).status.success());
    fs::remove_dir_all(&dest).unwrap();
}
