// SPDX-License-Identifier: GPL-2.0

//! A volume in ordinary memory.

use rdaxfs_core::format::{Extent, Time};
use rdaxfs_core::inode::{MapState, XattrState};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::volume::{Access, Volume};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_host::{Dram, Host};

pub(crate) type DramVolume = Volume<Host<Dram>>;

/// A volume of so many MiB, mounted.
pub(crate) fn volume(mib: u64) -> (DramVolume, Box<Workspace>) {
    let medium = Dram::new(mib << 20);
    let options = Options {
        hash_key: [1, 2],
        uuid: [7; 16],
        ..Options::new(medium.blocks())
    };
    let superblock = make(&medium, &options).expect("the volume can be made");
    let mut workspace = Box::new(Workspace::new());
    let host = Host::new(medium, &superblock);
    let volume = Volume::mount(host, Access::ReadWrite, Time::new(1, 0), &mut workspace);
    (
        volume.expect("a volume that has been made can be mounted"),
        workspace,
    )
}

/// The states of the root directory's locks.
pub(crate) fn root(volume: &DramVolume) -> (MapState, XattrState) {
    let (map, _) = volume
        .open(volume.root(), None)
        .expect("there is a root directory");
    let xattrs = XattrState::new(&map);
    (map, xattrs)
}

/// All bytes of a file.
pub(crate) fn contents(volume: &DramVolume, map: &MapState) -> Vec<u8> {
    let size = volume.attributes(map).expect("the inode can be read").size;
    let mut bytes = vec![0; size as usize];
    let read = volume.read_file(map, 0, &mut bytes);
    assert_eq!(read, Ok(bytes.len()));
    bytes
}

/// All extents of a file.
pub(crate) fn extents(volume: &DramVolume, map: &MapState) -> Vec<Extent> {
    let mut page = 0;
    std::iter::from_fn(|| {
        let extent = volume
            .next_extent(map, page)
            .expect("extents can be read")?;
        page = extent.end();
        Some(extent)
    })
    .collect()
}

/// The free blocks of all groups.
pub(crate) fn free_blocks(volume: &DramVolume) -> u64 {
    let free = |group| volume.count_group(group).expect("groups are good").0;
    (0..volume.groups())
        .map(|group| u64::from(free(group)))
        .sum()
}
