// SPDX-License-Identifier: GPL-2.0

//! The disk's operations.

use crate::{backing::Backing, medium::Medium, sysfs};
use kernel::prelude::*;
use kernel_ext::block::{
    bio::{Bio, BlkStatus, Op},
    gen_disk::{DiskAttribute, Operations},
};

impl<B: Backing> Operations for Medium<B> {
    type Module = B::Module;

    const ATTRIBUTES: &'static [DiskAttribute<Self>] = &[
        DiskAttribute::binary::<sysfs::BadblocksFile>(),
        DiskAttribute::text::<sysfs::WriteCacheFile>(),
        DiskAttribute::END,
    ];

    #[inline]
    fn submit_bio(&self, mut bio: Bio) {
        // Writes are fenced when they end; this is for stores through mappings, which the file system
        // has written back from the caches, and for what the platform holds behind them.
        if bio.is_preflush() && self.backing().flush().is_err() {
            return bio.end(Err(BlkStatus::IoError));
        }
        if bio.is_empty() {
            return bio.end(Ok(()));
        }

        bio.start_io_acct();
        let status = match bio.op() {
            Op::Read => self.read(&bio).map_err(status_of),
            // The block core warns of a write to a read-only device, and lets it pass.
            Op::Write | Op::WriteZeroes if bio.is_to_read_only_device() => Err(BlkStatus::IoError),
            Op::Write => self.write(&bio).map_err(status_of),
            Op::WriteZeroes => self.write_zeroes(&bio).map_err(status_of),
            Op::Other => Err(BlkStatus::NotSupported),
        };
        // On plain memory FUA asks for no more: every write is durable when it ends.
        if B::HAS_FINISH_FUA && status.is_ok() && bio.is_fua() {
            return self.backing().finish_fua(bio);
        }
        bio.end(status);
    }
}

/// Whatever goes wrong on the medium is an I/O error to those who asked, unless they must ask again.
fn status_of(error: Error) -> BlkStatus {
    if error == EAGAIN {
        BlkStatus::Again
    } else {
        BlkStatus::IoError
    }
}
