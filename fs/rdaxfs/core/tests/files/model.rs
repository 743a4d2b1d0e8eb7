// SPDX-License-Identifier: GPL-2.0

//! Contents of files, against a model that is an array of bytes.

use proptest::prelude::*;
use rdaxfs_core::file::{Fallocate, FallocateRange, State};
use rdaxfs_core::format::{BLOCK_SIZE, S_IFREG};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Error;

use crate::common::{root, volume, DramVolume};
use crate::{contents, extents, findings, free_blocks, NOW};

/// The pages that the operations are on.
const PAGES: u64 = 96;

#[derive(Clone, Debug)]
enum Op {
    Write {
        offset: u64,
        len: u64,
        byte: u8,
    },
    Truncate {
        size: u64,
    },
    Fallocate {
        mode: Fallocate,
        keep_size: bool,
        offset: u64,
        len: u64,
    },
    /// Pages are mapped for a write that never comes.
    Map {
        page: u64,
        count: u64,
    },
    /// Writeback of whole pages, as without DAX.
    WriteBack {
        page: u64,
        count: u64,
        byte: u8,
    },
    /// Somebody stores behind the end through a mapping.
    Scribble,
    /// The file leaves the cache and comes again.
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let offset = 0..PAGES * BLOCK_SIZE;
    let len = prop_oneof![1..64_u64, 1..3 * BLOCK_SIZE, 1..40 * BLOCK_SIZE];
    let aligned = |range: std::ops::Range<u64>| range.prop_map(|page| page * BLOCK_SIZE);
    let place = prop_oneof![offset.clone(), aligned(0..PAGES)];
    let mode = prop_oneof![
        Just(Fallocate::Allocate),
        Just(Fallocate::PunchHole),
        Just(Fallocate::ZeroRange),
        Just(Fallocate::CollapseRange),
        Just(Fallocate::InsertRange)
    ];
    prop_oneof![
        4 => (place.clone(), len.clone(), 1..=255_u8)
            .prop_map(|(offset, len, byte)| Op::Write { offset, len, byte }),
        1 => place.clone().prop_map(|size| Op::Truncate { size }),
        4 => (mode, any::<bool>(), place, len)
            .prop_map(|(mode, keep_size, offset, len)| Op::Fallocate { mode, keep_size, offset, len }),
        1 => (0..PAGES, 1..9_u64).prop_map(|(page, count)| Op::Map { page, count }),
        2 => (0..PAGES, 1..9_u64, 1..=255_u8)
            .prop_map(|(page, count, byte)| Op::WriteBack { page, count, byte }),
        1 => Just(Op::Scribble),
        1 => Just(Op::Reopen),
    ]
}

struct File {
    volume: DramVolume,
    workspace: Box<Workspace>,
    map: MapState,
    model: Vec<u8>,
}

impl File {
    fn new() -> Self {
        let (volume, mut workspace) = volume(4);
        let (mut root, _) = root(&volume);
        let new = NewInode {
            mode: S_IFREG | 0o600,
            ..NewInode::default()
        };
        let made = volume.names().create(
            &mut workspace,
            &mut root,
            b"file",
            &new,
            NOW,
            &mut unannounced,
        );
        let map = made.unwrap().map;
        Self {
            volume,
            workspace,
            map,
            model: Vec::new(),
        }
    }

    fn write_model(&mut self, offset: u64, len: u64, byte: u8) {
        let (from, to) = (offset as usize, (offset + len) as usize);
        if self.model.len() < to {
            self.model.resize(to, 0);
        }
        self.model[from..to].fill(byte);
    }

    fn zero_model(&mut self, offset: u64, len: u64) {
        let end = self.model.len();
        let (from, to) = (offset as usize, (offset + len) as usize);
        self.model[from.min(end)..to.min(end)].fill(0);
    }

    /// Collapses or inserts a range.
    fn shift(&mut self, range: &FallocateRange) {
        let done = self.volume.files().fallocate(
            &mut self.workspace,
            &mut self.map,
            range,
            &Change::modified(NOW),
        );
        let size = self.model.len();
        let (from, len) = (range.offset as usize, range.len as usize);
        let collapses = range.mode == Fallocate::CollapseRange;
        if from >= size || (collapses && from + len >= size) {
            assert_eq!(done, Err(Error::Invalid), "{range:?} of {size}");
            return;
        }
        let changed = done.unwrap();
        if collapses {
            self.model.drain(from..from + len);
        } else {
            self.model.splice(from..from, vec![0; len]);
        }
        assert_eq!(changed.size, self.model.len() as u64);
    }

