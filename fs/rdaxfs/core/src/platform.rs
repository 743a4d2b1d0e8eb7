// SPDX-License-Identifier: GPL-2.0

//! What the caller provides: the medium, digests, and the locks that are not an inode's.

use core::ops::DerefMut;
use core::sync::atomic::AtomicU64;

use crate::alloc::GroupState;
use crate::journal::{Permit, SlotState, SuperState};
use crate::judged::JUDGED;
use crate::Result;

/// A cache line's length in bytes: what a flush writes back, what poison hits, and as much as is read to
/// look for it.
pub const CACHE_LINE: usize = 64;

/// Persistent memory as it is read, addressed by bytes from the volume's start.
///
/// The core never passes a range that ends beyond [`len`](Self::len); an implementation that is
/// given one must not touch other memory.
pub trait Medium {
    /// The length of the volume's device in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies from the medium.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) where the medium is poisoned.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result;

    /// Loads a word at a multiple of 8, by one load.
    ///
    /// As given, by a read.
    ///
    /// # Errors
    ///
    /// As for `read`.
    fn load_u64(&self, offset: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(offset, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Where huge pages begin: the first block whose physical address is a multiple of 2 MiB, in blocks; [`None`]
    /// if that is not known.
    fn align_offset(&self) -> Option<u32> {
        None
    }

    /// Fails where [`read`](Self::read) would. What is there does not matter. Where a device has a list of bad
    /// blocks this asks that list, once for the whole range.
    ///
    /// As given, by reading all of it.
    ///
    /// # Errors
    ///
    /// As for `read`.
    fn check_poison(&self, offset: u64, len: u64) -> Result {
        let mut piece = [0; CACHE_LINE];
        let mut done = 0;
        while done < len {
            let now = (len - done).min(piece.len() as u64);
            self.read(
                offset.saturating_add(done),
                piece.get_mut(..now as usize).unwrap_or(&mut []),
            )?;
            done += now;
        }
        Ok(())
    }
}

/// A medium that can be stored to, within its length as well. Words are little-endian, and their
/// offsets are multiples of 8.
///
/// The order in which stores become durable is that of x86 with `clwb` and `sfence`: a store with
/// [`store_u64`](Self::store_u64) is durable once its line has been [`flush`](Self::flush)ed and a
/// [`fence`](Self::fence) of the same CPU has followed, between [`pin`](Self::pin) and
/// [`unpin`](Self::unpin); [`copy_nt`](Self::copy_nt) and
/// [`zero_nt`](Self::zero_nt) need the fence only. Before that, any of them may be durable or not, in
/// units of 8 bytes.
pub trait Stores: Medium {
    /// Stores a word through the cache. The core has read the line before, so that it is known to
    /// be free of poison.
    fn store_u64(&self, offset: u64, value: u64);

    /// As [`store_u64`](Self::store_u64), with release ordering: a CPU that loads the value sees the stores before it,
    /// and if they are to the same line the medium does not get this one without them. `store_u64` alone has that
    /// order on x86 only.
    fn store_release(&self, offset: u64, value: u64) {
        core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        self.store_u64(offset, value);
    }

    /// Stays on this CPU until [`unpin`](Self::unpin); may be nested. The core calls it before its first store
    /// and does so to its last fence, because a fence waits for the stores of its own CPU. It may wait
    /// for locks of the core meanwhile, which sleep, and for nothing else.
    fn pin(&self) {}

    /// Ends [`pin`](Self::pin).
    fn unpin(&self) {}

    /// Stores a byte through the cache, and no other: pages of files are mapped, and whoever mapped
    /// them may store to its neighbours at the same time. As for a word, the core has read the line.
    ///
    /// As given, for a medium that nobody maps.
    fn store_u8(&self, offset: u64, value: u8) {
        let word = offset & !7;
        let mut bytes = [0; 8];
        if self.read(word, &mut bytes).is_ok() {
            if let Some(byte) = bytes.get_mut((offset - word) as usize) {
                *byte = value;
            }
            self.store_u64(word, u64::from_le_bytes(bytes));
        }
    }

    /// Copies past the cache. `offset` and the length are multiples of 8.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) where the medium cannot be written; part may have been.
    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result;

    /// Zeroes past the cache, and clears poison. `offset` and `len` are multiples of 8; to clear
    /// poison they must be of a page.
    ///
    /// # Errors
    ///
    /// As for [`copy_nt`](Self::copy_nt).
    fn zero_nt(&self, offset: u64, len: u64) -> Result;

    /// Clears the poison of whole blocks that belong to nothing, and leaves zeros there, durably. The kernel asks
    /// the device's driver.
    ///
    /// The core holds no lock meanwhile, so it may take as long as that takes.
    ///
    /// As given, by zeroing.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the blocks stay bad.
    fn repair(&self, offset: u64, len: u64) -> Result {
        self.zero_nt(offset, len)?;
        self.fence();
        self.check_poison(offset, len)
    }

    /// A bad block has been set aside: [`repair_bad_blocks`](crate::bad_blocks::BadBlocks::repair) has something
    /// to do, soon, in a context that holds no lock. This is called with locks of the core held.
    ///
    /// As given, nothing: who calls `repair_bad_blocks` now and then need not know.
    fn repair_wanted(&self) {}

    /// Starts to write back the cache lines of the range (`clwb`).
    fn flush(&self, offset: u64, len: u64);

    /// Waits until what this CPU flushed or stored past the cache is durable (`sfence`).
    fn fence(&self);
}

/// Digests. The kernel and the tools have good ones; this crate has none of its own.
pub trait Digest {
    /// CRC-32C (Castagnoli) of `bytes`, continued from `crc`: the whole of several pieces has the
    /// value of their concatenation, and that of nothing is 0.
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32;

    /// SipHash-2-4 with a 64-bit result.
    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64;
}

/// The slots of `slots`, which is at most 64 and not 0, in the order in which a CPU tries them: its own first, without
/// those that have a bit in `passed_over`.
pub fn slots_in_turn(cpu: u32, slots: u32, passed_over: u64) -> impl Iterator<Item = u32> + Clone {
    let own = cpu.checked_rem(slots).unwrap_or(0);
    let turn = (own..slots).chain(0..own);
    turn.filter(move |slot| passed_over >> (slot % u64::BITS) & 1 == 0)
}

/// The locks of groups and journal slots.
///
/// They are taken last: after the locks of inodes, groups before the superblock's, and that before slots. A
/// holder of a slot takes nothing more, so that waiting for one ends.
///
/// The core waits for a group ([`lock_group`](Self::lock_group)) only while it holds no other, and
/// otherwise tries, so that groups need no order.
pub trait Locks {
    /// A held lock of an allocation group.
    type Group<'a>: DerefMut<Target = GroupState>
    where
        Self: 'a;

    /// A held journal slot.
    type Slot<'a>: DerefMut<Target = SlotState>
    where
        Self: 'a;

    /// The held lock of the superblock.
    type Super<'a>: DerefMut<Target = SuperState>
    where
        Self: 'a;

    /// Waits for the superblock.
    fn lock_super(&self) -> Self::Super<'_>;

    /// Waits for a group. `group` is below the volume's number of groups, and the caller holds `nth`
    /// others, of lower numbers: a checker of locks can take that for a subclass of its lock. It is below
    /// [`MAX_GROUPS`](crate::journal::MAX_GROUPS).
    fn lock_group(&self, group: u32, nth: usize) -> Self::Group<'_>;

    /// Takes a group if nobody holds it.
    fn try_lock_group(&self, group: u32) -> Option<Self::Group<'_>>;

    /// Takes a journal slot, the calling CPU's own if it is free, and waits while all are held.
    ///
    /// Slots with a bit in `passed_over` are not taken; at least one slot has none. [`slots_in_turn`] has the order.
    fn lock_slot(&self, passed_over: u64) -> Self::Slot<'_>;

    /// A word for each group, all ones at the mount, in which the core notes without a lock what
    /// the group has free.
    fn hint(&self, group: u32) -> &AtomicU64;

    /// Words of DRAM, zero at the mount, in which the core notes without a lock what it has judged: see
    /// [`judged`](crate::judged).
    ///
    /// As given, everything is judged each time that it is read.
    #[inline]
    fn judged(&self) -> Option<&[AtomicU64; JUDGED]> {
        None
    }

    /// A number that differs between CPUs and stays the same on one, to spread allocation.
    fn cpu(&self) -> u32;
}

/// All that the core needs of its caller, which provides it by implementing [`Stores`], [`Digest`] and
/// [`Locks`].
///
/// What is generic over this can read, and take locks. It cannot store: only the journal has the
/// [`Permit`] for that.
pub trait Platform: Medium + Digest + Locks {
    /// The side that stores.
    fn stores(&self, permit: Permit) -> &impl Stores;
}

impl<T: Stores + Digest + Locks> Platform for T {
    fn stores(&self, _permit: Permit) -> &impl Stores {
        self
    }
}
