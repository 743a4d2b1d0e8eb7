// SPDX-License-Identifier: GPL-2.0

//! Volumes that are filled from directories and archives.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{symlink, FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use rdaxfs_check::{survey, Image};
use rdaxfs_core::format::{Superblock, Time, S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK};
use rdaxfs_core::inode::{Attributes, MapState, XattrState};
use rdaxfs_core::mount::Access;
use rdaxfs_core::superblock::probe;
use rdaxfs_core::xattr::XattrName;
use rdaxfs_host::{FileMedium, Mounted};
use tar::{Builder, EntryType, Header};

const UUID: &str = "01234567-89ab-4cde-8f01-23456789abcd";

fn mkfs(arguments: &[&str], paths: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
        .args(arguments)
        .args(paths)
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .expect("the program can be run")
}

/// Makes a volume of a source, which must succeed.
fn filled(source: &Path, volume: &Path) {
    let output = mkfs(&["-q", "--size", "auto", "-d"], &[source, volume]);
    assert!(output.status.success(), "{}", said(&output));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A volume, which must be good.
struct Opened(Mounted<FileMedium>);

impl Opened {
    fn new(path: &Path) -> Self {
        let medium = FileMedium::open(path, false).unwrap();
        let superblock = probe(&medium).unwrap();
        assert_eq!(superblock.state.get(), rdaxfs_core::format::STATE_CLEAN);
        let found = survey(&Image::new(&medium, superblock), |_| {});
        assert_eq!(found.findings, []);
        assert_eq!(superblock.inodes.get(), found.inodes.len() as u64);
        Self(Mounted::mount(medium, Access::NoStores, Time::new(0, 0)).unwrap())
    }

    fn find(&self, path: &str) -> (MapState, Attributes) {
        let volume = &self.0.volume;
        let mut at = volume.root();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let (map, _) = volume.inodes().open(at, None).unwrap();
            let found = volume.names().lookup(&map, name.as_bytes());
            at = found.unwrap_or_else(|error| panic!("{path}: {error}")).ino;
        }
        volume.inodes().open(at, None).unwrap()
    }

    fn read(&self, path: &str) -> Vec<u8> {
        let (map, attributes) = self.find(path);
        let mut bytes = vec![0xff; attributes.size as usize];
        self.0.volume.files().read(&map, 0, &mut bytes).unwrap();
        bytes
    }

    fn target(&self, path: &str) -> Vec<u8> {
        let mut bytes = [0; 4096];
        let len = self
            .0
            .volume
            .names()
            .readlink(&self.find(path).0, &mut bytes)
            .unwrap();
        bytes[..len].to_vec()
    }

    fn xattrs(&self, path: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let xattrs = XattrState::new(&self.find(path).0);
        let mut names = Vec::new();
        self.0
            .volume
            .xattrs()
            .list(&xattrs, |name, len| {
                names.push((name.space(), name.rest().to_vec(), len));
                Ok(())
            })
            .unwrap();
        let value = |(space, rest, len): (_, Vec<u8>, usize)| {
            let mut value = vec![0; len];
            let name = XattrName::new(space, &rest).unwrap();
            self.0
                .volume
                .xattrs()
                .get(&xattrs, name, &mut value)
                .unwrap();
            (rest, value)
        };
        names.into_iter().map(value).collect()
    }
}

/// Whether there is a volume, which a failure must not leave.
fn is_volume(path: &Path) -> bool {
    FileMedium::open(path, false).is_ok_and(|medium| probe(&medium).is_ok())
}

