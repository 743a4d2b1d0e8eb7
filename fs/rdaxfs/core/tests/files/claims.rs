// SPDX-License-Identifier: GPL-2.0

//! Claims: writes behind the end of file whose blocks are filled before they are the file's.

use rdaxfs_core::file::{Claim, Fallocate, FallocateRange, State};
use rdaxfs_core::format::BLOCK_SIZE;
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};

use crate::common::{volume, DramVolume};
use crate::{contents, extents, file, findings, free_blocks, NOW};

const PAGE: usize = BLOCK_SIZE as usize;

/// A volume with a file.
struct Setup {
    volume: DramVolume,
    workspace: Box<Workspace>,
    map: MapState,
    free: u64,
}

impl Setup {
    fn new(size: usize) -> Self {
        let (volume, mut workspace) = volume(8);
        let map = file(&volume, &mut workspace);
        let mut setup = Self {
            free: 0,
            volume,
            workspace,
            map,
        };
        setup.write(0, size, 1);
        setup.free = free_blocks(&setup.volume);
        setup
    }

    fn write(&mut self, offset: u64, len: usize, byte: u8) {
        let bytes = vec![byte; len];
        let Self {
            volume,
            workspace,
            map,
            ..
        } = self;
        let written = volume.files().write(workspace, map, offset, &bytes, NOW);
        assert_eq!(written, Ok(len));
    }

    fn claim(&mut self, offset: u64, len: u64) -> Claim {
        let claimed = self
            .volume
            .files()
            .claim(&mut self.workspace, &mut self.map, offset, len);
        claimed.unwrap().expect("the pages can be claimed")
    }

    /// Copies to a claim, and to nothing else.
    fn copy(&self, claim: &Claim, len: usize, byte: u8) {
        let State::Mapped(block) = claim.mapping().state else {
            panic!("{claim:?}");
        };
        let start = block * BLOCK_SIZE + claim.bytes().start % BLOCK_SIZE;
        for at in 0..len as u64 {
            self.volume.platform().store_u8(start + at, byte);
        }
    }

    fn commit(&mut self, claim: Claim, from: u64, copied: u64) -> Result<()> {
        let change = Change::modified(NOW);
        let Self {
            volume,
            workspace,
            map,
            ..
        } = self;
        let changed =
            volume
                .files()
                .commit_claim(workspace, map, claim, (from, copied), &change)?;
        let now = volume.inodes().attributes(map).unwrap();
        if let Some(changed) = changed {
            assert_eq!((changed.size, changed.blocks), (now.size, now.blocks));
        }
        Ok(())
    }

    fn allocate(&mut self, page: u64, count: u64, keep_size: bool) {
        let range = FallocateRange {
            mode: Fallocate::Allocate,
            keep_size,
            offset: page * BLOCK_SIZE,
            len: count * BLOCK_SIZE,
        };
        let Self {
            volume,
            workspace,
            map,
            ..
        } = self;
        volume
            .files()
            .fallocate(workspace, map, &range, &Change::none())
            .unwrap();
    }

    fn truncate(&mut self, size: u64) {
        self.volume
            .files()
            .truncate(
                &mut self.workspace,
                &mut self.map,
                size,
                &Change::modified(NOW),
            )
            .unwrap();
    }

    /// The block of a claim.
    fn block(claim: &Claim) -> u64 {
        match claim.mapping().state {
            State::Mapped(block) => block,
            state => panic!("{state:?}"),
        }
    }
}

/// Nothing is the file's before the commit, all is after it, and what surrounds the bytes is zero.
#[test]
fn a_claim_is_the_files_when_it_is_committed() {
    let mut setup = Setup::new(100);
    let claim = setup.claim(3 * BLOCK_SIZE + 7, 2 * BLOCK_SIZE);
    assert_eq!(claim.bytes(), 3 * BLOCK_SIZE + 7..5 * BLOCK_SIZE + 7);
    assert_eq!(claim.mapping().count, 3);
    setup.copy(&claim, 2 * PAGE, 9);
    assert_eq!(contents(&setup.volume, &setup.map).len(), 100);
    assert_eq!(free_blocks(&setup.volume), setup.free);
    let block = Setup::block(&claim);
    setup
        .commit(claim, 3 * BLOCK_SIZE + 7, 2 * BLOCK_SIZE)
        .unwrap();
    let mut model = vec![1; 100];
    model.resize(3 * PAGE + 7, 0);
    model.resize(5 * PAGE + 7, 9);
    assert_eq!(contents(&setup.volume, &setup.map), model);
    assert_eq!(free_blocks(&setup.volume), setup.free - 3);
    // The tail is zero, too, for who maps the last page.
    let mut tail = vec![1; PAGE - 7];
    let at = (block + 2) * BLOCK_SIZE + 7;
    setup.volume.platform().read(at, &mut tail).unwrap();
    assert!(tail.iter().all(|&byte| byte == 0));
    assert_eq!(findings(&setup.volume), []);
}

