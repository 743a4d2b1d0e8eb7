// SPDX-License-Identifier: GPL-2.0

//! The program as it is called, on files.

use std::fs::{self, File};
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rdaxfs_core::format::{
    block_offset, group_bitmap, group_header, inode_offset, GroupHeader, Inode, Time, S_IFDIR,
    S_IFREG,
};
use rdaxfs_core::name::NewInode;
use rdaxfs_core::volume::{Access, Volume};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_host::{FileMedium, Host, Mounted};

const NOW: Time = Time::new(1000, 0);

type FileVolume = Volume<Host<FileMedium>>;

struct Image {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Image {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("volume");
        let medium = FileMedium::create(&path, 8 << 20).expect("a file can be made");
        let made = Mounted::make(medium, NOW).expect("a volume can be made");
        made.unmount().expect("a new volume can be unmounted");
        Self {
            path,
            _folder: folder,
        }
    }

    fn with<R>(&self, use_it: impl FnOnce(&FileVolume, &mut Workspace) -> R) -> R {
        let medium = FileMedium::open(&self.path, true).unwrap();
        let mut mounted = Mounted::mount(medium, Access::ReadWrite, NOW).unwrap();
        let result = use_it(&mounted.volume, &mut mounted.workspace);
        mounted.unmount().unwrap();
        result
    }

    fn fsck(&self, arguments: &[&str]) -> Output {
        fsck(arguments, &self.path)
    }

    fn store(&self, offset: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(&self.path).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }
}

