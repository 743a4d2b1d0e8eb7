// SPDX-License-Identifier: GPL-2.0

//! Reading directories.
//!
//! A position is 0 for ".", 1 for "..", and the key of an entry, or anything between two keys.

use kernel::prelude::*;
use kernel_ext::fs::{
    dir::{Emitter, Operations},
    Inode,
};
use rdaxfs_core::format::MAX_KEY;

use crate::{error::met, ioctl::Ioctl, super_block::Rdaxfs};

/// The operations on open directories.
pub(crate) struct Directory;

#[vtable]
impl Operations for Directory {
    type FileSystem = Rdaxfs;
    type Ioctl = Ioctl;

    fn iterate(directory: &Inode<Rdaxfs>, emitter: &mut Emitter<'_>) -> Result {
        if !emitter.emit_dots() {
            return Ok(());
        }
        let mounted = &directory.super_block().data().mounted;
        // Kept while user space takes entries, which may fault and want a workspace of its own.
        let mut workspace = mounted.patient_workspace()?;
        // The last position is the end, because there is none behind it.
        while emitter.position() < MAX_KEY {
            let from = emitter.position();
            let entries = {
                let map = directory.data().map.read();
                mounted
                    .volume()?
                    .names()
                    .entries(&mut workspace, &map, from)
            };
            let mut entries = entries.map_err(|error| met(directory, error))?;
            for entry in &mut entries {
                let entry = entry.map_err(|error| met(directory, error))?;
                if !emitter.emit(entry.cookie, entry.name, entry.ino, entry.kind) {
                    return Ok(());
                }
            }
            emitter.set_position(entries.next_cookie().unwrap_or(MAX_KEY));
        }
        Ok(())
    }

    fn fsync(directory: &Inode<Rdaxfs>) -> Result {
        // Every operation was in the medium when it returned, or in a host's page cache.
        directory.super_block().data().mounted.volume()?;
        directory.super_block().block_device().flush()
    }
}
