// SPDX-License-Identifier: GPL-2.0

//! One region of physical memory.

use core::fmt;

use crate::number::Notation;

/// No region reaches beyond this address: 2^52, the widest physical address that a machine has.
pub const END_OF_MEMORY: PhysAddr = PhysAddr::new(1 << 52);

/// A physical address, in bytes.
///
/// Displays in the notation of `regions=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// The address of byte `addr`.
    pub const fn new(addr: u64) -> Self {
        Self(addr)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Notation(self.0).fmt(f)
    }
}

/// Why an address and a size are no region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// The size is 0.
    Empty,
    /// The end wraps, or passes [`END_OF_MEMORY`].
    BeyondMemory,
}

/// A contiguous piece of physical memory.
///
/// Displays as `SIZE@ADDR`, with `:ro` behind it if it is to be read-only, so that
/// [`Regions::parse`](crate::Regions::parse) reads it back.
///
/// # Invariants
///
/// `size` is not 0, and `start + size` does not pass [`END_OF_MEMORY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    start: PhysAddr,
    size: u64,
    read_only: bool,
}

impl Region {
    /// What an unused place of a list holds.
    pub(crate) const UNUSED: Self = Self {
        start: PhysAddr(0),
        size: 1,
        read_only: false,
    };

    /// `size` bytes from `start` on, which may be written.
    ///
    /// # Errors
    ///
    /// If that is not a byte, or ends beyond [`END_OF_MEMORY`].
    pub const fn new(start: PhysAddr, size: u64) -> Result<Self, RegionError> {
        if size == 0 {
            return Err(RegionError::Empty);
        }
        match start.0.checked_add(size) {
            Some(end) if end <= END_OF_MEMORY.0 => Ok(Self {
                start,
                size,
                read_only: false,
            }),
            _ => Err(RegionError::BeyondMemory),
        }
    }

    /// The same addresses, which may be written or not.
    #[must_use]
    pub const fn with_read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// Whether nothing may be written.
    pub const fn is_read_only(self) -> bool {
        self.read_only
    }

    /// The first byte.
    pub const fn start(self) -> PhysAddr {
        self.start
    }

    /// How many bytes, at least 1.
    pub const fn size(self) -> u64 {
        self.size
    }

    /// The byte after the last one.
    pub const fn end(self) -> PhysAddr {
        PhysAddr(self.start.0.wrapping_add(self.size))
    }

    /// Whether the two share a byte.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", Notation(self.size), self.start)?;
        if self.read_only {
            f.write_str(":ro")?;
        }
        Ok(())
    }
}
