// SPDX-License-Identifier: GPL-2.0

//! Writes bytes of files through the medium.

use super::{end_of, page_of, State};
use crate::format::{block_offset, Time, BLOCK_SIZE};
use crate::inode::MapState;
use crate::platform::Platform;
use crate::volume::Volume;
use crate::workspace::Workspace;
use crate::{Error, Result};

impl<P: Platform> Volume<P> {
    /// Writes bytes at `offset`, durably. Returns how many: fewer than asked for if there is no
    /// space for more.
    ///
    /// For tools, for targets of symbolic links that do not fit the inode, and as the example of
    /// how a DAX write goes.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// Those of [`map_for_write`](Self::map_for_write) and [`set_size`](Self::set_size). When it
    /// fails the bytes that were there may have been overwritten.
    pub fn write_file(
        &self,
        workspace: &mut Workspace,
        map: &mut MapState,
        offset: u64,
        bytes: &[u8],
        now: Time,
    ) -> Result<usize> {
        self.check_writable()?;
        let end = end_of(offset, bytes.len() as u64)?;
        if end > self.size(map)? {
            let (page, last) = (page_of(offset), end.div_ceil(BLOCK_SIZE));
            self.realign(workspace, map, page, last.saturating_sub(page).max(1))?;
        }
        let mut at = offset;
        while at < end {
            let pages = end.div_ceil(BLOCK_SIZE) - page_of(at);
            let mapping = match self.map_for_write(workspace, map, page_of(at), pages) {
                Ok((mapping, _)) => mapping,
                Err(Error::NoSpace) if at > offset => break,
                Err(error) => return Err(error),
            };
            let State::Mapped(block) = mapping.state else {
                return Err(Error::Corrupt);
            };
            let until = block_offset(mapping.page + mapping.count).min(end);
            let piece = (at - offset) as usize..(until - offset) as usize;
            let piece = bytes.get(piece).ok_or(Error::Invalid)?;
            self.put_bytes(map, block_offset(block) + at % BLOCK_SIZE, piece)?;
            at = until;
        }
        if at > offset {
            self.set_size(workspace, map, offset, at, now)?;
        }
        Ok((at - offset) as usize)
    }
}
