// SPDX-License-Identifier: GPL-2.0

//! A medium in ordinary memory that notices loops and what is outside, and goes back to what it was.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

use rdaxfs_core::format::{BLOCK_BYTES, BLOCK_SHIFT, BLOCK_SIZE};
use rdaxfs_core::platform::{Digest, Medium, Stores, CACHE_LINE};
use rdaxfs_core::{Error, Result};
use rdaxfs_host::{crc32c, siphash};

/// What is poisoned at once.
const LINE: u64 = CACHE_LINE as u64;

type Page = [u8; BLOCK_BYTES];

/// A medium in ordinary memory, for one thread; a clone is the same medium.
///
/// It panics when it is accessed outside, or more often than was [allowed](Self::allow): what the core
/// does with it ends, however the bytes are. It panics too when a word is stored to a line that cannot be
/// read, because the kernel would die of that; unless it is to be [as for a tool](Self::be_for_a_tool).
///
/// Blocks that nobody has written take no memory, and going back costs as much as has been changed.
#[derive(Clone)]
pub struct Memory(Rc<Inner>);

struct Inner {
    pages: RefCell<Pages>,
    left: Cell<u64>,
    /// Lines that cannot be read.
    poisoned: RefCell<Vec<u64>>,
    /// Blocks that cannot be written, and cannot be read either if the flag says so.
    dead: RefCell<BTreeMap<u64, bool>>,
    /// Whether dead blocks can be repaired.
    repairable: Cell<bool>,
    /// Whether a store makes its block readable.
    heals: Cell<bool>,
    /// At which fence from now on the pages are kept, and those kept.
    fence: Cell<u64>,
    kept: RefCell<Option<Pages>>,
}

/// The blocks' pages. Those that a [`Moment`] needs are never changed; a copy takes their place.
#[derive(Clone)]
struct Pages {
    /// The number of each block's page.
    of: Vec<u32>,
    all: Vec<Page>,
    /// The pages below this one are of earlier moments.
    own: usize,
    /// The blocks that have got a page of their own, and the numbers of the pages before.
    changed: Vec<(u32, u32)>,
}

/// What a medium held at some time.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pages: usize,
    changed: usize,
}

impl Pages {
    fn page(&self, block: u64) -> &Page {
        &self.all[self.of[block as usize] as usize]
    }

    fn page_mut(&mut self, block: u64) -> &mut Page {
        let page = self.of[block as usize];
        if (page as usize) < self.own {
            self.changed.push((block as u32, page));
            self.of[block as usize] = self.all.len() as u32;
            self.all.extend_from_within(page as usize..=page as usize);
        }
        &mut self.all[self.of[block as usize] as usize]
    }

    /// As filling a [`page_mut`](Self::page_mut), without a copy of what was there.
    fn zero(&mut self, block: u64) {
        let page = self.of[block as usize];
        if (page as usize) < self.own {
            self.changed.push((block as u32, page));
            self.of[block as usize] = self.all.len() as u32;
            self.all.push([0; BLOCK_BYTES]);
        } else {
            self.all[page as usize].fill(0);
        }
    }

    /// Goes through a range of bytes, block by block: calls `each` with the block, the bytes in it, and how
    /// many bytes of the range come before.
    fn split(start: u64, len: usize, mut each: impl FnMut(u64, Range<usize>, usize)) {
        let mut done = 0;
        while done < len {
            let at = start + done as u64;
            let from = (at % BLOCK_SIZE) as usize;
            let count = (BLOCK_BYTES - from).min(len - done);
            each(at >> BLOCK_SHIFT, from..from + count, done);
            done += count;
        }
    }

    fn write(&mut self, start: u64, bytes: &[u8]) {
        Self::split(start, bytes.len(), |block, within, done| {
            let piece = &bytes[done..done + within.len()];
            self.page_mut(block)[within].copy_from_slice(piece);
        });
    }
}

impl Memory {
    /// A medium of so many blocks, filled with a pattern that means nothing.
    #[must_use]
    pub fn new(blocks: u64) -> Self {
        Self::of(Pages {
            of: vec![0; blocks as usize],
            all: vec![[0xa5; BLOCK_BYTES]],
            own: 1,
            changed: Vec::new(),
        })
    }

    fn of(pages: Pages) -> Self {
        Self(Rc::new(Inner {
            pages: RefCell::new(pages),
            left: Cell::new(u64::MAX),
            poisoned: RefCell::default(),
            dead: RefCell::default(),
            repairable: Cell::new(false),
            heals: Cell::new(false),
            fence: Cell::new(0),
            kept: RefCell::new(None),
        }))
    }

