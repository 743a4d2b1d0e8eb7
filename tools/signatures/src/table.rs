// SPDX-License-Identifier: GPL-2.0

//! Magic numbers, and where they are.
//!
//! They were taken from the formats' own documentation and checked against what their programs write
//! (tests/).

use std::fmt;

use rdaxfs_core::format::BLOCK_SIZE;
use rdaxfs_core::platform::Medium;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What it is a signature of.
    pub kind: &'static str,
    /// Where its magic number is, in bytes from the start of the device.
    pub offset: u64,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a signature of {} at byte {:#x}", self.kind, self.offset)
    }
}

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where there may be something.
    Anywhere,
    /// In the first two blocks only, which hold no user data on an rdaxfs volume: its superblock and the
    /// header of its first group. Elsewhere a file's contents may look like a signature.
    Heads,
}

impl Place {
    fn has(self, offset: u64) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Heads => offset < 2 * BLOCK_SIZE,
        }
    }
}

/// What has a magic number, that number, and where it may be.
struct Known {
    kind: &'static str,
    magic: &'static [u8],
    /// From the start of the device.
    at: &'static [u64],
}

const fn known(kind: &'static str, magic: &'static [u8], at: &'static [u64]) -> Known {
    Known { kind, magic, at }
}

/// Where the second header of LUKS2 may be.
const LUKS2_SECOND: &[u64] = &[
    0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000, 0x20_0000, 0x40_0000,
];
/// Where swap's magic number is: at the end of the first page, which has one of these sizes.
const SWAP: &[u64] = &[0xff6, 0x1ff6, 0x3ff6, 0x7ff6, 0xfff6];

const KNOWN: &[Known] = &[
    known("LUKS", b"LUKS\xba\xbe", &[0]),
    known("LUKS2 (second header)", b"SKUL\xba\xbe", LUKS2_SECOND),
    known("BitLocker", b"-FVE-FS-", &[3]),
    known(
        "an LVM2 physical volume",
        b"LABELONE",
        &[0, 0x200, 0x400, 0x600],
    ),
    known("GPT", b"EFI PART", &[0x200, 0x1000]),
    known(
        "a boot sector or an MBR partition table",
        b"\x55\xaa",
        &[0x1fe],
    ),
    known("NTFS", b"NTFS    ", &[3]),
    known("exfat", b"EXFAT   ", &[3]),
    known("vfat", b"FAT32   ", &[0x52]),
    known("vfat", b"FAT16   ", &[0x36]),
    known("vfat", b"FAT12   ", &[0x36]),
    known("vfat", b"MSDOS", &[0x36]),
    known("ext2, ext3 or ext4", b"\x53\xef", &[0x438]),
    known("xfs", b"XFSB", &[0]),
    known("btrfs", b"_BHRfS_M", &[0x1_0040]),
    known("f2fs", b"\x10\x20\xf5\xf2", &[0x400]),
    known("erofs", b"\xe2\xe1\xf5\xe0", &[0x400]),
    known("squashfs", b"hsqs", &[0]),
    known("squashfs", b"sqsh", &[0]),
    known("minix", b"\x7f\x13", &[0x410]),
    known("minix", b"\x8f\x13", &[0x410]),
    known("minix", b"\x68\x24", &[0x410]),
    known("minix", b"\x78\x24", &[0x410]),
    known("minix", b"\x5a\x4d", &[0x418]),
    known("swap", b"SWAPSPACE2", SWAP),
    known("swap", b"SWAP-SPACE", SWAP),
    known("a hibernation image", b"S1SUSPEND\0", SWAP),
    known("a hibernation image", b"S2SUSPEND\0", SWAP),
    known("a hibernation image", b"ULSUSPEND\0", SWAP),
    known("a hibernation image", b"LINHIB0001", SWAP),
    known(
        "bcache",
        b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
        &[0x1018],
    ),
    known(
        "bcachefs",
        b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
        &[0x1018],
    ),
    known("an array (md)", b"\xfc\x4e\x2b\xa9", &[0, 0x1000]),
    known(
        "a namespace of libnvdimm (BTT)",
        b"BTT_ARENA_INFO\0",
        &[0x1000, 0],
    ),
    known(
        "a namespace of libnvdimm (fsdax)",
        b"NVDIMM_PFN_INFO\0",
        &[0x1000],
    ),
    known(
        "a namespace of libnvdimm (devdax)",
        b"NVDIMM_DAX_INFO\0",
        &[0x1000],
    ),
    known("dm-verity", b"verity\0\0", &[0]),
    known("dm-integrity", b"integrt\0", &[0]),
    known("VDO", b"dmvdo001", &[0]),
    known("Stratis", b"!Stra0tis\x86\xff\x02^\x41rh", &[0x204]),
    known("a BlueStore device", b"bluestore block device", &[0]),
    known(
        "ZFS",
        b"\x0c\xb1\xba\x00\x00\x00\x00\x00",
        &[0x2_0000, 0x2_1000, 0x2_2000, 0x2_4000],
    ),
    known("ISO 9660", b"CD001", &[0x8001]),
    known("UDF", b"BEA01", &[0x8001]),
    known("jfs", b"JFS1", &[0x8000]),
    known("nilfs2", b"\x34\x34", &[0x406]),
    known("reiserfs", b"ReIsEr", &[0x1_0034, 0x1_0000, 0x2034]),
    known("gfs2", b"\x01\x16\x19\x70", &[0x1_0000]),
    known("ocfs2", b"OCFSV2", &[0x400, 0x800, 0x1000, 0x2000]),
    known("hfsplus", b"H+\0\x04", &[0x400]),
    known("hfsplus", b"HX\0\x05", &[0x400]),
    known("apfs", b"NXSB", &[0x20]),
    known("cramfs", b"\x45\x3d\xcd\x28", &[0]),
    known("romfs", b"-rom1fs-", &[0]),
    known("zonefs", b"SFOZ", &[0]),
];

