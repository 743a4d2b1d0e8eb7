// SPDX-License-Identifier: GPL-2.0

//! Damage that trials of `rdaxfs_mutate` have found something with, each put together by hand: repairing it loses
//! nothing that is still there, and ends with nothing wrong.

use std::mem::offset_of;

use rdaxfs_check::{
    choose_superblock, reconnect, superblock_by_copy, survey, Image, Problem, Repairs, Survey,
};
use rdaxfs_core::format::{
    block_offset, group_metadata, inode_block, inode_offset, inode_slot, Inode, InodeChunk,
    NodeHeader, Superblock, Time, BLOCK_SIZE, DIRECTORY_LEAF_MAGIC, INNER_MAGIC, INODE_SIZE,
    NODE_CRC, NODE_HEADER, SUPER_CRC, S_IFDIR, S_IFREG,
};
use rdaxfs_core::inode::MapState;
use rdaxfs_core::mount::Access;
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::superblock::read_superblock;
use rdaxfs_core::Error;
use rdaxfs_host::{Dram, Mounted};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

const NOW: Time = Time::new(5, 0);

fn new(kind: u16) -> NewInode<'static> {
    NewInode {
        mode: kind | 0o700,
        ..NewInode::default()
    }
}

fn made(mib: u64) -> Mounted<Dram> {
    Mounted::make(Dram::new(mib << 20), NOW).expect("a volume can be made")
}

fn mounted(medium: Dram) -> Mounted<Dram> {
    Mounted::mount(medium, Access::ReadWrite, NOW).expect("the volume can be mounted")
}

fn root(fs: &Mounted<Dram>) -> MapState {
    fs.volume.inodes().open(fs.volume.root(), None).unwrap().0
}

fn open(fs: &Mounted<Dram>, directory: &MapState, name: &str) -> MapState {
    let found = fs.volume.names().lookup(directory, name.as_bytes());
    let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
    fs.volume.inodes().open(found.ino, None).unwrap().0
}

fn create(fs: &mut Mounted<Dram>, directory: &mut MapState, name: &str) -> MapState {
    let volume = &fs.volume;
    let made = volume.names().create(
        &mut fs.workspace,
        directory,
        name.as_bytes(),
        &new(S_IFREG),
        NOW,
        &mut unannounced,
    );
    made.unwrap().map
}

fn mkdir(fs: &mut Mounted<Dram>, directory: &mut MapState, name: &str) -> MapState {
    let volume = &fs.volume;
    let made = volume.names().mkdir(
        &mut fs.workspace,
        directory,
        name.as_bytes(),
        &new(S_IFDIR),
        NOW,
        &mut unannounced,
    );
    made.unwrap().map
}

fn surveyed(medium: &Dram) -> Survey {
    let (superblock, _) = choose_superblock(medium).expect("a superblock is good");
    survey(&Image::new(medium, superblock), |_| {})
}

/// Repairs all, as `fsck.rdaxfs -y` does; returns what was wrong at first.
fn repaired(medium: Dram) -> (Dram, Vec<Problem>) {
    let first = surveyed(&medium).findings;
    let repaired = Repairs::default().repair(&medium, &mut |_: &Problem| true);
    let unconnected: Vec<u64> = repaired
        .expect("repairing has an end")
        .found
        .unconnected()
        .collect();
    let mut fs =
        Mounted::mount(medium, Access::Repair, NOW).expect("what is repaired can be mounted");
    reconnect(&fs.volume, &mut fs.workspace, &unconnected, NOW).expect("names can be given");
    let medium = fs.unmount().unwrap();
    assert_eq!(surveyed(&medium).findings, []);
    let problems = first.into_iter().map(|finding| finding.problem);
    (medium, problems.collect())
}

const MANY: usize = 300;

