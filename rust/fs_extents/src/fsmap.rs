// SPDX-License-Identifier: GPL-2.0

//! Who owns which bytes of a file system's device.
//!
//! C header: `include/uapi/linux/fsmap.h`; ioctl_getfsmap(2). ext4 and XFS know it. ext4 does not tell
//! the owners of data, nor does XFS without the reverse mapping (`rmapbt`).

use rustix::fd::AsFd;
use rustix::io;
use rustix::ioctl::{ioctl, opcode, Opcode, Updater};

/// Who owns a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A file, directory or the like, by its number.
    Inode {
        /// The inode's number.
        inode: u64,
        /// What of the inode it holds.
        part: Part,
    },
    /// Nobody.
    Free,
    /// Somebody whom the file system does not name.
    Unknown,
    /// The file system itself: type and code of the special owner.
    Special(u32, u32),
}

/// Which part of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What the file holds; the entries of a directory.
    Data,
    /// Extended attributes.
    Attributes,
    /// The list of where the data is.
    ExtentMap,
}

/// Consecutive bytes of the device with one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The device, as `makedev(3)` packs it in 32 bits.
    pub device: u32,
    /// The first byte.
    pub physical: u64,
    /// How many bytes.
    pub length: u64,
    /// Whose they are.
    pub owner: Owner,
}

/// `FMR_OF_ATTR_FORK`.
const ATTR_FORK: u32 = 0x2;
/// `FMR_OF_EXTENT_MAP`.
const EXTENT_MAP: u32 = 0x4;
/// `FMR_OF_SPECIAL_OWNER`.
const SPECIAL_OWNER: u32 = 0x10;
/// `FMR_OF_LAST`.
const LAST: u32 = 0x20;

/// `struct fsmap`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Raw {
    device: u32,
    flags: u32,
    physical: u64,
    owner: u64,
    offset: u64,
    length: u64,
    reserved: [u64; 3],
}

impl Raw {
    const ZERO: Self = Self {
        device: 0,
        flags: 0,
        physical: 0,
        owner: 0,
        offset: 0,
        length: 0,
        reserved: [0; 3],
    };

    /// The key behind everything.
    const LAST: Self = Self {
        device: u32::MAX,
        flags: u32::MAX,
        physical: u64::MAX,
        owner: u64::MAX,
        offset: u64::MAX,
        ..Self::ZERO
    };

    fn owner(&self) -> Owner {
        if self.flags & SPECIAL_OWNER == 0 {
            let part = if self.flags & EXTENT_MAP != 0 {
                Part::ExtentMap
            } else if self.flags & ATTR_FORK != 0 {
                Part::Attributes
            } else {
                Part::Data
            };
            return Owner::Inode {
                inode: self.owner,
                part,
            };
        }
        match ((self.owner >> 32) as u32, self.owner as u32) {
            (0, 1) => Owner::Free,
            (0, 2) => Owner::Unknown,
            (kind, code) => Owner::Special(kind, code),
        }
    }
}

/// `struct fsmap_head` without its array: what the number of the ioctl is made of.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    iflags: u32,
    oflags: u32,
    count: u32,
    entries: u32,
    reserved: [u64; 6],
    keys: [Raw; 2],
}

/// How many records one call may bring.
const AT_ONCE: usize = 64;

/// `struct fsmap_head` with room for records.
///
/// # Invariants
///
/// `header.count` is [`AT_ONCE`], the length of `records`.
#[repr(C)]
struct Request {
    header: Header,
    records: [Raw; AT_ONCE],
}

/// `FS_IOC_GETFSMAP`.
const FS_IOC_GETFSMAP: Opcode = opcode::read_write::<Header>(b'X', 59);

impl Request {
    /// Asks for what follows `low`.
    fn new(low: Raw) -> Self {
        // INVARIANT: both are AT_ONCE.
        Self {
            header: Header {
                iflags: 0,
                oflags: 0,
                count: AT_ONCE as u32,
                entries: 0,
                reserved: [0; 6],
                keys: [low, Raw::LAST],
            },
            records: [Raw::ZERO; AT_ONCE],
        }
    }

    fn answer(mut self, fd: impl AsFd) -> io::Result<Vec<Raw>> {
        // SAFETY: FS_IOC_GETFSMAP takes a `struct fsmap_head` and fills in at most as many records
        // behind it as `count` says. `Request` has that layout, and by its invariant room for them all.
        // Any bit pattern is a valid value of its fields, which are integers.
        unsafe { ioctl(fd, Updater::<FS_IOC_GETFSMAP, _>::new(&mut self))? };
        let entries = (self.header.entries as usize).min(AT_ONCE);
        Ok(self.records[..entries].to_vec())
    }
}

/// Who owns what of the devices of the file system that has this open file, in the order of the
/// devices and their bytes.
///
/// # Errors
///
/// `EOPNOTSUPP` or `ENOTTY` where the file system cannot tell. Nothing follows an error.
pub fn records<F: AsFd>(fd: F) -> impl Iterator<Item = io::Result<Record>> {
    let mut next = Some(Raw::ZERO);
    let batches = std::iter::from_fn(move || {
        let low = next.take()?;
        match Request::new(low).answer(&fd) {
            Ok(batch) => {
                // The kernel takes the last record as it is for where to go on.
                next = batch.last().filter(|raw| raw.flags & LAST == 0).copied();
                let records = batch.iter().map(|raw| {
                    Ok(Record {
                        device: raw.device,
                        physical: raw.physical,
                        length: raw.length,
                        owner: raw.owner(),
                    })
                });
                Some(records.collect::<Vec<_>>())
            }
            Err(error) => Some(vec![Err(error)]),
        }
    });
    batches.flatten()
}

#[cfg(test)]
mod tests {
    use super::{Owner, Part, Raw, ATTR_FORK, FS_IOC_GETFSMAP, SPECIAL_OWNER};
    use std::mem::size_of;

    #[test]
    fn layout_is_the_header_s() {
        assert_eq!(size_of::<Raw>(), 64);
        assert_eq!(size_of::<super::Header>(), 192);
        assert_eq!(FS_IOC_GETFSMAP, 0xC0C0_583B);
    }

    #[test]
    fn tells_inodes_from_special_owners() {
        let raw = |flags, owner| Raw {
            flags,
            owner,
            ..Raw::ZERO
        };
        assert_eq!(raw(SPECIAL_OWNER, 1).owner(), Owner::Free);
        assert_eq!(raw(SPECIAL_OWNER, 2).owner(), Owner::Unknown);
        let log = u64::from(b'X') << 32 | 2;
        assert_eq!(raw(SPECIAL_OWNER, log).owner(), Owner::Special(0x58, 2));
        let part = Part::Attributes;
        assert_eq!(
            raw(ATTR_FORK, 131).owner(),
            Owner::Inode { inode: 131, part }
        );
    }
}
