// SPDX-License-Identifier: GPL-2.0

//! Why a map could not be made or changed.

use core::fmt;

/// Why [`Badblocks::new`](crate::Badblocks::new) made no map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewError {
    /// The device has no sector, or more than [`MAX_SECTORS`](crate::MAX_SECTORS).
    Size {
        /// The sectors asked for.
        sectors: u64,
    },
    /// The map's storage is too short.
    Map {
        /// What [`words_needed`](crate::words_needed) says.
        needed: usize,
        /// What the storage holds.
        given: usize,
    },
    /// The index's storage is too short.
    Index {
        /// What [`index_words_needed`](crate::index_words_needed) says.
        needed: usize,
        /// What the storage holds.
        given: usize,
    },
}

impl fmt::Display for NewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Size { sectors } => write!(
                f,
                "{sectors} sectors cannot be mapped: a device has 1 to {} sectors",
                crate::MAX_SECTORS
            ),
            Self::Map { needed, given } => write!(
                f,
                "{given} words are too few for the map: allocate {needed}"
            ),
            Self::Index { needed, given } => write!(
                f,
                "{given} words are too few for the index: allocate {needed}"
            ),
        }
    }
}

/// Why a range cannot be recorded or cleared. Nothing has been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeError {
    /// The range has no sector.
    Empty,
    /// The end of the range passes 2^64 - 1.
    Wraps,
    /// The range ends beyond the device.
    BeyondDevice {
        /// The sectors of the device.
        sectors: u64,
    },
    /// The index was made with another map.
    ForeignIndex,
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => f.write_str("the range has no sector"),
            Self::Wraps => f.write_str("the range ends beyond 2^64 sectors"),
            Self::BeyondDevice { sectors } => {
                write!(f, "the range ends beyond the device's {sectors} sectors")
            }
            Self::ForeignIndex => f.write_str("the index belongs to another map"),
        }
    }
}
