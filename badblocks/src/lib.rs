// SPDX-License-Identifier: GPL-2.0

//! The bad sectors of a block device.
//!
//! C counterpart: `include/linux/badblocks.h`, which keeps a sorted array of at most 512 ranges in
//! one page and answers `ENOSPC` to the 513th. This one has no limit: it is a bitmap, so recording
//! an error cannot fail for want of memory, and clearing one never has to split anything that
//! would need memory.
//!
//! # Layout
//!
//! All of it is allocated once, by the caller, before the device goes live:
//!
//! - the **map**, words that readers and the writer share ([`words_needed`]):
//!   - level 0 has a bit a 512-byte sector, 1 = bad;
//!   - the *any* levels above it have a bit a word below, 1 = that word is not zero. They let a
//!     search skip what is good;
//!   - the *full* levels above it have a bit a word below, 1 = that word is all ones. They let a
//!     search skip what is bad, so that the end of a long range is near too;
//! - the **index**, words that only the writer touches ([`index_words_needed`]): a Fenwick tree
//!   over blocks of 512 sectors with the bytes of text of the ranges that start in each, so that a
//!   byte offset of the text is found without printing what is before it.
//!
//! For 1 GiB that is 33,810 + 4,096 words, 296 KiB: 1/3541 of the region, 1.8 % of the 16 MiB that
//! the struct pages of the same region take.
//!
//! # Readers and the writer
//!
//! [`Badblocks`] is the readers' half. Its searches take `&self`, no lock, from any context, NMI
//! and machine check included. [`Index`] is the writer's half: whoever holds `&mut Index` is the
//! one writer (keep it in a mutex or a spinlock; nothing here sleeps or allocates).
//! [`Badblocks::new`] makes the two together, and a map refuses the index of another.
//!
//! What a reader is promised while a writer is at work:
//!
//! - a range whose [`Badblocks::set`] has returned, in an order that the reader can know of (same
//!   thread, a lock, a release store), is seen, until a `clear` of it begins;
//! - a bad sector that nobody clears stays seen whatever happens to its neighbours: there is
//!   one writer, whose store of a word changes exactly the bits named, and a word's summary bit is
//!   only dropped once the word is zero;
//! - a sector reported bad was bad at some moment during the call;
//! - between the beginning and the end of a `set` or a `clear`, each of its sectors may be seen
//!   either way.
//!
//! The order of the stores that gives this: `set` writes level 0, then the summaries upwards, then
//! the count; `clear` writes level 0, then the summaries upwards, then the count. Stores are
//! `Release` and loads `Acquire`, so that whoever sees a summary bit set sees the word below as it
//! was when the bit was set, or later. A summary bit that outlives its word costs a wasted look.
//! Nothing is ever read that says "good" before the sector below is good.
//!
//! # What a sector costs
//!
//! With n sectors in the device, and `log` = log to the base of 64, at most 9 levels:
//!
//! | call | cost |
//! |---|---|
//! | [`Badblocks::any_in`], nothing bad at all | one load, one branch |
//! | [`Badblocks::any_in`], nothing bad near, up to 2 MiB | two or three loads |
//! | [`Badblocks::any_in`], [`Badblocks::first_in`], [`Badblocks::next_range`] | O(log n) |
//! | [`Badblocks::set`], [`Badblocks::clear`] | O(changed sectors / 64 + (ranges touched + 1) log₂ n) |
//! | [`Badblocks::read_text`] | O(log₂ n), at most 256 ranges of one block, and the lines shown |
//!
//! # Text
//!
//! The form of the kernel's sysfs attribute: a maximal range a line, `START LEN`, decimal, in
//! sectors. Where the kernel agrees (injecting merges, clearing splits) so does this; the kernel's
//! 512-range limit, its splitting of ranges longer than 512 sectors and its acknowledged bit do not
//! exist here. See [`Badblocks::read_text`] for reading it while it changes, [`Edits`] for what a
//! user may write, [`Input`] for text that is written in pieces.
//!
//! # Examples
//!
//! ```
//! use badblocks::{index_words_needed, words_needed, AtomicU64, Badblocks, Extent};
//!
//! let sectors = (64 << 20) / 512;
//! let map = (0..words_needed(sectors).unwrap()).map(|_| AtomicU64::new(0));
//! let index = vec![0u64; index_words_needed(sectors).unwrap()];
//! let (bad, mut index) =
//!     Badblocks::new(map.collect::<Vec<_>>(), index, sectors).unwrap();
//!
//! bad.set(&mut index, 10, 4).unwrap();
//! bad.set(&mut index, 14, 2).unwrap();
//! assert!(bad.any_in(8, 8));
//! assert_eq!(bad.first_in(12, 100), Extent::new(12, 4));
//!
//! bad.clear(&mut index, 11, 1).unwrap();
//! let mut page = [0; 4096];
//! let len = bad.read_text(&mut index, 1, 0, &mut page);
//! assert_eq!(&page[..len], b"10 1\n12 4\n");
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod cursors;
mod edit;
mod error;
mod extent;
mod fenwick;
mod index;
mod input;
mod layout;
mod line;
mod map;
mod parse;
mod search;
mod sync;
mod text;

pub use error::{NewError, RangeError};
pub use extent::Extent;
pub use index::{index_words_needed, Index};
pub use input::{Input, Lines, TooLong};
pub use layout::{words_needed, MAX_SECTORS};
pub use line::MAX_LINE;
pub use map::Badblocks;
pub use parse::{Edit, Edits, ParseError, Rule};
pub use sync::AtomicU64;
