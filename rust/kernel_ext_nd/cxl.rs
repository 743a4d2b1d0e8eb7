// SPDX-License-Identifier: GPL-2.0

//! The poison that a CXL memory device knows of. Nothing in the kernel tells libnvdimm of it.
//!
//! A device counts its own bytes. Where a region consists of one device these are the region's in order;
//! interleaved regions are not translated here.
//!
//! C headers: [`drivers/cxl/cxl.h`](srctree/drivers/cxl/cxl.h),
//! [`drivers/cxl/cxlmem.h`](srctree/drivers/cxl/cxlmem.h)

use crate::bindings;
use core::ptr::{from_mut, null_mut};
use kernel::{bindings as kernel_crate_bindings, error::to_result, prelude::*};
use kernel_ext::resource::PhysRange;

/// Bytes of a unit of poison.
const LINE: u64 = bindings::CXL_POISON_LEN_MULT as u64;

/// Bytes in front of the records of a list, and those of a record.
const HEADER: usize = 32;
const RECORD: usize = 16;

/// The most records that are read: the most that the kernel reads, too.
const MAX_RECORDS: usize = 1024;

// The symbols are in a namespace that a module has to import.
#[link_section = ".modinfo"]
#[used]
static IMPORT_NS: [u8; 14] = *b"import_ns=CXL\0";

/// What a region of CXL memory is made of.
pub(crate) enum Backing {
    /// One device.
    Single(Device),
    /// Several ones.
    Interleaved,
}

/// A device that is a whole region.
///
/// # Invariants
///
/// `mailbox` and `state` are of a memory device that a bound region is mapped to, which goes after the region.
pub(crate) struct Device {
    mailbox: *mut bindings::cxl_mailbox,
    state: *mut bindings::cxl_memdev_state,
    /// Where the region begins, as the CPU and as the device counts, and its bytes.
    start: u64,
    device_start: u64,
    size: u64,
}

impl Backing {
    /// Returns what is behind a region; `None` if that is not CXL.
    ///
    /// # Safety
    ///
    /// `region` must be valid, and bound for as long as the result is used.
    pub(crate) unsafe fn of(region: *mut bindings::nd_region) -> Option<Self> {
        // SAFETY: As the caller promises; the flags do not change once the region is there.
        let flags = unsafe { (*region).flags };
        if flags & (1 << bindings::ND_REGION_CXL) == 0 {
            return None;
        }
        // SAFETY: Only cxl_pmem makes regions with that flag, with a `struct cxl_pmem_region` as their data, whose
        // driver deletes the region before it is unbound. That driver is unbound before a memory device of the
        // region loses its state: cxl_mem's, bound to that device, detaches the device's decoders first.
        unsafe {
            let pmem =
                bindings::nd_region_provider_data(region).cast::<bindings::cxl_pmem_region>();
            if (*pmem).nr_mappings != 1 {
                return Some(Self::Interleaved);
            }
            let mapping = &*(*pmem).mapping.as_ptr();
            let state = (*mapping.cxlmd).cxlds;
            // INVARIANT: As above. Only devices of that type have a driver's state around the device's.
            Some(Self::Single(Device {
                mailbox: &raw mut (*state).cxl_mbox,
                state: if (*state).type_ == bindings::cxl_devtype_CXL_DEVTYPE_CLASSMEM {
                    kernel::container_of!(state, bindings::cxl_memdev_state, cxlds)
                } else {
                    null_mut()
                },
                start: (*pmem).hpa_range.start,
                device_start: mapping.start,
                size: mapping.size,
            }))
        }
    }
}

impl Device {
    /// Returns the runs of poison in a range of physical memory, in the device's order. May sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the device has no such list. What the device says; `ENOMEM`.
    pub(crate) fn poison(&self, range: PhysRange) -> Result<KVec<PhysRange>> {
        let mut found = KVec::new();
        let Some((offset, bytes)) = self.on_device(range) else {
            return Ok(found);
        };
        if !self.has_command(bindings::poison_cmd_enabled_bits_CXL_POISON_ENABLED_LIST) {
            return Err(kernel_ext::compat::code::EOPNOTSUPP);
        }
        // SAFETY: By the type invariant.
        let most = unsafe { (*self.mailbox).payload_size };
        let mut answer = KVVec::from_elem(0_u8, most, GFP_KERNEL)?;
        let mut question = bindings::cxl_mbox_poison_in {
            offset: offset.to_le(),
            length: (bytes / LINE).to_le(),
        };
        let _reader = self.lock();
        let mut records = 0;
        loop {
            self.send(
                bindings::cxl_opcode_CXL_MBOX_OP_GET_POISON,
                &mut question,
                &mut answer,
            )?;
            let list = List(&answer);
            for (start, bytes) in list.records() {
                if let Some(range) = self.in_memory(start, bytes, range) {
                    found.push(range, GFP_KERNEL)?;
                }
            }
            records += list.count();
            if !list.has_more() || list.count() == 0 || records >= MAX_RECORDS {
                return Ok(found);
            }
        }
    }

