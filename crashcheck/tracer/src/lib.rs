// SPDX-License-Identifier: GPL-2.0

//! What crashcheck's plugin knows of x86: which instructions flush, fence and store past the cache, which
//! address a flush means, and how a virtual address becomes a physical one.
//!
//! The emulator is behind [`Machine`], so that all of it is tested without one. `rust/crashcheck_plugin` has
//! the emulator's side.

#![forbid(unsafe_code)]

mod address;
mod decode;
mod options;
mod paging;
mod tracer;

pub use address::{Base, Memory, Segment};
pub use decode::{decode, Instruction};
pub use options::Options;
pub use paging::translate;
pub use tracer::{Access, Tracer, MARKER_LEAF};

/// A register of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Register {
    /// One of the 16 general ones, by its number in instructions: 0 is `rax`, 4 is `rsp`.
    General(u8),
    /// What `fs:` adds.
    FsBase,
    /// What `gs:` adds.
    GsBase,
    /// What `swapgs` makes that.
    KernelGsBase,
    /// Where the page tables are.
    Cr3,
    /// Whether they have five levels.
    Cr4,
}

impl Register {
    /// All of them, with the names that the emulator has for them.
    pub const NAMES: [(Self, &'static str); 21] = [
        (Self::General(0), "rax"),
        (Self::General(1), "rcx"),
        (Self::General(2), "rdx"),
        (Self::General(3), "rbx"),
        (Self::General(4), "rsp"),
        (Self::General(5), "rbp"),
        (Self::General(6), "rsi"),
        (Self::General(7), "rdi"),
        (Self::General(8), "r8"),
        (Self::General(9), "r9"),
        (Self::General(10), "r10"),
        (Self::General(11), "r11"),
        (Self::General(12), "r12"),
        (Self::General(13), "r13"),
        (Self::General(14), "r14"),
        (Self::General(15), "r15"),
        (Self::FsBase, "fs_base"),
        (Self::GsBase, "gs_base"),
        (Self::KernelGsBase, "k_gs_base"),
        (Self::Cr3, "cr3"),
        (Self::Cr4, "cr4"),
    ];
}

/// The CPU that runs.
pub trait Machine {
    /// A register's value.
    fn register(&self, register: Register) -> Option<u64>;

    /// Copies memory that the CPU's page tables map now; their permissions are ignored.
    fn read(&self, address: u64, into: &mut [u8]) -> bool;
}
