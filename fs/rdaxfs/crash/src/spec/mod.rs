// SPDX-License-Identifier: GPL-2.0

//! What a file system has to do, without a medium: the tree before and after each operation.
//!
//! [`Tree`] does [`Op`]s as POSIX and Linux define them, or says which errno they end with.
//! [`Snapshot`] is what a user can see of a tree, of this one or of a recovered volume;
//! [`Expectation`] says whether that is one that a crash may show.

mod content;
mod diff;
mod expect;
mod generate;
mod node;
mod op;
mod snapshot;
mod tree;

pub use content::{pattern, Content, PAGE_BYTES};
pub use diff::Difference;
pub use expect::Expectation;
pub use generate::{operations, prepared, Prepared};
pub use node::{Attributes, Kind, Node, NodeId, Times};
pub use op::{Change, DeviceKind, Errno, FallocateMode, Op, RenameMode, XattrMode};
pub use snapshot::{Entry, Snapshot, View};
pub use tree::Tree;
