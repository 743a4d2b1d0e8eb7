// SPDX-License-Identifier: GPL-2.0

//! A volume in ordinary memory.

use rdaxfs_core::format::Time;
use rdaxfs_core::inode::{MapState, XattrState};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::volume::Volume;
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
    let volume = mount::mount(host, Access::ReadWrite, Time::new(1, 0), &mut workspace);
    (
        volume.expect("a volume that has been made can be mounted"),
        workspace,
    )
}

/// The states of the root directory's locks.
pub(crate) fn root(volume: &DramVolume) -> (MapState, XattrState) {
    let (map, _) = volume
        .inodes()
        .open(volume.root(), None)
        .expect("there is a root directory");
    let xattrs = XattrState::new(&map);
    (map, xattrs)
}
