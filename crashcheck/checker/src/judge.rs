// SPDX-License-Identifier: GPL-2.0

//! Who recovers a crash image and says what is on it.

mod rdaxfs;
mod verdicts;
mod vm;

use anyhow::Result;
use crashcheck_tree::Tree;
use rdaxfs_crash::Recorder;

use crate::case::Case;

pub use rdaxfs::Rdaxfs;
pub(crate) use verdicts::key;
pub use verdicts::Verdicts;
pub use vm::{found, Vm};

/// What is on a crash image: a tree, or why there is none that can be seen.
pub type Found = std::result::Result<Tree, String>;

/// Recovers crash images.
pub trait Judge {
    /// What is on the medium. [`None`]: another look has found the same, and has gone on from there.
    ///
    /// # Errors
    ///
    /// If the judge fails, not the image.
    fn look(&mut self, case: &Case, medium: &Recorder) -> Result<Option<Found>>;

    /// How many images were recovered: those that were known are not.
    fn looked(&self) -> u64;
}

/// A disk without a file system: its bytes.
#[derive(Debug, Default)]
pub struct Raw {
    looked: u64,
}

/// How much of a disk is looked at: as much as the guest's program does.
const DEVICE_BYTES: usize = 1 << 16;

impl Judge for Raw {
    fn look(&mut self, _case: &Case, medium: &Recorder) -> Result<Option<Found>> {
        self.looked += 1;
        let mut bytes = vec![0; DEVICE_BYTES];
        medium.read(0, &mut bytes);
        Ok(Some(Ok(Tree::of_device(bytes))))
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
