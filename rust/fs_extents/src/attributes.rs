// SPDX-License-Identifier: GPL-2.0

//! Attributes of a file that say where its data is.
//!
//! C header: `include/uapi/linux/fs.h`, `struct fsxattr`; ioctl_xfs_fsgetxattr(2).

use rustix::fd::AsFd;
use rustix::io;
use rustix::ioctl::{ioctl, opcode, Getter, Opcode};

/// `FS_XFLAG_REALTIME`.
const REALTIME: u32 = 0x1;

/// `struct fsxattr`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

/// `FS_IOC_FSGETXATTR`.
const FS_IOC_FSGETXATTR: Opcode = opcode::read::<Attributes>(b'X', 31);

/// Whether the data of an open file is in the realtime section of its XFS.
///
/// # Errors
///
/// `ENOTTY` where there are no such attributes; others as ioctl(2) says.
pub fn is_realtime(fd: impl AsFd) -> io::Result<bool> {
    // SAFETY: FS_IOC_FSGETXATTR fills in a `struct fsxattr`, which `Attributes` is. Any bit pattern is a valid value of its
    // fields, which are integers.
    let attributes = unsafe { ioctl(fd, Getter::<FS_IOC_FSGETXATTR, Attributes>::new())? };
    Ok(attributes.flags & REALTIME != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_the_header_s() {
        assert_eq!(size_of::<Attributes>(), 28);
        assert_eq!(FS_IOC_FSGETXATTR, 0x801C_581F);
    }
}