#[test]
fn a_directory_is_on_the_volume_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("etc/deep/er")).unwrap();
    fs::write(root.join("etc/file"), "contents\n").unwrap();
    fs::hard_link(root.join("etc/file"), root.join("other name")).unwrap();
    symlink("../../etc/passwd", root.join("link")).unwrap();
    symlink("x".repeat(300), root.join("long")).unwrap();
    fs::set_permissions(root.join("etc/file"), PermissionsExt::from_mode(0o4751)).unwrap();
    let names: Vec<_> = (0..500)
        .map(|number| format!("many/file {number:03}"))
        .collect();
    fs::create_dir(root.join("many")).unwrap();
    for name in &names {
        fs::write(root.join(name), name).unwrap();
    }
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    sparse.write_all_at(&[7; 5000], 32 << 20).unwrap();
    let time = UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    for name in ["etc/file", "etc", "many"] {
        File::open(root.join(name))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    let fifo = Command::new("mkfifo").arg(root.join("fifo")).status();
    assert!(fifo.unwrap().success());
    let has_xattrs = rustix::fs::setxattr(
        root.join("etc/file"),
        "user.note",
        b"\0value",
        rustix::fs::XattrFlags::empty(),
    )
    .is_ok();

    let path = folder.path().join("volume");
    filled(&root, &path);
    let volume = Opened::new(&path);
    assert_eq!(volume.read("etc/file"), b"contents\n");
    let (_, file) = volume.find("etc/file");
    assert_eq!(file.mode & 0o7777, 0o4751);
    assert_eq!(file.links, 2);
    assert_eq!(file.ino, volume.find("other name").1.ino);
    assert_eq!(file.mtime, Time::new(1_000_000_000, 123_456_789));
    let data = fs::metadata(root.join("etc/file")).unwrap();
    assert_eq!((file.uid, file.gid), (data.uid(), data.gid()));
    for directory in ["etc", "many"] {
        assert_eq!(
            volume.find(directory).1.mtime,
            Time::new(1_000_000_000, 123_456_789)
        );
    }
    let root_mode = fs::metadata(&root).unwrap().permissions().mode();
    assert_eq!(
        u32::from(volume.find("").1.mode) & 0o7777,
        root_mode & 0o7777
    );
    assert_eq!(volume.target("link"), b"../../etc/passwd");
    assert_eq!(volume.target("long"), "x".repeat(300).as_bytes());
    assert_eq!(volume.find("link").1.mode, S_IFLNK | 0o777);
    assert_eq!(volume.find("fifo").1.mode & 0o170_000, S_IFIFO);
    for name in &names {
        assert_eq!(volume.read(name), name.as_bytes());
    }
    let (_, sparse) = volume.find("sparse");
    assert_eq!(sparse.size, 64 << 20);
    assert!(
        sparse.blocks <= 4,
        "{} blocks of a sparse file",
        sparse.blocks
    );
    let bytes = volume.read("sparse");
    assert_eq!(&bytes[32 << 20..(32 << 20) + 5000], [7; 5000]);
    assert!(bytes[(32 << 20) + 5000..].iter().all(|&byte| byte == 0));
    if has_xattrs {
        assert_eq!(volume.xattrs("etc/file")[&b"note"[..]], b"\0value");
    }
    // Little is left over.
    let superblock = volume.0.volume.superblock();
    let (free, all) = (superblock.free_blocks.get(), superblock.blocks.get());
    assert!(free < 64 + all / 2, "{free} of {all} blocks are free");
}

/// What a volume is to be filled with is not overwritten by it.
#[test]
fn a_volume_is_not_made_in_its_own_source() {
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("files.tar");
    let contents = [&b"not really a tar"[..], &[7; 1 << 20]].concat();
    fs::write(&tar, &contents).unwrap();
    let link = folder.path().join("link");
    symlink(&tar, &link).unwrap();
    let refused = |source: &Path, from: Stdio| {
        let output = Command::new(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
            .args(["-f", "-d"])
            .args([source, &tar])
            .stdin(from)
            .output()
            .unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("made in this file"), "{said}");
        assert!(fs::read(&tar).unwrap() == contents);
    };
    refused(&tar, Stdio::null());
    refused(&link, Stdio::null());
    refused(Path::new("-"), File::open(&tar).unwrap().into());
}

