// SPDX-License-Identifier: GPL-2.0

//! Transactions: the only way in which a reachable word of the medium changes.
//!
//! A transaction prepares what is new where nothing points to (`Transaction::fresh`,
//! `Transaction::bulk_zero`), and lists the words that make it reachable (`Transaction::set`).
//! `Transaction::commit` then
//!
//! 1. writes the list, with checksums of the fresh bytes, as a record into a journal slot, past the
//!    cache, and **fences**: from here on the transaction is durable;
//! 2. stores the words in place, flushes their lines, and **fences**;
//! 3. marks the record as done, with a store that is neither flushed nor fenced.
//!
//! Two fences, whatever the transaction changes. Bulk bytes, which a checksum would be too dear for,
//! cost a third one before the record.
//!
//! # Why this is correct
//!
//! *Before 1 ends* the record is whole or it is not. If it is not, its checksum or that of the
//! fresh bytes is wrong, and nothing has changed that is reachable. If it is, recovery does 2.
//!
//! *A done record may still be found* (its mark was not flushed). Doing it again is harmless while
//! its words have not changed since. Every word is under a lock, and each lock's [`Stamp`] names the slot of
//! the last transaction under it: the next one, before its own first fence, flushes that slot's
//! mark. So when the words change again, the mark is durable. Between those two, both records may
//! be found; recovery does them in the order of their sequence numbers, which later holders of a
//! lock take later.
//!
//! *The locks are held until 2 ends* ([`Transaction`] borrows their stamps), so that nobody sees, or
//! builds on, what a crash could take back, and freed blocks are not taken before they are free.
//!
//! A transaction that changes one word, and has no fresh bytes, needs no record: the word is stored
//! in place, which is atomic.

mod commit;
mod log;
mod replay;
mod stamp;
mod transaction;

pub use log::Log;
pub(crate) use replay::{any_record, replay, retire_all};
pub use stamp::{SlotState, Stamp};
pub use transaction::Transaction;
