// SPDX-License-Identifier: GPL-2.0

//! What runs the operations whose cost is wanted.

use crate::counting::{Counters, Counts};

/// Runs operations that a scenario has prepared, and takes their cost down.
pub trait Meter {
    /// Calls `operation` with 0 to before `times`, and takes down under `name` what that costs.
    fn measure(&mut self, name: &str, times: u64, operation: &mut dyn FnMut(u64));
}

/// What a measured part of a scenario is called, and how many operations it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name.
    pub name: String,
    /// The number of operations.
    pub times: u64,
}

/// Counts what is done to the medium.
pub struct MediumMeter {
    counters: Counters,
    /// What has been found.
    pub found: Vec<(Part, Counts)>,
}

impl MediumMeter {
    /// For the medium that counts there.
    #[must_use]
    pub const fn new(counters: Counters) -> Self {
        Self {
            counters,
            found: Vec::new(),
        }
    }
}

impl Meter for MediumMeter {
    fn measure(&mut self, name: &str, times: u64, operation: &mut dyn FnMut(u64)) {
        let before = self.counters.read();
        (0..times).for_each(operation);
        let counts = self.counters.read() - before;
        let name = name.to_string();
        self.found.push((Part { name, times }, counts));
    }
}

/// Has callgrind count instructions, which was told the name of `counted_by_callgrind`; says on standard output
/// what it counts.
pub struct InstructionMeter;

impl Meter for InstructionMeter {
    fn measure(&mut self, name: &str, times: u64, operation: &mut dyn FnMut(u64)) {
        counted_by_callgrind(times, operation);
        println!("{times} {name}");
    }
}

/// Callgrind counts from its call to its return, and writes the sum to a file then.
#[inline(never)]
fn counted_by_callgrind(times: u64, operation: &mut dyn FnMut(u64)) {
    (0..times).for_each(operation);
}

/// Nothing is measured: for what prepares.
pub struct NoMeter;

impl Meter for NoMeter {
    fn measure(&mut self, _name: &str, times: u64, operation: &mut dyn FnMut(u64)) {
        (0..times).for_each(operation);
    }
}