/// A directory with a tree of two levels in the root directory.
fn many() -> Dram {
    let mut fs = made(4);
    let mut root = root(&fs);
    let mut folder = mkdir(&mut fs, &mut root, "folder");
    let mut file = create(&mut fs, &mut folder, "0");
    for number in 1..MANY {
        let name = number.to_string();
        let (volume, workspace) = (&fs.volume, &mut fs.workspace);
        let linked = volume
            .names()
            .link(workspace, &mut folder, name.as_bytes(), &mut file, NOW);
        linked.unwrap();
    }
    fs.unmount().unwrap()
}

/// The names are all there, and can all be removed.
fn has_many(medium: Dram) {
    let mut fs = mounted(medium);
    let mut root = root(&fs);
    let mut folder = open(&fs, &root, "folder");
    let mut file = open(&fs, &folder, "0");
    let (volume, workspace) = (&fs.volume, &mut fs.workspace);
    for number in 0..MANY {
        let name = number.to_string();
        let removed =
            volume
                .names()
                .unlink(workspace, &mut folder, name.as_bytes(), &mut file, NOW);
        assert!(removed.is_ok(), "{name}: {removed:?}");
    }
    volume.files().finish(workspace, &mut file).unwrap();
    let removed = volume
        .names()
        .rmdir(workspace, &mut root, b"folder", &mut folder, NOW);
    assert!(removed.is_ok(), "{removed:?}");
}

/// The blocks of the volume that are nodes with that magic number and have something.
fn nodes(medium: &Dram, magic: u32) -> Vec<u64> {
    let header = |block| header(medium, block);
    (1..medium.blocks())
        .filter(|&block| header(block).magic.get() == magic && header(block).word.get() != 0)
        .collect()
}

fn header(medium: &Dram, block: u64) -> NodeHeader {
    let mut bytes = [0; size_of::<NodeHeader>()];
    medium.read(block_offset(block), &mut bytes).unwrap();
    NodeHeader::read_from_bytes(&bytes).unwrap()
}

/// The core takes a node for damaged whose lowest key is not one of those that it may have.
#[test]
fn a_node_with_a_wrong_lowest_key_keeps_what_it_has() {
    for magic in [DIRECTORY_LEAF_MAGIC, INNER_MAGIC] {
        let medium = many();
        let found = nodes(&medium, magic);
        for &block in &found {
            let mut header = header(&medium, block);
            header.low.set(u64::MAX);
            header
                .crc
                .set(medium.crc32c(0, &header.as_bytes()[NODE_CRC]));
            medium
                .copy_nt(block_offset(block), header.as_bytes())
                .unwrap();
        }
        let (medium, problems) = repaired(medium);
        assert!(!found.is_empty() && !problems.is_empty());
        has_many(medium);
    }
}

/// A search goes by the first child's key too, though all keys below the second's lead there.
#[test]
fn a_first_child_with_a_wrong_key_keeps_what_it_has() {
    let medium = many();
    let inner = nodes(&medium, INNER_MAGIC);
    assert!(!inner.is_empty());
    for &block in &inner {
        medium.store_u64(block_offset(block) + NODE_HEADER as u64, u64::MAX);
    }
    has_many(repaired(medium).0);
}

#[test]
fn an_inode_that_is_marked_free_by_mistake_keeps_its_name() {
    let mut fs = made(1);
    let mut root = root(&fs);
    let mut folder = mkdir(&mut fs, &mut root, "folder");
    let mut file = create(&mut fs, &mut folder, "file");
    let (volume, workspace) = (&fs.volume, &mut fs.workspace);
    volume
        .files()
        .write(workspace, &mut file, 0, b"data", NOW)
        .unwrap();
    let medium = fs.unmount().unwrap();
    // All of the chunk's: the root directory and the folder too.
    let used = block_offset(inode_block(file.ino())) + offset_of!(InodeChunk, used) as u64;
    assert_eq!(inode_block(file.ino()), inode_block(root.ino()));
    medium.store_u64(used, 0);

    let fs = mounted(repaired(medium).0);
    let file = open(&fs, &open(&fs, &self::root(&fs), "folder"), "file");
    let mut bytes = [0; 4];
    assert_eq!(fs.volume.files().read(&file, 0, &mut bytes), Ok(4));
    assert_eq!(&bytes, b"data");
    assert!(fs
        .volume
        .names()
        .lookup(&self::root(&fs), b"lost+found")
        .is_err());
}

