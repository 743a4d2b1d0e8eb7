// SPDX-License-Identifier: GPL-2.0

//! A TCG plugin for QEMU that traces what a machine does to a range of its memory.
//!
//! `-plugin libcrashcheck_plugin.so,start=0x100000000,len=67108864,trace=FILE`, with `-accel
//! tcg,thread=single`: one thread runs all CPUs, one after the other, so that the trace has one order.
//!
//! Stores come from QEMU's memory callbacks with their values. A flush does nothing in QEMU, and calls no
//! memory callback: the instruction is decoded, its address computed from the registers and looked up in
//! the page tables. Not seen is what devices and QEMU itself write to memory (DMA): no store instruction.

mod bindings;
mod callbacks;
mod machine;
