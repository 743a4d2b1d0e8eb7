// SPDX-License-Identifier: GPL-2.0

//! Synchronisation.

pub mod mutex;
pub mod revocable;
pub mod rwsem;
pub mod slot;

pub use revocable::Revocable;
pub use rwsem::RwSemaphore;
pub use slot::Slot;
