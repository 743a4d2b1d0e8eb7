// SPDX-License-Identifier: GPL-2.0

//! Files that are copied out of a volume, and what udev is told.

use std::fs::{self, File};
use std::mem::offset_of;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rdaxfs_core::format::{
    inode_offset, Inode, Superblock, Time, XattrSpace, SUPER_CRC, S_IFCHR, S_IFDIR, S_IFLNK,
    S_IFREG,
};
use rdaxfs_core::inode::Change;
use rdaxfs_core::mount::Access;
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::xattr::{NewXattr, XattrName};
use rdaxfs_host::{crc32c, FileMedium, Mounted};
use zerocopy::{FromBytes, IntoBytes};

const NOW: Time = Time::new(1_000_000_000, 5);

/// A volume with files of all kinds; returns it and the number of "/folder".
fn made(folder: &tempfile::TempDir) -> (PathBuf, u64) {
    let path = folder.path().join("volume");
    let medium = FileMedium::create(&path, 8 << 20).unwrap();
    let mut mounted = Mounted::make(medium, NOW).unwrap();
    let below = {
        let Mounted { volume, workspace } = &mut mounted;
        let new = |mode| NewInode {
            mode,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            ..NewInode::default()
        };
        let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
        let announce = &mut unannounced;
        let mut below = volume
            .names()
            .mkdir(
                workspace,
                &mut root,
                b"folder",
                &new(S_IFDIR | 0o750),
                NOW,
                announce,
            )
            .unwrap()
            .map;
        let name = XattrName::new(XattrSpace::User, b"note").unwrap();
        let xattrs = [NewXattr { name, value: b"v" }];
        let file = NewInode {
            xattrs: &xattrs,
            ..new(S_IFREG | 0o640)
        };
        let mut map = volume
            .names()
            .create(workspace, &mut below, b"file\xff", &file, NOW, announce)
            .unwrap()
            .map;
        volume
            .files()
            .write(workspace, &mut map, 3 << 20, b"data", NOW)
            .unwrap();
        volume.files().close(&mut map);
        volume
            .names()
            .link(workspace, &mut root, b"again", &mut map, NOW)
            .unwrap();
        let both: (&[u8], &[u8]) = (b"link", b"/etc/shadow");
        volume
            .names()
            .symlink(
                workspace,
                &mut root,
                both,
                &new(S_IFLNK | 0o777),
                NOW,
                announce,
            )
            .unwrap();
        let null = NewInode {
            device: 1 << 32 | 3,
            ..new(S_IFCHR | 0o666)
        };
        volume
            .names()
            .create(workspace, &mut root, b"null", &null, NOW, announce)
            .unwrap();
        let times = Change {
            mtime: Some(NOW),
            ..Change::none()
        };
        volume
            .inodes()
            .change(workspace, &mut below, &times)
            .unwrap();
        below.ino()
    };
    mounted.unmount().unwrap();
    (path, below)
}

