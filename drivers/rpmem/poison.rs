// SPDX-License-Identifier: GPL-2.0

//! The list of bad blocks, and the rule by which a write clears them.
//!
//! # The rule
//!
//! An entry goes only when the new data is on the medium, and an error that is recorded while a
//! write is under way is never taken for an older one that the write has mended:
//!
//! 1. A write looks at the list before it stores anything. If none of its sectors is bad, it stores,
//!    and clears nothing: what is recorded from then on came after it, and stays.
//! 2. Otherwise it takes the lock that everyone who changes the list holds, stores, fences, and only
//!    then clears its sectors. An error is recorded before, and mended by the stores that follow, or
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

use badblocks::{
    index_words_needed, words_needed, AtomicU64, Badblocks, Edit, Edits, Index, Input,
};
use kernel::{
    alloc::flags::__GFP_NOWARN,
    new_mutex,
    prelude::*,
    sync::{Mutex, SetOnce},
};
use kernel_ext::{
    dax,
    memremap::{FailedPages, FailureHandler, PageMap},
    sched::cond_resched,
    sysfs::{Dirent, OpenFile},
    PAGE_SIZE, SECTOR_SIZE,
};

/// Whether who writes can wait for others who change the list, and for pages to be mapped again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    Allowed,
    Refused,
}

/// Words of the list that are initialised before the scheduler is asked.
const BATCH: usize = 1 << 20;

/// The bad sectors of a medium.
#[pin_data]
pub(crate) struct Poison {
    /// The number of the disk, for messages.
    disk: u32,
    map: Badblocks<VVec<AtomicU64>>,
    #[pin]
    writer: Mutex<Writer>,
    watchers: SetOnce<Dirent>,
    dax: SetOnce<dax::Handle>,
}

/// What only those who change the list, or read it as text, touch.
struct Writer {
    index: Index<VVec<u64>>,
    input: Input,
}