/// Times that a volume cannot hold are not changed in silence.
#[test]
fn times_out_of_range_are_told() {
    let range = "1697-10-17 to 2242-03-16 (UTC)";
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let late = UNIX_EPOCH + Duration::new(10_000_000_000, 5);
    for name in ["a\u{1b}[2J", "b", "c"] {
        fs::write(root.join(name), "x").unwrap();
        if name != "c" {
            let file = File::open(root.join(name)).unwrap();
            file.set_modified(late).unwrap();
        }
    }
    let path = folder.path().join("volume");
    let output = mkfs(&["-q", "--size", "auto", "-d"], &[&root, &path]);
    assert!(output.status.success() && output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    let wanted = format!(
        "mkfs.rdaxfs: warning: times out of the range {range} of a volume were set to its nearest end; \
         files: 2, the first: \"a\\u{{1b}}[2J\"\n"
    );
    assert_eq!(said, wanted);
    let volume = Opened::new(&path);
    let end = Time::new(Time::MAX_SECONDS, 0);
    assert_eq!(volume.find("b").1.mtime, end);
    assert!(volume.find("c").1.mtime < end);

    // What is given as the latest time is what such a file gets anyway.
    let path = folder.path().join("given");
    let given = |seconds: &str| {
        Command::new(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
            .args(["-q", "--size", "auto", "-d"])
            .args([&root, &path])
            .env("SOURCE_DATE_EPOCH", seconds)
            .output()
            .unwrap()
    };
    let output = given("8589934592");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains(range), "{error}");
    let output = given("8589934591");
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!(Opened::new(&path).find("b").1.mtime, end);
}

/// An archive has times before 1970 as negative numbers, in two ways, and times that no volume has.
#[test]
fn an_archives_times_may_be_early_or_out_of_range() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    for (name, time) in [
        ("early", "1960-01-01T00:00:00Z"),
        ("late", "2300-01-01T00:00:00Z"),
    ] {
        let touch = Command::new("touch")
            .args(["-d", time])
            .arg(root.join(name))
            .status();
        assert!(touch.unwrap().success());
    }
    for format in ["gnu", "pax"] {
        let tar = folder.path().join(format);
        let made = Command::new("tar")
            .args([&format!("--format={format}"), "-C"])
            .arg(&root)
            .arg("-cf")
            .arg(&tar)
            .args(["early", "late"])
            .status();
        assert!(made.unwrap().success());
        let path = folder.path().join(format!("{format} volume"));
        let output = mkfs(&["-q", "--size", "auto", "-d"], &[&tar, &path]);
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.ends_with("files: 1, the first: \"late\"\n"), "{said}");
        let volume = Opened::new(&path);
        let early = Time::new(-315_619_200, 0);
        assert_eq!(volume.find("early").1.mtime, early, "{format}");
        let end = Time::new(Time::MAX_SECONDS, 0);
        assert_eq!(volume.find("late").1.mtime, end, "{format}");
    }
}

