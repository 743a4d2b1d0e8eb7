// SPDX-License-Identifier: GPL-2.0

//! What the volume is made in.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use rdaxfs_core::format::BLOCK_SIZE;
use terminal::safe_path;

use crate::cli::Arguments;

/// A device or file, which may not be there yet.
pub struct Target<'a> {
    arguments: &'a Arguments,
    metadata: Option<Metadata>,
}

impl<'a> Target<'a> {
    /// What the arguments name.
    ///
    /// # Errors
    ///
    /// If it cannot be looked at, or is not there and no size says how large it is to be.
    pub fn new(arguments: &'a Arguments) -> Result<Self> {
        let path = &arguments.path;
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && arguments.wanted_size().is_some() =>
            {
                // A name in /dev is a device that is not there: a file would hide it.
                if path.starts_with("/dev") && !path.starts_with("/dev/shm") {
                    bail!("{} does not exist", safe_path(path));
                }
                None
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be opened", safe_path(path)))
            }
        };
        Ok(Self {
            arguments,
            metadata,
        })
    }

    /// Whether it is there already.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.metadata.is_some()
    }

    /// The device and inode of a file.
    #[must_use]
    pub fn identity(&self) -> Option<(u64, u64)> {
        let file = self.metadata.as_ref().filter(|data| data.is_file())?;
        Some((file.dev(), file.ino()))
    }

    fn is_file(&self) -> bool {
        self.metadata.as_ref().is_none_or(Metadata::is_file)
    }

    /// Fails unless its length can be chosen.
    ///
    /// # Errors
    ///
    /// If it is a device.
    pub fn require_resizable(&self) -> Result<()> {
        if !self.is_file() {
            bail!(
                "{} is a device; auto is for files",
                safe_path(&self.arguments.path)
            );
        }
        Ok(())
    }

    /// Makes the file if it is not there.
    ///
    /// # Errors
    ///
    /// Those of open(2).
    pub fn begin(&self, blocks: Option<u64>) -> Result<Made> {
        let path = &self.arguments.path;
        let mut made = Made {
            path: path.clone(),
            is_new: false,
            may_resize: self.is_file() && !self.arguments.dry_run,
            is_auto: self.arguments.wanted_size() == Some(crate::size::Size::Auto),
        };
        if self.is_there() || self.arguments.dry_run || blocks.is_none() {
            return Ok(made);
        }
        File::create_new(path).with_context(|| format!("{} cannot be made", safe_path(path)))?;
        made.is_new = true;
        Ok(made)
    }
}

/// A file that was made for the volume goes again if that fails.
pub struct Made {
    path: PathBuf,
    is_new: bool,
    may_resize: bool,
    is_auto: bool,
}

impl Made {
    /// Makes a file as long as the volume, if it is shorter. With `auto` it gets exactly that length.
    ///
    /// # Errors
    ///
    /// Those of ftruncate(2).
    pub fn resize(&self, blocks: Option<u64>) -> Result<()> {
        let Some(blocks) = blocks.filter(|_| self.may_resize) else {
            return Ok(());
        };
        let wanted = blocks * BLOCK_SIZE;
        resize(&self.path, wanted, self.is_auto).with_context(|| {
            format!(
                "{} cannot be made {wanted} bytes long",
                safe_path(&self.path)
            )
        })
    }

    /// The volume is there.
    pub fn keep(&mut self) {
        self.is_new = false;
    }
}

fn resize(path: &Path, wanted: u64, shrink: bool) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    let len = file.metadata()?.len();
    if len < wanted || shrink && len > wanted {
        file.set_len(wanted)?;
    }
    Ok(())
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.is_new {
            // Should it not go, it is not a volume.
            let _ = fs::remove_file(&self.path);
        }
    }
}
