// SPDX-License-Identifier: GPL-2.0

//! The list of bad blocks, and the rule by which a write clears them.
//!
//! # The rule
//!
//! An entry goes only when the new data is on the medium, and an error that is recorded while a
//! write is under way is never taken for an older one that the write has repaired:
//!
//! 1. A write looks at the list before it stores anything. If none of its sectors is bad, it stores,
//!    and clears nothing: what is recorded from then on came after it, and stays.
//! 2. Otherwise it takes the lock that everyone who changes the list holds, stores, fences, and only
//!    then clears its sectors. An error is recorded before, and repaired by the stores that follow, or
//!    after, and stays.
//!
//! Readers take no lock: see the `badblocks` crate for what they are promised.
//!
//! # Failed pages
//!
//! What a user injects, or a machine check names, is bad by the sector. What the kernel's
//! memory-failure handling reports is bad by the page, and after a machine check the kernel has
//! unmapped that page for itself too: such a page is brought back, before the store, by a write that
//! covers all of it, and any smaller write to it fails. Its flag in the struct page, which changes
//! under the lock together with the list, says which kind it is.
//!
//! The kernel unmaps the page after it has reported the failure ([`kernel_ext::hwpoison`]). So what would
//! bring it back waits until that is over, without the lock: the file system that is told of the failure
//! may need what the waiting task holds, which is also why the wait is bounded.

use crate::name::Name;
use badblocks::{index_words_needed, words_needed, AtomicU64, Badblocks, Edit, Index, Input};
use kernel::{
    alloc::flags::__GFP_NOWARN,
    new_mutex,
    prelude::*,
    sync::{Mutex, MutexGuard, SetOnce},
    time::{delay::fsleep, Delta},
};
use kernel_ext::{
    compat::{self, code::EOPNOTSUPP},
    dax,
    hwpoison::{FailedPages, FailureFlags},
    memremap::{self, PageMap},
    sched::cond_resched,
    sysfs::{Dirent, OpenFile},
    PAGE_SIZE, SECTOR_SIZE,
};

/// Whether who writes can wait for others who change the list, and for pages to be mapped again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It can.
    Allowed,
    /// It must be told to ask again.
    Refused,
}

/// How often, a millisecond apart, it is looked whether a failure is over, before a change that would
/// bring pages back is refused.
const LOOKS_AT_FAILURES: u32 = 2000;

/// Words of the list that are initialised before the scheduler is asked.
const BATCH: usize = 1 << 20;

/// The bad sectors of a medium.
#[pin_data]
pub struct Poison {
    /// The name of the disk, for messages.
    disk: Name,
    map: Badblocks<VVec<AtomicU64>>,
    #[pin]
    writer: Mutex<Writer>,
    /// What writers of the list as text have not finished. Locked before the list.
    #[pin]
    pub input: Mutex<Input>,
    watchers: SetOnce<Dirent>,
    dax: SetOnce<dax::Handle>,
}

/// What only those who change the list, or read it as text, touch.
struct Writer {
    index: Index<VVec<u64>>,
}

/// Why a change to the list was refused.
pub enum Refused {
    /// It would clear a part of a page that has failed.
    PartOfFailed(Edit),
    /// A page that has failed cannot be mapped again.
    Unmappable(Error),
}

/// A write that is under way. Dropping it without [`Repair::done`] clears nothing.
#[must_use]
pub struct Repair<'a> {
    poison: &'a Poison,
    sector: u64,
    sectors: u64,
    // Only if one of the sectors was bad when the write began.
    writer: Option<MutexGuard<'a, Writer>>,
}

impl Repair<'_> {
    /// Whether one of the sectors was bad when the write began.
    #[inline]
    pub fn is_of_bad(&self) -> bool {
        self.writer.is_some()
    }

    /// All is stored and fenced.
    #[inline]
    pub fn done(self) {
        let sectors = self.sectors;
        self.done_up_to(sectors);
    }

    /// The first `sectors` sectors, not more than were announced, are stored and fenced.
    #[inline]
    pub fn done_up_to(self, sectors: u64) {
        if let Some(writer) = self.writer {
            self.poison.clear_written(writer, self.sector, sectors);
        }
    }
}