    /// This moment, to come back to. Moments that are between it and a later one cannot be gone back to
    /// from there.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let mut pages = self.0.pages.borrow_mut();
        pages.own = pages.all.len();
        Moment {
            pages: pages.all.len(),
            changed: pages.changed.len(),
        }
    }

    /// Holds what it held at that moment.
    pub fn go_back(&self, moment: Moment) {
        let mut pages = self.0.pages.borrow_mut();
        while pages.changed.len() > moment.changed {
            if let Some((block, page)) = pages.changed.pop() {
                pages.of[block as usize] = page;
            }
        }
        pages.all.truncate(moment.pages);
        pages.own = moment.pages;
        self.0.poisoned.borrow_mut().clear();
        self.0.dead.borrow_mut().clear();
    }

    /// The blocks that have been written since that moment, in ascending order.
    #[must_use]
    pub fn changed_since(&self, moment: Moment) -> Vec<u64> {
        let pages = self.0.pages.borrow();
        let changed = pages.changed[moment.changed..].iter();
        let mut blocks: Vec<u64> = changed.map(|&(block, _)| block.into()).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    /// Whether the bytes of a block are those that it had at that moment.
    #[must_use]
    pub fn is_as_at(&self, moment: Moment, block: u64, within: Range<usize>) -> bool {
        let pages = self.0.pages.borrow();
        let mut changed = pages.changed[moment.changed..].iter();
        // The first change has the page that was there then.
        let then = changed.find(|(number, _)| u64::from(*number) == block);
        then.is_none_or(|&(_, page)| {
            pages.all[page as usize][within.clone()] == pages.page(block)[within]
        })
    }

    /// The blocks that have ever been written, in ascending order.
    pub(crate) fn written(&self) -> Vec<u64> {
        let pages = self.0.pages.borrow();
        let all = pages.of.iter().zip(0..);
        all.filter(|(&page, _)| page != 0)
            .map(|(_, block)| block)
            .collect()
    }

    /// Makes a file of it, with holes where nobody has written.
    ///
    /// # Errors
    ///
    /// Those of open(2) and write(2).
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.len())?;
        self.write_to(&file)
    }

    /// Writes what was ever written to a file or a device; the rest of it stays.
    ///
    /// # Errors
    ///
    /// Those of write(2).
    pub fn write_to(&self, file: &File) -> io::Result<()> {
        for block in self.written() {
            file.write_all_at(&self.block(block), block << BLOCK_SHIFT)?;
        }
        Ok(())
    }

    /// A block, for whoever damages it.
    #[must_use]
    pub fn block(&self, block: u64) -> Page {
        *self.0.pages.borrow().page(block)
    }

    /// The word at an offset, for whoever damages it.
    #[must_use]
    pub fn word(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        let block = offset >> BLOCK_SHIFT;
        let from = (offset % BLOCK_SIZE) as usize;
        bytes.copy_from_slice(&self.0.pages.borrow().page(block)[from..from + 8]);
        u64::from_le_bytes(bytes)
    }

    /// Bytes of several blocks, as far as there are so many.
    #[must_use]
    pub fn bytes(&self, offset: u64, len: usize) -> Vec<u8> {
        let len = len.min((self.len() - offset) as usize);
        let mut bytes = vec![0; len];
        self.copy_out(offset, &mut bytes);
        bytes
    }

    /// Changes bytes, whatever else is done with the medium.
    pub fn put(&self, offset: u64, bytes: &[u8]) {
        self.0.pages.borrow_mut().write(offset, bytes);
    }

    /// As [`put`](Self::put), for a word.
    pub fn put_word(&self, offset: u64, value: u64) {
        self.put(offset, &value.to_le_bytes());
    }

    fn copy_out(&self, offset: u64, into: &mut [u8]) {
        let pages = self.0.pages.borrow();
        Pages::split(offset, into.len(), |block, within, done| {
            let len = within.len();
            into[done..done + len].copy_from_slice(&pages.page(block)[within]);
        });
    }

    /// From now on the line at that offset cannot be read, until all of its block is zeroed.
    pub fn poison(&self, offset: u64) {
        self.0.poisoned.borrow_mut().push(offset / LINE);
    }

    /// From now on a block cannot be written. If that is `known`, it cannot be read either, and the device says so;
    /// else it can, and nobody knows before a write fails.
    pub fn kill(&self, block: u64, known: bool) {
        self.0.dead.borrow_mut().insert(block, known);
    }

    /// Whether a repair of dead blocks helps.
    pub fn be_repairable(&self, is: bool) {
        self.0.repairable.set(is);
    }

    /// What was dead has been replaced: it can be written, and what could not be read is lost.
    pub fn replace_dead(&self) {
        for (block, known) in std::mem::take(&mut *self.0.dead.borrow_mut()) {
            for line in 0..BLOCK_SIZE / LINE {
                if known {
                    self.poison((block << BLOCK_SHIFT) + line * LINE);
                }
            }
        }
    }

    fn is_dead(&self, offset: u64, len: u64, is_write: bool) -> bool {
        let dead = self.0.dead.borrow();
        let blocks = offset >> BLOCK_SHIFT..(offset + len).div_ceil(BLOCK_SIZE);
        let found = dead.range(blocks).any(|(_, &known)| known || is_write);
        found
    }

    /// Whether a store to a block from now on makes all of it readable, with zeros where it was not, as a
    /// [`FileMedium`](rdaxfs_host::FileMedium) does.
    pub fn be_for_a_tool(&self, is: bool) {
        self.0.heals.set(is);
    }

    /// Makes the blocks readable that have these bytes, if it is for a tool.
    fn heal(&self, offset: u64, len: u64) {
        if !self.0.heals.get() {
            return;
        }
        let blocks = offset >> BLOCK_SHIFT..(offset + len).div_ceil(BLOCK_SIZE);
        let mut healed = Vec::new();
        self.0.poisoned.borrow_mut().retain(|&line| {
            let heals = blocks.contains(&(line * LINE / BLOCK_SIZE));
            healed.extend(heals.then_some(line * LINE));
            !heals
        });
        for at in healed {
            self.put(at, &[0; CACHE_LINE]);
        }
    }

    /// From now on so many accesses may be made.
    pub fn allow(&self, accesses: u64) {
        self.0.left.set(accesses);
    }

    /// Keeps what the medium holds at the `fence`th fence from now on, 1 the next: where a crash
    /// could have left it.
    pub fn keep_at_fence(&self, fence: u64) {
        self.0.fence.set(fence);
        *self.0.kept.borrow_mut() = None;
    }

    /// A medium with what has been kept, if there were so many fences.
    #[must_use]
    pub fn kept(&self) -> Option<Self> {
        self.0.kept.borrow_mut().take().map(Self::of)
    }

    fn access(&self, offset: u64, len: u64) {
        let left = self.0.left.get();
        assert!(left > 0, "more accesses than any operation needs: it loops");
        self.0.left.set(left - 1);
        let end = offset.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= self.len()),
            "{offset:#x}+{len:#x} is outside the volume"
        );
    }

    fn access_words(&self, offset: u64, len: u64) {
        assert!(
            offset % 8 == 0 && len % 8 == 0,
            "{offset:#x}+{len:#x} is not a run of words"
        );
        self.access(offset, len);
    }

    fn is_poisoned(&self, offset: u64, len: u64) -> bool {
        let poisoned = self.0.poisoned.borrow();
        let lines = offset / LINE..(offset + len).div_ceil(LINE);
        poisoned.iter().any(|line| lines.contains(line))
    }
}