/// Neither the bitmap nor its head says that a block is an inode chunk, but names lead to its inodes.
#[test]
fn a_chunk_that_only_names_lead_to_keeps_its_inodes() {
    let mut fs = made(1);
    let mut root = root(&fs);
    let mut folder = mkdir(&mut fs, &mut root, "folder");
    let files: Vec<MapState> = (0..20)
        .map(|number| create(&mut fs, &mut folder, &number.to_string()))
        .collect();
    let medium = fs.unmount().unwrap();
    let own = inode_block(root.ino());
    let other = files.iter().map(|file| inode_block(file.ino())).max();
    let other = other
        .filter(|&other| other != own)
        .expect("there are two chunks");
    medium
        .zero_nt(block_offset(group_metadata(0)), BLOCK_SIZE)
        .unwrap();
    medium.zero_nt(block_offset(other), 64).unwrap();
    let fs = mounted(repaired(medium).0);
    let folder = open(&fs, &self::root(&fs), "folder");
    for (number, file) in files.iter().enumerate() {
        assert_eq!(open(&fs, &folder, &number.to_string()).ino(), file.ino());
    }
}

/// An entry that leads to an inode which was freed does not bring it back.
#[test]
fn an_inode_without_links_stays_free() {
    let mut fs = made(1);
    let mut root = root(&fs);
    let mut file = create(&mut fs, &mut root, "file");
    let mut kept = create(&mut fs, &mut root, "kept");
    let (volume, workspace) = (&fs.volume, &mut fs.workspace);
    volume
        .names()
        .unlink(workspace, &mut root, b"file", &mut file, NOW)
        .unwrap();
    volume.files().finish(workspace, &mut file).unwrap();
    volume.files().close(&mut kept);
    let root = inode_offset(volume.root()) + offset_of!(Inode, inline) as u64;
    let medium = fs.unmount().unwrap();
    // The entry of the other file leads to the one that is gone.
    let mut entry = [0; 8];
    medium.read(root, &mut entry).unwrap();
    let target = u64::from_le_bytes(entry) - kept.ino() + file.ino();
    medium.store_u64(root, target);
    let fs = mounted(repaired(medium).0);
    let root = self::root(&fs);
    assert!(fs.volume.names().lookup(&root, b"kept").is_err());
    let folder = open(&fs, &root, "lost+found");
    open(&fs, &folder, &format!("#{}", kept.ino()));
    // Another inode may have the number by now: the folder's own.
    let found = fs.volume.inodes().open(file.ino(), None);
    assert!(found.is_err() || file.ino() == folder.ino());
}

/// Of two whole superblocks the one is damaged by which the names have other hashes, or by which the volume ends
/// before its inodes do.
#[test]
fn of_two_superblocks_the_one_that_fits_is_taken() {
    let changes: [fn(&mut Superblock); 2] = [
        |superblock| superblock.hash_key[0].set(0x1234),
        |superblock| superblock.blocks.set(64),
    ];
    for change in changes {
        let medium = many();
        let before = read_superblock(&medium, 0).unwrap();
        let mut superblock = before;
        change(&mut superblock);
        let crc = medium.crc32c(0, &superblock.as_bytes()[SUPER_CRC]);
        superblock.crc.set(crc);
        medium.copy_nt(0, superblock.as_bytes()).unwrap();
        let (good, wrong) = choose_superblock(&medium).unwrap();
        assert_eq!(
            (good.hash_key, good.blocks),
            (before.hash_key, before.blocks)
        );
        assert!(wrong.expect("the first copy is wrong").apply(&medium));
        let (medium, problems) = repaired(medium);
        assert_eq!(problems, []);
        has_many(medium);
    }
    // So is one that is damaged behind its magic number.
    let medium = many();
    medium.copy_nt(8, &[0x55; 8]).unwrap();
    assert!(choose_superblock(&medium).unwrap().1.is_some());
}

