// SPDX-License-Identifier: GPL-2.0

//! The rule by which a write clears the errors that it repairs: see drivers/rpmem/poison.rs, whose
//! `overwrite` and `read` these are, on one sector of one word.

use crate::common::{Map, MapIndex};
use crate::explore::{explore, thread, Arc, AtomicU64, Mutex};
use crate::{with_bad, THREE_LEVELS, TWO_LEVELS};
use std::sync::atomic::Ordering::Relaxed;

const OLD: u64 = 0;
const NEW: u64 = 1;
/// What the hardware makes of a cell that fails.
const LOST: u64 = 2;

/// A medium of which one sector has a content to look at.
#[derive(Clone)]
struct Medium {
    map: Arc<Map>,
    writer: Arc<Mutex<MapIndex>>,
    sector: u64,
    data: Arc<AtomicU64>,
}

impl Medium {
    fn new(sectors: u64, sector: u64, bad: &[(u64, u64)]) -> Self {
        let (map, index) = with_bad(sectors, bad);
        Self {
            map,
            writer: Arc::new(Mutex::new(index)),
            sector,
            data: Arc::new(AtomicU64::new(OLD)),
        }
    }

    /// On the medium a fence of the CPU follows, which no memory model has. Here nothing but the order
    /// that `clear` gives makes the data come before it.
    fn store(&self) {
        self.data.store(NEW, Relaxed);
    }

    fn clear(&self, index: &mut MapIndex) {
        self.map.clear(index, self.sector, 1).unwrap();
    }

    /// `Poison::overwrite`.
    fn overwrite(&self) {
        if !self.map.any_in(self.sector, 1) {
            return self.store();
        }
        let mut index = self.writer.lock().unwrap();
        self.store();
        self.clear(&mut index);
    }

    /// `Medium::read`: `None` for EIO.
    fn read(&self) -> Option<u64> {
        (!self.map.any_in(self.sector, 1)).then(|| self.data.load(Relaxed))
    }

    /// The cell fails, and then somebody records that: a machine check, or memory_failure().
    fn fail(&self) {
        self.data.swap(LOST, Relaxed);
        let mut index = self.writer.lock().unwrap();
        self.map.set(&mut index, self.sector, 1).unwrap();
    }
}

/// Whoever finds the sector good again reads what made it so.
fn read_beside(medium: Medium, write: impl FnOnce(&Medium) + Send + 'static) {
    let writer = thread::spawn({
        let medium = medium.clone();
        move || write(&medium)
    });
    if let Some(data) = medium.read() {
        assert_eq!(data, NEW, "found good, but the data is not there");
    }
    writer.join().unwrap();
    assert_eq!(medium.read(), Some(NEW));
}

/// The count alone says that the sector is good.
#[test]
fn good_means_written_by_the_count() {
    explore(4, || {
        read_beside(Medium::new(TWO_LEVELS, 64, &[(64, 1)]), Medium::overwrite);
    });
}

/// Another sector is bad: the summary says that this one's word is good.
#[test]
fn good_means_written_by_the_summary() {
    explore(4, || {
        let medium = Medium::new(TWO_LEVELS, 64, &[(3, 1), (64, 1)]);
        read_beside(medium, Medium::overwrite);
    });
    explore(4, || {
        let medium = Medium::new(THREE_LEVELS, 4096, &[(3, 1), (4096, 1)]);
        read_beside(medium, Medium::overwrite);
    });
}

/// Another sector of the word is bad: the word itself says that this one is good.
#[test]
fn good_means_written_by_the_word() {
    explore(4, || {
        let medium = Medium::new(TWO_LEVELS, 64, &[(64, 2)]);
        read_beside(medium, Medium::overwrite);
    });
}

/// What nd_pmem does: the entry goes before the data comes.
#[cfg(loom)]
#[test]
#[should_panic(expected = "found good, but the data is not there")]
fn clearing_before_storing_is_caught() {
    explore(4, || {
        let medium = Medium::new(TWO_LEVELS, 64, &[(64, 1)]);
        read_beside(medium, |medium| {
            let mut index = medium.writer.lock().unwrap();
            medium.clear(&mut index);
            medium.store();
        });
    });
}

/// A cell that fails while it is written is bad in the end, or has been written after it failed.
fn fail_beside(medium: Medium, write: impl FnOnce(&Medium) + Send + 'static) {
    let hardware = thread::spawn({
        let medium = medium.clone();
        move || medium.fail()
    });
    write(&medium);
    hardware.join().unwrap();
    if let Some(data) = medium.read() {
        assert_eq!(data, NEW, "the error was lost");
    }
}

#[test]
fn an_error_during_a_write_is_not_lost() {
    explore(4, || {
        fail_beside(Medium::new(TWO_LEVELS, 64, &[]), Medium::overwrite);
    });
    explore(4, || {
        fail_beside(Medium::new(TWO_LEVELS, 64, &[(64, 1)]), Medium::overwrite);
    });
}

/// A write that took the lock only to clear would clear an error that came after its stores.
#[cfg(loom)]
#[test]
#[should_panic(expected = "the error was lost")]
fn storing_outside_the_lock_is_caught() {
    explore(4, || {
        fail_beside(Medium::new(TWO_LEVELS, 64, &[(64, 1)]), |medium| {
            medium.store();
            medium.clear(&mut medium.writer.lock().unwrap());
        });
    });
}

/// A write that found nothing bad and cleared all the same would too.
#[cfg(loom)]
#[test]
#[should_panic(expected = "the error was lost")]
fn clearing_what_was_not_bad_is_caught() {
    explore(4, || {
        fail_beside(Medium::new(TWO_LEVELS, 64, &[]), |medium| {
            let found = medium.map.any_in(medium.sector, 1);
            medium.store();
            if !found {
                medium.clear(&mut medium.writer.lock().unwrap());
            }
        });
    });
}
