// SPDX-License-Identifier: GPL-2.0

//! Extended attributes.
//!
//! All of an inode's are in the inode, if they are few and its contents leave room for them, or in one run of
//! blocks, with a checksum over all. A change of a run writes a new one and swaps the inode's pointer to it, so
//! that a crash shows the old attributes or the new ones.

mod change;
mod entry;
mod inline;
mod read;
mod write;

pub use change::SetMode;
pub use entry::{NewXattr, XattrName};
pub(crate) use write::write_new;

use crate::handle::handle;

handle! {
    /// The extended attributes of a volume's inodes.
    Xattrs
}
