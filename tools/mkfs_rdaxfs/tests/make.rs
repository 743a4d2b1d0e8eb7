// SPDX-License-Identifier: GPL-2.0

//! The program as it is called, on files.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rdaxfs_check::{survey, Image};
use rdaxfs_core::format::Superblock;
use rdaxfs_core::superblock;
use rdaxfs_host::FileMedium;

fn mkfs(arguments: &[&str], path: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_mkfs_rdaxfs");
    Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .expect("the program can be run")
}

fn sparse(folder: &tempfile::TempDir, len: u64) -> PathBuf {
    let path = folder.path().join("volume");
    File::create(&path)
        .and_then(|file| file.set_len(len))
        .expect("a sparse file can be made");
    path
}

fn probe(path: &Path) -> Superblock {
    let medium = FileMedium::open(path, false).expect("the file can be opened");
    superblock::probe(&medium).expect("there is a volume")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_tebibyte_takes_little() {
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(&folder, 1 << 40);
    let output = mkfs(&["-q"], &path);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    let taken = fs::metadata(&path).unwrap().blocks() * 512;
    assert!(taken < 200 << 20, "{taken} bytes of the file are not holes");
    assert_eq!(probe(&path).blocks.get(), 1 << 28);
}

#[test]
fn what_is_made_is_good() {
    let folder = tempfile::tempdir().unwrap();
    for len in [256 << 10, (1 << 20) + 1000, 200 << 20] {
        let path = sparse(&folder, len);
        let uuid = "01234567-89ab-4cde-8f01-23456789abcd";
        let output = mkfs(&["-f", "-L", "härd", "-U", uuid], &path);
        assert!(output.status.success(), "{}", stderr(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.contains(uuid) && said.contains("label: härd"),
            "{said}"
        );

        let superblock = probe(&path);
        assert_eq!(superblock.blocks.get(), len / 4096);
        assert!(superblock.label.starts_with("härd\0".as_bytes()));
        let medium = FileMedium::open(&path, false).unwrap();
        assert_eq!(
            survey(&Image::new(&medium, superblock), |_| {}).findings,
            []
        );
    }
}

#[test]
fn what_is_there_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(&folder, 16 << 20);
    // The magic number of ext4, where blkid looks for it, and what it needs to believe it.
    let made = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4"])
        .arg(&path)
        .status();
    let is_ext4 = made.is_ok_and(|status| status.success());
    if is_ext4 {
        let output = mkfs(&[], &path);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains("ext4") && stderr(&output).contains("-f"),
            "{}",
            stderr(&output)
        );
        assert!(mkfs(&["-f"], &path).status.success());
        let mut magic = [0; 2];
        File::open(&path)
            .unwrap()
            .read_exact_at(&mut magic, 0x438)
            .unwrap();
        assert_ne!(
            u16::from_le_bytes(magic),
            0xef53,
            "fsck.ext4 must not find its file system"
        );
    } else {
        assert!(mkfs(&[], &path).status.success());
    }
    let before = fs::read(&path).unwrap();
    let output = mkfs(&[], &path);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("an rdaxfs volume"),
        "{}",
        stderr(&output)
    );
    assert!(
        fs::read(&path).unwrap() == before,
        "a refusal changes nothing"
    );
}

#[test]
fn a_dry_run_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(&folder, 1 << 20);
    let output = mkfs(&["-n"], &path);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("would have 256 blocks"));
    assert!(fs::read(&path).unwrap().iter().all(|&byte| byte == 0));
}

#[test]
fn bad_arguments_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(&folder, 1000);
    for (arguments, path, status, message) in [
        (&["-q"][..], &*path, 1, "a volume needs 256 KiB"),
        (
            &["-L", "a label that is longer than 32 bytes"],
            &path,
            2,
            "32",
        ),
        (&["-U", "nonsense"], &path, 2, "nonsense"),
        (&[], Path::new("/nowhere"), 1, "/nowhere"),
        (
            &[],
            Path::new("/dev/null"),
            1,
            "neither a regular file nor a block device",
        ),
    ] {
        let output = mkfs(arguments, path);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}

/// A volume whose blocks could not all be written is not one: nothing is written after the first error.
#[test]
fn a_volume_that_cannot_be_written_is_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(&folder, 16 << 20);
    // With SIGXFSZ ignored, a write beyond the limit is EFBIG: here beyond the second block.
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" -f \"$1\""])
        .arg(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("File too large"), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let medium = FileMedium::open(&path, false).unwrap();
    assert!(superblock::probe(&medium).is_err());
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(&folder, 1 << 20);
    let run = |output: Stdio| {
        Command::new(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
            .args(["-f", "-L", "label"])
            .arg(&path)
            .stdout(output)
            .output()
            .unwrap()
    };
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = run(full.into());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        stderr(&output).contains("the volume was made"),
        "{output:?}"
    );
    // Nobody reads on, as with `| head -1`.
    let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let writer = reader.stdin.take().unwrap();
    reader.wait().unwrap();
    let output = run(writer.into());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_eq!(probe(&path).blocks.get(), 256);
}

#[test]
fn a_file_that_another_program_has_locked_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(&folder, 1 << 20);
    let file = File::options().write(true).open(&path).unwrap();
    let locked = Command::new("flock")
        .args(["--exclusive", "--nonblock"])
        .arg(&path)
        .args(["sleep", "30"])
        .spawn();
    let mut locked = locked.expect("flock (of util-linux) can be run");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let output = mkfs(&["-f"], &path);
    let _ = locked.kill();
    let _ = locked.wait();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        stderr(&output).contains("locked by another program"),
        "{output:?}"
    );
    assert_eq!(file.metadata().unwrap().blocks(), 0);
}

/// A label cannot steer the terminal.
#[test]
fn a_label_is_shown_without_its_controls() {
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(&folder, 1 << 20);
    let output = mkfs(&["-L", "a\u{202e}b"], &path);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(r"label: a\u{202e}b"), "{said}");
}
