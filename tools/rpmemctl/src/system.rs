// SPDX-License-Identifier: GPL-2.0

//! Where everything is read from.

use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use terminal::safe_path;

/// The machine that is looked at: this one, or a tree of files that was copied from one.
#[derive(Debug)]
pub struct System {
    root: PathBuf,
}

impl System {
    /// The machine whose files are below `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Whether this is the machine that the program runs on, so that system calls are about it too.
    pub fn is_this_one(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where the file of this absolute path is.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The text of a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        read(&self.path(path))
    }

    /// The text of a file without the white space around it, if it is there and can be read.
    pub fn read_if_there(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = fs::read(self.path(path)).ok()?;
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// Whether there is such a file, as far as one may see.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// The names in a folder, sorted with numbers as people count; none if it is not there.
    pub fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        names(&self.path(path))
    }

    /// The last part of what a symbolic link points to.
    pub fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        link_name(&self.path(path))
    }
}

/// The text of a file.
///
/// # Errors
///
/// If it cannot be read.
pub fn read(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&read_bytes(path)?).into_owned())
}

/// The bytes of a file.
///
/// # Errors
///
/// If it cannot be read.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| {
        let root_only = fs::metadata(path).is_ok_and(|_| !rustix::process::geteuid().is_root());
        let hint = if root_only { " (run this as root)" } else { "" };
        format!("{}{hint}", safe_path(path))
    })
}

/// The names in a folder, sorted with numbers as people count; none if it is not there.
pub fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_by_cached_key(|name| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: u64 = name[stem.len()..].parse().unwrap_or(0);
        (stem.to_owned(), number)
    });
    names
}

/// The last part of what a symbolic link points to.
pub fn link_name(path: &Path) -> Option<String> {
    Some(fs::read_link(path).ok()?.file_name()?.to_str()?.to_owned())
}

/// Whether an I/O error says that something is not there.
pub fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
