// SPDX-License-Identifier: GPL-2.0

//! Machine checks that the kernel has logged.
//!
//! The kernel queues what the machine check exception, and the polls for errors that raise none, have
//! found, and calls the *decode chain* for each of them from a work item: in process context, under
//! a lock (the chain is a blocking notifier), after the exception has returned.
//!
//! C header: [`arch/x86/include/asm/mce.h`](srctree/arch/x86/include/asm/mce.h)

use core::pin::Pin;
use kernel::{
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    sync::Arc,
    types::Opaque,
};
use kernel_bindings as bindings;

/// The bits of MCi_MISC with the number of the lowest bit of the address that means something
/// (`MCI_MISC_ADDR_LSB()`).
const ADDR_LSB: u64 = 0x3f;

/// Whether a [`Listener`] had a use for an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It did (`NOTIFY_OK`).
    Handled,
    /// The error is not its concern (`NOTIFY_DONE`).
    NotMine,
}

impl Answer {
    fn to_raw(self) -> c_int {
        (match self {
            Answer::Handled => bindings::NOTIFY_OK,
            Answer::NotMine => bindings::NOTIFY_DONE,
        }) as c_int
    }
}

/// Who wants to know of memory errors.
pub trait Listener: Send + Sync + 'static {
    /// Hears that the kernel is about to handle an error, and with it the failure of the whole page.
    /// [`Listener::memory_error`] follows, unless another listener stops the chain.
    ///
    /// Called, and bound, as that is.
    fn before(&self, error: MemoryError);

    /// Hears of an error that the kernel has handled. Whatever it answers, others in the chain, such as EDAC, hear of it too.
    ///
    /// Called from a work item, one error at a time. May sleep, but holds up every later error
    /// meanwhile, and must neither make nor drop a [`Registration`], which would wait for the call
    /// itself.
    fn memory_error(&self, error: MemoryError) -> Answer;
}

/// An uncorrected memory error at a known physical address.
#[derive(Clone, Copy, Debug)]
pub struct MemoryError {
    addr: u64,
    granule: u32,
    is_page_unmapped: bool,
}

impl MemoryError {
    /// Returns what a record says; `None` if it says something else: a corrected error, one that is
    /// not in memory, one without a physical address.
    ///
    /// # Safety
    ///
    /// `record` must point to a valid `struct mce` that nobody changes meanwhile.
    unsafe fn from_raw(record: *mut bindings::mce) -> Option<Self> {
        // SAFETY: As the caller promises.
        let is_one = unsafe {
            bindings::mce_is_memory_error(record)
                && !bindings::mce_is_correctable(record)
                && bindings::mce_usable_address(record)
        };
        if !is_one {
            return None;
        }
        // SAFETY: As the caller promises.
        let (addr, misc, status, kflags) = unsafe {
            (
                (*record).addr,
                (*record).misc,
                (*record).status,
                (*record).kflags,
            )
        };
        let granule = if status & bindings::MCI_STATUS_MISCV != 0 {
            (misc & ADDR_LSB) as u32
        } else {
            0
        };
        Some(Self {
            // SAFETY: A constant of the CPU that the kernel runs on.
            addr: addr & unsafe { bindings::MCI_ADDR_PHYSADDR() },
            granule,
            is_page_unmapped: kflags & bindings::MCE_HANDLED_UC != 0,
        })
    }

    /// Returns the physical address, in bytes.
    pub fn addr(&self) -> u64 {
        self.addr
    }

    /// Returns how many low bits of the address mean nothing: the error is somewhere in the aligned
    /// block of `1 << granule` bytes around it. From 0 to 63; where the CPU says nothing it is 0.
    pub fn granule(&self) -> u32 {
        self.granule
    }

    /// Whether the kernel has handled the failure of the whole page before
    /// (`dev_pagemap_ops::memory_failure`), and has taken the page out of its own mapping of memory
    /// (`set_mce_nospec()`) then.
    pub fn is_page_unmapped(&self) -> bool {
        self.is_page_unmapped
    }
}

