// SPDX-License-Identifier: GPL-2.0

//! Transactions: the only way in which a reachable word of the medium changes.
//!
//! A transaction prepares what is new where nothing points to (`Transaction::fresh`,
//! `Transaction::bulk_zero`), and lists the words that make it reachable (`Transaction::set`).
//! `Open::commit` then
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
//!
//! # What the types see to
//!
//! The stages of a commit can only be gone through in order, and a transaction borrows the stamps of its
//! locks to its end: `misuse.rs` has what does not compile for that. What changes an inode wants the lock's
//! state for itself:
//!
//! ```
//! # use rdaxfs_core::{file::Changed, inode::{Change, MapState}, platform::Platform};
//! # use rdaxfs_core::{volume::Volume, workspace::Workspace, Result};
//! fn empty<P: Platform>(
//!     volume: &Volume<P>,
//!     workspace: &mut Workspace,
//!     map: &mut MapState,
//! ) -> Result<Changed> {
//!     volume.files().truncate(workspace, map, 0, &Change::none())
//! }
//! ```
//!
//! A lock that is held shared will not do:
//!
//! ```compile_fail,E0308
//! # use rdaxfs_core::{file::Changed, inode::{Change, MapState}, platform::Platform};
//! # use rdaxfs_core::{volume::Volume, workspace::Workspace, Result};
//! fn empty<P: Platform>(
//!     volume: &Volume<P>,
//!     workspace: &mut Workspace,
//!     map: &MapState,
//! ) -> Result<Changed> {
//!     volume.files().truncate(workspace, map, 0, &Change::none())
//! }
//! ```
//!
//! Nobody outside this crate makes a transaction:
//!
//! ```compile_fail,E0624
//! # use rdaxfs_core::{journal::{Log, Transaction}, platform::Platform, volume::Volume, Result};
//! fn commit<P: Platform>(volume: &Volume<P>, log: &mut Log) -> Result {
//!     Transaction::new(volume, log).open().commit()
//! }
//! ```
//!
//! Whoever has a volume can read from its platform, and not store:
//!
//! ```
//! # use rdaxfs_core::{platform::{Medium, Platform}, volume::Volume};
//! fn length<P: Platform>(volume: &Volume<P>) -> u64 {
//!     volume.platform().len()
//! }
//! ```
//!
//! ```compile_fail,E0599
//! # use rdaxfs_core::{platform::{Platform, Stores}, volume::Volume};
//! fn store<P: Platform>(volume: &Volume<P>) {
//!     volume.platform().store_u64(0, 0)
//! }
//! ```
//!
//! The side that stores is for the journal, which alone can make a [`Permit`]:
//!
//! ```compile_fail,E0423
//! # use rdaxfs_core::{journal::Permit, platform::{Platform, Stores}, volume::Volume};
//! fn store<P: Platform>(volume: &Volume<P>) {
//!     volume.platform().stores(Permit(())).store_u64(0, 0)
//! }
//! ```

mod commit;
mod data;
mod filter;
mod guarded;
mod log;
mod permit;
mod pin;
mod replay;
mod slots;
mod stamp;
mod state;
mod transaction;

pub(crate) use data::Data;
pub(crate) use guarded::Guarded;
pub use log::Log;
pub use permit::Permit;
pub(crate) use replay::{empty_slots, overlay, replay, settle_marks};
pub use stamp::{SlotState, Stamp, SuperState};
pub(crate) use state::{mark_clean, mark_mounted, note_error, MAX_MOUNTS, MOUNT_SHIFT};
pub(crate) use transaction::Open;
pub use transaction::{Transaction, MAX_GROUPS};
