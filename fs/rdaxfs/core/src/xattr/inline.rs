// SPDX-License-Identifier: GPL-2.0

//! Attributes in the inode: in the last bytes of `inline`, whose first ones hold the contents.

use core::mem::offset_of;

use super::entry::{each_part, NewXattr};
use crate::format::{InlineXattrs, Inode, XattrRoot, INLINE_BYTES, MAX_INLINE_XATTRS};
use crate::inode::inode_word;
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::{Error, Result};

/// Entries for an inode.
pub(super) struct Inline {
    bytes: [u8; MAX_INLINE_XATTRS],
    len: usize,
}

impl Inline {
    #[inline]
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; MAX_INLINE_XATTRS],
            len: 0,
        }
    }

    /// Whether entries of so many bytes fit beside contents of so many.
    pub(super) const fn fits(bytes: u64, contents: usize) -> bool {
        bytes <= MAX_INLINE_XATTRS as u64 && bytes + contents as u64 <= INLINE_BYTES as u64
    }

    /// Adds an attribute.
    pub(super) fn add(&mut self, xattr: &NewXattr<'_>) -> Result {
        each_part(xattr, |bytes| self.bytes(bytes))
    }

    /// Adds bytes of entries.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result {
        let end = self.len + bytes.len();
        let place = self.bytes.get_mut(self.len..end);
        place.ok_or(Error::Invalid)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    fn entries(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn root<P: Platform>(&self, platform: &P) -> InlineXattrs {
        InlineXattrs {
            bytes: self.len,
            crc: platform.crc32c(0, self.entries()),
        }
    }

    /// Puts the entries into an inode that is not written yet.
    pub(super) fn put<P: Platform>(&self, platform: &P, inode: &mut Inode) -> Result {
        let root = self.root(platform);
        let place = inode.inline.get_mut(root.start()..);
        place.ok_or(Error::Invalid)?.copy_from_slice(self.entries());
        inode.xattrs.set(XattrRoot::Inline(root).to_word());
        Ok(())
    }

    /// Sets the inode's words that hold the entries.
    pub(super) fn write<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        ino: u64,
    ) -> Result<XattrRoot> {
        let root = self.root(tx.volume().platform());
        let offset = inode_word(ino, offset_of!(Inode, inline) + root.start());
        tx.set_words(offset, self.entries())?;
        Ok(XattrRoot::Inline(root))
    }
}
