// SPDX-License-Identifier: GPL-2.0

//! Does to a range of pages what may take many transactions.

use core::mem::offset_of;
use core::ops::Range;

use super::free::{free_step, unwrite_step, Effort};
use super::{extents_of, Changed, Files, Head};
use crate::format::{links_of, Inode, Intent, IntentWords};
use crate::inode::{add_orphan, inode_word, is_listed, remove_orphan, store_intent, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// What is to be done.
pub(super) struct Job {
    pub(super) intent: Intent,
    pub(super) pages: Range<u64>,
    pub(super) record: Record,
}

/// Whether the inode says that there is something to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// It has to, if the first transaction leaves something.
    IfNeeded,
    /// It does.
    Done,
    /// That it is an orphan says all.
    Never,
}

impl<P: Platform> Files<'_, P> {
    /// Does the job; the first transaction also does `head`.
    ///
    /// When it fails after that one, the intent stays, and the next operation goes on with it.
    pub(super) fn perform(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        job: &Job,
        head: Head<'_>,
    ) -> Result<Changed> {
        let mut record = job.record;
        let mut head = head;
        let mut pages = job.pages.clone();
        loop {
            let stage = Stage {
                job,
                pages: pages.clone(),
                record,
                head,
            };
            let (next, changed) = match self.stage(workspace, map, &stage, Effort::Usual) {
                Err(Error::Busy | Error::NoSpace) => {
                    self.stage(workspace, map, &stage, Effort::Least)
                }
                done => done,
            }?;
            match next {
                None => return Ok(changed),
                // So it ends, whatever the volume holds.
                Some(next) if next < pages.start || next >= pages.end => {
                    return Err(Error::Corrupt);
                }
                Some(next) => pages.start = next,
            }
            head = Head::default();
            if record == Record::IfNeeded {
                record = Record::Done;
            }
        }
    }

    /// A transaction of it. Returns the page to go on from.
    #[inline(never)]
    fn stage(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        stage: &Stage<'_>,
        effort: Effort,
    ) -> Result<(Option<u64>, Changed)> {
        let tree = extents_of(map);
        self.volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                let next = match stage.job.intent {
                    _ if stage.pages.is_empty() => Ok(None),
                    Intent::Free => free_step(tx, scratch, &tree, &stage.pages, effort),
                    Intent::Unwrite => unwrite_step(tx, scratch, &tree, &stage.pages, effort),
                    // These move pages: `go_on` does them.
                    Intent::Collapse | Intent::Insert => Err(Error::Invalid),
                }?;
                stage.head.apply(tx, tree.ino)?;
                match (stage.record, next) {
                    (Record::IfNeeded, Some(_)) => set_intent(tx, tree.ino, stage.job)?,
                    (Record::Done, None) => clear_intent(tx, tree.ino)?,
                    _ => {}
                }
                Ok((next, Changed::of(tx, tree.ino)?))
            })
    }
}

struct Stage<'j> {
    job: &'j Job,
    pages: Range<u64>,
    record: Record,
    head: Head<'j>,
}

#[inline(never)]
fn set_intent<P: Platform>(tx: &mut Transaction<'_, P>, ino: u64, job: &Job) -> Result {
    let last = job.pages.end.saturating_sub(1);
    let intent = IntentWords {
        kind: job.intent as u32,
        pages: [job.pages.start as u32, last as u32, 0],
    };
    store_intent(tx, ino, intent)?;
    list_intent(tx, ino)
}

/// Puts an inode with an intent on its group's list, if it is not there.
pub(super) fn list_intent<P: Platform>(tx: &mut Transaction<'_, P>, ino: u64) -> Result {
    if !is_listed(tx, ino)? {
        add_orphan(tx, ino)?;
    }
    Ok(())
}

/// Nothing is left to do.
#[inline(never)]
pub(super) fn clear_intent<P: Platform>(tx: &mut Transaction<'_, P>, ino: u64) -> Result {
    store_intent(tx, ino, IntentWords::default())?;
    let links = tx.word(inode_word(ino, offset_of!(Inode, links)))?;
    if links_of(links) != 0 && is_listed(tx, ino)? {
        remove_orphan(tx, ino)?;
    }
    Ok(())
}