/// The same files make the same volume, byte for byte, if time and UUID are given.
#[test]
fn a_volume_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let images = ["first", "second"].map(|name| {
        let root = folder.path().join(name);
        fs::create_dir_all(root.join("a/b")).unwrap();
        // Made in another order, at another time.
        let mut names: Vec<_> = (0..60).map(|number| format!("a/b/{number}")).collect();
        if name == "second" {
            names.reverse();
        }
        for name in &names {
            fs::write(root.join(name), name.repeat(300)).unwrap();
        }
        let path = folder.path().join(format!("{name}.image"));
        let output = Command::new(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
            .args(["-q", "-U", UUID, "-d"])
            .args([&root, &path])
            .arg("auto")
            .env("SOURCE_DATE_EPOCH", "1000000000")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        // No file is younger.
        assert_eq!(
            Opened::new(&path).find("a/b/7").1.mtime,
            Time::new(1_000_000_000, 0)
        );
        fs::read(&path).unwrap()
    });
    assert!(images[0] == images[1], "the volumes differ");
    let output = Command::new(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
        .args(["-n", "/nowhere", "1M"])
        .env("SOURCE_DATE_EPOCH", "yesterday")
        .output()
        .unwrap();
    assert!(
        said(&output).contains("SOURCE_DATE_EPOCH"),
        "{}",
        said(&output)
    );
}

/// An archive of these entries: type, path, what it links to, contents.
fn archive(path: &Path, entries: &[(EntryType, &str, &str, &[u8])]) {
    let mut builder = Builder::new(File::create(path).unwrap());
    for (kind, name, target, contents) in entries {
        let mut header = header(*kind, contents.len() as u64);
        set_name(&mut header, name);
        if !target.is_empty() {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, *contents).unwrap();
    }
    builder.into_inner().unwrap();
}

/// The name as it is: the crate refuses those that do harm.
fn set_name(header: &mut Header, name: &str) {
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o640);
    header.set_uid(1000);
    header.set_gid(100);
    header.set_mtime(1_234_567_890);
    header
}

#[test]
fn an_archive_is_on_the_volume_as_it_says() {
    use EntryType as E;
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("files.tar");
    let mut builder = Builder::new(File::create(&tar).unwrap());
    let mut add = |kind, name: &str, contents: &[u8], change: &dyn Fn(&mut Header)| {
        let mut header = header(kind, contents.len() as u64);
        set_name(&mut header, name);
        change(&mut header);
        header.set_cksum();
        builder.append(&header, contents).unwrap();
    };
    let link = |target: &'static str| {
        move |header: &mut Header| {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
    };
    add(E::Directory, "./", b"", &|header| header.set_mode(0o711));
    add(E::Regular, "./no/parents/file", b"text", &|_| {});
    add(E::Directory, "./no/", b"", &|header| header.set_mode(0o700));
    add(E::Link, "./name", b"", &link("./no/parents/file"));
    add(E::Symlink, "./out", b"", &link("/etc/shadow"));
    add(E::Char, "null", b"", &|header| {
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
    });
    add(E::Block, "disk", b"", &|header| {
        header.set_device_major(259).unwrap();
        header.set_device_minor(70_000).unwrap();
    });
    add(E::Fifo, "fifo", b"", &|_| {});
    let acl = "user::rw-,user:7:r--,group::r--,mask::r--,other::---";
    let records: [(&str, &[u8]); 5] = [
        ("mtime", b"1000000000.25"),
        ("uid", b"3000000"),
        ("SCHILY.xattr.user.colour", b"gr\xfcn"),
        ("SCHILY.xattr.security.capability", &[1, 0, 0, 2]),
        ("SCHILY.acl.access", acl.as_bytes()),
    ];
    builder.append_pax_extensions(records).unwrap();
    let mut with_pax = header(E::Regular, 3);
    set_name(&mut with_pax, "with attributes");
    with_pax.set_cksum();
    builder.append(&with_pax, &b"abc"[..]).unwrap();
    builder.into_inner().unwrap();

    let path = folder.path().join("volume");
    filled(&tar, &path);
    let volume = Opened::new(&path);
    assert_eq!(volume.read("no/parents/file"), b"text");
    let (_, file) = volume.find("name");
    assert_eq!(
        (file.links, file.uid, file.gid, file.mode & 0o7777),
        (2, 1000, 100, 0o640)
    );
    assert_eq!(file.mtime, Time::new(1_234_567_890, 0));
    assert_eq!(volume.find("").1.mode & 0o7777, 0o711);
    assert_eq!(volume.find("no").1.mode & 0o7777, 0o700);
    assert_eq!(volume.find("no").1.mtime, Time::new(1_234_567_890, 0));
    assert_eq!(volume.find("no/parents").1.mode & 0o7777, 0o755);
    assert_eq!(volume.target("out"), b"/etc/shadow");
    let (_, null) = volume.find("null");
    assert_eq!((null.mode & 0o170_000, null.device), (S_IFCHR, 1 << 32 | 3));
    let (_, disk) = volume.find("disk");
    assert_eq!(
        (disk.mode & 0o170_000, disk.device),
        (S_IFBLK, 259 << 32 | 70_000)
    );
    let (_, file) = volume.find("with attributes");
    assert_eq!((file.uid, file.gid), (3_000_000, 100));
    assert_eq!(file.mtime, Time::new(1_000_000_000, 250_000_000));
    let xattrs = volume.xattrs("with attributes");
    assert_eq!(xattrs[&b"colour"[..]], b"gr\xfcn");
    assert_eq!(xattrs[&b"capability"[..]], [1, 0, 0, 2]);
    assert_eq!(xattrs[&b"posix_acl_access"[..]].len(), 4 + 5 * 8);
}

