// SPDX-License-Identifier: GPL-2.0

//! What the core does once nothing is wrong but names: it finishes what was left to do, and gives names to
//! what has lost them.

use rdaxfs_core::format::{Time, S_IFDIR, S_IFMT};
use rdaxfs_core::inode::MapState;
use rdaxfs_core::name::NewInode;
use rdaxfs_core::volume::{Access, Volume};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::{FileMedium, Host};

/// Where inodes without a name go.
const LOST_FOUND: &[u8] = b"lost+found";

type FileVolume = Volume<Host<FileMedium>>;

/// What was done.
pub(crate) struct Outcome {
    /// Inodes that got a name.
    pub(crate) named: usize,
    /// Orphans and intents that were finished.
    pub(crate) finished: usize,
}

/// Mounts the volume, finishes what is left to do, gives each of `unconnected` a name, and unmounts it as
/// clean.
pub(crate) fn mend(
    host: Host<FileMedium>,
    unconnected: &[u64],
    now: Time,
) -> Result<(Outcome, FileMedium)> {
    let mut workspace = Box::new(Workspace::new());
    let volume = Volume::mount(host, Access::ReadWrite, now, &mut workspace)?;
    let finished = finish_all(&volume, &mut workspace)?;
    let mut named = 0;
    if !unconnected.is_empty() {
        let (mut root, _) = volume.open(volume.root(), None)?;
        let mut folder = open_folder(&volume, &mut workspace, &mut root, now)?;
        for &ino in unconnected {
            let (mut map, _) = volume.open(ino, None)?;
            let name = format!("#{ino}");
            volume.adopt(&mut workspace, &mut folder, name.as_bytes(), &mut map, now)?;
            named += 1;
        }
    }
    let (mut free, mut inodes) = (0, 0);
    for group in 0..volume.groups() {
        let (group_free, group_inodes) = volume.count_group(group)?;
        free += u64::from(group_free);
        inodes += group_inodes;
    }
    let host = volume.unmount(free, inodes);
    Ok((Outcome { named, finished }, host.into_medium()))
}

fn finish_all(volume: &FileVolume, workspace: &mut Workspace) -> Result<usize> {
    let mut finished = 0;
    for group in 0..volume.groups() {
        while let Some(ino) = volume.first_unfinished(group)? {
            let (mut map, _) = volume.open(ino, None)?;
            volume.finish(workspace, &mut map)?;
            finished += 1;
        }
    }
    Ok(finished)
}

fn open_folder(
    volume: &FileVolume,
    workspace: &mut Workspace,
    root: &mut MapState,
    now: Time,
) -> Result<MapState> {
    match volume.lookup(root, LOST_FOUND) {
        Ok(found) => {
            let (map, attributes) = volume.open(found.ino, None)?;
            if attributes.mode & S_IFMT != S_IFDIR {
                return Err(Error::NotDirectory);
            }
            Ok(map)
        }
        Err(Error::NoEntry) => {
            let new = NewInode {
                mode: S_IFDIR | 0o700,
                ..NewInode::default()
            };
            Ok(volume.mkdir(workspace, root, LOST_FOUND, &new, now)?.0)
        }
        Err(error) => Err(error),
    }
}
