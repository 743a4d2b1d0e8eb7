// SPDX-License-Identifier: GPL-2.0

//! All that can be seen of a file system, and on one line: what guests tell the checker.
//!
//! Times and inode numbers are left out: a replayed journal may well change them.

#![forbid(unsafe_code)]

mod bytes;
mod walk;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use bytes::Bytes;
pub use walk::{read_device, walk};

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The first path, in order, of the same inode.
    pub same_as: String,
    /// Permissions.
    pub mode: u32,
    /// The number of links.
    pub links: u64,
    /// What it is.
    pub kind: Kind,
    /// Extended attributes of users.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Bytes>,
}

/// What an inode is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A file with its bytes.
    File(Bytes),
    /// A directory.
    Directory,
    /// A symbolic link, and where it leads.
    Symlink(String),
    /// Anything else.
    Special,
}

impl Kind {
    /// In a word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Directory => "directory",
            Self::Symlink(_) => "symbolic link",
            Self::Special => "device, pipe or socket",
        }
    }
}

/// A file system, by path; the root's is "".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tree {
    /// Each path with what it leads to.
    pub entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// The file's bytes, if there is one.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Bytes> {
        match &self.entries.get(path)?.kind {
            Kind::File(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// On one line.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Nothing in it can fail: keys are strings.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From a line.
    ///
    /// # Errors
    ///
    /// If the line is not a tree.
    pub fn from_line(line: &str) -> anyhow::Result<Self> {
        Ok(serde_json::from_str(line)?)
    }
}
