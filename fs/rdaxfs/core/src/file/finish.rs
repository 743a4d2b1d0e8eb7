// SPDX-License-Identifier: GPL-2.0

//! What was left to do for an inode.

use core::mem::offset_of;

use super::perform::{Job, Record};
use super::Head;
use crate::alloc::free_run;
use crate::extents::MAX_PAGES;
use crate::format::{links_of, Inode, Intent, IntentWords, Root, XattrRoot};
use crate::inode::{free_inode, inode_word, intent_of, is_listed, remove_orphan, MapState};
use crate::platform::Platform;
use crate::source::Source;
use crate::volume::Volume;
use crate::workspace::Workspace;
use crate::{Error, Result};

impl<P: Platform> Volume<P> {
    /// Finishes what is left to do for an inode: an intent, and if it has no name any more and nobody
    /// uses it, freeing all that it has and itself. `map` is of no use after that.
    ///
    /// For what [`first_unfinished`](Self::first_unfinished) finds, for an inode that is opened with
    /// [`has_intent`](crate::inode::Attributes::has_intent), and for one whose last user goes and that has no links.
    ///
    /// The map lock is held, and for an orphan nobody else can get it.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Corrupt`], [`Error::Io`]. What is left then is done by the next
    /// call.
    pub fn finish(&self, workspace: &mut Workspace, map: &mut MapState) -> Result {
        self.check_writable()?;
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
        let ino = map.ino;
        self.transact(workspace, &mut map.stamp, |tx, _| {
            let xattrs = tx.word(inode_word(ino, offset_of!(Inode, xattrs)))?;
            if xattrs != 0 {
                let XattrRoot { block, count } =
                    XattrRoot::from_word(xattrs).ok_or(Error::Corrupt)?;
                free_run(tx, block, count, false)?;
            }
            if is_listed(tx, ino)? {
                remove_orphan(tx, ino)?;
            }
            free_inode(tx, ino)
        })
    }

    /// Goes on with the inode's intent.
    pub(super) fn resume(&self, workspace: &mut Workspace, map: &mut MapState) -> Result {
        self.check_writable()?;
        let IntentWords { kind, pages } = intent_of(self, map.ino)?;
        let [first, last, _] = pages.map(u64::from);
        if first > last {
            return Err(Error::Corrupt);
        }
        let job = Job {
            intent: Intent::from_number(kind).ok_or(Error::Corrupt)?,
            pages: first..last + 1,
            record: Record::Done,
        };
        self.perform(workspace, map, &job, Head::default())?;
        Ok(())
    }
}
