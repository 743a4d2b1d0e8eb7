// SPDX-License-Identifier: GPL-2.0

//! What becomes of a volume whose device fails.
//!
//! Nothing on the medium says which file has a block. So failed blocks are counted and named in the log, and
//! the kernel itself looks for the processes that have them mapped. Where metadata has failed of which there is no
//! copy, the volume is shut down: what it would store there next is lost.

use core::ops::Range;

use kernel::prelude::*;
use kernel_ext::compat::code::EOPNOTSUPP;
use kernel_ext::fs::{
    dax::holder::{Failure, Operations},
    fserror, SuperBlock,
};
use rdaxfs_core::{
    format::{ErrorKind, BLOCK_SIZE},
    owner::Use,
    volume::Volume,
    Error as CoreError,
};

use crate::{error::errno, platform::Platform, super_block::Rdaxfs};

/// Who is told of failures.
pub(crate) struct Holder;

impl Operations for Holder {
    type FileSystem = Rdaxfs;

    fn notify_failure(sb: &SuperBlock<Rdaxfs>, failure: &Failure) -> Result {
        match failure {
            Failure::PreRemove => {
                sb.data().mounted.remove_device();
                Ok(())
            }
            Failure::Memory(range) => memory_failed(sb, range),
        }
    }
}

/// What bytes of the device are used for.
enum Found {
    /// Nothing, or what there is a copy of.
    Nothing,
    /// Files or extended attributes.
    Data,
    /// Metadata without a copy.
    Metadata,
}

impl Found {
    fn of(volume: &Volume<Platform>, block: u64) -> Self {
        match volume.owners().use_of(block) {
            // Behind the volume.
            Err(CoreError::Invalid) | Ok(Use::Free | Use::Bad) => Self::Nothing,
            // The copy has nothing that the first one does not have.
            Ok(Use::Superblock) if block != 0 => Self::Nothing,
            Ok(Use::Data) => Self::Data,
            // What says so may have failed itself.
            Ok(_) | Err(_) => Self::Metadata,
        }
    }
}

/// Bytes of the device have failed, whole pages.
fn memory_failed(sb: &SuperBlock<Rdaxfs>, range: &Range<u64>) -> Result {
    let data = sb.data();
    let blocks = range.start / BLOCK_SIZE..range.end.div_ceil(BLOCK_SIZE);
    let mut is_data = false;
    for block in blocks {
        // After a shutdown processes still have files mapped.
        let volume = data.mounted.volume_to_end().map_err(|_| EOPNOTSUPP)?;
        let found = Found::of(&volume, block);
        let bytes = block * BLOCK_SIZE..(block + 1) * BLOCK_SIZE;
        match found {
            Found::Nothing => pr_warn!(
                "{}: memory has failed at bytes {:#x} to {:#x}, which are not in use\n",
                sb.id(),
                bytes.start,
                bytes.end - 1,
            ),
            Found::Data => {
                pr_err!(
                    "{}: memory has failed at bytes {:#x} to {:#x}, which are a file's\n",
                    sb.id(),
                    bytes.start,
                    bytes.end - 1,
                );
                fserror::report_data_lost(sb, &bytes);
                is_data = true;
            }
            Found::Metadata => {
                pr_err!(
                    "{}: memory has failed at bytes {:#x} to {:#x}, which are metadata: the volume is shut down; unmount it and run fsck.rdaxfs\n",
                    sb.id(),
                    bytes.start,
                    bytes.end - 1,
                );
                fserror::report_metadata(sb, EIO);
                data.count_error(ErrorKind::Unreadable);
                volume.shutdown();
                fserror::report_shutdown(sb);
                return Err(errno(CoreError::Corrupt));
            }
        }
    }
    if is_data {
        data.count_error(ErrorKind::Unreadable);
    }
    // The kernel looks for processes that have the page mapped.
    Err(EOPNOTSUPP)
}
