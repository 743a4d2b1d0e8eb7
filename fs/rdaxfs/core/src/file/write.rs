// SPDX-License-Identifier: GPL-2.0

//! Writes bytes of files through the medium.

use super::{end_of, page_of, Claim, Files, State};
use crate::format::{block_offset, Time, BLOCK_SIZE};
use crate::inode::{Change, MapState};
use crate::platform::Platform;
use crate::workspace::Workspace;
use crate::{Error, Result};

impl<P: Platform> Files<'_, P> {
    /// Writes bytes at `offset`, durably. Returns how many: fewer than asked for if there is no
    /// space for more.
    ///
    /// For tools, and as the example of how a DAX write goes. Nobody else uses the file meanwhile: it may
    /// [`realign`](Self::realign) it.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// Those of [`map_for_write`](Self::map_for_write) and [`set_size`](Self::set_size). When it
    /// fails the bytes that were there may have been overwritten.
    pub fn write(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        offset: u64,
        bytes: &[u8],
        now: Time,
    ) -> Result<usize> {
        self.volume.check_writable()?;
        let end = end_of(offset, bytes.len() as u64)?;
        if end > self.size(map)? {
            let (page, last) = (page_of(offset), end.div_ceil(BLOCK_SIZE));
            self.realign(workspace, map, page, last.saturating_sub(page).max(1))?;
        }
        let change = Change::modified(now);
        let part = |from: u64, to: u64| {
            let part = (from - offset) as usize..(to - offset) as usize;
            bytes.get(part).ok_or(Error::Invalid)
        };
        let mut at = offset;
        // What has been committed already.
        let mut done = offset;
        while at < end {
            if let Some(claim) = self.claim(workspace, map, at, end - at)? {
                let until = claim.bytes().end;
                let copied = self.fill_claim(map, &claim, part(at, until)?);
                let len = if copied.is_ok() { until - at } else { 0 };
                self.commit_claim(workspace, map, claim, (offset, len), &change)?;
                copied?;
                (at, done) = (until, until);
                continue;
            }
            let pages = (page_of(at), end.div_ceil(BLOCK_SIZE) - page_of(at));
            let mapping = match self.map_for_write(workspace, map, pages, &change) {
                Ok(writable) => writable.mapping,
                Err(Error::NoSpace) if at > offset => break,
                Err(error) => return Err(error),
            };
            let State::Mapped(block) = mapping.state else {
                return Err(Error::Corrupt);
            };
            let until = block_offset(mapping.page + mapping.count).min(end);
            let place = block_offset(block) + at % BLOCK_SIZE;
            self.put_bytes(map, place, part(at, until)?)?;
            at = until;
        }
        if at > done {
            self.set_size(workspace, map, (offset, at), &change)?;
        }
        Ok((at - offset) as usize)
    }

    /// Copies bytes to the blocks of a claim.
    fn fill_claim(self, map: &MapState, claim: &Claim, bytes: &[u8]) -> Result {
        let State::Mapped(block) = claim.mapping().state else {
            return Err(Error::Invalid);
        };
        let place = block_offset(block) + claim.bytes().start % BLOCK_SIZE;
        self.put_bytes(map, place, bytes)
    }
}
