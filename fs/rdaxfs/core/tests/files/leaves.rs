// SPDX-License-Identifier: GPL-2.0

//! Files with many leaves of extents, against a model that knows which pages have blocks: leaves and inner nodes are
//! filled, emptied, split and moved in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rdaxfs_core::file::Fallocate;
use rdaxfs_core::format::{BLOCK_SIZE, MAX_CHILDREN, MAX_EXTENTS};
use rdaxfs_core::inode::MapState;
use rdaxfs_core::workspace::Workspace;

use crate::common::{volume, DramVolume};
use crate::extents::{fallocate, file};
use crate::findings;
use crate::shift::pages;

/// What is done to a range: where it begins, and its length, in thousandths of the file's pages.
#[derive(Clone, Copy, Debug)]
struct Op {
    kind: Kind,
    at: u64,
    len: u64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Punch,
    /// All but the range's last page: the leaf stays.
    PunchButLast,
    /// Every other page, so that each is an extent.
    Comb,
    /// One page.
    Allocate,
    Collapse,
    Insert,
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![
        3 => Just(Kind::Punch),
        3 => Just(Kind::PunchButLast),
        1 => Just(Kind::Comb),
        3 => Just(Kind::Allocate),
        3 => Just(Kind::Collapse),
        1 => Just(Kind::Insert),
    ];
    // Many meet at one place, or nearly.
    let at = prop_oneof![(0..8_u64).prop_map(|eighth| 125 * eighth), 0..1000_u64];
    let len = prop_oneof![(1..4_u64).prop_map(|eighth| 125 * eighth), 1..400_u64];
    (kind, at, len).prop_map(|(kind, at, len)| Op { kind, at, len })
}

/// A file, and the blocks that its pages have.
struct Trial {
    volume: DramVolume,
    workspace: Box<Workspace>,
    map: MapState,
    known: BTreeMap<u64, u64>,
}

impl Trial {
    fn new(mib: u64) -> Self {
        let (volume, mut workspace) = volume(mib);
        let map = file(&volume, &mut workspace, "file");
        Self {
            volume,
            workspace,
            map,
            known: BTreeMap::new(),
        }
    }

    /// The file's pages.
    fn len(&self) -> u64 {
        let attributes = self.volume.inodes().attributes(&self.map);
        attributes.unwrap().size / BLOCK_SIZE
    }

    fn fallocate(&mut self, mode: Fallocate, (page, count): (u64, u64)) {
        let workspace = &mut self.workspace;
        let done = fallocate(&self.volume, workspace, &mut self.map, mode, (page, count));
        assert_eq!(done, Ok(()), "{mode:?} {page}+{count}");
    }

    fn comb(&mut self, (at, len): (u64, u64)) {
        for page in (at..at + len).step_by(2) {
            self.fallocate(Fallocate::Allocate, (page, 1));
            self.known.entry(page).or_insert(0);
        }
    }

    fn punch(&mut self, (at, len): (u64, u64)) {
        if len > 0 {
            self.fallocate(Fallocate::PunchHole, (at, len));
            self.known.retain(|page, _| !(at..at + len).contains(page));
        }
    }

    /// Moves what the model has from a page on.
    fn moved(&mut self, at: u64, to: impl Fn(u64) -> u64) {
        let behind = self.known.split_off(&at);
        let moved = behind.into_iter().map(|(page, block)| (to(page), block));
        self.known.extend(moved);
    }

    fn apply(&mut self, op: Op) {
        let size = self.len();
        let at = op.at * size / 1000;
        let len = (op.len * size / 1000).clamp(1, size - at);
        match op.kind {
            Kind::Punch => self.punch((at, len)),
            Kind::PunchButLast => {
                let last = self.known.range(at..at + len).next_back();
                let end = last.map_or(at, |(&page, _)| page);
                self.punch((at, end - at));
            }
            Kind::Comb => self.comb((at, len)),
            Kind::Allocate => self.comb((at, 1)),
            Kind::Collapse if at + len < size => {
                self.fallocate(Fallocate::CollapseRange, (at, len));
                self.known.retain(|page, _| !(at..at + len).contains(page));
                self.moved(at, |page| page - len);
            }
            Kind::Collapse => {}
            Kind::Insert => {
                self.fallocate(Fallocate::InsertRange, (at, len));
                self.moved(at, |page| page + len);
            }
        }
        self.judge(op);
    }

    /// Pages have blocks where the model says so, and the ones that they had.
    fn judge(&mut self, op: Op) {
        let now: BTreeMap<u64, u64> = pages(&self.volume, &self.map).into_iter().collect();
        assert!(now.keys().eq(self.known.keys()), "after {op:?}");
        for (page, block) in &mut self.known {
            // One that is new has none yet.
            assert!(*block == 0 || *block == now[page], "after {op:?}");
            *block = now[page];
        }
        assert_eq!(findings(&self.volume), [], "after {op:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn many_leaves_are_as_a_model(ops in prop::collection::vec(op(), 1..24)) {
        let mut trial = Trial::new(32);
        trial.comb((0, 2 * 4 * MAX_EXTENTS as u64));
        for op in ops {
            trial.apply(op);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    /// Inner nodes below the root come and go.
    #[test]
    fn many_inner_nodes_are_as_a_model(ops in prop::collection::vec(op(), 12..24)) {
        let mut trial = Trial::new(2048);
        trial.comb((0, 2 * 5 / 2 * (MAX_EXTENTS * MAX_CHILDREN) as u64));
        for op in ops {
            trial.apply(op);
        }
    }
}