/// What tar itself writes: long names, sparse files, numbers that do not fit.
#[test]
fn archives_of_gnu_tar_are_read_from_standard_input_too() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let deep = "long name ".repeat(15);
    fs::create_dir_all(root.join(&deep)).unwrap();
    fs::write(root.join(&deep).join("file"), "found").unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(300 << 20).unwrap();
    sparse.write_all_at(b"in the middle", 100 << 20).unwrap();
    for format in ["gnu", "posix"] {
        let sparse_too = if format == "gnu" {
            "--sparse"
        } else {
            "--exclude=sparse"
        };
        let tar = Command::new("tar")
            .args(["--create", "--format", format, sparse_too, "--directory"])
            .arg(&root)
            .arg(".")
            .stdout(Stdio::piped())
            .spawn();
        let mut tar = tar.expect("tar can be run");
        let path = folder.path().join(format);
        let output = Command::new(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
            .args(["-q", "-d", "-"])
            .arg(&path)
            .arg("16M")
            .stdin(tar.stdout.take().unwrap())
            .output()
            .unwrap();
        assert!(tar.wait().unwrap().success());
        assert!(output.status.success(), "{}", said(&output));
        let volume = Opened::new(&path);
        assert_eq!(volume.read(&format!("{deep}/file")), b"found");
        if format == "gnu" {
            let (map, file) = volume.find("sparse");
            assert_eq!((file.size, file.blocks), (300 << 20, 1));
            let mut bytes = [0; 13];
            volume
                .0
                .volume
                .files()
                .read(&map, 100 << 20, &mut bytes)
                .unwrap();
            assert_eq!(&bytes, b"in the middle");
        }
    }
}

