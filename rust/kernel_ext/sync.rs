// SPDX-License-Identifier: GPL-2.0

//! Synchronisation.

pub mod rwsem;

pub use rwsem::RwSemaphore;
