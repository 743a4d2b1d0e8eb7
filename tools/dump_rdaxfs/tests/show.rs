// SPDX-License-Identifier: GPL-2.0

//! The program as it is called, on a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rdaxfs_core::format::{entry_target, Superblock, Time, S_IFDIR, S_IFREG};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::name::{unannounced, NewInode};
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
    let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
    let folder = NewInode {
        mode: S_IFDIR | 0o755,
        ..NewInode::default()
    };
    let file = NewInode {
        mode: S_IFREG | 0o644,
        uid: 7,
        ..NewInode::default()
    };
    let mut below = volume
        .names()
        .mkdir(
            &mut workspace,
            &mut root,
            b"folder",
            &folder,
            NOW,
            &mut unannounced,
        )
        .unwrap()
        .map;
    let mut map = volume
        .names()
        .create(
            &mut workspace,
            &mut below,
            b"file",
            &file,
            NOW,
            &mut unannounced,
        )
        .unwrap()
        .map;
    volume
        .files()
        .write(&mut workspace, &mut map, 3 * 4096, b"data", NOW)
        .unwrap();
    volume.files().close(&mut map);
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

/// A directory that has itself as an entry: nothing below it is looked for twice, and what no directory has has no path.
#[test]
fn directories_in_a_circle_come_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(&folder);
    let file = json(&[], &path, &["/folder/file"]);
    let directory = json(&[], &path, &["/folder"]);
    let number = |value: &Value| value["ino"].as_u64().unwrap();
    let kind = |mode: u16| (mode >> 12) as u8;
    let was = entry_target(number(&file), 4, kind(S_IFREG)).to_le_bytes();
    let is = entry_target(number(&directory), 4, kind(S_IFDIR)).to_le_bytes();
    let mut bytes = fs::read(&path).unwrap();
    let mut changed = 0;
    for word in bytes.chunks_exact_mut(8).filter(|word| **word == was) {
        word.copy_from_slice(&is);
        changed += 1;
    }
    assert!(changed > 0);
    fs::write(&path, bytes).unwrap();

    let block = file["extents"][0]["block"].to_string();
    let output = Command::new("timeout")
        .args(["20", "prlimit", "--as=500000000"])
        .arg(env!("CARGO_BIN_EXE_dump_rdaxfs"))
        .args(["--block", &block])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        said,
        format!("block {block}: data, page 3 of inode {}\n", file["ino"])
    );
}

/// What is printed of a name can be given back, in text and in JSON.
#[test]
fn names_cannot_steer_the_terminal_and_lead_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    let medium = FileMedium::create(&path, 8 << 20).unwrap();
    let Mounted {
        volume,
        mut workspace,
    } = Mounted::make(medium, NOW).unwrap();
    let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
    let names: [(&[u8], &str); 5] = [
        (b"\x1b]0;title\x07\n", r"\u{1b}]0;title\u{7}\n"),
        ("\u{202e}gpj.exe".as_bytes(), r"\u{202e}gpj.exe"),
        (b"a\\b", r"a\\b"),
        (b"latin1-\xe9", r"latin1-\xe9"),
        ("h\u{e9}".as_bytes(), "h\u{e9}"),
    ];
    let file = NewInode {
        mode: S_IFREG | 0o644,
        ..NewInode::default()
    };
    for (name, _) in names {
        let made = volume.names().create(
            &mut workspace,
            &mut root,
            name,
            &file,
            NOW,
            &mut unannounced,
        );
        volume.files().close(&mut made.unwrap().map);
    }
    drop(volume);

    let text = String::from_utf8(dump(&[], &path, &["/"]).stdout).unwrap();
    let entries = json(&[], &path, &["/"])["entries"].clone();
    let entries = entries.as_array().unwrap();
    for (name, shown) in names {
        assert!(text.contains(&format!(" {shown}\n")), "{shown}: {text}");
        let entry = entries.iter().find(|entry| entry["name"] == shown);
        let entry = entry.unwrap_or_else(|| panic!("{shown} is not in {entries:?}"));
        let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        if std::str::from_utf8(name).is_err() {
            assert_eq!(entry["name_bytes"], hex);
        } else {
            assert!(entry.get("name_bytes").is_none());
        }
        let given_back = json(&[], &path, &[&format!("/{shown}")]);
        assert_eq!(given_back["ino"], entry["ino"], "{shown}");
    }
    let output = dump(&[], &path, &["/none\u{1b}[2J"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn a_label_cannot_steer_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    let medium = FileMedium::create(&path, 8 << 20).unwrap();
    let mut options = Options::new(2048);
    options.label[..6].copy_from_slice(b"\x1b[2J\xff\n");
    make(&medium, &options).unwrap();
    medium.sync().unwrap();
    let text = String::from_utf8(dump(&[], &path, &[]).stdout).unwrap();
    assert!(
        text.contains("label:         \\u{1b}[2J\\xff\\n\n"),
        "{text}"
    );
    let volume = json(&[], &path, &[]);
    assert_eq!(volume["label"], "\\u{1b}[2J\\xff\\n");
    assert_eq!(volume["label_bytes"], "1b5b324aff0a");
}

#[test]
fn groups_are_shown_when_they_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(&folder);
    let text = |arguments| String::from_utf8(dump(arguments, &path, &[]).stdout).unwrap();
    assert!(!text(&[]).contains("group 0:"));
    assert!(text(&["--groups"]).contains("group 0: "));
    assert_eq!(json(&[], &path, &[])["groups"], 1);
    assert_eq!(
        json(&["--groups"], &path, &[])["group_list"][0]["inodes"],
        3
    );
}

#[test]
fn a_state_that_is_unknown_is_not_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(&folder);
    let file = fs::File::options().write(true).open(&path).unwrap();
    let state = std::mem::offset_of!(Superblock, state) as u64;
    std::os::unix::fs::FileExt::write_all_at(&file, &77_u64.to_le_bytes(), state).unwrap();
    assert_eq!(json(&[], &path, &[])["state"], "unknown (77)");
}

#[test]
fn a_volume_that_is_cut_off_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(&folder);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(4 << 20).unwrap();
    let said = String::from_utf8(dump(&[], &path, &[]).stderr).unwrap();
    assert!(
        said.contains("8388608") && said.contains("4194304"),
        "{said}"
    );
    assert!(!said.contains("run fsck"), "{said}");
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
        (&[], &["/a\\q"], 2, "is not an escape"),
    ] {
        let output = dump(arguments, &path, what);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(message), "{said}");
    }
}

/// All volumes whose UUID was cleared have the same: a link by it would lead to any of them.
#[test]
fn udev_is_told_no_uuid_that_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    for (uuid, lines) in [([0; 16], 0), ([0x11; 16], 2)] {
        let _ = fs::remove_file(&path);
        let medium = FileMedium::create(&path, 8 << 20).unwrap();
        let mut options = Options::new(2048);
        options.uuid = uuid;
        make(&medium, &options).unwrap();
        medium.sync().unwrap();
        let output = dump(&["--export"], &path, &[]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("ID_FS_TYPE=rdaxfs\n"), "{said}");
        assert_eq!(said.matches("ID_FS_UUID").count(), lines, "{said}");
    }
}
