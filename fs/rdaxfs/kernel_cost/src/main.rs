// SPDX-License-Identifier: GPL-2.0

//! Runs the operations whose cost is wanted on memory that costs what the kernel's does, for callgrind.
//!
//! A program of its own, because it is compiled as the kernel is: without SSE. bench/run-fs builds and runs it.

#![forbid(unsafe_code)]

use kernel_like::Memory;
use rdaxfs_cost::meter::InstructionMeter;
use rdaxfs_cost::operations;

fn main() {
    operations::run(Memory::new(operations::BLOCKS), &mut InstructionMeter);
}
