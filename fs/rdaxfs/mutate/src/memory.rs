// SPDX-License-Identifier: GPL-2.0

//! A medium in ordinary memory that notices loops and what is outside.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::Result;
use rdaxfs_host::{crc32c, siphash};

/// A medium in ordinary memory, for one thread; a clone is the same medium.
///
/// It panics when it is accessed outside, or more often than was [allowed](Self::allow): what the core
/// does with it ends, however the bytes are.
#[derive(Clone)]
pub struct Memory(Rc<Inner>);

struct Inner {
    bytes: RefCell<Vec<u8>>,
    left: Cell<u64>,
    /// At which fence from now on the bytes are kept, and those kept.
    fence: Cell<u64>,
    kept: RefCell<Option<Vec<u8>>>,
}

impl Memory {
    /// A medium that holds these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Rc::new(Inner {
            bytes: RefCell::new(bytes),
            left: Cell::new(u64::MAX),
            fence: Cell::new(0),
            kept: RefCell::new(None),
        }))
    }

    /// What it holds.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.bytes.borrow().clone()
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

    /// What has been kept, if there were so many fences.
    #[must_use]
    pub fn kept(&self) -> Option<Vec<u8>> {
        self.0.kept.borrow_mut().take()
    }

    fn access(&self, offset: u64, len: usize) -> std::ops::Range<usize> {
        let left = self.0.left.get();
        assert!(left > 0, "more accesses than any operation needs: it loops");
        self.0.left.set(left - 1);
        let start = usize::try_from(offset).expect("the offset is one of memory");
        let end = start.checked_add(len).expect("so is the end");
        assert!(
            end <= self.0.bytes.borrow().len(),
            "{offset:#x}+{len:#x} is outside the volume"
        );
        start..end
    }

    fn write(&self, offset: u64, len: usize) -> std::ops::Range<usize> {
        assert!(
            offset % 8 == 0 && len % 8 == 0,
            "{offset:#x}+{len:#x} is not a run of words"
        );
        self.access(offset, len)
    }
}

impl Medium for Memory {
    fn len(&self) -> u64 {
        self.0.bytes.borrow().len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        let range = self.access(offset, into.len());
        into.copy_from_slice(&self.0.bytes.borrow()[range]);
        Ok(())
    }
}

impl Stores for Memory {
    fn store_u64(&self, offset: u64, value: u64) {
        let range = self.write(offset, 8);
        self.0.bytes.borrow_mut()[range].copy_from_slice(&value.to_le_bytes());
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        let range = self.write(offset, bytes.len());
        self.0.bytes.borrow_mut()[range].copy_from_slice(bytes);
        Ok(())
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        let range = self.write(offset, len as usize);
        self.0.bytes.borrow_mut()[range].fill(0);
        Ok(())
    }

    fn flush(&self, offset: u64, len: u64) {
        self.access(offset, len as usize);
    }

    fn fence(&self) {
        let fence = self.0.fence.get();
        if fence == 1 {
            *self.0.kept.borrow_mut() = Some(self.bytes());
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
