// SPDX-License-Identifier: GPL-2.0

//! What the core does once nothing is wrong but names: it finishes what was left to do, and gives names to
//! what has lost them.

use rdaxfs_core::format::{Time, S_IFDIR};
use rdaxfs_core::inode::MapState;
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::platform::Platform;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};

/// Where inodes without a name go.
const LOST_FOUND: &str = "lost+found";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnected {
    /// Inodes that got a name.
    pub named: usize,
    /// Orphans and intents that were finished.
    pub finished: usize,
}

/// Finishes what is left to do, and gives each of `unconnected` a name in lost+found, or in the root directory if
/// there is no room for that. A survey has found nothing else wrong with the volume, which is mounted for writing.
///
/// # Errors
///
/// Those of the core; [`Error::NoSpace`] if there is no room for the names.
pub fn reconnect<P: Platform>(
    volume: &Volume<P>,
    workspace: &mut Workspace,
    unconnected: &[u64],
    now: Time,
) -> Result<Reconnected> {
    let finished = finish_all(volume, workspace)?;
    let mut named = 0;
    if !unconnected.is_empty() {
        let (mut root, _) = volume.inodes().open(volume.root(), None)?;
        let mut folder = open_folder(volume, workspace, &mut root, now)?;
        let folder = folder.as_mut().unwrap_or(&mut root);
        for &ino in unconnected {
            if ino == folder.ino() {
                continue;
            }
            let (mut map, _) = volume.inodes().open(ino, None)?;
            let plain = format!("#{ino}");
            let mut name = plain.clone();
            for turn in 1_u64.. {
                match volume
                    .names()
                    .adopt(workspace, folder, name.as_bytes(), &mut map, now)
                {
                    Ok(_) => break,
                    Err(Error::Exists) => name = format!("{plain}.{turn}"),
                    Err(error) => return Err(error),
                }
            }
            named += 1;
        }
    }
    Ok(Reconnected { named, finished })
}

/// Finishes what is left to do: frees orphans, and completes intents. Returns how many there were.
///
/// # Errors
///
/// Those of the core.
pub fn finish_all<P: Platform>(volume: &Volume<P>, workspace: &mut Workspace) -> Result<usize> {
    let mut finished = 0;
    for group in 0..volume.groups() {
        while let Some(ino) = volume.inodes().first_unfinished(group)? {
            let (mut map, _) = volume.inodes().open(ino, None)?;
            volume.files().finish(workspace, &mut map)?;
            finished += 1;
        }
    }
    Ok(finished)
}

/// Opens the directory for what has no name, which is made if need be; with another name if something else has
/// that one. [`None`] if there is no room for it.
fn open_folder<P: Platform>(
    volume: &Volume<P>,
    workspace: &mut Workspace,
    root: &mut MapState,
    now: Time,
) -> Result<Option<MapState>> {
    let new = NewInode {
        mode: S_IFDIR | 0o700,
        ..NewInode::default()
    };
    let mut name = LOST_FOUND.to_owned();
    for turn in 1_u64.. {
        match volume.names().lookup(root, name.as_bytes()) {
            Ok(found) => {
                let (map, attributes) = volume.inodes().open(found.ino, None)?;
                if attributes.is_directory() {
                    return Ok(Some(map));
                }
            }
            Err(Error::NoEntry) => break,
            Err(error) => return Err(error),
        }
        name = format!("{LOST_FOUND}.{turn}");
    }
    match volume.names().mkdir(
        workspace,
        root,
        name.as_bytes(),
        &new,
        now,
        &mut unannounced,
    ) {
        Ok(made) => Ok(Some(made.map)),
        Err(Error::NoSpace) => Ok(None),
        Err(error) => Err(error),
    }
}
