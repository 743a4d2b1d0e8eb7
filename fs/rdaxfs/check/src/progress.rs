// SPDX-License-Identifier: GPL-2.0

//! What a survey tells while it goes on.

/// How far a survey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which part: "inodes", "names" or "bitmaps".
    pub part: &'static str,
    /// How much of it is done.
    pub done: u64,
    /// How much there is.
    pub all: u64,
}