/// Archives that are made to harm, or are no archives: an error that says what, and no volume.
#[test]
fn hostile_archives_leave_no_volume() {
    use EntryType as E;
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("evil.tar");
    let path = folder.path().join("volume");
    let refused = |message: &str| {
        for before in [false, true] {
            if before {
                assert!(mkfs(&["-q", "-f"], &[&path, Path::new("1M")])
                    .status
                    .success());
            }
            let output = mkfs(&["-q", "-f", "-d"], &[&tar, &path, Path::new("1M")]);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains(message), "{message}: {said}");
            assert!(!said.contains('\u{1b}'), "{said:?}");
            assert!(!is_volume(&path), "a volume was left: {said}");
            assert_eq!(path.exists(), before, "a file that was made stays: {said}");
        }
        fs::remove_file(&path).unwrap();
    };
    let big = vec![1; 2 << 20];
    for (entries, message) in [
        (&[(E::Regular, "../x", "", &b""[..])][..], "\"..\""),
        (&[(E::Regular, "a/../../x", "", b"")], "\"..\""),
        (&[(E::Regular, "/etc/passwd", "", b"")], "an absolute path"),
        (
            &[(E::Symlink, "a", "/etc", b""), (E::Regular, "a/x", "", b"")],
            "\"a\" is not a directory",
        ),
        (
            &[(E::Regular, "a", "", b""), (E::Regular, "a", "", b"")],
            "a file of this name already",
        ),
        (
            &[(E::Directory, "a", "", b""), (E::Symlink, "a", "/", b"")],
            "a file of this name already",
        ),
        (
            &[(E::Link, "a", "missing", b"")],
            "a hard link to \"missing\"",
        ),
        (
            &[(E::Directory, "d", "", b""), (E::Link, "a", "d", b"")],
            "a hard link to the directory",
        ),
        (&[(E::Link, "a", "../../x", b"")], "\"..\""),
        (&[(E::Symlink, "a", "", b"")], "a link to nothing"),
        (&[(E::Regular, ".", "", b"")], "the root is not a directory"),
        (&[(E::Regular, "\u{1b}[2J/../x", "", b"")], r"\u{1b}[2J"),
        (&[(E::Regular, "big", "", &big)], "too small"),
    ] {
        archive(&tar, entries);
        refused(message);
    }

    // Extended headers.
    for (key, value, message) in [
        ("mtime", &b"1e9"[..], "not a time"),
        ("uid", b"4294967296", "not a number below 2^32"),
        ("GNU.sparse.major", b"1", "--format=gnu"),
        ("SCHILY.acl.access", b"user:joe:rwx", "--numeric-owner"),
        ("SCHILY.xattr.user.", b"x", "attribute user."),
        ("path", b"../../x", "\"..\""),
        ("size", b"18446744073709551615", ""),
    ] {
        let mut builder = Builder::new(File::create(&tar).unwrap());
        builder.append_pax_extensions([(key, value)]).unwrap();
        let mut header = header(E::Regular, 0);
        set_name(&mut header, "file");
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
        builder.into_inner().unwrap();
        refused(message);
    }

    // Sizes that are not so, and what is no archive.
    let mut huge = header(E::Regular, 1 << 60);
    set_name(&mut huge, "huge");
    huge.set_cksum();
    fs::write(&tar, [huge.as_bytes(), &[0; 1024][..]].concat()).unwrap();
    refused("cut off");
    archive(
        &tar,
        &[
            (E::Regular, "a", "", b"contents"),
            (E::Regular, "b", "", b"contents"),
        ],
    );
    let whole = fs::read(&tar).unwrap();
    for (len, message) in [
        (700, "damaged"),
        (1024, "cut off"),
        (1200, "damaged"),
        (0, "cut off"),
    ] {
        fs::write(&tar, &whole[..len]).unwrap();
        refused(message);
    }
    let mut noise = whole.clone();
    noise[100] ^= 0x55;
    fs::write(&tar, noise).unwrap();
    refused("not a tar archive");
    File::create(&tar)
        .unwrap()
        .write_all(b"\x1f\x8b\x08compressed")
        .unwrap();
    refused("gzip -dc");
}

/// A volume that cannot be written says nothing of being clean, and a name that is not a device stays unused.
#[test]
fn what_cannot_be_done_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = &*folder.path().join("root");
    fs::create_dir(root).unwrap();
    fs::write(root.join("file"), vec![1; 3 << 20]).unwrap();
    let volume = &*folder.path().join("volume");
    let none = Path::new("/nowhere");
    for (arguments, paths, message) in [
        (
            &["-d"][..],
            &[none, volume, Path::new("1M")][..],
            "/nowhere",
        ),
        (
            &["-d"],
            &[Path::new("/dev/null"), volume, Path::new("1M")],
            "neither a directory nor a file",
        ),
        (
            &[],
            &[volume, Path::new("auto")],
            "auto is the size of what -d names",
        ),
        (&[], &[volume], "cannot be opened"),
        (
            &[],
            &[Path::new("/dev/rpmem99"), Path::new("1M")],
            "does not exist",
        ),
        (&["-d"], &[root, volume, Path::new("2M")], "too small"),
        (
            &["-d", "-", "--size", "auto"],
            &[volume],
            "reads the archive twice",
        ),
        (
            &["-E", "root_owner=joe:1"],
            &[volume, Path::new("1M")],
            "UID:GID",
        ),
        (
            &["-U", "never"],
            &[volume, Path::new("1M")],
            "random, time or clear",
        ),
    ] {
        let output = mkfs(arguments, paths);
        assert!(!output.status.success());
        assert!(
            said(&output).contains(message),
            "{message}: {}",
            said(&output)
        );
        assert!(!volume.exists(), "{message}");
    }
    // The volume is not in itself.
    let inside = &*root.join("volume");
    fs::write(inside, vec![0; 8 << 20]).unwrap();
    let output = mkfs(&["-d"], &[root, inside]);
    assert!(
        said(&output).contains("made in this file"),
        "{}",
        said(&output)
    );
    assert!(!is_volume(inside));
}

