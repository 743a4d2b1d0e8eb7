// SPDX-License-Identifier: GPL-2.0

//! What was left to do for an inode.

use core::mem::offset_of;

use super::perform::{Job, Record};
use super::view::View;
use super::Files;
use super::Head;
use crate::alloc::free_run;
use crate::format::{links_of, Inode, Intent, Root, MAX_PAGES};
use crate::inode::{free_inode, is_listed, remove_orphan, xattr_root, MapState};
use crate::platform::Platform;
use crate::workspace::Workspace;
use crate::{Error, Result};

impl<P: Platform> Files<'_, P> {
    /// Finishes what is left to do for an inode: an intent, and if it has no name any more and nobody
    /// uses it, freeing all that it has and itself. `map` is of no use after that.
    ///
    /// For what [`Inodes::first_unfinished`](crate::inode::Inodes::first_unfinished) finds, and for an inode whose last
    /// user goes and that has no links. A look-up needs none of it: what is left to do is read as done.
    ///
    /// The map lock is held, and for an orphan nobody else can get it.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Corrupt`], [`Error::Io`]. What is left then is done by the next
    /// call.
    pub fn finish(self, workspace: &mut Workspace, map: &mut MapState) -> Result {
        self.volume.check_writable()?;
        self.complete(workspace, map)?;
        if links_of(self.field(map, offset_of!(Inode, links))?) != 0 {
            return Ok(());
        }
        self.close(map);
        let root = Root::from_word(self.field(map, offset_of!(Inode, root))?);
        match root.ok_or(Error::Corrupt)? {
            Root::Empty | Root::Target(_) | Root::Entries(0) | Root::Device => {}
            Root::Extents(_) | Root::ExtentTree { .. } => {
                let job = Job {
                    intent: Intent::Free,
                    pages: 0..MAX_PAGES,
                    record: Record::Never,
                };
                self.perform(workspace, map, &job, Head::default())?;
            }
            // Only empty directories lose their names.
            Root::Entries(_) | Root::DirectoryTree { .. } => return Err(Error::Corrupt),
        }
        self.free_orphan(workspace, map)
    }

    /// Frees an inode that has no name and no contents any more.
    // Not in the frame of what has contents to free.
    #[inline(never)]
    fn free_orphan(self, workspace: &mut Workspace, map: &mut MapState) -> Result {
        let ino = map.ino;
        self.volume.transact(workspace, &mut map.stamp, |tx, _| {
            if let Some(run) = xattr_root(tx, ino)?.run() {
                free_run(tx, run.block, run.count, false)?;
            }
            if is_listed(tx, ino)? {
                remove_orphan(tx, ino)?;
            }
            free_inode(tx, ino)
        })
    }

    /// Goes on with the inode's intent.
    pub(super) fn resume(self, workspace: &mut Workspace, map: &mut MapState) -> Result {
        self.volume.check_writable()?;
        let view = self.view(map)?;
        let (intent, pages) = match view {
            View::Plain => return Ok(()),
            View::Hole { first, end } => (Intent::Free, first..end),
            View::Unwritten { first, end } => (Intent::Unwrite, first..end),
            View::Collapse { .. } | View::Insert { .. } => {
                self.go_on(workspace, map, view)?;
                return Ok(());
            }
        };
        let job = Job {
            intent,
            pages,
            record: Record::Done,
        };
        self.perform(workspace, map, &job, Head::default())?;
        Ok(())
    }
}