/// A short copy commits its prefix, with zeros behind it, and gives the rest back.
#[test]
fn a_short_copy_commits_its_prefix() {
    for copied in [1, 4095, 4096, 4097, 2 * PAGE + 1] {
        let mut setup = Setup::new(0);
        let claim = setup.claim(0, 3 * BLOCK_SIZE);
        let block = Setup::block(&claim);
        setup.copy(&claim, copied, 9);
        setup.commit(claim, 0, copied as u64).unwrap();
        assert_eq!(contents(&setup.volume, &setup.map), vec![9; copied]);
        let pages = copied.div_ceil(PAGE) as u64;
        assert_eq!(free_blocks(&setup.volume), setup.free - pages);
        let behind = pages as usize * PAGE - copied;
        let mut tail = vec![1; behind];
        let at = block * BLOCK_SIZE + copied as u64;
        setup.volume.platform().read(at, &mut tail).unwrap();
        assert!(tail.iter().all(|&byte| byte == 0));
        // What was given back can be taken.
        setup.write(copied as u64, 4 * PAGE, 3);
        assert_eq!(findings(&setup.volume), []);
    }
}

/// What is copied to nothing, or forgotten, leaves nothing.
#[test]
fn a_claim_can_be_given_back() {
    let mut setup = Setup::new(10);
    let claim = setup.claim(BLOCK_SIZE, 9 * BLOCK_SIZE);
    setup.volume.files().forget_claim(claim);
    let claim = setup.claim(BLOCK_SIZE, 9 * BLOCK_SIZE);
    setup.commit(claim, BLOCK_SIZE, 0).unwrap();
    assert_eq!(contents(&setup.volume, &setup.map), vec![1; 10]);
    assert_eq!(free_blocks(&setup.volume), setup.free);
    setup.truncate(0);
    // All blocks can be taken still.
    let all = free_blocks(&setup.volume);
    let keep = 8 * u64::from(setup.volume.groups());
    let mut page = 0;
    while let Ok(got) = setup.volume.files().map_for_write(
        &mut setup.workspace,
        &mut setup.map,
        (page, 512),
        &Change::none(),
    ) {
        page += got.mapping.count;
    }
    assert!(page + keep + 2 >= all, "{page} of {all} blocks");
    assert_eq!(findings(&setup.volume), []);
}

/// Only pages that nobody can have mapped are claimed.
#[test]
fn pages_of_the_file_are_not_claimed() {
    let mut setup = Setup::new(PAGE + 1);
    for offset in [0, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * BLOCK_SIZE - 1] {
        let claimed = setup.volume.files().claim(
            &mut setup.workspace,
            &mut setup.map,
            offset,
            2 * BLOCK_SIZE,
        );
        assert!(matches!(claimed, Ok(None)), "{offset}: {claimed:?}");
    }
    let claimed =
        setup
            .volume
            .files()
            .claim(&mut setup.workspace, &mut setup.map, 2 * BLOCK_SIZE, 0);
    assert!(matches!(claimed, Err(Error::Invalid)));
    let far = 1 << 44;
    let claimed = setup
        .volume
        .files()
        .claim(&mut setup.workspace, &mut setup.map, far - 1, 2);
    assert!(matches!(claimed, Err(Error::FileTooBig)));
}

/// An append that starts in the last page: that one's rest is written in place, and counts with the commit.
#[test]
fn an_append_within_the_last_page_is_one_transaction() {
    let mut setup = Setup::new(100);
    let last = extents(&setup.volume, &setup.map)[0].block * BLOCK_SIZE;
    let claim = setup.claim(BLOCK_SIZE, 50);
    // A store through a mapping behind the end, and then the write's first bytes.
    for at in 100..BLOCK_SIZE {
        let byte = if at < 200 { 0x77 } else { 9 };
        setup.volume.platform().store_u8(last + at, byte);
    }
    setup.copy(&claim, 50, 9);
    setup.commit(claim, 200, 50).unwrap();
    let mut model = vec![1; 100];
    model.resize(200, 0);
    model.resize(PAGE + 50, 9);
    assert_eq!(contents(&setup.volume, &setup.map), model);
}

