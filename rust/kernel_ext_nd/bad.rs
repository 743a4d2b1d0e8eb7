// SPDX-License-Identifier: GPL-2.0

//! A list of bad blocks as C has it, to be filled and read once.
//!
//! C header: [`include/linux/badblocks.h`](srctree/include/linux/badblocks.h)

use crate::bindings;
use kernel::{error::to_result, prelude::*, types::Opaque};

/// The most entries that a list has.
const MAX: i32 = bindings::MAX_BADBLOCKS as i32;

/// A list.
///
/// # Invariants
///
/// `list` is initialised by `badblocks_init()`, and nobody else has it between two calls of methods.
pub(crate) struct List {
    list: Pin<KBox<Opaque<bindings::badblocks>>>,
}

impl List {
    /// An empty list. May sleep.
    pub(crate) fn new() -> Result<Self> {
        const ENABLE: i32 = 1;

        let list = KBox::try_pin_init(
            Opaque::try_ffi_init(|slot: *mut bindings::badblocks| {
                // SAFETY: `slot` is valid for writes; all zeroes is a valid `struct badblocks`.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: As above. The structure is pinned.
                to_result(unsafe { bindings::badblocks_init(slot, ENABLE) })
            }),
            GFP_KERNEL,
        )?;
        // INVARIANT: Just initialised.
        Ok(Self { list })
    }

    /// Returns the structure, to be filled.
    pub(crate) fn as_raw(&mut self) -> *mut bindings::badblocks {
        self.list.get()
    }

    /// Whether there was no room for more.
    pub(crate) fn is_full(&self) -> bool {
        // SAFETY: By the type invariant the structure is valid and nobody changes it.
        unsafe { (*self.list.get()).count >= MAX }
    }

    /// Returns the first run of bad sectors among `sectors` from `sector` on: where it begins, and how
    /// many sectors it has, at least 1.
    pub(crate) fn first_in(&self, sector: u64, sectors: u64) -> Option<(u64, u64)> {
        let (mut first, mut len) = (0, 0);
        // SAFETY: By the type invariant the list is valid. The C side locks it.
        let found = unsafe {
            bindings::badblocks_check(self.list.get(), sector, sectors, &mut first, &mut len)
        };
        (found != 0 && len != 0).then_some((first, len))
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is initialised; it is not used afterwards.
        unsafe { bindings::badblocks_exit(self.list.get()) };
    }
}
