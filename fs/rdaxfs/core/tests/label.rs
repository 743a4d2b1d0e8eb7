// SPDX-License-Identifier: GPL-2.0

//! The label of a mounted volume.

use rdaxfs_core::format::{Time, BLOCK_SIZE};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::superblock::read_superblock;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Error;
use rdaxfs_host::{Dram, Host};

const BLOCKS: u64 = 1024;

fn mounted(access: Access) -> (Volume<Host<Dram>>, Box<Workspace>) {
    let dram = Dram::new(BLOCKS * BLOCK_SIZE);
    let mut label = [0; 32];
    label[..6].copy_from_slice(b"before");
    let options = Options {
        label,
        ..Options::new(BLOCKS)
    };
    make(&dram, &options).unwrap();
    let mut workspace = Box::new(Workspace::new());
    let superblock = read_superblock(&dram, 0).unwrap();
    let host = Host::new(dram, &superblock);
    let volume = mount::mount(host, access, Time(1), &mut workspace).unwrap();
    (volume, workspace)
}

fn text(label: [u8; 32]) -> String {
    String::from_utf8(label.to_vec())
        .unwrap()
        .trim_end_matches('\0')
        .into()
}

#[test]
fn both_copies_change() {
    let (volume, mut workspace) = mounted(Access::ReadWrite);
    assert_eq!(text(volume.label().unwrap()), "before");
    let longest = "ä".repeat(16);
    for label in ["after", "", &longest] {
        volume.set_label(&mut workspace, label.as_bytes()).unwrap();
        assert_eq!(text(volume.label().unwrap()), label);
        for block in [0, BLOCKS - 1] {
            let superblock = read_superblock(volume.platform(), block).unwrap();
            assert_eq!(text(superblock.label), label, "block {block}");
        }
    }
    mount::unmount(&volume).unwrap();
    let again = mount::mount(
        volume.into_platform(),
        Access::NoStores,
        Time(2),
        &mut workspace,
    )
    .unwrap();
    assert_eq!(text(again.label().unwrap()), longest);
}

#[test]
fn what_is_no_label_is_refused() {
    let (volume, mut workspace) = mounted(Access::ReadWrite);
    let long = [b'x'; 33];
    for label in [&long[..], b"\xff", b"a\x1b[31m", b"a\0b"] {
        assert_eq!(
            volume.set_label(&mut workspace, label),
            Err(Error::Invalid),
            "{label:?}"
        );
    }
    assert_eq!(text(volume.label().unwrap()), "before");
}

#[test]
fn a_mount_without_stores_keeps_its_label() {
    let (volume, mut workspace) = mounted(Access::NoStores);
    assert_eq!(
        volume.set_label(&mut workspace, b"after"),
        Err(Error::ReadOnly)
    );
}
