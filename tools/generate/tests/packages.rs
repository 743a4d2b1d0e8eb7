// SPDX-License-Identifier: GPL-2.0

//! What the Debian package builds modules with: `packaging/dkms/`, by its own scripts, without a kernel; and what
//! `make uninstall` removes, and what it leaves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("rpmem-packages-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The modules that DKMS is told of, for a kernel with those headers.
fn modules(headers: &Path, dkms_tree: &Path) -> Vec<String> {
    let conf = project().join("packaging/dkms/dkms.conf.in");
    let script = r#"set -eu; kernelver=7.3.4+deb13-amd64 arch=x86_64 kernel_source_dir=$1 dkms_tree=$2
        . "$3"
        [[ ${#BUILT_MODULE_NAME[@]} == "${#DEST_MODULE_LOCATION[@]}" && $AUTOINSTALL == yes ]]
        [[ $kernelver =~ $BUILD_EXCLUSIVE_KERNEL && ! 7.4.1 =~ $BUILD_EXCLUSIVE_KERNEL && ! 6.12.1 =~ $BUILD_EXCLUSIVE_KERNEL ]]
        printf '%s\n' "${BUILT_MODULE_NAME[@]}""#;
    let output = Command::new("bash")
        .args(["-c", script, "dkms"])
        .args([headers, dkms_tree, &conf])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn dkms_knows_the_modules_that_kbuild_makes() {
    let folder = Folder::new("modules");
    let kbuild = fs::read_to_string(project().join("Kbuild")).unwrap();
    let mut made: Vec<String> = kbuild
        .lines()
        .filter_map(|line| line.strip_prefix("obj-$(CONFIG_")?.split_once("+= "))
        .filter_map(|(_, object)| object.strip_suffix(".o"))
        .filter(|name| *name != "rpmem_misbehave")
        .map(str::to_owned)
        .collect();
    made.sort();
    let mut known = modules(&folder.0, &folder.0);
    known.sort();
    assert_eq!(known, made);
}

/// Without the kernel's source there is none of libnvdimm's headers; but what was built before must go one day.
#[test]
fn nd_rpmem_is_left_out_where_headers_have_metadata() {
    let folder = Folder::new("metadata");
    folder.write("headers/rust/libkernel.rmeta", "");
    let tree = folder.0.join("dkms");
    let headers = folder.0.join("headers");
    assert!(!modules(&headers, &tree).contains(&"nd_rpmem".to_owned()));
    folder.write(
        "dkms/rpmem/#MODULE_VERSION#/7.3.4+deb13-amd64/x86_64/module/nd_rpmem.ko.xz",
        "",
    );
    assert!(modules(&headers, &tree).contains(&"nd_rpmem".to_owned()));
}

/// Every file that Kbuild names is among the sources that are installed, as are those that Rust's `mod` names.
#[test]
fn installed_sources_are_whole() {
    let folder = Folder::new("sources");
    let to = folder.0.join("rpmem");
    let script = project().join("packaging/dkms/install-sources");
    assert!(Command::new(script).arg(&to).status().unwrap().success());
    for name in [
        "Kbuild",
        "rpmem-dkms",
        "check-rust-symbols",
        "rust/bindings/allowlist.7.2",
    ] {
        assert!(to.join(name).is_file(), "{name}");
    }
    let kbuild = fs::read_to_string(to.join("Kbuild")).unwrap();
    let roots: Vec<&str> = kbuild
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("$(src)/")?.strip_suffix(".rs"))
        .collect();
    assert!(roots.len() >= 6, "{roots:?}");
    let mut checked = 0;
    for root in roots.iter().copied().chain([
        "drivers/rpmem/rpmem_core",
        "drivers/rpmem/memmap/rpmem",
        "drivers/rpmem/nd/nd_rpmem",
        "fs/rdaxfs/rdaxfs",
    ]) {
        checked += check_modules(&to.join(format!("{root}.rs")), true);
    }
    assert!(checked > 100, "{checked}");
}

/// Whether a file's modules are there, those of the KUnit suites apart; how many there are.
fn check_modules(file: &Path, is_root: bool) -> usize {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let folder = if is_root || file.ends_with("mod.rs") {
        file.parent().unwrap().to_owned()
    } else {
        file.with_extension("")
    };
    let mut count = 0;
    let mut only_tests = false;
    let mut path = None;
    for line in text.lines() {
        let name = line
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub(super) ")
            .trim_start_matches("pub ")
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name {
            if !only_tests {
                let file = match path.take() {
                    Some(path) => folder.join::<String>(path),
                    None if folder.join(format!("{name}.rs")).is_file() => {
                        folder.join(format!("{name}.rs"))
                    }
                    None => folder.join(name).join("mod.rs"),
                };
                count += 1 + check_modules(&file, false);
            }
        }
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.strip_suffix("\"]").map(str::to_owned);
        } else if line.starts_with("#[cfg(") {
            only_tests = line.contains("KUNIT_TEST")
                || line.contains("(test")
                || line.contains("misuse")
                || line.contains("loom") && !line.contains("not(loom");
        } else if !line.starts_with('#') {
            only_tests = false;
            path = None;
        }
    }
    count
}

fn rpmem_dkms(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(project().join("packaging/dkms/rpmem-dkms"))
        .args(arguments)
        .env("RPMEM_DKMS_STATE", folder.0.join("state"))
        .output()
        .unwrap()
}

const CONFIG: &str = "CONFIG_CC_VERSION_TEXT=\"x86_64-linux-gnu-gcc-14 (Debian) 14.2.0\"\n\
    CONFIG_RUSTC_VERSION_TEXT=\"rustc 9.99.9 (not there)\"\n\
    CONFIG_RUST=y\nCONFIG_BLOCK=y\nCONFIG_ZONE_DEVICE=y\nCONFIG_ARCH_HAS_PMEM_API=y\n\
    CONFIG_ARCH_HAS_UACCESS_FLUSHCACHE=y\n";

/// It names the option, the compiler and the source at once; DKMS is told to skip the kernel.
#[test]
fn what_is_missing_is_named() {
    let folder = Folder::new("missing");
    folder.write("headers/.config", CONFIG);
    let headers = folder.0.join("headers");
    let headers = headers.to_str().unwrap();
    let output = rpmem_dkms(&folder, &["check", "7.3.99-nowhere", headers]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for text in [
        "CONFIG_FS_DAX",
        "rustc 9.99.9 (not there)",
        "linux-source-7.3",
        "rpmem-dkms metadata --fetch 7.3.99-nowhere",
    ] {
        assert!(said.contains(text), "no '{text}' in: {said}");
    }
    assert!(!said.contains("series"), "{said}");

    let output = rpmem_dkms(&folder, &["prepare", "7.3.99-nowhere", headers]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");

    let output = rpmem_dkms(&folder, &["check", "6.12.1-nowhere", headers]);
    assert!(String::from_utf8(output.stderr)
        .unwrap()
        .contains("series 7.2 or 7.3"));

    let output = rpmem_dkms(&folder, &["check", "7.3.98-nowhere"]);
    assert!(String::from_utf8(output.stderr)
        .unwrap()
        .contains("apt-get install linux-headers-7.3.98-nowhere"));
}

/// One that lacks something does not keep the others from being tried; a kernel of another series needs no headers.
#[test]
fn each_of_several_kernels_is_tried() {
    let folder = Folder::new("several");
    let output = rpmem_dkms(
        &folder,
        &[
            "metadata",
            "7.3.97-nowhere",
            "6.12.1-nowhere",
            "7.2.96-nowhere",
        ],
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for text in [
        "apt-get install linux-headers-7.3.97-nowhere",
        "cannot build for 6.12.1-nowhere:\n  - a kernel of series 7.2 or 7.3",
        "apt-get install linux-headers-7.2.96-nowhere",
    ] {
        assert!(said.contains(text), "no '{text}' in: {said}");
    }
    assert!(!said.contains("linux-headers-6.12.1"), "{said}");
    assert!(!folder.0.join("state").exists());
}

/// What a run that was killed or that failed has left goes too; a kernel that is there keeps its metadata
/// (scripts/test-packages has that).
#[test]
fn nothing_is_kept_for_kernels_that_are_gone() {
    let folder = Folder::new("gone");
    for gone in [
        "7.3.95-nowhere/key",
        "7.3.95-nowhere.log",
        "7.3.95-nowhere.build.log",
        "7.3.94-nowhere.new/tree/Makefile",
        "7.3.93-nowhere.build.log",
    ] {
        folder.write(&format!("state/{gone}"), "");
    }
    folder.write("state/.lock", "");
    let output = rpmem_dkms(&folder, &["clean"]);
    assert!(output.status.success(), "{output:?}");
    let mut left = Vec::new();
    files(&folder.0, &mut left);
    assert_eq!(left, [folder.0.join("state/.lock")]);

    folder.write("state/7.3.95-nowhere/key", "");
    folder.write("state/7.3.95-nowhere.build.log", "");
    folder.write("state/7.3.9-nowhere/key", "");
    assert!(rpmem_dkms(&folder, &["clean", "7.3.95-nowhere"])
        .status
        .success());
    left.clear();
    files(&folder.0, &mut left);
    left.sort();
    assert_eq!(
        left,
        ["state/.lock", "state/7.3.9-nowhere/key"].map(|name| folder.0.join(name))
    );

    // Without a folder there is nothing to remove.
    fs::remove_dir_all(folder.0.join("state")).unwrap();
    assert!(rpmem_dkms(&folder, &["clean"]).status.success());
}

#[test]
fn wrong_usage_is_refused() {
    let folder = Folder::new("usage");
    for arguments in [
        &["walk"][..],
        &["check", "--fetch"],
        &["metadata", "--source"],
        &["metadata", "--source", "/no/such/file"],
        &["metadata", "../../etc"],
        &["metadata", "7.3.4-amd64", "a b"],
        &["clean", "../etc"],
        &["check", ""],
        &["check", "--fast"],
    ] {
        let output = rpmem_dkms(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
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
    let dest = Folder::new("to uninstall");
    let conf = fs::read_to_string(project().join("drivers/rpmem/modprobe.d/rpmem.conf")).unwrap();
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
        dest.write(ours, "ours");
    }
    // An older version's, as it was installed; and one that an administrator has changed.
    dest.write("etc/modprobe.d/rpmem.conf", &conf);
    let kept = [
        "etc/udev/rules.d/60-rpmem.rules",
        "lib/modules/7.3.4+deb13-amd64/updates/other.ko",
        "usr/lib/modprobe.d/other.conf",
        "usr/sbin/mkfs.other",
    ];
    for other in kept {
        dest.write(other, "not ours");
    }

    let output = uninstall(&dest.0);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("etc/udev/rules.d/60-rpmem.rules' comes before"),
        "{said}"
    );
    let mut left = Vec::new();
    files(&dest.0, &mut left);
    left.sort();
    assert_eq!(left, kept.map(|name| dest.0.join(name)));

    // There is nothing left to remove, which is no error.
    assert!(uninstall(&dest.0).status.success());
}