fn dump(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dump_rdaxfs"))
        .args(arguments)
        .output()
        .expect("the program can be run")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A file system that cannot hold a time takes another one in silence; ext4's begin in 1901, a tmpfs has no limits.
#[test]
fn a_time_that_does_not_fit_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (path, below) = made(&folder);
    let early = Time::new(Time::MIN_SECONDS, 0);
    let mut mounted = Mounted::mount(
        FileMedium::open(&path, true).unwrap(),
        Access::ReadWrite,
        NOW,
    )
    .unwrap();
    let Mounted { volume, workspace } = &mut mounted;
    let (mut map, _) = volume.inodes().open(below, None).unwrap();
    let times = Change {
        mtime: Some(early),
        ..Change::none()
    };
    volume.inodes().change(workspace, &mut map, &times).unwrap();
    mounted.unmount().unwrap();

    let to = folder.path().join("copies");
    let output = dump(&[
        "extract",
        path.to_str().unwrap(),
        to.to_str().unwrap(),
        "/folder",
    ]);
    let kept = fs::metadata(&to).unwrap().mtime();
    let said = said(&output);
    if kept == early.seconds() {
        assert!(output.status.success(), "{said}");
        return;
    }
    let wanted = format!(
        "dump.rdaxfs: the file system of {to} cannot hold some times and has others for them; files: 1, the first: {to}\n",
        to = to.display()
    );
    assert_eq!(said, wanted);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_file_is_written_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = made(&folder);
    let name = path.to_str().unwrap();
    let output = dump(&["cat", name, r"/folder/file\xff"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(output.stdout.len(), (3 << 20) + 4);
    assert!(output.stdout.ends_with(b"\0data"));
    for (what, message) in [("/folder", "not a regular file"), ("/none", "no such file")] {
        let output = dump(&["cat", name, what]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(message), "{}", said(&output));
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dump_rdaxfs"))
        .args(["cat", name, "/again"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("standard output cannot be written"),
        "{}",
        said(&output)
    );
}

#[test]
fn files_come_out_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = made(&folder);
    let to = folder.path().join("out");
    let (name, out) = (path.to_str().unwrap(), to.to_str().unwrap());
    let output = dump(&["extract", name, out]);
    let is_root = rustix::process::geteuid().is_root();
    let file = to.join(std::ffi::OsStr::new("again"));
    let data = fs::metadata(&file).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    assert_eq!(
        (data.mode() & 0o7777, data.nlink(), data.len()),
        (0o640, 2, (3 << 20) + 4)
    );
    assert_eq!((data.mtime(), data.mtime_nsec()), (1_000_000_000, 5));
    assert!(data.blocks() * 512 < 1 << 20, "its hole is filled");
    assert!(fs::read(&file).unwrap().ends_with(b"\0data"));
    assert_eq!(
        fs::metadata(to.join("folder")).unwrap().mtime(),
        1_000_000_000
    );
    assert_eq!(
        fs::metadata(to.join("folder")).unwrap().mode() & 0o7777,
        0o750
    );
    assert_eq!(
        fs::read_link(to.join("link")).unwrap(),
        Path::new("/etc/shadow")
    );
    // Where there are no such attributes, that is said.
    let mut value = [0; 10];
    match rustix::fs::getxattr(&file, "user.note", &mut value[..]) {
        Ok(len) => assert_eq!(&value[..len], b"v"),
        Err(_) => assert!(
            said(&output).contains("attribute user.note"),
            "{}",
            said(&output)
        ),
    }
    let null = fs::symlink_metadata(to.join("null"));
    if is_root && output.status.success() {
        assert_eq!(null.unwrap().rdev(), rustix::fs::makedev(1, 3));
    }
    // What is there is not written to.
    let output = dump(&["extract", name, out]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("cannot be made"),
        "{}",
        said(&output)
    );
    // A part of it.
    let part = folder.path().join("part");
    let output = dump(&["extract", name, part.to_str().unwrap(), "/again"]);
    assert!(part.join("again").exists(), "{}", said(&output));
}

/// A volume whose names were made to harm leads nowhere: two entries for a directory, and a name that is none.
#[test]
fn hostile_volumes_stay_in_their_directory() {
    let folder = tempfile::tempdir().unwrap();
    let (path, below) = made(&folder);
    let image = File::options().read(true).write(true).open(&path).unwrap();
    let name = path.to_str().unwrap();
    // "folder" holds its entries in its inode: the name of one becomes "../x".
    let mut inode = vec![0; size_of::<Inode>()];
    image
        .read_exact_at(&mut inode, inode_offset(below))
        .unwrap();
    let at = inode
        .windows(5)
        .position(|bytes| bytes == b"file\xff")
        .unwrap();
    assert!(at >= offset_of!(Inode, inline));
    image
        .write_all_at(b"../xx", inode_offset(below) + at as u64)
        .unwrap();
    let to = folder.path().join("inside/out");
    fs::create_dir(folder.path().join("inside")).unwrap();
    let output = dump(&["extract", name, to.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!folder.path().join("inside/xx").exists());
    assert!(!to.join("xx").exists());
    let text = said(&output);
    assert!(
        text.contains("cannot be one") || text.contains("corrupt"),
        "{text}"
    );
}

/// What udev keeps: by-uuid and by-label are made of it.
#[test]
fn udev_is_told_of_good_volumes_only() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = made(&folder);
    let name = path.to_str().unwrap();
    let image = File::options().read(true).write(true).open(&path).unwrap();
    let mut bytes = [0; size_of::<Superblock>()];
    image.read_exact_at(&mut bytes, 0).unwrap();
    let mut superblock = Superblock::read_from_bytes(&bytes).unwrap();
    superblock.label[..9].copy_from_slice(b"a b/c\nd=e");
    superblock
        .crc
        .set(crc32c(0, &superblock.as_bytes()[SUPER_CRC]));
    image.write_all_at(superblock.as_bytes(), 0).unwrap();
    let output = dump(&["--export", name]);
    assert!(output.status.success(), "{}", said(&output));
    let uuid = "09090909-0909-0909-0909-090909090909";
    let wanted = format!(
        "ID_FS_TYPE=rdaxfs\nID_FS_USAGE=filesystem\nID_FS_UUID={uuid}\nID_FS_UUID_ENC={uuid}\nID_FS_BLOCKSIZE=4096\n\
         ID_FS_SIZE=8388608\nID_FS_LABEL=a_b/c_d=e\nID_FS_LABEL_ENC=a\\x20b\\x2fc\\x0ad=e\n"
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
    // The copy in the last block alone is none.
    image.write_all_at(&[0; 4096], 0).unwrap();
    for path in [name, "/dev/null", "/nowhere"] {
        let output = dump(&["--export", path]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(said(&output), "");
    }
}