/// Pages behind the end that have blocks are converted by the commit.
#[test]
fn pages_that_were_kept_are_taken() {
    let mut setup = Setup::new(0);
    setup.allocate(0, 8, true);
    let free = free_blocks(&setup.volume);
    let before = extents(&setup.volume, &setup.map);
    let claim = setup.claim(2 * BLOCK_SIZE + 5, 3 * BLOCK_SIZE);
    assert_eq!(Setup::block(&claim), before[0].block + 2);
    setup.copy(&claim, 2 * PAGE, 9);
    setup
        .commit(claim, 2 * BLOCK_SIZE + 5, 2 * BLOCK_SIZE)
        .unwrap();
    let mut model = vec![0; 2 * PAGE + 5];
    model.resize(4 * PAGE + 5, 9);
    assert_eq!(contents(&setup.volume, &setup.map), model);
    assert_eq!(free_blocks(&setup.volume), free);
    let list = extents(&setup.volume, &setup.map);
    let kinds: Vec<_> = list
        .iter()
        .map(|e| (e.page, e.count, e.unwritten))
        .collect();
    assert_eq!(kinds, [(0, 2, true), (2, 3, false), (5, 3, true)]);
    assert_eq!(findings(&setup.volume), []);
}

/// What a write left behind the end that never committed its size is not seen.
#[test]
fn remains_of_a_stopped_write_are_not_seen() {
    let mut setup = Setup::new(PAGE);
    let got = setup
        .volume
        .files()
        .map_for_write(
            &mut setup.workspace,
            &mut setup.map,
            (1, 4),
            &Change::none(),
        )
        .unwrap();
    let State::Mapped(block) = got.mapping.state else {
        panic!("{got:?}");
    };
    for at in 0..4 * BLOCK_SIZE {
        setup
            .volume
            .platform()
            .store_u8(block * BLOCK_SIZE + at, 0x77);
    }
    let claim = setup.claim(3 * BLOCK_SIZE + 10, 20);
    setup.copy(&claim, 20, 9);
    setup.commit(claim, 3 * BLOCK_SIZE + 10, 20).unwrap();
    let mut model = vec![1; PAGE];
    model.resize(3 * PAGE + 10, 0);
    model.resize(3 * PAGE + 30, 9);
    assert_eq!(contents(&setup.volume, &setup.map), model);
}

/// Two claims for the same pages: one is the file's, and the other one's blocks are nobody's.
#[test]
fn claims_for_the_same_pages_do_not_meet() {
    let mut setup = Setup::new(10);
    let first = setup.claim(BLOCK_SIZE, 2 * BLOCK_SIZE);
    let second = setup.claim(BLOCK_SIZE, 4 * BLOCK_SIZE);
    let last = setup.claim(8 * BLOCK_SIZE, BLOCK_SIZE);
    assert_ne!(Setup::block(&first), Setup::block(&second));
    setup.copy(&first, 2 * PAGE, 2);
    setup.copy(&second, 4 * PAGE, 3);
    setup.copy(&last, PAGE, 4);
    setup.commit(second, BLOCK_SIZE, 4 * BLOCK_SIZE).unwrap();
    let stale = setup.commit(first, BLOCK_SIZE, 2 * BLOCK_SIZE);
    assert_eq!(stale, Err(Error::Stale));
    setup.commit(last, 8 * BLOCK_SIZE, BLOCK_SIZE).unwrap();
    let mut model = vec![1; 10];
    model.resize(PAGE, 0);
    model.resize(5 * PAGE, 3);
    model.resize(8 * PAGE, 0);
    model.resize(9 * PAGE, 4);
    assert_eq!(contents(&setup.volume, &setup.map), model);
    assert_eq!(free_blocks(&setup.volume), setup.free - 5);
    assert_eq!(findings(&setup.volume), []);
}

