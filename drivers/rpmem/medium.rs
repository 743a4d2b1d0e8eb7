// SPDX-License-Identifier: GPL-2.0

//! The mapped region: reading, overwriting, zeroing.
//!
//! Every store goes around the CPU's caches and is fenced before the I/O that made it ends, so that
//! whoever has seen a write end, on any CPU, can have it flushed by a fence on another.

use crate::{
    backing::Backing,
    poison::{Poison, Repair, Waiting},
};
use kernel::{
    iov::IovIterSource,
    prelude::*,
    sizes::SZ_2M,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};
use kernel_ext::{
    block::bio::Bio,
    memalloc::NoioScope,
    memremap::PageMap,
    pmem::{self, Window},
    resource::PhysRange,
    PAGE_SIZE, SECTOR_SIZE,
};
use rpmem_regions::span::{Sector, Span};

/// Sectors in a page.
pub const PAGE_SECTORS: u64 = (PAGE_SIZE / SECTOR_SIZE) as u64;

/// Bytes that are zeroed at a time: what a concurrent injection of an error may have to wait for.
const ZERO_STRIDE: usize = SZ_2M;

/// How often in a row a source may be in memory when it is asked for, and gone when it is copied,
/// before a recovery gives up on it.
const FRUITLESS_ROUNDS: u32 = 8;

/// A mapped region and its bad blocks.
pub struct Medium<B: Backing> {
    pages: PageMap<Poison>,
    poison: Arc<Poison>,
    backing: B,
    read_only: Atomic<bool>,
}

impl<B: Backing> Medium<B> {
    /// A medium with a list of bad blocks, the one that failures of its memory go to. Nothing is
    /// written to it if it is read-only.
    pub fn new(pages: PageMap<Poison>, poison: Arc<Poison>, backing: B, read_only: bool) -> Self {
        Self {
            pages,
            poison,
            backing,
            read_only: Atomic::new(read_only),
        }
    }

