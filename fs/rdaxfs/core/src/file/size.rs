// SPDX-License-Identifier: GPL-2.0

//! The size of a file.

use super::perform::{Job, Record};
use super::{page_of, Changed, Files, Head};
use crate::format::{Intent, BLOCK_SIZE, MAX_FILE_SIZE, MAX_PAGES};
use crate::inode::{Change, MapState};
use crate::platform::Platform;
use crate::workspace::Workspace;
use crate::{Error, Result};

impl<P: Platform> Files<'_, P> {
    /// Commits the size of a file that has been written to from byte `from` on, if it has become
    /// longer; the size is otherwise as it was. Does `change` either way, in the same transaction.
    ///
    /// The data is durable before the size is: what the calling CPU has stored past the cache, or stored and
    /// flushed, is fenced here. What the file had behind its old end (stores through a mapping
    /// beyond it, a write that a crash stopped) is zeroed up to `from`.
    ///
    /// Without DAX it is called after [`convert`](Self::convert).
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// [`Error::FileTooBig`], [`Error::Invalid`] if `from` is behind `size`, [`Error::ReadOnly`],
    /// [`Error::Corrupt`], and [`Error::Io`], also when the old end's page is poisoned.
    #[inline(never)]
    pub fn set_size(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        (from, size): (u64, u64),
        change: &Change,
    ) -> Result<Changed> {
        self.volume.check_writable()?;
        if size > MAX_FILE_SIZE {
            return Err(Error::FileTooBig);
        }
        if from > size {
            return Err(Error::Invalid);
        }
        self.complete(workspace, map)?;
        self.commit_size(workspace, map, (from, size), change)
    }

    /// Commits the size of a file of which nothing is left to do.
    #[inline(never)]
    pub(super) fn commit_size(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        (from, size): (u64, u64),
        change: &Change,
    ) -> Result<Changed> {
        let old = self.size(map)?;
        let longer = size > old;
        if longer {
            // Where nothing has been written, nothing is lost behind the new end either, and who
            // maps its page finds zeros there.
            let until = if from == size {
                size.next_multiple_of(BLOCK_SIZE)
            } else {
                from.max(old)
            };
            self.zero_bytes(map, old..until)?;
        }
        let head = Head {
            size: longer.then_some(size),
            change: Some(change),
        };
        let ino = map.ino;
        self.volume.transact(workspace, &mut map.stamp, |tx, _| {
            if longer {
                tx.after_data();
            } else if from < size {
                tx.with_data();
            }
            head.apply(tx, ino)?;
            Changed::of(tx, ino)
        })
    }

    /// Makes a file longer or shorter. What is added reads as zeros.
    ///
    /// Whoever has mapped pages that go, or the new end's page, must not store to them meanwhile: the
    /// caller unmaps them, and waits for transfers to them.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// As [`set_size`](Self::set_size). When pages could not be freed the size has changed, and the
    /// next operation goes on.
    #[inline(never)]
    pub fn truncate(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        size: u64,
        change: &Change,
    ) -> Result<Changed> {
        self.volume.check_writable()?;
        self.complete(workspace, map)?;
        if size > self.size(map)? {
            if size > MAX_FILE_SIZE {
                return Err(Error::FileTooBig);
            }
            return self.commit_size(workspace, map, (size, size), change);
        }
        let tail = size..size.next_multiple_of(BLOCK_SIZE);
        self.check_zeroable(map, tail.clone())?;
        let job = Job {
            intent: Intent::Free,
            pages: page_of(tail.end)..MAX_PAGES,
            record: Record::IfNeeded,
        };
        let head = Head {
            size: Some(size),
            change: Some(change),
        };
        let changed = self.perform(workspace, map, &job, head)?;
        // Not before: a crash must show the file as it was, or shorter.
        self.zero_bytes(map, tail)?;
        self.fence_data();
        Ok(changed)
    }
}
