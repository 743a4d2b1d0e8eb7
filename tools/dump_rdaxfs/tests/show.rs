// SPDX-License-Identifier: GPL-2.0

//! The program as it is called, on a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rdaxfs_core::format::{Time, S_IFDIR, S_IFREG};
use rdaxfs_core::name::NewInode;
use rdaxfs_host::{FileMedium, Mounted};
use serde_json::Value;

const NOW: Time = Time::new(1000, 5);

/// A volume with `/folder/file`, of which a page has data, that was never unmounted.
fn made(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("volume");
    let medium = FileMedium::create(&path, 8 << 20).expect("a file can be made");
    let made = Mounted::make(medium, NOW).expect("a volume can be made");
    let Mounted {
        volume,
        mut workspace,
    } = made;
    let (mut root, _) = volume.open(volume.root(), None).unwrap();
    let folder = NewInode {
        mode: S_IFDIR | 0o755,
        ..NewInode::default()
    };
    let file = NewInode {
        mode: S_IFREG | 0o644,
        uid: 7,
        ..NewInode::default()
    };
    let (mut below, _) = volume
        .mkdir(&mut workspace, &mut root, b"folder", &folder, NOW)
        .unwrap();
    let (mut map, _) = volume
        .create(&mut workspace, &mut below, b"file", &file, NOW)
        .unwrap();
    volume
        .write_file(&mut workspace, &mut map, 3 * 4096, b"data", NOW)
        .unwrap();
    volume.close(&mut map);
    path
}

fn dump(arguments: &[&str], path: &Path, what: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_dump_rdaxfs");
    let output = Command::new(program)
        .args(arguments)
        .arg(path)
        .args(what)
        .output();
    output.expect("the program can be run")
}

fn json(arguments: &[&str], path: &Path, what: &[&str]) -> Value {
    let output = dump(&[&["--json"], arguments].concat(), path, what);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("the output is JSON")
}

#[test]
fn what_is_where_and_whose_a_block_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(&folder);
    let before = fs::read(&path).unwrap();

    let volume = json(&[], &path, &[]);
    assert_eq!(volume["state"], "mounted");
    assert_eq!(volume["inodes"], 3);
    assert_eq!(volume["blocks"], 2048);
    assert_eq!(volume["created"], "1970-01-01T00:16:40.000000005Z");
    assert_eq!(volume["mounted"], "1970-01-01T00:16:40.000000005Z");

    let file = json(&[], &path, &["/folder/file"]);
    assert_eq!(file["kind"], "file");
    assert_eq!(
        (&file["uid"], &file["size"]),
        (&Value::from(7), &Value::from(3 * 4096 + 4))
    );
    let extent = &file["extents"][0];
    assert_eq!(
        (&extent["page"], &extent["count"]),
        (&Value::from(3), &Value::from(1))
    );

    let block = extent["block"].to_string();
    let owner = json(&["--block", &block], &path, &[]);
    assert_eq!(owner["usage"], "data");
    assert_eq!(owner["page"], 3);
    assert_eq!(owner["path"], "/folder/file");
    assert_eq!(owner["ino"], file["ino"]);
    let text = dump(&["--block", &block], &path, &[]).stdout;
    assert_eq!(
        String::from_utf8(text).unwrap(),
        format!(
            "block {block}: data, page 3 of inode {}, /folder/file\n",
            file["ino"]
        )
    );

    let root = json(&[], &path, &["/"]);
    assert_eq!(root["entries"][0]["name"], "folder");
    let number = root["entries"][0]["ino"].to_string();
    assert_eq!(json(&[], &path, &[&number]), json(&[], &path, &["/folder"]));
    assert!(fs::read(&path).unwrap() == before, "nothing is changed");
}

#[test]
fn what_cannot_be_shown_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(&folder);
    for (arguments, what, status, message) in [
        (&[][..], &["/folder/none"][..], 1, "\"none\": no such file"),
        (&[], &["/folder/file/x"], 1, "not a directory"),
        (&[], &["12345"], 1, "inode 12345"),
        (&[], &["folder"], 2, "begins with /"),
        (&["--block", "2048"], &[], 1, "only 0 to 2047"),
        (&["--block", "1"], &["/"], 2, "--block"),
    ] {
        let output = dump(arguments, &path, what);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(message), "{said}");
    }
}
