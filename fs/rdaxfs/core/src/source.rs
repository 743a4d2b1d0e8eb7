// SPDX-License-Identifier: GPL-2.0

//! What can be read: the volume as it is, or as a transaction would leave it.

use zerocopy::{FromBytes, IntoBytes};

use crate::Result;

/// Where structures are read from. Every read is a copy, so that it stays what was judged.
pub(crate) trait Source {
    /// Copies bytes; the range must lie within the volume.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it does not, [`Error::Io`](crate::Error::Io) if
    /// the medium is poisoned there.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result;

    /// A word.
    fn word(&self, offset: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(offset, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Adjacent words, with less to do for each than one by one.
    #[inline]
    fn words_into(&self, offset: u64, into: &mut [u64]) -> Result {
        self.read(offset, into.as_mut_bytes())?;
        for word in into {
            *word = u64::from_le(*word);
        }
        Ok(())
    }

    /// A structure.
    fn get<T: FromBytes + IntoBytes>(&self, offset: u64) -> Result<T> {
        let mut value = T::new_zeroed();
        self.read(offset, value.as_mut_bytes())?;
        Ok(value)
    }
}