    fn apply(&mut self, op: &Op) {
        let Self {
            volume,
            workspace,
            map,
            ..
        } = self;
        match *op {
            Op::Write { offset, len, byte } => {
                let bytes = vec![byte; len as usize];
                let written = volume.files().write(workspace, map, offset, &bytes, NOW);
                assert_eq!(written, Ok(bytes.len()));
                self.write_model(offset, len, byte);
            }
            Op::Truncate { size } => {
                volume
                    .files()
                    .truncate(workspace, map, size, &Change::modified(NOW))
                    .unwrap();
                // Whoever maps the new end's page finds zeros behind it.
                let tail = volume.files().map(map, size / BLOCK_SIZE, 1).unwrap();
                if let State::Mapped(block) = tail.state {
                    let mut bytes = vec![0; (BLOCK_SIZE - size % BLOCK_SIZE) as usize];
                    let offset = block * BLOCK_SIZE + size % BLOCK_SIZE;
                    volume.platform().read(offset, &mut bytes).unwrap();
                    let grown = size as usize >= self.model.len();
                    assert!(
                        (grown && size % BLOCK_SIZE == 0) || bytes.iter().all(|&byte| byte == 0)
                    );
                }
                self.model.resize(size as usize, 0);
            }
            Op::Fallocate {
                mode,
                keep_size,
                offset,
                len,
            } => {
                let moves = matches!(mode, Fallocate::CollapseRange | Fallocate::InsertRange);
                let pages = |bytes: u64| bytes.div_ceil(BLOCK_SIZE) * BLOCK_SIZE;
                let range = FallocateRange {
                    mode,
                    keep_size: keep_size && !moves,
                    offset: if moves { pages(offset) } else { offset },
                    len: if moves { pages(len) } else { len },
                };
                if moves {
                    self.shift(&range);
                    return;
                }
                volume
                    .files()
                    .fallocate(workspace, map, &range, &Change::modified(NOW))
                    .unwrap();
                if mode != Fallocate::Allocate {
                    self.zero_model(offset, len);
                }
                let end = (offset + len) as usize;
                if mode != Fallocate::PunchHole && !keep_size && self.model.len() < end {
                    self.model.resize(end, 0);
                }
            }
            Op::Map { page, count } => {
                let pages = (page, count);
                let writable = volume
                    .files()
                    .map_for_write(workspace, map, pages, &Change::modified(NOW))
                    .unwrap();
                let mapping = writable.mapping;
                assert_eq!(mapping.page, page);
                assert!((1..=count).contains(&mapping.count));
                assert_eq!(volume.files().map(map, page, mapping.count), Ok(mapping));
            }
            Op::WriteBack { page, count, byte } => {
                let mut at = page;
                while at < page + count {
                    let got = volume
                        .files()
                        .reserve_unwritten(workspace, map, at, page + count - at)
                        .unwrap();
                    let (State::Unwritten(block) | State::Mapped(block)) = got.state else {
                        panic!("{got:?} has no blocks");
                    };
                    let bytes = vec![byte; (got.count * BLOCK_SIZE) as usize];
                    let platform = volume.platform();
                    platform.copy_nt(block * BLOCK_SIZE, &bytes).unwrap();
                    at += got.count;
                }
                volume.files().fence_data();
                volume
                    .files()
                    .convert(workspace, map, (page, count), &|_| false)
                    .unwrap();
                let (from, size) = (page * BLOCK_SIZE, (page + count) * BLOCK_SIZE);
                volume
                    .files()
                    .set_size(workspace, map, (from, size), &Change::modified(NOW))
                    .unwrap();
                self.write_model(from, size - from, byte);
            }
            Op::Scribble => {
                let end = self.model.len() as u64;
                let tail = volume.files().map(map, end / BLOCK_SIZE, 1).unwrap();
                if let (State::Mapped(block), true) = (tail.state, end % BLOCK_SIZE != 0) {
                    for at in end % BLOCK_SIZE..BLOCK_SIZE {
                        volume.platform().store_u8(block * BLOCK_SIZE + at, 0x77);
                    }
                }
            }
            Op::Reopen => {
                volume.files().close(map);
                (*map, _) = volume.inodes().open(map.ino(), None).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn files_have_what_was_written(ops in prop::collection::vec(op(), 1..60)) {
        let mut file = File::new();
        let free = free_blocks(&file.volume);
        for op in &ops {
            file.apply(op);
            let found = contents(&file.volume, &file.map);
            prop_assert!(found == file.model, "{op:?}: the contents differ");
            let used = free - free_blocks(&file.volume);
            let attributes = file.volume.inodes().attributes(&file.map).unwrap();
            prop_assert_eq!(attributes.blocks, used, "{:?}", op);
            prop_assert!(!attributes.has_intent);
            let list = extents(&file.volume, &file.map);
            for pair in list.windows(2) {
                prop_assert!(pair[0].end() <= pair[1].page);
            }
            let pages: u64 = list.iter().map(|extent| extent.count).sum();
            prop_assert!(pages <= used);
            prop_assert_eq!(findings(&file.volume), [], "{:?}", op);
        }
        file.volume.files().truncate(&mut file.workspace, &mut file.map, 0, &Change::modified(NOW)).unwrap();
        prop_assert_eq!(free_blocks(&file.volume), free);
        prop_assert_eq!(file.volume.inodes().attributes(&file.map).unwrap().blocks, 0);
    }
}
