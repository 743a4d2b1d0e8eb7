// SPDX-License-Identifier: GPL-2.0

//! The program as it is called, on files.

use std::fs::{self, File};
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rdaxfs_check::{survey, Image};
use rdaxfs_core::format::{Superblock, Time, STATE_MOUNTED};
use rdaxfs_core::superblock::read_superblock;
use rdaxfs_host::{DeviceLock, FileMedium, Mounted, Scope};

const UUID: &str = "01234567-89ab-4cde-8f01-23456789abcd";

/// A volume of three groups.
fn made(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("volume");
    let medium = FileMedium::create(&path, 300 << 20).unwrap();
    let mounted = Mounted::make(medium, Time::new(1000, 0)).unwrap();
    mounted.unmount().unwrap();
    path
}

fn tune(arguments: &[&str], path: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tune_rdaxfs"))
        .args(arguments)
        .arg(path)
        .output()
        .expect("the program can be run")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Both superblocks, which must be good, as must be the volume.
fn both(path: &Path) -> [Superblock; 2] {
    let medium = FileMedium::open(path, false).unwrap();
    let first = read_superblock(&medium, 0).unwrap();
    let last = read_superblock(&medium, first.blocks.get() - 1).unwrap();
    assert_eq!(survey(&Image::new(&medium, first), |_| {}).findings, []);
    [first, last]
}

/// Either will do, and the error says so.
#[test]
fn a_label_or_a_uuid_is_required() {
    let output = tune(&[], Path::new("/nowhere"));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("-L <LABEL>|-U <UUID>"),
        "{}",
        said(&output)
    );
}

#[test]
fn label_and_uuid_change_in_both_superblocks_and_all_groups() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(&folder);
    let [before, _] = both(&path);
    for arguments in [
        &["-L", "härd"][..],
        &["-U", UUID],
        &["-L", "", "-U", "random"],
    ] {
        let output = tune(arguments, &path);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        let [first, last] = both(&path);
        assert_eq!((first.uuid, first.label), (last.uuid, last.label));
        assert_eq!(first.free_blocks, before.free_blocks);
        match arguments {
            ["-L", _] => {
                assert!(first.label.starts_with("härd\0".as_bytes()));
                assert_eq!(first.uuid, before.uuid);
            }
            ["-U", _] => {
                assert_eq!(uuid::Uuid::from_bytes(first.uuid).to_string(), UUID);
                assert!(first.label.starts_with("härd\0".as_bytes()));
            }
            _ => {
                assert_eq!(first.label, [0; 32]);
                assert_eq!(uuid::Uuid::from_bytes(first.uuid).get_version_num(), 4);
            }
        }
    }
}

#[test]
fn what_must_not_change_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(&folder);
    let refused = |message: &str, arguments: &[&str], status: i32| {
        let before = fs::read(&path).unwrap();
        let output = tune(arguments, &path);
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        assert!(
            said(&output).contains(message),
            "{message}: {}",
            said(&output)
        );
        assert!(
            fs::read(&path).unwrap() == before,
            "{message}: it has changed"
        );
    };
    refused("-L", &[], 2);
    refused("at most 32", &["-L", &"x".repeat(33)], 2);
    refused("random, time or clear", &["-U", "x"], 2);
    let lock = DeviceLock::take(&path, Scope::Itself).unwrap();
    refused("locked", &["-L", "x"], 1);
    drop(lock);
    let file = File::options().write(true).open(&path).unwrap();
    let state = offset_of!(Superblock, state) as u64;
    file.write_all_at(&STATE_MOUNTED.to_le_bytes(), state)
        .unwrap();
    refused("not unmounted cleanly", &["-U", UUID], 1);
    file.write_all_at(b"X", 40).unwrap();
    refused("wrong checksum", &["-L", "x"], 1);
    file.write_all_at(b"X", 0).unwrap();
    refused("is not an rdaxfs volume", &["-L", "x"], 1);
    assert!(said(&tune(&["-L", "x"], Path::new("/nowhere"))).contains("/nowhere"));
}
