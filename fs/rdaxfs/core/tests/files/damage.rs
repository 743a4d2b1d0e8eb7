// SPDX-License-Identifier: GPL-2.0

//! Operations on files of a damaged volume: they fail or not, but they end, and they panic nowhere.

use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;
use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::{
    block_offset, group_metadata, NodeHeader, BLOCK_SIZE, NODE_CRC, NODE_HEADER, S_IFREG,
};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Result;
use rdaxfs_host::{crc32c, Host};

use crate::medium::{flaky_volume, mount, Flaky};
use crate::NOW;

type FlakyVolume = Volume<Host<Flaky>>;

/// The extents of the file with a tree: enough for several leaves.
const EXTENTS: u64 = 500;

/// A volume with a file of a few extents, and one of many.
fn good() -> (FlakyVolume, Box<Workspace>, [u64; 2]) {
    let (volume, mut workspace) = flaky_volume(4);
    let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
    let new = NewInode {
        mode: S_IFREG | 0o600,
        ..NewInode::default()
    };
    let inodes = [("few", 4), ("many", EXTENTS)].map(|(name, count)| {
        let made = volume.names().create(
            &mut workspace,
            &mut root,
            name.as_bytes(),
            &new,
            NOW,
            &mut unannounced,
        );
        let mut map = made.unwrap().map;
        for turn in 0..count {
            let offset = 2 * turn * BLOCK_SIZE;
            volume
                .files()
                .write(&mut workspace, &mut map, offset, &[8; 100], NOW)
                .unwrap();
        }
        map.ino()
    });
    (volume, workspace, inodes)
}

fn word(medium: &impl Medium, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    medium.read(offset, &mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

/// The blocks that hold metadata of files, and the group's header.
fn metadata(volume: &FlakyVolume) -> Vec<u64> {
    let bitmap = block_offset(group_metadata(0));
    let slots = volume.superblock().slots_at.get()
        ..volume.superblock().slots_at.get() + u64::from(volume.slots());
    (1..volume.blocks() - 1)
        .filter(|block| word(volume.platform(), bitmap + block / 64 * 8) >> (block % 64) & 1 == 1)
        .filter(|block| !slots.contains(block))
        .collect()
}

#[derive(Clone, Debug)]
struct Damage {
    block: prop::sample::Index,
    word: usize,
    value: Value,
    /// Whether a node's checksum is put right.
    forge: bool,
}

#[derive(Clone, Debug)]
enum Value {
    Number(u64),
    Flip(u32),
    /// That of another place.
    Copy(prop::sample::Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    // The first lines of a block say what it is.
    let word = || prop_oneof![0..48_usize, 0..512_usize];
    let value = prop_oneof![
        prop_oneof![Just(0), Just(1), Just(u64::MAX), 0..2_000_u64, any::<u64>()]
            .prop_map(Value::Number),
        (0..64_u32).prop_map(Value::Flip),
        (any::<prop::sample::Index>(), word()).prop_map(|(block, word)| Value::Copy(block, word)),
    ];
    (any::<prop::sample::Index>(), word(), value, any::<bool>()).prop_map(
        |(block, word, value, forge)| Damage {
            block,
            word,
            value,
            forge,
        },
    )
}

fn apply(volume: &FlakyVolume, blocks: &[u64], damage: &Damage) {
    let medium = volume.platform();
    let place =
        |block: &prop::sample::Index, at: usize| block_offset(*block.get(blocks)) + 8 * at as u64;
    let offset = place(&damage.block, damage.word);
    let value = match damage.value {
        Value::Number(value) => value,
        Value::Flip(bit) => word(medium, offset) ^ 1 << bit,
        Value::Copy(ref block, at) => word(medium, place(block, at)),
    };
    medium.store_u64(offset, value);
    if damage.forge && 8 * damage.word < NODE_HEADER && damage.word > 0 {
        let start = block_offset(*damage.block.get(blocks));
        let mut header = [0; NODE_HEADER];
        medium.read(start, &mut header).unwrap();
        let crc = u64::from(crc32c(0, &header[NODE_CRC])) << 32;
        assert_eq!(std::mem::offset_of!(NodeHeader, crc), 4);
        medium.store_u64(start, word(medium, start) & 0xffff_ffff | crc);
    }
}

/// Everything that can be done to a file; whether it works does not matter.
fn exercise(volume: &FlakyVolume, workspace: &mut Workspace, map: &mut MapState) -> Result {
    let mut bytes = vec![0; 3 * BLOCK_SIZE as usize];
    let mut page = 0;
    let mut walked = 0;
    while let Ok(Some(extent)) = volume.files().next_extent(map, page) {
        assert!(extent.end() > page);
        page = extent.end();
        walked += 1;
        assert!(walked < 20_000);
    }
    for page in [0, 1, 5, 400, 998, 999, 5_000] {
        let offset = page * BLOCK_SIZE;
        let _ = volume.files().map(map, page, 7);
        let _ = volume.files().read(map, offset, &mut bytes);
        let _ = volume
            .files()
            .write(workspace, map, offset + 5, &bytes, NOW);
        let _ = volume
            .files()
            .reserve_unwritten(workspace, map, page + 8, 2);
        let _ = volume
            .files()
            .convert(workspace, map, (page + 8, 1), &|_| false);
        for mode in [
            Fallocate::PunchHole,
            Fallocate::ZeroRange,
            Fallocate::Allocate,
        ] {
            let range = FallocateRange {
                mode,
                keep_size: false,
                offset: offset + 77,
                len: 20 * BLOCK_SIZE,
            };
            let _ = volume
                .files()
                .fallocate(workspace, map, &range, &Change::modified(NOW));
        }
    }
    let _ = volume
        .files()
        .truncate(workspace, map, 300 * BLOCK_SIZE + 3, &Change::modified(NOW));
    let _ = volume.files().finish(workspace, map);
    volume.files().close(map);
    volume
        .files()
        .truncate(workspace, map, 0, &Change::modified(NOW))
        .map(drop)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn damage_is_met_with_errors(damages in prop::collection::vec(damage(), 1..4), which in 0..2_usize) {
        let (mut volume, mut workspace, inodes) = good();
        let blocks = metadata(&volume);
        for damage in &damages {
            apply(&volume, &blocks, damage);
        }
        // Stray stores meet a mounted volume, which knows what it has judged. Who puts checksums right
        // works on one that is not mounted, and then nothing of it is known.
        if damages.iter().any(|damage| damage.forge) {
            let Ok(again) = mount(volume.into_platform().into_medium()) else {
                return Ok(());
            };
            (volume, workspace) = again;
        }
        let flaky = volume.platform().medium();
        flaky.reads_left.store(20_000_000, Relaxed);
        if let Ok((mut map, _)) = volume.inodes().open(inodes[which], None) {
            let _ = exercise(&volume, &mut workspace, &mut map);
        }
    }
}
