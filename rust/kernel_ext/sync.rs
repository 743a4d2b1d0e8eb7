// SPDX-License-Identifier: GPL-2.0

//! Synchronisation.

pub mod rwsem;
pub mod slot;

pub use rwsem::RwSemaphore;
pub use slot::Slot;
