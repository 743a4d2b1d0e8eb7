// SPDX-License-Identifier: GPL-2.0

//! The volume's label, which changes while it is mounted.

use core::mem::offset_of;

use crate::format::{Superblock, LABEL_BYTES};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source as _;
use crate::volume::Volume;
use crate::workspace::Workspace;
use crate::{Error, Result};

impl<P: Platform> Volume<P> {
    /// The label, padded with zeros.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn label(&self) -> Result<[u8; LABEL_BYTES]> {
        let _held = self.platform().lock_super();
        let superblock: Superblock = self.get(0)?;
        Ok(superblock.label)
    }

    /// Changes the label, in both copies of the superblock. After a crash it is the old one or the new one.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is longer than [`LABEL_BYTES`], no UTF-8, or has control characters;
    /// [`Error::ReadOnly`], [`Error::Io`].
    #[inline(never)]
    pub fn set_label(&self, workspace: &mut Workspace, label: &[u8]) -> Result {
        self.check_writable()?;
        let text = core::str::from_utf8(label).map_err(|_| Error::Invalid)?;
        if text.chars().any(char::is_control) {
            return Err(Error::Invalid);
        }
        let mut padded = [0; LABEL_BYTES];
        let place = padded.get_mut(..label.len()).ok_or(Error::Invalid)?;
        place.copy_from_slice(label);
        let mut held = Transaction::new(self, &mut workspace.log);
        let mut tx = held.open();
        tx.attempt(|tx| {
            tx.lock_superblock();
            for start in self.superblocks() {
                tx.set_words(start + offset_of!(Superblock, label) as u64, &padded)?;
            }
            Ok(())
        })?;
        tx.commit()
    }
}
