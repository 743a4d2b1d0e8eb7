// SPDX-License-Identifier: GPL-2.0

//! What a machine check in a region does: the sectors that it names are bad from then on.
//!
//! The kernel's own handling comes first, and may have failed the whole page (see
//! [`crate::poison`]); where it does nothing, as for an error that a copy in the kernel survived,
//! this is all that happens.

use crate::medium::Medium;
use kernel_ext::mce::{Answer, Listener, MemoryError};
use rpmem_regions::span::{Sector, Span};

impl Listener for Medium {
    fn memory_error(&self, error: MemoryError) -> Answer {
        let region = self.pages().range();
        let span = Span::of_error(error.addr(), error.granule(), region.start(), region.size());
        let Some(span) = span else {
            return Answer::NotMine;
        };
        if error.is_page_unmapped() {
            // Recorded already, unless somebody has overwritten the page since, before it was
            // unmapped: then the next write has to map it again.
            let pages = self.pages();
            if let Some(failed) = pages.failed(span.offset() as usize, span.len() as usize) {
                self.poison().record(failed);
            }
        } else {
            let (Sector(first), sectors) = span.sectors_touched();
            self.poison().record_machine_check(first, sectors);
        }
        Answer::Handled
    }
}
