// SPDX-License-Identifier: GPL-2.0

//! A good volume has no findings; a damaged one has, and rounds of repairs end.

use rdaxfs_check::{superblock_by_copy, survey, Fix, Image, Survey};
use rdaxfs_core::format::Time;
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::Access;
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_core::superblock::probe;
use rdaxfs_host::{Dram, Mounted};

fn made(blocks: u64, align_offset: u32) -> Dram {
    let medium = Dram::new(blocks << 12);
    let options = Options {
        uuid: [5; 16],
        hash_key: [3, 4],
        align_offset,
        ..Options::new(blocks)
    };
    make(&medium, &options).expect("the volume can be made");
    medium
}

fn surveyed(medium: &Dram) -> Survey {
    let superblock = probe(medium).expect("a superblock is good");
    survey(&Image::new(medium, superblock), |_| {})
}

#[test]
fn a_new_volume_has_no_findings() {
    for blocks in [64, 65, 1000, 32_768, 32_769, 32_784, 100_000] {
        for align_offset in [0, 1, 64, 511] {
            let medium = made(blocks, align_offset);
            let found = surveyed(&medium);
            assert_eq!(
                found.findings,
                [],
                "{blocks} blocks, aligned at {align_offset}"
            );
            assert_eq!(found.inodes.len(), 1);
            assert_eq!(
                found.path(medium_root(&medium), medium_root(&medium)),
                Some(b"/".to_vec())
            );
        }
    }
}

fn medium_root(medium: &Dram) -> u64 {
    probe(medium).unwrap().root.get()
}

#[test]
fn a_mounted_one_has_none_either() {
    let medium = made(1000, 0);
    let fs = Mounted::mount(medium, Access::ReadWrite, Time::new(1, 0)).unwrap();
    assert_eq!(surveyed(fs.volume.platform().medium()).findings, []);
    let medium = fs.unmount().unwrap();
    assert_eq!(surveyed(&medium).findings, []);
}

/// Every word of the metadata of a new volume, set to some other value: what is found is repaired, or
/// the volume is one without a superblock or a root directory.
#[test]
fn any_wrong_word_is_repaired() {
    let good = made(300, 0);
    let mut repaired = 0;
    for offset in (0..12 * 4096).chain(299 * 4096..300 * 4096).step_by(8) {
        for value in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef, 300] {
            let medium = made(300, 0);
            let mut before = [0; 8];
            good.read(offset, &mut before).unwrap();
            medium.store_u64(offset, value);
            if u64::from_le_bytes(before) == value {
                continue;
            }
            if probe(&medium).is_err() {
                assert_eq!(offset, 0, "but for the magic number the copy stands in");
                let (_, wrong) = superblock_by_copy(&medium, 299).unwrap();
                assert!(wrong.expect("block 0 is wrong").apply(&medium));
                repaired += 1;
            }
            for round in 0.. {
                let found = surveyed(&medium);
                if found.findings.is_empty() {
                    repaired += u32::from(round > 0);
                    break;
                }
                assert!(round < 8, "{offset:#x} = {value:#x}: {:?}", found.findings);
                let lost = found
                    .findings
                    .iter()
                    .any(|finding| finding.fix == Fix::None);
                if lost {
                    break;
                }
                for finding in &found.findings {
                    finding.apply(&medium);
                }
            }
        }
    }
    assert!(repaired > 500, "only {repaired} were found and repaired");
}
