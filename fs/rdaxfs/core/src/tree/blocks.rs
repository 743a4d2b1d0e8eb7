// SPDX-License-Identifier: GPL-2.0

//! The blocks of nodes that a transaction takes and leaves behind.

use zerocopy_derive::FromZeros;

use crate::alloc::{allocate, free_run, Request};
use crate::format::{group_of, inode_block};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::{Error, Result};

/// The most nodes that a transaction leaves behind: two trees of full depth, and their leaves.
const MAX_RETIRED: usize = 20;

/// The blocks of nodes that a transaction takes and leaves behind: part of the workspace, so that it is on nobody's
/// stack. What it says is of the transaction that has [`start`](Self::start)ed it.
#[derive(Debug, FromZeros)]
pub(crate) struct NodeBlocks {
    group: u32,
    reserve: bool,
    made: u64,
    /// Blocks are numbered below 2³².
    retired: [u32; MAX_RETIRED],
    count: usize,
}

impl NodeBlocks {
    /// For a workspace.
    pub(crate) const fn new() -> Self {
        Self {
            group: 0,
            reserve: false,
            made: 0,
            retired: [0; MAX_RETIRED],
            count: 0,
        }
    }

    /// None yet. New ones are taken near the inode; `reserve`: from the last blocks too, for
    /// what must succeed on a full volume.
    pub(crate) fn start(&mut self, ino: u64, reserve: bool) {
        self.group = group_of(inode_block(ino));
        self.reserve = reserve;
        self.made = 0;
        self.count = 0;
    }

    /// Takes a block for a node.
    ///
    /// # Errors
    ///
    /// Those of [`allocate`].
    pub(crate) fn make<P: Platform>(&mut self, tx: &mut Transaction<'_, P>) -> Result<u64> {
        let mut request = Request::structure(self.group, 1, true);
        request.reserve = self.reserve;
        let (run, _) = allocate(tx, &request)?;
        self.made = self.made.saturating_add(1);
        Ok(run.block)
    }

    /// A block that nothing will point to.
    pub(crate) fn retire(&mut self, block: u64) -> Result {
        let place = self.retired.get_mut(self.count).ok_or(Error::Invalid)?;
        *place = u32::try_from(block).map_err(|_| Error::Corrupt)?;
        self.count += 1;
        Ok(())
    }

    /// Gives back the blocks left behind. The transaction must allocate nothing after this.
    ///
    /// Returns how many blocks were taken and given back, which change the inode's `blocks`.
    pub(crate) fn settle<P: Platform>(&self, tx: &mut Transaction<'_, P>) -> Result<(u64, u64)> {
        for &block in self.retired.iter().take(self.count) {
            free_run(tx, u64::from(block), 1, true)?;
        }
        Ok((self.made, self.count as u64))
    }
}
