// SPDX-License-Identifier: GPL-2.0

//! A volume that has been in use for long: how much of its large files huge pages can still map.

use rdaxfs_check::{survey, Image};
use rdaxfs_core::file::State;
use rdaxfs_core::format::{BLOCK_SIZE, CHUNK_BLOCKS};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::name::unannounced;

use crate::counting::{Counters, Counting};
use crate::memory::Memory;
use crate::session::{file, now, Numbers, Session};

/// The volume's blocks: eight groups.
const BLOCKS: u64 = 256 << 10;
/// The directories that files are in.
const DIRECTORIES: u64 = 32;
/// How full it is kept, in percent.
const FULL: u64 = 75;
/// The files that are written to in turn.
const OPEN: usize = 4;
/// How often a tenth of the volume is removed or cut, and written anew, in the benchmark.
pub const ROUNDS: u64 = 100;
const SEED: u64 = 5;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// The name.
    pub name: &'static str,
    /// The least and the largest size of a file as powers of two; in between all powers are as
    /// frequent.
    sizes: (u64, u64),
    /// The least and the largest number of bytes that are written at once.
    pieces: (u64, u64),
}

/// What is measured.
pub const MIXES: [Mix; 4] = [
    Mix {
        name: "4 KiB to 32 MiB, written by the MiB",
        sizes: (12, 25),
        pieces: (1 << 20, 1 << 20),
    },
    Mix {
        name: "4 KiB to 32 MiB, appends of 4 to 64 KiB",
        sizes: (12, 25),
        pieces: (4 << 10, 64 << 10),
    },
    Mix {
        name: "64 KiB to 8 MiB, appends of 4 to 64 KiB",
        sizes: (16, 23),
        pieces: (4 << 10, 64 << 10),
    },
    Mix {
        name: "64 KiB to 8 MiB, written by 128 KiB",
        sizes: (16, 23),
        pieces: (128 << 10, 128 << 10),
    },
];

/// What has become of the volume.
#[derive(Clone, Copy, Debug)]
pub struct Aged {
    /// The whole 2 MiB slots of files.
    pub slots: u64,
    /// Those that are contiguous and aligned.
    pub good: u64,
    /// Bytes written by the files' users.
    pub written: u64,
    /// Bytes that the file system has read meanwhile.
    pub read: u64,
}

impl Aged {
    /// The share of good slots in percent.
    #[must_use]
    pub fn aligned(&self) -> f64 {
        self.good as f64 * 100.0 / self.slots.max(1) as f64
    }

    /// Bytes read for each byte written: of metadata, and to be moved.
    #[must_use]
    pub fn read_share(&self) -> f64 {
        self.read as f64 / self.written.max(1) as f64
    }
}

/// Uses a volume for long: so many times a tenth of it is removed and written anew.
///
/// # Panics
///
/// If an operation fails, or fsck finds something in the end.
#[must_use]
pub fn run(mix: Mix, rounds: u64) -> Aged {
    let memory = Memory::new(BLOCKS);
    let (medium, counters) = Counting::new(memory.clone());
    let mut session = Session::new(medium);
    let dirs = (0..DIRECTORIES)
        .map(|number| session.mkdir(format!("dir-{number}").as_bytes()).ino())
        .collect();
    let capacity = session.free();
    let mut user = User {
        mix,
        session,
        dirs,
        numbers: Numbers::new(SEED),
        files: Vec::new(),
        used: 0,
        full: capacity * FULL / 100,
        written: 0,
        bytes: vec![0xaa; mix.pieces.1 as usize],
        counters,
    };
    user.fill();
    for _ in 0..rounds {
        user.remove(capacity / 10);
        user.fill();
    }
    let aged = user.judge();
    let superblock = *user.session.volume.superblock();
    let findings = survey(&Image::new(&memory, superblock), |_| {}).findings;
    // Nobody names the files: to fsck they are what a crash would leave.
    assert!(findings.is_empty(), "{:?}", findings.first());
    aged
}