/// A listener in the decode chain; dropping it takes the listener out and waits until it is not
/// called any more. Dropping may sleep.
///
/// # Invariants
///
/// Both blocks of `entry` are in the decode chain, and stay where they are.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::Arc};
/// use kernel_ext::mce::{Answer, Listener, MemoryError, Registration};
///
/// struct Everything;
///
/// impl Listener for Everything {
///     fn before(&self, _error: MemoryError) {}
///
///     fn memory_error(&self, error: MemoryError) -> Answer {
///         pr_info!("memory error at {:#x}\n", error.addr());
///         Answer::Handled
///     }
/// }
///
/// let registration = Registration::new(Arc::new(Everything, GFP_KERNEL)?)?;
/// # drop(registration);
/// # Ok::<(), Error>(())
/// ```
pub struct Registration<L: Listener> {
    entry: Pin<KBox<Entry<L>>>,
}

/// What the chain has a pointer to, and what that leads to.
#[pin_data]
struct Entry<L> {
    #[pin]
    before: Opaque<bindings::notifier_block>,
    #[pin]
    after: Opaque<bindings::notifier_block>,
    listener: Arc<L>,
}

// SAFETY: The chain locks; a registration may be dropped by any thread.
unsafe impl<L: Listener> Send for Registration<L> {}

// SAFETY: `&Registration` allows nothing.
unsafe impl<L: Listener> Sync for Registration<L> {}

impl<L: Listener> Registration<L> {
    /// Puts a listener into the chain, before the kernel's own handling of failed memory and behind it,
    /// there with the priority of ACPI NFIT's, which is in the same business. May sleep.
    ///
    /// Errors that were logged before are not told.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(listener: Arc<L>) -> Result<Self> {
        let entry = KBox::pin_init(
            pin_init!(Entry {
                before: Opaque::new(bindings::notifier_block {
                    notifier_call: Some(Self::before),
                    priority: bindings::mce_notifier_prios_MCE_PRIO_EARLY as c_int,
                    ..Default::default()
                }),
                after: Opaque::new(bindings::notifier_block {
                    notifier_call: Some(Self::after),
                    priority: bindings::mce_notifier_prios_MCE_PRIO_NFIT as c_int,
                    ..Default::default()
                }),
                listener,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The blocks are initialised, pinned, and valid until they are taken out in drop.
        unsafe {
            bindings::mce_register_decode_chain(entry.after.get());
            bindings::mce_register_decode_chain(entry.before.get());
        }
        // INVARIANT: Registered above; the priorities are ones that the function takes.
        Ok(Self { entry })
    }

    /// # Safety
    ///
    /// For the decode chain, which passes the block `before` of an [`Entry`] of this type that is in it,
    /// and a valid `struct mce`.
    unsafe extern "C" fn before(
        block: *mut bindings::notifier_block,
        _action: c_ulong,
        record: *mut c_void,
    ) -> c_int {
        // SAFETY: As the caller promises `block` is the field of an `Entry`. The chain's lock, which
        // drop takes to take the entry out, is held by the caller, so that the entry lives.
        let entry = unsafe { &*kernel::container_of!(Opaque::cast_from(block), Entry<L>, before) };
        // SAFETY: As the caller promises; listeners are called one after another.
        if let Some(error) = unsafe { MemoryError::from_raw(record.cast()) } {
            entry.listener.before(error);
        }
        Answer::NotMine.to_raw()
    }

    /// # Safety
    ///
    /// As for [`Registration::before`], with the block `after`.
    unsafe extern "C" fn after(
        block: *mut bindings::notifier_block,
        _action: c_ulong,
        record: *mut c_void,
    ) -> c_int {
        // SAFETY: As in `before`.
        let entry = unsafe { &*kernel::container_of!(Opaque::cast_from(block), Entry<L>, after) };
        // SAFETY: As in `before`.
        match unsafe { MemoryError::from_raw(record.cast()) } {
            Some(error) => entry.listener.memory_error(error),
            None => Answer::NotMine,
        }
        .to_raw()
    }
}

impl<L: Listener> Drop for Registration<L> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the blocks are in the chain. Each call waits for those who
        // walk through it.
        unsafe {
            bindings::mce_unregister_decode_chain(self.entry.before.get());
            bindings::mce_unregister_decode_chain(self.entry.after.get());
        }
    }
}