/// Without the magic number in block 0, something else may have replaced the volume: the copy is only taken when
/// it is asked for, by its place.
#[test]
fn a_copy_alone_is_not_a_volume() {
    let medium = many();
    let last = medium.blocks() - 1;
    medium
        .copy_nt(0, Superblock::new_zeroed().as_bytes())
        .unwrap();
    assert_eq!(choose_superblock(&medium).err(), Some(Error::Invalid));
    assert_eq!(
        superblock_by_copy(&medium, last - 1).err(),
        Some(Error::Invalid)
    );
    let (superblock, wrong) = superblock_by_copy(&medium, last).unwrap();
    assert_eq!(superblock.blocks.get(), last + 1);
    assert!(wrong.expect("the first copy is missing").apply(&medium));
    assert!(choose_superblock(&medium).unwrap().1.is_none());
}

/// Takes away the folder that some files have their names in.
fn without_folder(fs: Mounted<Dram>, folder: u64) -> Dram {
    let medium = fs.unmount().unwrap();
    medium.zero_nt(inode_offset(folder), INODE_SIZE).unwrap();
    assert_ne!(inode_slot(folder), 0);
    medium
}

#[test]
fn lost_found_may_be_something_else_and_names_may_be_taken() {
    let mut fs = made(1);
    let mut root = root(&fs);
    create(&mut fs, &mut root, "lost+found");
    let mut folder = mkdir(&mut fs, &mut root, "folder");
    let lost = create(&mut fs, &mut folder, "lost").ino();
    let mut other = mkdir(&mut fs, &mut root, "lost+found.1");
    create(&mut fs, &mut other, &format!("#{lost}"));
    let fs = mounted(repaired(without_folder(fs, folder.ino())).0);
    let root = self::root(&fs);
    let (_, attributes) = fs
        .volume
        .inodes()
        .open(open(&fs, &root, "lost+found").ino(), None)
        .unwrap();
    assert!(attributes.is_file());
    let other = open(&fs, &root, "lost+found.1");
    assert_ne!(open(&fs, &other, &format!("#{lost}")).ino(), lost);
    assert_eq!(open(&fs, &other, &format!("#{lost}.1")).ino(), lost);
}

/// The blocks that each group keeps for what must not fail are for this too.
#[test]
fn a_full_volume_has_room_for_lost_names() {
    let mut fs = made(1);
    let mut root = root(&fs);
    let mut folder = mkdir(&mut fs, &mut root, "folder");
    let lost: Vec<u64> = (0..100)
        .map(|number| create(&mut fs, &mut folder, &format!("lost {number}")).ino())
        .collect();
    let mut large = create(&mut fs, &mut root, "large");
    for page in 0.. {
        let (volume, workspace) = (&fs.volume, &mut fs.workspace);
        let written = volume
            .files()
            .write(workspace, &mut large, page * 4096, &[1; 4096], NOW);
        if written.is_err() {
            break;
        }
    }
    let medium = without_folder(fs, folder.ino());
    // What the folder had is taken as well.
    let fs = mounted(repaired(medium).0);
    let root = self::root(&fs);
    let folder = match fs.volume.names().lookup(&root, b"lost+found") {
        Ok(found) => fs.volume.inodes().open(found.ino, None).unwrap().0,
        Err(_) => root,
    };
    for ino in lost {
        assert_eq!(open(&fs, &folder, &format!("#{ino}")).ino(), ino);
    }
}