struct Open {
    map: MapState,
    at: u64,
    size: u64,
}

struct User {
    mix: Mix,
    session: Session<Counting<Memory>>,
    dirs: Vec<u64>,
    numbers: Numbers,
    /// What is there, and its pages.
    files: Vec<(MapState, u64)>,
    used: u64,
    full: u64,
    written: u64,
    bytes: Vec<u8>,
    counters: Counters,
}

impl User {
    fn size(&mut self) -> u64 {
        let (least, most) = self.mix.sizes;
        let power = least + self.numbers.below(most - least);
        (1 << power) + self.numbers.below(1 << power)
    }

    /// Writes files until the volume is as full as it should be.
    fn fill(&mut self) {
        let mut open: Vec<Open> = Vec::new();
        loop {
            while open.len() < OPEN && self.used < self.full {
                let size = self.size();
                self.used += size.div_ceil(BLOCK_SIZE);
                let map = self.make();
                open.push(Open { map, at: 0, size });
            }
            let Some(turn) = (!open.is_empty()).then(|| self.numbers.below(open.len() as u64))
            else {
                return;
            };
            let turn = turn as usize;
            self.append(&mut open[turn]);
            if open[turn].at == open[turn].size {
                let mut done = open.swap_remove(turn);
                self.session.volume.files().close(&mut done.map);
                self.files.push((done.map, done.size.div_ceil(BLOCK_SIZE)));
            }
        }
    }

    /// A new file, or one that was there and is cut to nothing.
    fn make(&mut self) -> MapState {
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        if !self.files.is_empty() && self.numbers.below(4) == 0 {
            let at = self.numbers.below(self.files.len() as u64) as usize;
            let (mut map, pages) = self.files.swap_remove(at);
            self.used -= pages;
            volume
                .files()
                .truncate(workspace, &mut map, 0, &Change::modified(now()))
                .expect("it is cut");
            return map;
        }
        let dir = self.dirs[self.numbers.below(DIRECTORIES) as usize];
        let made = volume
            .names()
            .tmpfile(workspace, dir, &file(), now(), &mut unannounced);
        made.expect("it is made").map
    }

    fn append(&mut self, open: &mut Open) {
        let (least, most) = self.mix.pieces;
        let piece = least + self.numbers.below(most - least + 1);
        let piece = piece.min(open.size - open.at);
        let bytes = &self.bytes[..piece as usize];
        self.session.write(&mut open.map, open.at, bytes);
        open.at += piece;
        self.written += piece;
    }

    /// Removes files that have so many pages together.
    fn remove(&mut self, pages: u64) {
        let left = self.used.saturating_sub(pages);
        while self.used > left && !self.files.is_empty() {
            let at = self.numbers.below(self.files.len() as u64) as usize;
            let (mut map, pages) = self.files.swap_remove(at);
            let Session {
                volume, workspace, ..
            } = &mut self.session;
            volume
                .files()
                .finish(workspace, &mut map)
                .expect("it is freed");
            self.used -= pages;
        }
    }

    fn judge(&self) -> Aged {
        let mut aged = Aged {
            slots: 0,
            good: 0,
            written: self.written,
            read: self.counters.read().read_bytes,
        };
        for (map, _) in &self.files {
            let size = self.session.attributes(map).size;
            for slot in 0..size / (CHUNK_BLOCKS * BLOCK_SIZE) {
                let page = slot * CHUNK_BLOCKS;
                let mapping = self.session.volume.files().map(map, page, CHUNK_BLOCKS);
                let mapping = mapping.expect("it is mapped");
                aged.slots += 1;
                if let State::Mapped(block) = mapping.state {
                    // The volume's first block is at a multiple of 2 MiB here.
                    let good = mapping.count == CHUNK_BLOCKS && block % CHUNK_BLOCKS == 0;
                    aged.good += u64::from(good);
                }
            }
        }
        aged
    }
}