/// What has its magic number so many bytes before the device's end.
const AT_END: &[(&str, &[u8], u64)] = &[
    ("GPT (backup)", b"EFI PART", 512),
    ("GPT (backup)", b"EFI PART", 4096),
    ("an array (Intel)", b"Intel Raid ISM Cfg Sig. ", 1024),
    ("an array (DDF)", b"\xde\x11\xde\x11", 512),
];

/// The first signature in the order of the table.
#[must_use]
pub fn find(medium: &impl Medium, place: Place) -> Option<Signature> {
    let has = |offset: u64, magic: &[u8]| {
        let mut found = [0; 32];
        let found = &mut found[..magic.len()];
        let within = offset
            .checked_add(magic.len() as u64)
            .is_some_and(|end| end <= medium.len());
        within && medium.read(offset, found).is_ok() && found == magic
    };
    for Known { kind, magic, at } in KNOWN {
        for &offset in at.iter().filter(|&&offset| place.has(offset)) {
            if has(offset, magic) {
                return Some(Signature { kind, offset });
            }
        }
    }
    for &(kind, magic, before_end) in AT_END {
        if let Some(offset) = medium.len().checked_sub(before_end) {
            if place.has(offset) && has(offset, magic) {
                return Some(Signature { kind, offset });
            }
        }
    }
    for offset in md_at_end(medium.len()).into_iter().flatten() {
        if place.has(offset) && has(offset, b"\xfc\x4e\x2b\xa9") {
            let kind = "an array (md)";
            return Some(Signature { kind, offset });
        }
    }
    None
}

/// Where md's superblocks of the versions 0.90 and 1.0 are.
fn md_at_end(len: u64) -> [Option<u64>; 2] {
    const OLD: u64 = 64 << 10;
    [
        (len & !(OLD - 1)).checked_sub(OLD),
        len.checked_sub(8 << 10)
            .map(|offset| offset & !(BLOCK_SIZE - 1)),
    ]
}

#[cfg(test)]
mod tests {
    use rdaxfs_core::format::Time;
    use rdaxfs_core::platform::Stores;
    use rdaxfs_host::{Dram, Mounted};

    use super::*;

    fn volume() -> Dram {
        let made = Mounted::make(Dram::new(8 << 20), Time::new(0, 0)).unwrap();
        made.unmount().unwrap()
    }

    #[test]
    fn an_rdaxfs_volume_is_nothing_else() {
        assert_eq!(find(&volume(), Place::Anywhere), None);
    }

    /// Each is found where it is, and only there.
    #[test]
    fn all_are_found() {
        let places = KNOWN.iter().flat_map(|known| {
            let at = known.at.iter();
            at.map(move |&offset| (known.kind, known.magic, offset))
        });
        let len = volume().len();
        let at_end = AT_END
            .iter()
            .map(|&(kind, magic, before)| (kind, magic, len - before));
        for (kind, magic, offset) in places.chain(at_end) {
            let medium = volume();
            let first = offset & !7;
            let mut words = vec![0; (offset - first) as usize + magic.len()];
            words.resize(words.len().next_multiple_of(8), 0);
            medium.read(first, &mut words).unwrap();
            words[(offset - first) as usize..][..magic.len()].copy_from_slice(magic);
            medium.copy_nt(first, &words).unwrap();
            let found = find(&medium, Place::Anywhere);
            let found = found.unwrap_or_else(|| panic!("{kind} at {offset:#x}"));
            assert_eq!((found.kind, found.offset), (kind, offset));
            let in_heads = find(&medium, Place::Heads).is_some();
            assert_eq!(in_heads, offset < 2 * BLOCK_SIZE, "{kind} at {offset:#x}");
        }
    }
}
