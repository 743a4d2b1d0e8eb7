// SPDX-License-Identifier: GPL-2.0

//! Contents of files.

#[path = "../common/mod.rs"]
mod common;

mod claims;
mod damage;
mod errors;
mod extents;
mod full;
mod intents;
mod leaves;
mod medium;
mod model;
mod placement;
mod quarantine;
mod shift;
mod threads;

use rdaxfs_check::{survey, Finding, Image};
use rdaxfs_core::format::{Extent, Time, S_IFREG};
use rdaxfs_core::inode::MapState;
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::platform::Platform;
use rdaxfs_core::superblock::read_superblock;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;

const NOW: Time = Time::new(7, 7);

/// A new file.
fn file<P: Platform>(volume: &Volume<P>, workspace: &mut Workspace) -> MapState {
    let new = NewInode {
        mode: S_IFREG | 0o600,
        ..NewInode::default()
    };
    let made = volume
        .names()
        .tmpfile(workspace, volume.root(), &new, NOW, &mut unannounced);
    made.unwrap().map
}

/// All bytes of a file.
fn contents<P: Platform>(volume: &Volume<P>, map: &MapState) -> Vec<u8> {
    let size = volume
        .inodes()
        .attributes(map)
        .expect("the inode can be read")
        .size;
    let mut bytes = vec![0; size as usize];
    let read = volume.files().read(map, 0, &mut bytes);
    assert_eq!(read, Ok(bytes.len()));
    bytes
}

/// All extents of a file.
fn extents<P: Platform>(volume: &Volume<P>, map: &MapState) -> Vec<Extent> {
    let mut page = 0;
    std::iter::from_fn(|| {
        let extent = volume
            .files()
            .next_extent(map, page)
            .expect("extents can be read")?;
        page = extent.end();
        Some(extent)
    })
    .collect()
}

/// The free blocks of all groups.
fn free_blocks<P: Platform>(volume: &Volume<P>) -> u64 {
    let free = |group| volume.space().of_group(group).expect("groups are good").0;
    (0..volume.groups())
        .map(|group| u64::from(free(group)))
        .sum()
}

/// What fsck would find.
fn findings<P: Platform>(volume: &Volume<P>) -> Vec<Finding> {
    let superblock = read_superblock(volume.platform(), 0).expect("there is a superblock");
    let image = Image::new(volume.platform(), superblock);
    survey(&image, |_| {}).findings
}