impl Poison {
    /// A list for the `sectors` sectors of disk number `disk`, all of which are good. All its memory is
    /// allocated here.
    pub(crate) fn new(disk: u32, sectors: u64) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let words = words_needed(sectors).ok_or(EINVAL)?;
            let index_words = index_words_needed(sectors).ok_or(EINVAL)?;
            let no_memory = |_| {
                // No more than a part of the region, whose size is a `u64`.
                let mib = (words + index_words) * size_of::<u64>() >> 20;
                pr_err!("rpmem{disk}: the list of bad blocks needs {mib} MiB of RAM\n");
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
                VVec::zeroed(index_words, GFP_KERNEL | __GFP_NOWARN).map_err(no_memory)?;
            let (map, index) =
                Badblocks::new(storage, index_storage, sectors).map_err(|_| EINVAL)?;
            Ok(try_pin_init!(Self {
                disk,
                map,
                writer <- new_mutex!(
                    Writer { index, input: Input::new() },
                    "rpmem::poison"
                ),
                watchers: SetOnce::new(),
                dax: SetOnce::new(),
            }))
        })
    }

    /// Names the file whose watchers are told of every change.
    pub(crate) fn notify_through(&self, file: Option<Dirent>) {
        if let Some(file) = file {
            self.watchers.populate(file);
        }
    }

    /// Names the DAX device whose holder is told of memory failures.
    pub(crate) fn set_dax(&self, dax: dax::Handle) {
        self.dax.populate(dax);
    }

    fn notify(&self) {
        if let Some(file) = self.watchers.as_ref() {
            file.notify();
        }
    }

    /// Whether one of `sectors` sectors from `sector` on is bad. Takes no lock.
    #[inline]
    pub(crate) fn any_in(&self, sector: u64, sectors: u64) -> bool {
        self.map.any_in(sector, sectors)
    }

    /// Returns the first of `sectors` sectors from `sector` on that is bad. Takes no lock.
    #[inline]
    pub(crate) fn first_in(&self, sector: u64, sectors: u64) -> Option<u64> {
        self.map.first_in(sector, sectors).map(|bad| bad.start())
    }

    /// Stores to `sectors` sectors from `sector` on, and clears those of them that were bad.
    ///
    /// `pages` are those of the medium. `store` must have fenced its stores when it returns.
    ///
    /// # Errors
    ///
    /// `EIO`, with nothing stored, if the range covers a part of a page that has failed. `EAGAIN`, with
    /// nothing stored, if that would have to wait and must not. What `store` returns; then nothing is
    /// cleared.
    #[inline]
    pub(crate) fn overwrite(
        &self,
        pages: &PageMap<Poison>,
        sector: u64,
        sectors: u64,
        waiting: Waiting,
        store: impl FnOnce() -> Result,
    ) -> Result {
        if !self.any_in(sector, sectors) {
            return store();
        }
        self.repair(pages, sector, sectors, waiting, || {
            store().map(|()| sectors)
        })?;
        Ok(())
    }

    /// As [`Poison::overwrite`] over at least one bad sector, for a store that finds out how far it
    /// gets: `store` returns how many sectors it has written, from `sector` on and at most `sectors`;
    /// these are cleared, and this returns their number.
    ///
    /// `store` must take no page fault.
    #[cold]
    pub(crate) fn repair(
        &self,
        pages: &PageMap<Poison>,
        sector: u64,
        sectors: u64,
        waiting: Waiting,
        store: impl FnOnce() -> Result<u64>,
    ) -> Result<u64> {
        let mut writer = match waiting {
            Waiting::Allowed => self.writer.lock(),
            Waiting::Refused => self.writer.try_lock().ok_or(EAGAIN)?,
        };
        if waiting == Waiting::Refused
            && pages.has_failed(bytes(sector), bytes(sectors), self.whole_pages())
        {
            // Mapping them again takes locks.
            return Err(EAGAIN);
        }
        pages.revive(bytes(sector), bytes(sectors), self.whole_pages())?;
        let written = store()?;
        // Refused for no sectors only: the range is on the medium, or nothing in it would be bad.
        let cleared = self
            .map
            .clear(&mut writer.index, sector, written)
            .unwrap_or(0);
        drop(writer);
        if cleared != 0 {
            self.notify();
        }
        Ok(written)
    }

    /// Whether all of the page at a byte is bad. A page that has failed is, until it is brought back.
    fn whole_pages(&self) -> impl Fn(usize) -> bool + Copy + '_ {
        |offset| {
            let (sector, sectors) = (offset / SECTOR_SIZE, PAGE_SIZE / SECTOR_SIZE);
            let bad = self.map.first_in(sector as u64, sectors as u64);
            bad.is_some_and(|bad| bad.sectors() == sectors as u64)
        }
    }

    /// Makes the changes that lines of text ask for, all of those that this piece completes or none.
    ///
    /// `is_full` says that the piece could not have been longer: a line that it ends within goes on
    /// with what the same file is written next. Clearing a page that has failed brings it back as it
    /// is, to be read or to fail again.
    ///
    /// # Errors
    ///
    /// `EINVAL`, after a message that names the line, the rule and the way out. What the kernel says if a
    /// page that has failed cannot be mapped again. Nothing is changed then.
    pub(crate) fn edit(
        &self,
        pages: &PageMap<Poison>,
        file: OpenFile,
        offset: u64,
        piece: &[u8],
        is_full: bool,
    ) -> Result {
        let mut writer = self.writer.lock();
        let lines = writer
            .input
            .feed(file.cookie(), offset, piece, is_full)
            .map_err(|error| {
                pr_err!("badblocks: {}\n", format_args!("{error}"));
                EINVAL
            })?;
        let sectors = self.map.sectors();
        let edits = || {
            [lines.joined(), lines.rest()]
                .into_iter()
                .filter(|part| !part.is_empty())
                .flat_map(|part| Edits::new(part, sectors))
        };
        if let Some(Err(error)) = edits().find(|edit| edit.is_err()) {
            pr_err!("badblocks: {}\n", format_args!("{error}"));
            return Err(EINVAL);
        }
        let part = edits().flatten().find(|edit| match edit {
            Edit::Inject(_) => false,
            Edit::Clear(gone) => pages.is_part_of_failed(
                bytes(gone.start()),
                bytes(gone.sectors()),
                self.whole_pages(),
            ),
        });
        if let Some(edit) = part {
            pr_err!(
                "badblocks: \"{}\" covers a part of a page that has failed; clear all 8 sectors of the page, or write to it\n",
                format_args!("{edit}")
            );
            return Err(EINVAL);
        }

        // All that can fail comes before the first change. What the pages are does not depend on earlier
        // lines: a page that has failed is cleared as a whole, or was refused above.
        for edit in edits().flatten() {
            if let Edit::Clear(gone) = edit {
                let (start, len) = (bytes(gone.start()), bytes(gone.sectors()));
                pages
                    .map_failed(start, len, self.whole_pages())
                    .inspect_err(|error| {
                        pr_err!("badblocks: a page that has failed cannot be mapped again ({error:?}); nothing was changed\n");
                    })?;
            }
        }
        for edit in edits().flatten() {
            if let Edit::Clear(gone) = edit {
                let (start, len) = (bytes(gone.start()), bytes(gone.sectors()));
                pages.unmark(start, len, self.whole_pages());
            }
        }
        for edit in edits().flatten() {
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
                "rpmem{}: {cause}: {sectors} sectors from {sector} on are bad now\n",
                self.disk
            );
            self.notify();
        }
    }

    /// Records sectors that a machine check has named.
    #[cfg(CONFIG_X86_MCE)]
    pub(crate) fn record_machine_check(&self, sector: u64, sectors: u64) {
        self.record_found("machine check", sector, sectors, || ());
    }

    /// Writes the list as text from byte `offset` on into `buf`; returns how many bytes.
    pub(crate) fn read_text(&self, reader: OpenFile, offset: u64, buf: &mut [u8]) -> usize {
        let mut writer = self.writer.lock();
        self.map
            .read_text(&mut writer.index, reader.cookie(), offset, buf)
    }
}

/// Returns how many bytes sectors are; those of a medium, whose size in bytes is a `usize`.
fn bytes(sectors: u64) -> usize {
    sectors as usize * SECTOR_SIZE
}

impl FailureHandler for Poison {
    fn record(&self, failed: FailedPages<'_>) {
        let (offset, len) = (failed.offset() as u64, failed.len() as u64);
        let (sector, sectors) = (offset / SECTOR_SIZE as u64, len / SECTOR_SIZE as u64);
        self.record_found("memory failure", sector, sectors, || failed.mark());
    }

    fn dax(&self) -> Option<&dax::Handle> {
        self.dax.as_ref()
    }
}
