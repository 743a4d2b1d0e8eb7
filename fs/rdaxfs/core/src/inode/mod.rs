// SPDX-License-Identifier: GPL-2.0

//! Inodes: which there are, what they say, and what is left to do for them.

mod allocate;
mod attributes;
mod changed;
mod intent;
mod next;
mod open;
mod orphans;
mod state;

pub(crate) use allocate::{allocate_inode, free_inode};
pub(crate) use attributes::set_attributes;
pub use attributes::{Attributes, Change};
pub use changed::Changed;
pub(crate) use intent::{intent_of, store_intent};
pub(crate) use open::{inode_word, xattr_root};
pub(crate) use orphans::{add_new_orphan, add_orphan, is_listed, remove_orphan};
pub(crate) use state::FileState;
pub use state::{MapState, XattrState};

use crate::handle::handle;

handle! {
    /// The inodes of a volume, by their numbers.
    Inodes
}