fn fsck(arguments: &[&str], path: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_fsck_rdaxfs");
    Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .expect("the program can be run")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A file and a folder with a file; returns the folder's number.
fn fill(image: &Image) -> u64 {
    image.with(|volume, workspace| {
        let (mut root, _) = volume.open(volume.root(), None).unwrap();
        let file = NewInode {
            mode: S_IFREG | 0o644,
            ..NewInode::default()
        };
        let folder = NewInode {
            mode: S_IFDIR | 0o755,
            ..NewInode::default()
        };
        let (mut map, _) = volume
            .create(workspace, &mut root, b"file", &file, NOW)
            .unwrap();
        volume
            .write_file(workspace, &mut map, 0, b"contents", NOW)
            .unwrap();
        volume.close(&mut map);
        let (mut below, _) = volume
            .mkdir(workspace, &mut root, b"folder", &folder, NOW)
            .unwrap();
        volume
            .create(workspace, &mut below, b"inner", &file, NOW)
            .unwrap();
        below.ino()
    })
}

#[test]
fn a_good_volume_is_clean() {
    let image = Image::new();
    fill(&image);
    let output = image.fsck(&["-p"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(
        said(&output).contains("clean, 4 inodes"),
        "{}",
        said(&output)
    );
    for arguments in [["-f", "-n"], ["-f", "-y"]] {
        let output = image.fsck(&arguments);
        assert_eq!(code(&output), 0, "{}", said(&output));
        assert!(!said(&output).contains("wrong"), "{}", said(&output));
    }
}

#[test]
fn a_wrong_bitmap_is_mended_by_preening() {
    let image = Image::new();
    fill(&image);
    image.store(block_offset(group_bitmap(0)) + 100, &[0xff]);
    let before = fs::read(&image.path).unwrap();
    let output = image.fsck(&["-f", "-n"]);
    assert_eq!(code(&output), 4, "{}", said(&output));
    assert!(
        fs::read(&image.path).unwrap() == before,
        "-n changes nothing"
    );
    assert_eq!(code(&image.fsck(&["-f", "-p"])), 1);
    assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
}

#[test]
fn the_copy_of_the_superblock_mends_the_first_one() {
    let image = Image::new();
    fill(&image);
    image.store(0, &[0; 4096]);
    let output = image.fsck(&["-p"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
    assert_eq!(image.with(|volume, _| volume.blocks()), 2048);
}

#[test]
fn what_has_lost_its_folder_is_found_again() {
    let image = Image::new();
    let folder = fill(&image);
    // The folder is none any more.
    image.store(inode_offset(folder), &[0; 256]);
    let output = image.fsck(&["-f", "-p"]);
    assert_eq!(code(&output) & 4, 4, "{}", said(&output));
    let output = image.fsck(&["-y"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
    image.with(|volume, _| {
        let (root, _) = volume.open(volume.root(), None).unwrap();
        assert!(volume.lookup(&root, b"folder").is_err());
        let (found, _) = volume
            .open(volume.lookup(&root, b"lost+found").unwrap().ino, None)
            .unwrap();
        let name = format!("#{}", folder + 1);
        assert_eq!(
            volume.lookup(&found, name.as_bytes()).unwrap().ino,
            folder + 1
        );
        let (file, _) = volume
            .open(volume.lookup(&root, b"file").unwrap().ino, None)
            .unwrap();
        let mut contents = [0; 8];
        assert_eq!(volume.read_file(&file, 0, &mut contents), Ok(8));
        assert_eq!(&contents, b"contents");
    });
}

#[test]
fn even_a_lost_root_directory_is_made_anew() {
    let image = Image::new();
    fill(&image);
    let root = image.with(|volume, _| volume.root());
    image.store(
        inode_offset(root) + std::mem::offset_of!(Inode, mode) as u64,
        &[0, 0],
    );
    let output = image.fsck(&["-f", "-y"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
}

#[test]
fn a_crash_leaves_nothing_for_preening_but_orphans() {
    let image = Image::new();
    fill(&image);
    // Mounted, a name removed, and never unmounted.
    let medium = FileMedium::open(&image.path, true).unwrap();
    let Mounted {
        volume,
        mut workspace,
    } = Mounted::mount(medium, Access::ReadWrite, NOW).unwrap();
    let (mut root, _) = volume.open(volume.root(), None).unwrap();
    let ino = volume.lookup(&root, b"file").unwrap().ino;
    let (mut file, _) = volume.open(ino, None).unwrap();
    volume
        .unlink(&mut workspace, &mut root, b"file", &mut file, NOW)
        .unwrap();
    drop(volume);

    let output = image.fsck(&["-p"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(
        said(&output).contains("1 inodes that were being removed"),
        "{}",
        said(&output)
    );
    assert!(said(&image.fsck(&["-p"])).contains("clean, 3 inodes"));
}

#[test]
fn bad_arguments_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros");
    fs::write(&path, vec![0; 1 << 20]).unwrap();
    for (arguments, path, status, message) in [
        (&["-n"][..], &*path, 8, "no volume of rdaxfs"),
        (&["-n", "-y"], &path, 16, "-n"),
        (&[], &path, 8, "give -n, -p or -y"),
        (&["-n"], Path::new("/nowhere"), 8, "/nowhere"),
        (
            &["-n"],
            Path::new("/dev/null"),
            8,
            "neither a regular file nor a block device",
        ),
    ] {
        let output = fsck(arguments, path);
        assert_eq!(code(&output), status, "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(message), "{}", said(&output));
    }
}

/// Without -f a volume that says it is clean is believed, unless a look at its heads speaks against it.
#[test]
fn a_clean_volume_is_believed_if_its_heads_agree() {
    let image = Image::new();
    assert_eq!(code(&image.fsck(&["-n"])), 0);
    let free = offset_of!(GroupHeader, free) as u64;
    for offset in [
        block_offset(2047) + 100,
        block_offset(group_header(0)),
        block_offset(group_header(0)) + free,
    ] {
        let image = Image::new();
        image.store(offset, &[0x55; 4]);
        assert_eq!(code(&image.fsck(&["-n"])), 4, "{offset:#x}");
        assert_eq!(code(&image.fsck(&["-p"])), 1, "{offset:#x}");
        assert_eq!(code(&image.fsck(&["-n"])), 0, "{offset:#x}");
    }
}