#[test]
fn sizes_owners_and_uuids_are_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    let probe = |path: &Path| -> Superblock {
        let medium = FileMedium::open(path, false).unwrap();
        probe(&medium).unwrap()
    };
    let made = |arguments: &[&str]| {
        let output = mkfs(&[&["-q", "-f"], arguments].concat(), &[]);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        probe(&path)
    };
    let name = path.to_str().unwrap();
    // A file is made, grows, and may be longer than the volume.
    assert_eq!(made(&[name, "1M"]).blocks.get(), 256);
    assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 20);
    assert_eq!(made(&["--size", "4096K", name]).blocks.get(), 1024);
    let clear = made(&["-U", "clear", name, "512"]);
    assert_eq!((clear.blocks.get(), clear.uuid), (512, [0; 16]));
    assert_eq!(fs::metadata(&path).unwrap().len(), 4 << 20);
    let time = made(&["-U", "time", "-E", "root_owner=12:34", name]);
    assert_eq!(uuid::Uuid::from_bytes(time.uuid).get_version_num(), 7);
    let (_, root) = Opened::new(&path).find("");
    assert_eq!((root.uid, root.gid), (12, 34));
    // The owner counts, whatever the source says.
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    made(&["-E", "root_owner=5:6", "-d", root.to_str().unwrap(), name]);
    let (_, root) = Opened::new(&path).find("");
    assert_eq!((root.uid, root.gid), (5, 6));
    let output = mkfs(&["-N"], &[&folder.path().join("new"), Path::new("2G")]);
    assert!(
        said(&output).contains("would have 524288 blocks"),
        "{}",
        said(&output)
    );
    assert!(!folder.path().join("new").exists());
    let output = mkfs(&["-f"], &[&PathBuf::from("/dev/null"), Path::new("1M")]);
    assert!(
        said(&output).contains("neither a regular file nor a block device"),
        "{}",
        said(&output)
    );
}

/// A disk that fills up while files are written, and a program that is killed: there is no volume, not even the one
/// that was there before.
#[test]
fn what_ends_early_leaves_no_volume() {
    let folder = tempfile::tempdir().unwrap();
    let path = &*folder.path().join("volume");
    let root = &*folder.path().join("root");
    fs::create_dir(root).unwrap();
    fs::write(root.join("file"), vec![1; 3 << 20]).unwrap();
    assert!(mkfs(&["-q"], &[path, Path::new("8M")]).status.success());
    // With SIGXFSZ ignored, a write beyond the limit is EFBIG.
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "bash"])
        .arg(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
        .args(["-f", "-d"])
        .args([root, path])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("File too large"),
        "{}",
        said(&output)
    );
    assert!(!is_volume(path));

    assert!(mkfs(&["-q", "-f"], &[path]).status.success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_mkfs_rdaxfs"))
        .args(["-f", "-d", "-"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = header(EntryType::Regular, 2 << 20);
    set_name(&mut first, "file");
    first.set_cksum();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(first.as_bytes()).unwrap();
    // All of this has been read once the pipe, which holds less, has taken it.
    pipe.write_all(&vec![1; 1 << 20]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!is_volume(path));
}
