// SPDX-License-Identifier: GPL-2.0

//! Every block in use is somebody's, and what an inode says it has is found to be its own.

mod common;

use std::collections::BTreeMap;

use rdaxfs_core::format::{Time, XattrSpace, S_IFDIR, S_IFREG};
use rdaxfs_core::inode::{Change, XattrState};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::owner::{Part, Use};
use rdaxfs_core::xattr::{NewXattr, SetMode, XattrName};
use rdaxfs_core::Error;

const NOW: Time = Time::new(5, 0);

#[test]
fn each_block_is_somebodys() {
    let (volume, mut workspace) = common::volume(16);
    let (mut root, mut root_xattrs) = common::root(&volume);
    let file = NewInode {
        mode: S_IFREG | 0o600,
        ..NewInode::default()
    };
    let folder = NewInode {
        mode: S_IFDIR | 0o700,
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
    for number in 0..100 {
        let name = format!("file {number}");
        let mut map = volume
            .names()
            .create(
                &mut workspace,
                &mut below,
                name.as_bytes(),
                &file,
                NOW,
                &mut unannounced,
            )
            .unwrap()
            .map;
        // Every second page: extents that do not fit the inode.
        for page in (0..20).map(|page| 2 * page * 4096) {
            volume
                .files()
                .write(&mut workspace, &mut map, page, b"data", NOW)
                .unwrap();
        }
        volume.files().close(&mut map);
    }
    let name = XattrName::new(XattrSpace::User, b"name").unwrap();
    let xattr = NewXattr {
        name,
        value: &[1; 5000],
    };
    volume
        .xattrs()
        .set(
            &mut workspace,
            &mut root_xattrs,
            &mut root,
            &xattr,
            SetMode::Any,
            &Change::changed(NOW),
        )
        .unwrap();

    let mut blocks: BTreeMap<u64, u64> = BTreeMap::new();
    let mut data = 0;
    for block in 0..volume.blocks() {
        match volume.owners().use_of(block).unwrap() {
            Use::Node { ino } => *blocks.entry(ino).or_default() += 1,
            Use::Data => data += 1,
            Use::Unknown => panic!("block {block} is nobody's"),
            _ => {}
        }
    }
    assert_eq!(volume.owners().use_of(volume.blocks()), Err(Error::Invalid));

    let mut inodes = Vec::new();
    let mut after = 0;
    while let Some(ino) = volume.inodes().next(after).unwrap() {
        inodes.push(ino);
        after = ino;
    }
    assert_eq!(inodes.len(), 102);
    let mut found = 0;
    for &ino in &inodes {
        let (map, attributes) = volume.inodes().open(ino, None).unwrap();
        assert_eq!(XattrState::new(&map).ino(), ino);
        let mut own = 0;
        for block in 0..volume.blocks() {
            if let Some(part) = volume.owners().part_of(&map, block).unwrap() {
                assert_eq!(volume.owners().use_of(block), Ok(Use::Data));
                assert_eq!(part == Part::Xattrs, ino == volume.root());
                own += 1;
            }
        }
        found += own;
        *blocks.entry(ino).or_default() += own;
        assert_eq!(blocks[&ino], attributes.blocks, "inode {ino}");
    }
    assert_eq!(found, data);
}