impl Medium for Memory {
    fn len(&self) -> u64 {
        self.0.pages.borrow().of.len() as u64 * BLOCK_SIZE
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.access(offset, into.len() as u64);
        let len = into.len() as u64;
        if self.is_poisoned(offset, len) || self.is_dead(offset, len, false) {
            return Err(Error::Io);
        }
        self.copy_out(offset, into);
        Ok(())
    }

    fn check_poison(&self, offset: u64, len: u64) -> Result {
        self.access(offset, len);
        if self.is_poisoned(offset, len) || self.is_dead(offset, len, false) {
            return Err(Error::Io);
        }
        Ok(())
    }
}

impl Stores for Memory {
    fn store_u64(&self, offset: u64, value: u64) {
        self.access_words(offset, 8);
        self.heal(offset, 8);
        assert!(
            !self.is_poisoned(offset, 8) && !self.is_dead(offset, 8, false),
            "a word at {offset:#x} is stored without a look at its line"
        );
        self.put(offset, &value.to_le_bytes());
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.access_words(offset, bytes.len() as u64);
        let len = bytes.len() as u64;
        self.heal(offset, len);
        if self.is_poisoned(offset, len) || self.is_dead(offset, len, true) {
            return Err(Error::Io);
        }
        self.put(offset, bytes);
        Ok(())
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.access_words(offset, len);
        if self.is_dead(offset, len, true) {
            return Err(Error::Io);
        }
        let lines = (offset + len) / BLOCK_SIZE * (BLOCK_SIZE / LINE);
        let lines = offset.div_ceil(BLOCK_SIZE) * (BLOCK_SIZE / LINE)..lines;
        self.0
            .poisoned
            .borrow_mut()
            .retain(|line| !lines.contains(line));
        if self.is_poisoned(offset, len) {
            return Err(Error::Io);
        }
        let mut pages = self.0.pages.borrow_mut();
        Pages::split(offset, len as usize, |block, within, _| {
            if within.len() == BLOCK_BYTES {
                pages.zero(block);
            } else {
                pages.page_mut(block)[within].fill(0);
            }
        });
        Ok(())
    }

    fn repair(&self, offset: u64, len: u64) -> Result {
        if self.0.repairable.get() {
            let blocks = offset >> BLOCK_SHIFT..(offset + len).div_ceil(BLOCK_SIZE);
            let mut dead = self.0.dead.borrow_mut();
            dead.retain(|block, _| !blocks.contains(block));
        }
        self.zero_nt(offset, len)
    }

    fn flush(&self, offset: u64, len: u64) {
        self.access(offset, len);
    }

    fn fence(&self) {
        let fence = self.0.fence.get();
        if fence == 1 {
            *self.0.kept.borrow_mut() = Some(self.0.pages.borrow().clone());
        }
        self.0.fence.set(fence.saturating_sub(1));
    }
}

impl Digest for Memory {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        siphash(key, bytes)
    }
}
