// SPDX-License-Identifier: GPL-2.0

//! Which blocks are free.
//!
//! A group's bitmaps and counters on the medium are the truth; what a [`GroupState`] keeps in DRAM is
//! derived from them when the group is first used: which of its 2 MiB chunks have a run of free blocks of at
//! least 1, 2, 4, … 512. So a search looks at one line of the bitmap, however full the volume is.
//!
//! Files that will be large get chunks of their own, at the place in the chunk that their page has in
//! a huge page, and the rest of the chunk is reserved for them in DRAM. All else goes to chunks that
//! are broken already.

mod aside;
mod bits;
mod group;
mod search;

pub use group::GroupState;
pub(crate) use group::{free_run, header_word, is_metadata, mark_used, set_failed, settle_claim};
pub use search::Reservation;
pub(crate) use search::{allocate, group_with_room, rest_is_free, Reach, Request};
