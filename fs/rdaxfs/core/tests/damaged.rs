// SPDX-License-Identifier: GPL-2.0

//! Damage that trials of `rdaxfs_mutate` have found something with, each put together by hand.

use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, inode_offset, Inode, Superblock, Time, XattrSpace, BLOCK_SIZE, ENTRY_CHECK,
    MAX_CHECKED, SUPER_CRC, S_IFREG,
};
use rdaxfs_core::inode::{Change, XattrState};
use rdaxfs_core::mount::Access;
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::xattr::{NewXattr, SetMode, XattrName};
use rdaxfs_core::{Error, Result};
use rdaxfs_host::{crc32c, Dram, Mounted};
use zerocopy::{FromZeros, IntoBytes};

const NOW: Time = Time::new(5, 0);
const BLOCKS: u64 = 256;

fn made() -> Dram {
    let made = Mounted::make(Dram::new(block_offset(BLOCKS)), NOW);
    made.and_then(Mounted::unmount)
        .expect("a volume can be made")
}

fn mount(medium: Dram) -> Result<Mounted<Dram>> {
    Mounted::mount(medium, Access::ReadWrite, NOW)
}

/// Where nothing is.
const FREE: u64 = block_offset(BLOCKS / 2);

fn word(medium: &Dram, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    medium.read(offset, &mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

/// An entry that vouches for what is there.
fn check(medium: &Dram, offset: u64, len: u64) -> (u64, u64) {
    let mut bytes = vec![0; len as usize];
    medium.read(offset, &mut bytes).unwrap();
    let crc = u64::from(crc32c(0, &bytes));
    (offset | ENTRY_CHECK, crc | len << 32)
}

/// Puts a record of those entries into the first slot.
fn put_record(medium: &Dram, entries: &[(u64, u64)]) {
    let count = (entries.len() as u64) << 32;
    let entries = entries.iter().flat_map(|&(offset, value)| [offset, value]);
    let words = [1, count].into_iter().chain(entries);
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    let crc = crc32c(crc32c(0, &bytes[..8]), &bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    let slot = probe(medium).unwrap().slots_at.get();
    medium.copy_nt(block_offset(slot), &bytes).unwrap();
}

/// 255 entries could name 4 GiB each.
#[test]
fn a_record_that_vouches_for_more_than_any_has_is_corrupt() {
    let half = MAX_CHECKED / 2;
    for (count, len, expected) in [
        (1, 2 * half, None),
        (2, half, None),
        (1, 2 * half + 8, Some(Error::Corrupt)),
        (3, half, Some(Error::Corrupt)),
        (255, half, Some(Error::Corrupt)),
    ] {
        let medium = made();
        let entry = check(&medium, FREE, len);
        put_record(&medium, &vec![entry; count]);
        assert_eq!(mount(medium).err(), expected, "{count} times {len} bytes");
    }
}

/// What a record vouches for can come to be as it says long after the crash, when fsck repairs it: by then
/// its words are out of date.
#[test]
fn a_record_that_is_not_whole_is_dropped_by_a_mount() {
    let target = FREE + 4096;
    for access in [Access::Repair, Access::ReadWrite] {
        let medium = made();
        put_record(&medium, &[check(&medium, FREE, 64), (target, 7)]);
        let good = word(&medium, FREE);
        medium.store_u64(FREE, 1);
        let mounted = Mounted::mount(medium, access, NOW).unwrap();
        let medium = mounted.unmount().unwrap();
        medium.store_u64(FREE, good);
        let medium = mount(medium).and_then(Mounted::unmount).unwrap();
        assert_ne!(word(&medium, target), 7);
        // But one that is whole is done.
        put_record(&medium, &[check(&medium, FREE, 64), (target, 7)]);
        let mounted = Mounted::mount(medium, access, NOW).unwrap();
        assert_eq!(word(&mounted.unmount().unwrap(), target), 7);
    }
}

/// Both copies of the superblock say something else, with a good checksum.
fn change_superblocks(medium: &Dram, change: impl Fn(&mut Superblock)) {
    for block in [0, BLOCKS - 1] {
        let mut superblock = Superblock::new_zeroed();
        let bytes = superblock.as_mut_bytes();
        medium.read(block_offset(block), bytes).unwrap();
        change(&mut superblock);
        let crc = crc32c(0, &superblock.as_bytes()[SUPER_CRC]);
        superblock.crc.set(crc);
        let bytes = superblock.as_bytes();
        medium.copy_nt(block_offset(block), bytes).unwrap();
    }
}

#[test]
fn neither_root_nor_journal_can_be_where_the_copy_of_the_superblock_is() {
    let medium = made();
    change_superblocks(&medium, |superblock| {
        superblock.root.set((BLOCKS - 1) * 16 + 15);
    });
    assert_eq!(probe(&medium).err(), Some(Error::Corrupt));
    for (slots_at, good) in [(BLOCKS - 4, false), (BLOCKS - 5, true)] {
        let medium = made();
        change_superblocks(&medium, |superblock| {
            superblock.slots.set(4);
            superblock.slots_at.set(slots_at);
        });
        assert_eq!(probe(&medium).is_ok(), good);
    }
}

#[test]
fn a_number_of_blocks_near_the_end_of_all_numbers_is_corrupt() {
    let medium = made();
    let root = probe(&medium).unwrap().root.get();
    let at = inode_offset(root) + offset_of!(Inode, blocks) as u64;
    medium.store_u64(at, u64::MAX);
    let Mounted {
        volume,
        mut workspace,
    } = mount(medium).unwrap();
    let (mut root, _) = volume.inodes().open(root, None).unwrap();
    let mut xattrs = XattrState::new(&root);
    let name = XattrName::new(XattrSpace::User, b"name").unwrap();
    let value = [1; 100];
    let xattr = NewXattr {
        name,
        value: &value,
    };
    let set = volume.xattrs().set(
        &mut workspace,
        &mut xattrs,
        &mut root,
        &xattr,
        SetMode::Any,
        &Change::changed(NOW),
    );
    assert_eq!(set, Err(Error::Corrupt));
}

/// The last block is the copy of the superblock: no file can have it, nor store to it.
#[test]
fn no_file_has_the_copy_of_the_superblock() {
    let mut mounted = mount(made()).unwrap();
    let root = mounted.volume.root();
    let (mut map, _) = mounted.volume.inodes().open(root, None).unwrap();
    let new = NewInode {
        mode: S_IFREG,
        ..NewInode::default()
    };
    let workspace = &mut mounted.workspace;
    let names = mounted.volume.names();
    let made = names.create(workspace, &mut map, b"file", &new, NOW, &mut unannounced);
    let mut map = made.unwrap().map;
    let page = [5; BLOCK_SIZE as usize];
    let files = mounted.volume.files();
    files.write(workspace, &mut map, 0, &page, NOW).unwrap();
    let block = files.next_extent(&map, 0).unwrap().unwrap().block;
    let ino = map.ino();
    let medium = mounted.unmount().unwrap();

    let at = inode_offset(ino) + offset_of!(Inode, inline) as u64 + 8;
    medium.store_u64(at, word(&medium, at) - block + BLOCKS - 1);
    let mut copy = vec![0; BLOCK_SIZE as usize];
    medium.read(block_offset(BLOCKS - 1), &mut copy).unwrap();
    let mut mounted = mount(medium).unwrap();
    let (mut map, _) = mounted.volume.inodes().open(ino, None).unwrap();
    let files = mounted.volume.files();
    let mut bytes = page;
    assert_eq!(files.read(&map, 0, &mut bytes), Err(Error::Corrupt));
    let written = files.write(&mut mounted.workspace, &mut map, 0, &page, NOW);
    assert_eq!(written, Err(Error::Corrupt));
    // Its last line has the state, which the mount has changed in block 0 alone.
    let mut now = vec![0; BLOCK_SIZE as usize];
    let medium = mounted.volume.platform().medium();
    medium.read(block_offset(BLOCKS - 1), &mut now).unwrap();
    assert!(now == copy);
}
