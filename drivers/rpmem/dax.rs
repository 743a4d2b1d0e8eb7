// SPDX-License-Identifier: GPL-2.0

//! The DAX device's operations.

use crate::{
    backing::Backing,
    medium::{Medium, PAGE_SECTORS},
    poison::Waiting,
};
use kernel::{iov::IovIterSource, prelude::*};
use kernel_ext::{
    dax::{AccessError, AccessMode, Operations},
    pmem::Window,
    PAGE_SIZE, SECTOR_SIZE,
};
use rpmem_regions::span::{pages_from, Pgoff, Sector, Span};

#[vtable]
impl<B: Backing> Operations for Medium<B> {
    type OwnerModule = B::Module;

    fn direct_access(
        &self,
        pgoff: u64,
        nr_pages: usize,
        mode: AccessMode,
    ) -> Result<Window<'_>, AccessError> {
        // A caller that can use no page is told about one.
        let wanted = (nr_pages as u64).max(1);
        let mut pages =
            pages_from(Pgoff(pgoff), self.nr_pages(), wanted).ok_or(AccessError::OutOfRange)?;
        // In the region, hence far from overflow.
        let sector = pgoff * PAGE_SECTORS;

        if let Some(bad) = self.poison().first_in(sector, pages * PAGE_SECTORS) {
            match mode {
                AccessMode::Access => return Err(AccessError::Poison),
                // Up to the page with the bad sector, or that page alone: firmware that clears
                // poison does it a little at a time.
                AccessMode::RecoveryWrite => pages = ((bad - sector) / PAGE_SECTORS).max(1),
            }
        }
        self.window(sector, pages as usize * PAGE_SIZE)
            .ok_or(AccessError::OutOfRange)
    }

    fn zero_page_range(&self, pgoff: u64, nr_pages: usize) -> Result {
        if self.is_read_only() {
            return Err(EROFS);
        }
        let region = self.nr_pages() * PAGE_SIZE as u64;
        let span = Span::from_pages(Pgoff(pgoff), nr_pages as u64, PAGE_SIZE as u64, region);
        let (Sector(first), sectors) = span.ok_or(EIO)?.sectors_touched();
        let window = self.window(first, sectors as usize * SECTOR_SIZE);
        self.zero(first, window.ok_or(EIO)?, Waiting::Allowed)
    }

    fn recovery_write(
        &self,
        pgoff: u64,
        offset: usize,
        bytes: usize,
        iter: &mut IovIterSource<'_>,
    ) -> usize {
        if self.is_read_only() {
            return 0;
        }
        let sector = pgoff * PAGE_SECTORS;
        let pages = (offset + bytes).div_ceil(PAGE_SIZE) as u64;
        if !self.poison().any_in(sector, pages * PAGE_SECTORS) {
            // Good pages before the bad one, or someone else has repaired it meanwhile.
            let Some(mut window) = self.window(sector, offset + bytes) else {
                return 0;
            };
            return match window.take_front(offset) {
                Some(_) => window.copy_from_iter(iter),
                None => 0,
            };
        }
        // A page is the least that can be recovered; the file system passes the error on.
        if offset != 0 || bytes % PAGE_SIZE != 0 {
            return 0;
        }
        self.recover(sector, bytes, iter)
    }
}