    /// Whether nothing may be written. The disk says so too, and may be set read-only for a while
    /// besides; file systems come here directly.
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Relaxed)
    }

    /// Sets whether nothing may be written from now on. Writes that are under way go on.
    pub fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Relaxed);
    }

    /// Returns what the medium is a part of.
    #[inline]
    pub fn backing(&self) -> &B {
        &self.backing
    }

    /// Returns the list of bad blocks.
    #[inline]
    pub fn poison(&self) -> &Poison {
        &self.poison
    }

    /// Returns the mapped pages.
    pub fn pages(&self) -> &PageMap<Poison> {
        &self.pages
    }

    /// Returns the number of pages.
    pub fn nr_pages(&self) -> u64 {
        (self.pages.len() / PAGE_SIZE) as u64
    }

    /// Returns `bytes` bytes from a sector on; `None` if they are not all on the medium.
    #[inline]
    pub fn window(&self, sector: u64, bytes: usize) -> Option<Window<'_>> {
        let span = Span::from_sector(Sector(sector), bytes as u64, self.pages.len() as u64)?;
        self.pages.window(span.offset() as usize, bytes)
    }

    /// Reads what a bio asks for.
    ///
    /// With a bad sector in it the medium is not touched; poison that nobody knew of is an error
    /// too.
    #[inline]
    pub fn read(&self, bio: &Bio) -> Result {
        let mut window = self.window_of(bio)?;
        if self.poison.any_in(bio.sector(), sectors(bio)) {
            return Err(EIO);
        }
        for segment in bio.segments() {
            window.read_segment(segment)?;
        }
        Ok(())
    }

    /// Writes a bio's data, which clears the bad sectors that it covers.
    #[inline]
    pub fn write(&self, bio: &Bio) -> Result {
        let mut window = self.window_of(bio)?;
        let repair = self.begin(bio.sector(), bio.len(), waiting(bio))?;
        for segment in bio.segments() {
            window.write_segment(segment)?;
        }
        pmem::pmem_wmb();
        repair.done();
        Ok(())
    }

    /// Writes zeroes where a bio says, which clears the bad sectors that it covers.
    pub fn write_zeroes(&self, bio: &Bio) -> Result {
        self.zero(bio.sector(), self.window_of(bio)?, waiting(bio))
    }

    /// Writes zeroes to a window that begins at `sector`.
    pub fn zero(&self, sector: u64, window: Window<'_>, waiting: Waiting) -> Result {
        let mut sector = sector;
        let mut rest = window;
        while !rest.is_empty() {
            // Up to a multiple of the stride, so that no page is written in two pieces.
            let to_boundary = ZERO_STRIDE - sector as usize * SECTOR_SIZE % ZERO_STRIDE;
            let piece = rest.take_front(rest.len().min(to_boundary)).ok_or(EIO)?;
            let repair = self.begin(sector, piece.len(), waiting)?;
            piece.zero()?;
            pmem::pmem_wmb();
            repair.done();
            sector += (piece.len() / SECTOR_SIZE) as u64;
        }
        Ok(())
    }

    /// Begins a write of `bytes` bytes from a sector on, by the rule of [`crate::poison`].
    #[inline]
    pub fn begin(&self, sector: u64, bytes: usize, waiting: Waiting) -> Result<Repair<'_>> {
        let sectors = (bytes / SECTOR_SIZE) as u64;
        let clear = || self.clear_poison(sector, bytes, waiting);
        let repair = self
            .poison
            .begin(&self.pages, sector, sectors, waiting, clear)?;
        if B::HAS_CLEAR_POISON && repair.is_of_bad() {
            // What was loaded from there before is no more what is there.
            if let Some(window) = self.window(sector, bytes) {
                window.invalidate();
            }
        }
        Ok(repair)
    }

    /// Takes poison away from sectors that are about to be written.
    fn clear_poison(&self, sector: u64, bytes: usize, waiting: Waiting) -> Result {
        if !B::HAS_CLEAR_POISON {
            return Ok(());
        }
        if waiting == Waiting::Refused {
            return Err(EAGAIN);
        }
        let start = self.pages.range().start() + sector * SECTOR_SIZE as u64;
        let range = PhysRange::new(start, bytes as u64).ok_or(EIO)?;
        // The list is locked, and reclaim would write to this disk, and wait for it.
        let _scope = NoioScope::new();
        self.backing.clear_poison(range)
    }

    /// Records all that the backing knows to be bad; what is on the list already stays.
    ///
    /// # Errors
    ///
    /// What the backing says if it cannot be asked.
    pub fn record_reported(&self) -> Result {
        let mut new = 0;
        let outcome = self.backing.for_each_bad(&mut |Sector(first), sectors| {
            new += self.poison.record_reported(first, sectors);
        });
        self.poison.tell_reported(new);
        outcome
    }

    /// Writes `bytes` bytes from `iter` over whole sectors, from a sector on, and clears those;
    /// returns the number of bytes written, which is less if the source faulted or ended.
    ///
    /// The source may be a mapping of this very medium, whose page fault zeroes a block through it:
    /// so none is taken while the list of bad blocks is locked.
    pub fn recover(&self, sector: u64, bytes: usize, iter: &mut IovIterSource<'_>) -> usize {
        let Some(mut rest) = self.window(sector, bytes) else {
            return 0;
        };
        let mut sector = sector;
        let mut fruitless = 0;
        while !rest.is_empty() && fruitless < FRUITLESS_ROUNDS {
            // The source may end in the middle of a sector, or of what is mapped.
            if pmem::fault_in(iter, rest.len().min(PAGE_SIZE)) < SECTOR_SIZE {
                break;
            }
            let Ok(repair) = self.begin(sector, rest.len(), Waiting::Allowed) else {
                break;
            };
            let written = rest.copy_sectors_from_iter_nofault(iter) as u64;
            pmem::pmem_wmb();
            repair.done_up_to(written);
            fruitless = if written == 0 { fruitless + 1 } else { 0 };
            sector += written;
            if rest.take_front(written as usize * SECTOR_SIZE).is_none() {
                break;
            }
        }
        bytes - rest.len()
    }

    #[inline]
    fn window_of(&self, bio: &Bio) -> Result<Window<'_>> {
        // The block core has checked it against the capacity; this is what makes it safe.
        self.window(bio.sector(), bio.len()).ok_or(EIO)
    }
}

/// Returns how many sectors a bio covers.
#[inline]
fn sectors(bio: &Bio) -> u64 {
    (bio.len() / SECTOR_SIZE) as u64
}

/// Returns whether who asked for a bio can wait.
#[inline]
fn waiting(bio: &Bio) -> Waiting {
    if bio.is_nowait() {
        Waiting::Refused
    } else {
        Waiting::Allowed
    }
}
