// SPDX-License-Identifier: GPL-2.0

//! The atomics of a build with `--cfg loom`: the model checker's, made to miss nothing.
//!
//! Loom leaves out orders of steps that come to the same. Of the loads of an atomic it knows only the
//! latest, so that a thread which loads a word and then changes it hides from loom that another
//! thread's load before that could have come after the change. Loads that are ordered with one
//! another by a second atomic are not lost; since that one is relaxed, it orders nothing else.

use core::sync::atomic::Ordering::{self, Relaxed};
use loom::sync::atomic::AtomicU64 as Model;

/// A [`core::sync::atomic::AtomicU64`] that only works inside of a loom model.
#[derive(Debug)]
pub struct AtomicU64 {
    value: Model,
    loads: Model,
}

impl AtomicU64 {
    /// As that of core, but not `const`.
    pub fn new(value: u64) -> Self {
        Self {
            value: Model::new(value),
            loads: Model::new(0),
        }
    }

    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.loads.swap(0, Relaxed);
        self.value.load(order)
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.value.store(value, order);
    }

    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.value.fetch_add(value, order)
    }

    pub(crate) fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
        self.value.fetch_sub(value, order)
    }
}
