// SPDX-License-Identifier: GPL-2.0

//! What was left to do when the volume was last used: files whose last name has gone, and operations of more than one
//! transaction.

use kernel::prelude::*;
use kernel_ext::fs::{FsContext, SuperBlock};
use rdaxfs_core::Error as CoreError;

use crate::{error::errno, inode, super_block::Rdaxfs};

/// Finishes what was left to do when the volume was last used, or says why that cannot be done.
pub(crate) fn finish_all(sb: &SuperBlock<Rdaxfs>, context: &FsContext<Rdaxfs>) -> Result {
    finish_listed(sb).inspect_err(|error| {
        context.error(fmt!(
            "{}: what was left to do before the last crash cannot be done ({:?}); run fsck.rdaxfs",
            sb.id(),
            error,
        ));
    })
}

fn finish_listed(sb: &SuperBlock<Rdaxfs>) -> Result {
    let volume = sb.data().mounted.volume()?;
    for group in 0..volume.groups() {
        let mut last = None;
        while let Some(ino) = volume.inodes().first_unfinished(group).map_err(errno)? {
            if last.replace(ino) == Some(ino) {
                // What is wrong with it has been said.
                return Err(errno(CoreError::Corrupt));
            }
            finish(sb, ino)?;
        }
    }
    Ok(())
}

/// Finishes what was left to do for an inode.
fn finish(sb: &SuperBlock<Rdaxfs>, ino: u64) -> Result {
    let inode = inode::get(sb, ino)?;
    if inode.links() > 0 {
        let mut operation = sb.data().mounted.begin()?;
        let mut map = inode.data().map.write();
        operation
            .volume
            .files()
            .finish(&mut operation.workspace, &mut map)
            .map_err(errno)?;
    }
    // One without a name is freed when it leaves memory, which it does now.
    drop(inode);
    Ok(())
}
