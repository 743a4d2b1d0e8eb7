// SPDX-License-Identifier: GPL-2.0

//! Which bytes of the device hold which bytes of a file.
//!
//! C header: `include/uapi/linux/fiemap.h`; `Documentation/filesystems/fiemap.rst`.

use rustix::fd::AsFd;
use rustix::io;
use rustix::ioctl::{ioctl, opcode, Opcode, Updater};

/// What of a file is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// What read(2) returns.
    Data,
    /// The extended attributes, where they are outside the inode; ext4 tells where they are inside, too.
    Attributes,
}

/// Consecutive bytes of a file that are consecutive on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first byte, in the file.
    pub logical: u64,
    /// The first byte, on the file system's device.
    pub physical: u64,
    /// How many bytes.
    pub length: u64,
    flags: u32,
}

/// `FIEMAP_FLAG_XATTR`.
const XATTR: u32 = 0x2;
/// `FIEMAP_EXTENT_LAST`.
const LAST: u32 = 0x1;
/// `FIEMAP_EXTENT_UNKNOWN`, which delayed allocation sets too.
const UNKNOWN: u32 = 0x2;
/// `FIEMAP_EXTENT_UNWRITTEN`.
const UNWRITTEN: u32 = 0x800;

impl Extent {
    /// An extent of data that was written.
    pub const fn written(logical: u64, physical: u64, length: u64) -> Self {
        Self {
            logical,
            physical,
            length,
            flags: 0,
        }
    }

    /// Whether `physical` says anything: not if the blocks are still to be chosen.
    pub const fn is_placed(&self) -> bool {
        self.flags & UNKNOWN == 0
    }

    /// Whether blocks are allocated but hold no data yet: the file has zeroes there.
    pub const fn is_unwritten(&self) -> bool {
        self.flags & UNWRITTEN != 0
    }
}

/// `struct fiemap_extent`.
#[derive(Clone, Copy)]
#[repr(C)]
struct RawExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// `struct fiemap` without its array: what the number of the ioctl is made of.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
}

/// How many extents one call may bring.
const AT_ONCE: usize = 64;

/// `struct fiemap` with room for extents.
///
/// # Invariants
///
/// `header.extent_count` is [`AT_ONCE`], the length of `extents`.
#[repr(C)]
struct Request {
    header: Header,
    extents: [RawExtent; AT_ONCE],
}

/// `FS_IOC_FIEMAP`.
const FS_IOC_FIEMAP: Opcode = opcode::read_write::<Header>(b'f', 11);

impl Request {
    /// Asks for what is at byte `start` and behind it.
    fn new(start: u64, of: Of) -> Self {
        let nothing = RawExtent {
            logical: 0,
            physical: 0,
            length: 0,
            reserved64: [0; 2],
            flags: 0,
            reserved: [0; 3],
        };
        // INVARIANT: both are AT_ONCE.
        Self {
            header: Header {
                start,
                length: u64::MAX - start,
                flags: if of == Of::Attributes { XATTR } else { 0 },
                mapped_extents: 0,
                extent_count: AT_ONCE as u32,
                reserved: 0,
            },
            extents: [nothing; AT_ONCE],
        }
    }

    fn answer(mut self, fd: impl AsFd) -> io::Result<Vec<Extent>> {
        // SAFETY: FS_IOC_FIEMAP takes a `struct fiemap` and fills in at most as many extents behind it
        // as `extent_count` says. `Request` has that layout, and by its invariant room for them all.
        // Any bit pattern is a valid value of its fields, which are integers.
        unsafe { ioctl(fd, Updater::<FS_IOC_FIEMAP, _>::new(&mut self))? };
        let mapped = (self.header.mapped_extents as usize).min(AT_ONCE);
        Ok(self.extents[..mapped]
            .iter()
            .map(|raw| Extent {
                logical: raw.logical,
                physical: raw.physical,
                length: raw.length,
                flags: raw.flags,
            })
            .collect())
    }
}

/// The extents of an open file, in the order of the file; holes are left out.
///
/// What is still in the page cache may have no place yet ([`Extent::is_placed`]): `sync` before.
///
/// # Errors
///
/// `EOPNOTSUPP` where the file system cannot tell, such as for a directory of XFS; others as
/// ioctl(2) says. Nothing follows an error.
pub fn extents<F: AsFd>(fd: F, of: Of) -> impl Iterator<Item = io::Result<Extent>> {
    let mut next = Some(0);
    let batches = std::iter::from_fn(move || {
        let start = next.take()?;
        match Request::new(start, of).answer(&fd) {
            Ok(batch) => {
                next = following(start, &batch);
                Some(batch.into_iter().map(Ok).collect::<Vec<_>>())
            }
            Err(error) => Some(vec![Err(error)]),
        }
    });
    batches.flatten()
}

/// Where to ask on after a batch that began at `start`; `None` after the last one.
fn following(start: u64, batch: &[Extent]) -> Option<u64> {
    let last = batch.last().filter(|extent| extent.flags & LAST == 0)?;
    last.logical
        .checked_add(last.length)
        .filter(|end| *end > start)
}

#[cfg(test)]
mod tests {
    use super::{following, Extent, FS_IOC_FIEMAP, LAST};
    use std::mem::size_of;

    #[test]
    fn layout_is_the_header_s() {
        assert_eq!(size_of::<super::Header>(), 32);
        assert_eq!(size_of::<super::RawExtent>(), 56);
        assert_eq!(FS_IOC_FIEMAP, 0xC020_660B);
    }

    #[test]
    fn goes_on_behind_the_last_extent_until_it_is_marked() {
        let mut extent = Extent::written(4096, 0, 8192);
        assert_eq!(following(0, &[extent]), Some(12288));
        assert_eq!(following(0, &[]), None);
        // A file system that does not come on must not be asked for ever.
        assert_eq!(following(12288, &[extent]), None);
        extent.flags = LAST;
        assert_eq!(following(0, &[extent]), None);
    }
}
