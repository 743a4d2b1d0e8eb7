// SPDX-License-Identifier: GPL-2.0

//! What is wrong, and what repairs it.

use std::fmt;

use rdaxfs_core::platform::Stores;

/// A word to store: byte offset and value.
pub type Word = (u64, u64);

/// Something that a good volume does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub problem: Problem,
    /// What repairs it.
    pub fix: Fix,
}

/// What repairs a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// Words to store.
    Words(Vec<Word>),
    /// The inode gets a name in lost+found.
    Reconnect {
        /// The inode.
        ino: u64,
    },
    /// Nothing can be done.
    None,
}

/// What is wrong, and where. Displays as a sentence that says what the repair does, if that is not
/// plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A copy of the superblock.
    Superblock {
        /// Its block.
        block: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A slot of the journal.
    Slot {
        /// Its number.
        slot: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A group's header.
    Group {
        /// The group.
        group: u32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A group's counter says something else than its bitmap.
    Counter {
        /// The group.
        group: u32,
        /// Which one.
        which: &'static str,
        /// What it says.
        found: u64,
        /// What it has to say.
        expected: u64,
    },
    /// Bits of a group's bitmaps are wrong.
    Bitmap {
        /// The group.
        group: u32,
        /// Blocks that are in use and marked free.
        unmarked: u64,
        /// Blocks that are marked and not in use.
        leaked: u64,
        /// Blocks that are wrongly marked as metadata, or not marked.
        metadata: u64,
    },
    /// An inode chunk.
    Chunk {
        /// Its block.
        block: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An inode.
    Inode {
        /// Its number.
        ino: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A number that an inode says.
    InodeNumber {
        /// The inode.
        ino: u64,
        /// Which one.
        which: &'static str,
        /// What it says.
        found: u64,
        /// What it has to say.
        expected: u64,
    },
    /// A block of an inode's tree.
    Node {
        /// The inode.
        ino: u64,
        /// The block.
        block: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An extent of a file.
    Extent {
        /// The inode.
        ino: u64,
        /// The first page.
        page: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A directory's entry.
    Entry {
        /// The directory.
        ino: u64,
        /// The name, as far as it can be shown.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An inode that has links and no name.
    Unconnected {
        /// The inode.
        ino: u64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superblock { block, what } => write!(f, "superblock at block {block}: {what}"),
            Self::Slot { slot, what } => write!(f, "journal slot {slot}: {what}"),
            Self::Group { group, what } => write!(f, "group {group}: {what}"),
            Self::Counter { group, which, found, expected } => {
                write!(f, "group {group}: {which} is {found}, should be {expected}")
            }
            Self::Bitmap { group, unmarked, leaked, metadata } => write!(
                f,
                "group {group}: bitmaps: {unmarked} blocks in use are marked free, {leaked} free blocks are marked in \
                 use, {metadata} blocks are wrongly marked as metadata or not"
            ),
            Self::Chunk { block, what } => write!(f, "inode chunk at block {block}: {what}"),
            Self::Inode { ino, what } => write!(f, "inode {ino}: {what}"),
            Self::InodeNumber { ino, which, found, expected } => {
                write!(f, "inode {ino}: {which} is {found}, should be {expected}")
            }
            Self::Node { ino, block, what } => write!(f, "inode {ino}: node at block {block}: {what}"),
            Self::Extent { ino, page, what } => write!(f, "inode {ino}: extent at page {page}: {what}"),
            Self::Entry { ino, name, what } => write!(f, "directory {ino}: entry \"{name}\": {what}"),
            Self::Unconnected { ino } => write!(f, "inode {ino} has no name; it gets one in lost+found"),
        }
    }
}

impl Problem {
    /// Whether repairing it loses nothing and needs no thought: what `fsck -p` does by itself.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        matches!(
            self,
            Self::Superblock { .. }
                | Self::Slot { .. }
                | Self::Group { .. }
                | Self::Counter { .. }
                | Self::Bitmap { .. }
                | Self::InodeNumber { .. }
        )
    }
}

impl Finding {
    /// A problem that words repair.
    pub(crate) fn words(problem: Problem, words: Vec<Word>) -> Self {
        Self {
            problem,
            fix: Fix::Words(words),
        }
    }

    /// Stores the words that repair it, durably. Returns whether there were any.
    pub fn apply(&self, medium: &impl Stores) -> bool {
        let Fix::Words(words) = &self.fix else {
            return false;
        };
        for &(offset, value) in words {
            medium.store_u64(offset, value);
            medium.flush(offset, 8);
        }
        medium.fence();
        true
    }
}
