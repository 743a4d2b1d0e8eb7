// SPDX-License-Identifier: GPL-2.0

//! An attribute's name, and its form on the medium.

use zerocopy::little_endian::{U16, U32};
use zerocopy::IntoBytes;

use crate::format::{XattrEntry, XattrSpace, MAX_XATTR_VALUE};
use crate::{Error, Result};

/// The name of an attribute: its prefix and the rest, of 1 to 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XattrName<'a> {
    space: XattrSpace,
    rest: &'a [u8],
}

impl<'a> XattrName<'a> {
    /// A name.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `rest` is empty or has a NUL, [`Error::Range`] if it is longer than 255 bytes, as
    /// setxattr(2) has it.
    pub fn new(space: XattrSpace, rest: &'a [u8]) -> Result<Self> {
        if rest.len() > 255 {
            return Err(Error::Range);
        }
        if rest.is_empty() || rest.contains(&0) {
            return Err(Error::Invalid);
        }
        Ok(Self { space, rest })
    }

    /// The prefix.
    #[must_use]
    pub const fn space(&self) -> XattrSpace {
        self.space
    }

    /// What follows the prefix and its dot.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// An attribute that an inode is made with.
#[derive(Clone, Copy, Debug)]
pub struct NewXattr<'a> {
    /// Its name.
    pub name: XattrName<'a>,
    /// Its value.
    pub value: &'a [u8],
}

/// The length of an attribute on the medium.
///
/// # Errors
///
/// [`Error::TooBig`] if the value is longer than an attribute's may be.
pub(super) fn entry_len(name_len: usize, value_len: usize) -> Result<u64> {
    if value_len > MAX_XATTR_VALUE {
        return Err(Error::TooBig);
    }
    Ok((size_of::<XattrEntry>() + name_len + value_len).next_multiple_of(8) as u64)
}

/// Calls `put` for each part of an attribute on the medium: head, name, value and padding.
///
/// # Errors
///
/// As [`entry_len`]; what `put` returns.
#[inline]
pub(super) fn each_part(xattr: &NewXattr<'_>, mut put: impl FnMut(&[u8]) -> Result) -> Result {
    let (name, value) = (xattr.name.rest(), xattr.value);
    let len = entry_len(name.len(), value.len())? as usize;
    let head = XattrEntry {
        value_len: U32::new(value.len() as u32),
        name_len: U16::new(name.len() as u16),
        space: U16::new(xattr.name.space() as u16),
    };
    put(head.as_bytes())?;
    put(name)?;
    put(value)?;
    let padding = len - size_of::<XattrEntry>() - name.len() - value.len();
    put([0; 8].get(..padding).unwrap_or(&[]))
}