/// A truncation in between frees what the claim holds; nobody gets it before the claim ends.
#[test]
fn blocks_of_a_claim_are_nobody_elses() {
    let mut setup = Setup::new(0);
    setup.allocate(0, 4, true);
    let claim = setup.claim(0, 4 * BLOCK_SIZE);
    let held = Setup::block(&claim)..Setup::block(&claim) + 4;
    let fresh = setup.claim(16 * BLOCK_SIZE, 4 * BLOCK_SIZE);
    let claimed = Setup::block(&fresh)..Setup::block(&fresh) + 4;
    // It frees what is behind the end as well.
    setup.truncate(0);
    assert_eq!(extents(&setup.volume, &setup.map), []);
    let mut other = file(&setup.volume, &mut setup.workspace);
    let mut page = 0;
    while let Ok(got) = setup.volume.files().map_for_write(
        &mut setup.workspace,
        &mut other,
        (page, 512),
        &Change::none(),
    ) {
        page += got.mapping.count;
    }
    for extent in extents(&setup.volume, &other) {
        for block in extent.block..extent.block + extent.count {
            assert!(!held.contains(&block) && !claimed.contains(&block));
        }
    }
    setup.copy(&claim, 4 * PAGE, 9);
    setup.copy(&fresh, 4 * PAGE, 9);
    let size = setup.volume.inodes().attributes(&other).unwrap().blocks;
    assert!(size > 0);
    assert_eq!(setup.commit(claim, 0, 4 * BLOCK_SIZE), Err(Error::Stale));
    // The file goes, and the claim for it can still be given back.
    let mut gone = std::mem::replace(&mut setup.map, other);
    setup
        .volume
        .files()
        .finish(&mut setup.workspace, &mut gone)
        .unwrap();
    assert_eq!(
        setup.commit(fresh, 16 * BLOCK_SIZE, BLOCK_SIZE),
        Err(Error::Invalid),
        "it is another file's"
    );
    setup.truncate(0);
    assert_eq!(findings(&setup.volume), []);
    let mut other = std::mem::replace(&mut setup.map, gone);
    setup
        .volume
        .files()
        .finish(&mut setup.workspace, &mut other)
        .unwrap();
}

/// A file that was made longer in between may have its pages mapped: the claim is no longer for them.
#[test]
fn a_claim_does_not_overtake_the_end() {
    let mut setup = Setup::new(0);
    let claim = setup.claim(BLOCK_SIZE, BLOCK_SIZE);
    setup.truncate(8 * BLOCK_SIZE);
    assert_eq!(
        setup.commit(claim, BLOCK_SIZE, BLOCK_SIZE),
        Err(Error::Stale)
    );
    assert_eq!(free_blocks(&setup.volume), setup.free);
}

/// More claims than a group keeps: the rest are refused, and the writes go the other way.
#[test]
fn the_number_of_claims_is_bounded() {
    let mut setup = Setup::new(0);
    let mut claims = Vec::new();
    for at in 1.. {
        let offset = at * BLOCK_SIZE;
        let claim = setup
            .volume
            .files()
            .claim(&mut setup.workspace, &mut setup.map, offset, BLOCK_SIZE)
            .unwrap();
        match claim {
            Some(claim) => claims.push(claim),
            None => break,
        }
    }
    assert!((8..100).contains(&claims.len()), "{}", claims.len());
    setup.write(0, 3 * PAGE, 5);
    assert_eq!(contents(&setup.volume, &setup.map), vec![5; 3 * PAGE]);
    for claim in claims {
        setup.volume.files().forget_claim(claim);
    }
    assert_eq!(free_blocks(&setup.volume), setup.free - 3);
    assert_eq!(findings(&setup.volume), []);
}

/// A chunk of which blocks are set aside is free as a whole on the medium, so that a crash leaves nothing to repair.
#[test]
fn what_is_set_aside_is_free_on_the_medium() {
    let mut setup = Setup::new(10);
    let claim = setup.claim(16 * BLOCK_SIZE, 2 << 20);
    let block = Setup::block(&claim);
    let mut other = file(&setup.volume, &mut setup.workspace);
    for page in 0..3 {
        setup
            .volume
            .files()
            .map_for_write(&mut setup.workspace, &mut other, (page, 1), &Change::none())
            .unwrap();
    }
    assert_eq!(findings(&setup.volume), []);
    setup.volume.files().forget_claim(claim);
    assert_eq!(setup.volume.bad_blocks().set_bad(block), Ok(true));
    setup.write(5 * BLOCK_SIZE, 3 * PAGE, 3);
    assert_eq!(findings(&setup.volume), []);
}
