// SPDX-License-Identifier: GPL-2.0

//! Lines of metadata that cannot be read: repairing makes them readable, and loses no more than was in them.

use rdaxfs_core::format::{
    block_offset, Time, XattrSpace, BLOCK_SIZE, EXTENT_PLACES, S_IFDIR, S_IFREG,
};
use rdaxfs_core::inode::{Change, XattrState};
use rdaxfs_core::mount::Access;
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::owner::Use;
use rdaxfs_core::platform::{Medium, CACHE_LINE};
use rdaxfs_core::xattr::{NewXattr, SetMode, XattrName};
use rdaxfs_host::Mounted;
use rdaxfs_mutate::corpus::corpus;
use rdaxfs_mutate::repair::{repair, Repaired};
use rdaxfs_mutate::trial::{lost_with_line, metadata_lines};
use rdaxfs_mutate::Memory;

const NOW: Time = Time::new(7, 0);

#[test]
fn any_line_of_metadata_is_repaired() {
    let mut tried = 0;
    for base in corpus() {
        for line in metadata_lines(&base) {
            tried += 1;
            let lost = lost_with_line(&base, line);
            assert!(lost.is_empty(), "{}, {line:#x}: {lost:?}", base.name);
        }
    }
    println!("{tried} lines");
    assert!(tried > 5000, "{tried}");
}

fn made() -> Mounted<Memory> {
    Mounted::make(Memory::new(1024), NOW).expect("a volume can be made")
}

fn new(kind: u16) -> NewInode<'static> {
    NewInode {
        mode: kind | 0o700,
        ..NewInode::default()
    }
}

/// The only tree block of an inode.
fn node(fs: &Mounted<Memory>, ino: u64) -> u64 {
    let blocks = 0..fs.volume.platform().len() / BLOCK_SIZE;
    let mut nodes =
        blocks.filter(|&block| fs.volume.owners().use_of(block) == Ok(Use::Node { ino }));
    let node = nodes.next().expect("it has one");
    assert_eq!(nodes.next(), None);
    node
}

/// Poisons the lines of a block one after the other, and repairs them; calls `judge` with the line and what has become
/// of the volume.
fn each_line(medium: &Memory, block: u64, mut judge: impl FnMut(usize, &mut Mounted<Memory>)) {
    let good = medium.moment();
    for line in 0..BLOCK_SIZE as usize / CACHE_LINE {
        medium.go_back(good);
        let at = block_offset(block) + (line * CACHE_LINE) as u64;
        medium.poison(at);
        assert!(matches!(repair(medium), Repaired::Good(_)), "line {line}");
        let mut fs = Mounted::mount(medium.clone(), Access::NoStores, NOW).unwrap();
        judge(line, &mut fs);
    }
}

#[test]
fn a_directory_loses_the_names_of_the_line() {
    let mut fs = made();
    let (mut root, _) = fs.volume.inodes().open(fs.volume.root(), None).unwrap();
    let directory = new(S_IFDIR);
    let mut dir = fs
        .volume
        .names()
        .mkdir(
            &mut fs.workspace,
            &mut root,
            b"dir",
            &directory,
            NOW,
            &mut unannounced,
        )
        .unwrap()
        .map;
    let names: Vec<String> = (0..30)
        .map(|number| format!("a file, number {number}"))
        .collect();
    for name in &names {
        fs.volume
            .names()
            .create(
                &mut fs.workspace,
                &mut dir,
                name.as_bytes(),
                &new(S_IFREG),
                NOW,
                &mut unannounced,
            )
            .unwrap();
    }
    let leaf = node(&fs, dir.ino());
    let medium = fs.unmount().unwrap();
    let mut lost_at_all = 0;
    each_line(&medium, leaf, |line, fs| {
        let (root, _) = fs.volume.inodes().open(fs.volume.root(), None).unwrap();
        let found = fs.volume.names().lookup(&root, b"dir").unwrap();
        let (dir, _) = fs.volume.inodes().open(found.ino, None).unwrap();
        let is_lost = |name: &&String| fs.volume.names().lookup(&dir, name.as_bytes()).is_err();
        let lost = names.iter().filter(is_lost).count();
        let most = if line == 0 { names.len() } else { 1 };
        assert!(lost <= most, "line {line}: {lost} names");
        lost_at_all += lost;
        // Each file is there, under a new name.
        let mut there = 0;
        if let Ok(folder) = fs.volume.names().lookup(&root, b"lost+found") {
            let (folder, _) = fs.volume.inodes().open(folder.ino, None).unwrap();
            fs.volume
                .names()
                .readdir(&mut fs.workspace, &folder, 0, |entry| {
                    there += usize::from(entry.name.starts_with(b"#"));
                    true
                })
                .unwrap();
        }
        assert_eq!(there, lost, "line {line}");
    });
    assert_eq!(lost_at_all, 2 * names.len());
}