impl Poison {
    /// A list for the `sectors` sectors of disk `disk`, all of which are good. All its memory is
    /// allocated here.
    pub fn new(disk: Name, sectors: u64) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let words = words_needed(sectors).ok_or(EINVAL)?;
            let index_words = index_words_needed(sectors).ok_or(EINVAL)?;
            let no_memory = |_| {
                // No more than a part of the region, whose size is a `u64`.
                let mib = (words + index_words) * size_of::<u64>() >> 20;
                pr_err!("{disk}: the list of bad blocks needs {mib} MiB of RAM\n");
                ENOMEM
            };
            // Not from the slab first: `kvmalloc()` warns of 2 GiB, which a region of 7.75 TiB needs.
            let mut storage =
                VVec::with_capacity(words, GFP_KERNEL | __GFP_NOWARN).map_err(no_memory)?;
            for word in 0..words {
                storage.push(AtomicU64::new(0), GFP_KERNEL)?;
                if word % BATCH == BATCH - 1 {
                    cond_resched();
                }
            }
            let index_storage =
                compat::zeroed(index_words, GFP_KERNEL | __GFP_NOWARN).map_err(no_memory)?;
            let (map, index) =
                Badblocks::new(storage, index_storage, sectors).map_err(|_| EINVAL)?;
            Ok(try_pin_init!(Self {
                disk,
                map,
                writer <- new_mutex!(Writer { index }, "rpmem::poison"),
                input <- new_mutex!(Input::new(), "rpmem::badblocks_text"),
                watchers: SetOnce::new(),
                dax: SetOnce::new(),
            }))
        })
    }

    /// Names the file whose watchers are told of every change.
    pub fn notify_through(&self, file: Option<Dirent>) {
        if let Some(file) = file {
            self.watchers.populate(file);
        }
    }

    /// Names the DAX device whose holder is told of memory failures.
    pub fn set_dax(&self, dax: dax::Handle) {
        self.dax.populate(dax);
    }

    fn notify(&self) {
        if let Some(file) = self.watchers.as_ref() {
            file.notify();
        }
    }

    /// Whether one of `sectors` sectors from `sector` on is bad. Takes no lock.
    #[inline]
    pub fn any_in(&self, sector: u64, sectors: u64) -> bool {
        self.map.any_in(sector, sectors)
    }

    /// Returns the first of `sectors` sectors from `sector` on that is bad. Takes no lock.
    #[inline]
    pub fn first_in(&self, sector: u64, sectors: u64) -> Option<u64> {
        self.map.first_in(sector, sectors).map(|bad| bad.start())
    }

    /// Begins a write of `sectors` sectors from `sector` on; [`Repair::done`] ends it, when the stores
    /// have been fenced, and clears what was bad. `pages` are those of the medium.
    ///
    /// If one of the sectors is bad, `clear` is called to take the poison away, and the list is locked
    /// until the write ends: no page fault may be taken then, and nothing else written.
    ///
    /// # Errors
    ///
    /// `EIO` if the range covers a part of a page that has failed. `EBUSY` if a failure takes too long. What
    /// `clear` says. `EAGAIN` if this would have to wait and must not. Nothing may be stored then.
    #[inline]
    pub fn begin(
        &self,
        pages: &PageMap<Poison>,
        sector: u64,
        sectors: u64,
        waiting: Waiting,
        clear: impl FnOnce() -> Result,
    ) -> Result<Repair<'_>> {
        let mut repair = Repair {
            poison: self,
            sector,
            sectors,
            writer: None,
        };
        if self.any_in(sector, sectors) {
            repair.writer = Some(self.begin_repair(pages, sector, sectors, waiting, clear)?);
        }
        Ok(repair)
    }

    /// Locks the list, and brings back the pages that have failed.
    #[cold]
    fn begin_repair(
        &self,
        pages: &PageMap<Poison>,
        sector: u64,
        sectors: u64,
        waiting: Waiting,
        clear: impl FnOnce() -> Result,
    ) -> Result<MutexGuard<'_, Writer>> {
        let brings_back = || pages.has_failed(bytes(sector), bytes(sectors), self.whole_pages());
        let writer = match waiting {
            Waiting::Allowed => self.lock_to_bring_back(pages, brings_back)?,
            Waiting::Refused => {
                let writer = self.writer.try_lock().ok_or(EAGAIN)?;
                if brings_back() {
                    // Mapping them again takes locks.
                    return Err(EAGAIN);
                }
                writer
            }
        };
        if pages.is_part_of_failed(bytes(sector), bytes(sectors), self.whole_pages()) {
            return Err(EIO);
        }
        // While failed pages are still unmapped: if this fails, they stay so.
        clear()?;
        pages.revive(bytes(sector), bytes(sectors), self.whole_pages())?;
        Ok(writer)
    }

    /// Locks the list, when no failure is under way or nothing `brings_back` pages that have failed.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it takes too long.
    fn lock_to_bring_back(
        &self,
        pages: &PageMap<Poison>,
        brings_back: impl Fn() -> bool,
    ) -> Result<MutexGuard<'_, Writer>> {
        for _ in 0..LOOKS_AT_FAILURES {
            let writer = self.writer.lock();
            if !pages.is_failure_under_way() || !brings_back() {
                return Ok(writer);
            }
            drop(writer);
            fsleep(Delta::from_millis(1));
        }
        Err(EBUSY)
    }

    /// Clears sectors that have been written.
    #[cold]
    fn clear_written(&self, mut writer: MutexGuard<'_, Writer>, sector: u64, sectors: u64) {
        // Refused for no sectors only: the range is on the medium, or nothing in it would be bad.
        let cleared = self
            .map
            .clear(&mut writer.index, sector, sectors)
            .unwrap_or(0);
        drop(writer);
        if cleared != 0 {
            self.notify();
        }
    }

    /// Returns the number of sectors of the medium.
    pub fn sectors(&self) -> u64 {
        self.map.sectors()
    }

    /// Whether all of the page at a byte is bad. A page that has failed is, until it is brought back.
    fn whole_pages(&self) -> impl Fn(usize) -> bool + Copy + '_ {
        |offset| {
            let (sector, sectors) = (offset / SECTOR_SIZE, PAGE_SIZE / SECTOR_SIZE);
            let bad = self.map.first_in(sector as u64, sectors as u64);
            bad.is_some_and(|bad| bad.sectors() == sectors as u64)
        }
    }

    /// Makes changes to the list, all of them or none. `edits` gives the same ones whenever it is called.
    ///
    /// Clearing a page that has failed brings it back as it is, to be read or to fail again.
    ///
    /// # Errors
    ///
    /// What was refused; nothing is changed then.
    pub fn change<I: Iterator<Item = Edit>>(
        &self,
        pages: &PageMap<Poison>,
        edits: impl Fn() -> I,
    ) -> Result<(), Refused> {
        // The bytes that an edit clears.
        let cleared = |edit: &Edit| match edit {
            Edit::Inject(_) => None,
            Edit::Clear(gone) => Some((bytes(gone.start()), bytes(gone.sectors()))),
        };
        let brings_back = || {
            let mut all = edits().filter_map(|edit| cleared(&edit));
            all.any(|(start, len)| pages.has_failed(start, len, self.whole_pages()))
        };
        let mut writer = self
            .lock_to_bring_back(pages, brings_back)
            .map_err(Refused::Unmappable)?;
        let part = edits().find(|edit| {
            cleared(edit)
                .is_some_and(|(start, len)| pages.is_part_of_failed(start, len, self.whole_pages()))
        });
        if let Some(edit) = part {
            return Err(Refused::PartOfFailed(edit));
        }

        // All that can fail comes before the first change. What the pages are does not depend on earlier
        // lines: a page that has failed is cleared as a whole, or was refused above.
        for (start, len) in edits().filter_map(|edit| cleared(&edit)) {
            pages
                .map_failed(start, len, self.whole_pages())
                .map_err(Refused::Unmappable)?;
        }
        for (start, len) in edits().filter_map(|edit| cleared(&edit)) {
            pages.unmark(start, len, self.whole_pages());
        }
        for edit in edits() {
            // Refused for what is not on the medium only, and no line names that.
            let _ = match edit {
                Edit::Inject(bad) => self.map.set(&mut writer.index, bad.start(), bad.sectors()),
                Edit::Clear(gone) => {
                    self.map
                        .clear(&mut writer.index, gone.start(), gone.sectors())
                }
            };
        }
        drop(writer);
        self.notify();
        Ok(())
    }

    /// Records sectors that `cause` has found bad, and says so if some of them were not known to be.
    /// `mark` is called before, while nobody can bring pages back.
    fn record_found(&self, cause: &str, sector: u64, sectors: u64, mark: impl FnOnce()) {
        let mut writer = self.writer.lock();
        mark();
        let recorded = self.map.set(&mut writer.index, sector, sectors);
        drop(writer);
        // Refused for what is not on the medium only, where nobody finds anything.
        if recorded.is_ok_and(|new| new != 0) {
            pr_err!(
                "{}: {cause}: {sectors} sectors from {sector} on are bad now\n",
                self.disk
            );
            self.notify();
        }
    }

    /// Records sectors that somebody who keeps a list has reported; returns how many were not known to be
    /// bad. [`Poison::tell_reported`] follows.
    pub fn record_reported(&self, sector: u64, sectors: u64) -> u64 {
        let mut writer = self.writer.lock();
        // Refused for what is not on the medium only.
        let recorded = self.map.set(&mut writer.index, sector, sectors);
        recorded.unwrap_or(0)
    }

    /// Says how many sectors have been reported, if any.
    pub fn tell_reported(&self, new: u64) {
        if new != 0 {
            pr_err!(
                "{}: the platform reports {new} more bad sectors\n",
                self.disk
            );
            self.notify();
        }
    }

    /// Records sectors that a machine check has named.
    #[cfg(CONFIG_X86_MCE)]
    pub fn record_machine_check(&self, sector: u64, sectors: u64) {
        self.record_found("machine check", sector, sectors, || ());
    }

    /// Writes the list as text from byte `offset` on into `buf`; returns how many bytes.
    pub fn read_text(&self, reader: OpenFile, offset: u64, buf: &mut [u8]) -> usize {
        let mut writer = self.writer.lock();
        self.map
            .read_text(&mut writer.index, reader.cookie(), offset, buf)
    }
}

/// Returns how many bytes sectors are; those of a medium, whose size in bytes is a `usize`.
fn bytes(sectors: u64) -> usize {
    sectors as usize * SECTOR_SIZE
}

impl Poison {
    /// Records pages that have failed.
    pub fn record(&self, failed: FailedPages<'_>) {
        let (offset, len) = (failed.offset() as u64, failed.len() as u64);
        let (sector, sectors) = (offset / SECTOR_SIZE as u64, len / SECTOR_SIZE as u64);
        self.record_found("memory failure", sector, sectors, || failed.mark());
    }
}

#[vtable]
impl memremap::Operations for Poison {
    fn memory_failure(&self, failed: FailedPages<'_>, flags: FailureFlags) -> Result {
        // First, so that a task that is told finds it recorded.
        self.record(failed);
        let dax = self.dax.as_ref().ok_or(EOPNOTSUPP)?;
        dax.notify_failure(failed.offset() as u64, failed.len() as u64, flags)
    }
}
