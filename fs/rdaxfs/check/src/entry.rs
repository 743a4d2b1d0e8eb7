// SPDX-License-Identifier: GPL-2.0

//! A name in a directory.

/// An entry, and how it is taken out.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) ino: u64,
    /// `DT_*`.
    pub(crate) kind: u8,
    pub(crate) place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// At a byte of the inode.
    Inline(usize),
    /// At a line of a leaf, whose words say that it and the following ones are in use.
    Leaf {
        block: u64,
        lines: u64,
        starts: u64,
        more: u64,
    },
}