#[test]
fn a_file_loses_the_extents_of_the_line() {
    let mut fs = made();
    let (mut root, _) = fs.volume.inodes().open(fs.volume.root(), None).unwrap();
    let mut file = fs
        .volume
        .names()
        .create(
            &mut fs.workspace,
            &mut root,
            b"file",
            &new(S_IFREG),
            NOW,
            &mut unannounced,
        )
        .unwrap()
        .map;
    let pages = || (0..200).step_by(2);
    for page in pages() {
        fs.volume
            .files()
            .write(
                &mut fs.workspace,
                &mut file,
                page * BLOCK_SIZE,
                b"data",
                NOW,
            )
            .unwrap();
    }
    let leaf = node(&fs, file.ino());
    let medium = fs.unmount().unwrap();
    each_line(&medium, leaf, |line, fs| {
        let (root, _) = fs.volume.inodes().open(fs.volume.root(), None).unwrap();
        let found = fs.volume.names().lookup(&root, b"file").unwrap();
        let (file, _) = fs.volume.inodes().open(found.ino, None).unwrap();
        let is_lost = |&page: &u64| {
            let mut bytes = [0; 4];
            fs.volume
                .files()
                .read(&file, page * BLOCK_SIZE, &mut bytes)
                .unwrap();
            bytes != *b"data"
        };
        let lost = pages().filter(is_lost).count();
        if line >= EXTENT_PLACES.div_ceil(CACHE_LINE) {
            assert!(lost <= CACHE_LINE / 16, "line {line}: {lost} extents");
        }
    });
}

/// What is behind the attributes in their block has nothing to say.
#[test]
fn attributes_are_lost_with_a_line_that_has_some() {
    let mut fs = made();
    let (mut root, _) = fs.volume.inodes().open(fs.volume.root(), None).unwrap();
    let mut xattrs = XattrState::new(&root);
    let name = XattrName::new(XattrSpace::User, b"name").unwrap();
    let xattr = NewXattr {
        name,
        value: &[3; 200],
    };
    fs.volume
        .xattrs()
        .set(
            &mut fs.workspace,
            &mut xattrs,
            &mut root,
            &xattr,
            SetMode::Any,
            &Change::changed(NOW),
        )
        .unwrap();
    let blocks = 0..fs.volume.platform().len() / BLOCK_SIZE;
    let block = blocks
        .into_iter()
        .find(|&block| fs.volume.owners().use_of(block) == Ok(Use::Data))
        .expect("the attributes have a block");
    let medium = fs.unmount().unwrap();
    let good = medium.moment();
    for line in 0..BLOCK_SIZE / CACHE_LINE as u64 {
        medium.go_back(good);
        medium.poison(block_offset(block) + line * CACHE_LINE as u64);
        assert!(matches!(repair(&medium), Repaired::Good(_)), "line {line}");
        let fs = Mounted::mount(medium.clone(), Access::NoStores, NOW).unwrap();
        let (root, _) = fs.volume.inodes().open(fs.volume.root(), None).unwrap();
        let found = fs
            .volume
            .xattrs()
            .get(&XattrState::new(&root), name, &mut [0; 200]);
        assert_eq!(
            found.is_ok(),
            line * CACHE_LINE as u64 >= 300,
            "line {line}"
        );
    }
}