    /// Takes poison away from all that [`Device::poison`] finds in a range; zeroes are there then. May sleep.
    ///
    /// # Errors
    ///
    /// As [`Device::poison`], and what the device says when it is told.
    pub(crate) fn clear_poison(&self, range: PhysRange) -> Result {
        for run in self.poison(range)? {
            let (offset, bytes) = self.on_device(run).ok_or(EINVAL)?;
            for line in (offset..offset + bytes).step_by(LINE as usize) {
                let mut order = bindings::cxl_mbox_clear_poison {
                    address: line.to_le(),
                    write_data: [0; LINE as usize],
                };
                let opcode = bindings::cxl_opcode_CXL_MBOX_OP_CLEAR_POISON;
                self.send(opcode, &mut order, &mut [])?;
            }
        }
        Ok(())
    }

    /// Where the device has what the region has of a range: its first byte there, and how many. Whole lines.
    fn on_device(&self, range: PhysRange) -> Option<(u64, u64)> {
        let first = range.start().max(self.start) / LINE * LINE;
        let end = (range.start() + range.size()).min(self.start + self.size);
        let bytes = end.checked_sub(first)?.next_multiple_of(LINE);
        (bytes != 0).then_some((first - self.start + self.device_start, bytes))
    }

    /// Where memory has some bytes of the device, as far as they are in `within`.
    fn in_memory(&self, start: u64, bytes: u64, within: PhysRange) -> Option<PhysRange> {
        let end = start
            .saturating_add(bytes)
            .min(self.device_start + self.size);
        let first = start.max(self.device_start) - self.device_start + self.start;
        let end = end.checked_sub(self.device_start)? + self.start;
        let (first, end) = (
            first.max(within.start()),
            end.min(within.start() + within.size()),
        );
        PhysRange::new(first, end.checked_sub(first)?)
    }

    fn has_command(&self, command: bindings::poison_cmd_enabled_bits) -> bool {
        if self.state.is_null() {
            return false;
        }
        // SAFETY: By the type invariant; the bits are set once, before the device has regions.
        let enabled = unsafe { (*self.state).poison.enabled_cmds };
        enabled
            .first()
            .is_some_and(|bits| bits & (1 << command) != 0)
    }

    /// Keeps others from asking for the list: the device goes on with it from one question to the next.
    fn lock(&self) -> Lock<'_> {
        // SAFETY: By the type invariant. The lock is initialised, for the device has the command.
        unsafe { kernel_crate_bindings::mutex_lock((&raw mut (*self.state).poison.mutex).cast()) };
        Lock(self)
    }

    /// Sends a command; `answer` is what it may be answered, of any length up to that.
    fn send<T>(&self, opcode: bindings::cxl_opcode, order: &mut T, answer: &mut [u8]) -> Result {
        let mut command = bindings::cxl_mbox_cmd {
            opcode: opcode as u16,
            payload_in: from_mut(order).cast(),
            size_in: size_of::<T>(),
            payload_out: if answer.is_empty() {
                null_mut()
            } else {
                answer.as_mut_ptr().cast()
            },
            size_out: answer.len(),
            min_out: if answer.is_empty() { 0 } else { HEADER },
            ..Default::default()
        };
        // SAFETY: By the type invariant. The buffers are as long as is said, and ours until this returns.
        to_result(unsafe { bindings::cxl_internal_send_cmd(self.mailbox, &mut command) })
    }
}

/// A device's mutex that is locked.
struct Lock<'a>(&'a Device);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked when this was made.
        unsafe {
            kernel_crate_bindings::mutex_unlock((&raw mut (*self.0.state).poison.mutex).cast())
        };
    }
}

/// The answer to the question for poison.
struct List<'a>(&'a [u8]);

impl List<'_> {
    /// Whether the device has more of them.
    fn has_more(&self) -> bool {
        self.0
            .first()
            .is_some_and(|flags| flags & bindings::CXL_POISON_FLAG_MORE != 0)
    }

    /// How many records it says that there are.
    fn count(&self) -> usize {
        self.0
            .get(10..12)
            .and_then(|count| count.try_into().ok())
            .map_or(0, |count| usize::from(u16::from_le_bytes(count)))
    }

    /// The records: the device's byte where each begins, and how many bytes it has.
    fn records(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let records = self.0.get(HEADER..).unwrap_or_default();
        records
            .chunks_exact(RECORD)
            .take(self.count())
            .filter_map(|record| {
                let start = u64::from_le_bytes(record.get(..8)?.try_into().ok()?);
                let lines = u32::from_le_bytes(record.get(8..12)?.try_into().ok()?);
                // What is below a line says where the poison is from.
                Some((start / LINE * LINE, u64::from(lines) * LINE))
            })
    }
}
