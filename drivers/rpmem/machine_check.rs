// SPDX-License-Identifier: GPL-2.0

//! What a machine check in a region does: the sectors that it names are bad from then on.
//!
//! The kernel's own handling comes first, and may have failed the whole page (see
//! [`crate::poison`]); where it does nothing, as for an error that a copy in the kernel survived,
//! this is all that happens.

use crate::{backing::Backing, medium::Medium};
use kernel_ext::mce::{Answer, Listener, MemoryError};
use rpmem_regions::span::{Sector, Span};

/// Returns the part of a medium that an error is in.
fn span_of<B: Backing>(medium: &Medium<B>, error: MemoryError) -> Option<Span> {
    let region = medium.pages().range();
    Span::of_error(error.addr(), error.granule(), region.start(), region.size())
}

impl<B: Backing> Listener for Medium<B> {
    fn before(&self, error: MemoryError) {
        let is_mine = span_of(self, error).is_some();
        self.pages().set_record_under_way(is_mine);
    }

    fn memory_error(&self, error: MemoryError) -> Answer {
        let answer = match span_of(self, error) {
            Some(span) => {
                if !error.is_page_unmapped() {
                    // Otherwise the page was recorded when it failed, and nobody has brought it back
                    // since.
                    let (Sector(first), sectors) = span.sectors_touched();
                    self.poison().record_machine_check(first, sectors);
                }
                Answer::Handled
            }
            None => Answer::NotMine,
        };
        self.pages().set_record_under_way(false);
        answer
    }
}
