// SPDX-License-Identifier: GPL-2.0

//! What kernels of different series call differently: the one place that knows which it is.
//!
//! What is exported here has the names and the meaning of the newest series. `Kbuild` sets `kernel_7_2` for the
//! kernels of that series; a kernel that carries this crate in its tree needs none of the other branches.

use bindings::bvec_iter;
#[cfg(kernel_7_2)]
use kernel::alloc::flags::__GFP_ZERO;
use kernel::{
    alloc::{AllocError, Flags},
    prelude::*,
};
use kernel_bindings as bindings;

#[cfg(not(kernel_7_2))]
pub use kernel::ModuleMetadata;

/// Error codes that the kernel crate has, or should have.
pub mod code {
    #[cfg(not(kernel_7_2))]
    pub use kernel::error::code::{ENODATA, EOPNOTSUPP, ESHUTDOWN, ESTALE};

    #[cfg(kernel_7_2)]
    pub use super::v7_2::code::*;
}

#[cfg(kernel_7_2)]
pub use v7_2::ModuleMetadata;

#[cfg(not(kernel_7_2))]
pub(crate) use kernel::sync::srcu::{Guard as SrcuGuard, Srcu};
#[cfg(kernel_7_2)]
pub(crate) use v7_2::srcu::{Guard as SrcuGuard, Srcu};

/// Tells [`ModuleMetadata`] of the module that this is in, by its type.
///
/// From 7.3 on `module!` does it.
#[macro_export]
#[expect(clippy::crate_in_macro_def, reason = "THIS_MODULE is the user's")]
macro_rules! module_metadata {
    ($module:ty) => {
        #[cfg(kernel_7_2)]
        impl $crate::compat::ModuleMetadata for $module {
            const THIS_MODULE: &'static ::kernel::ThisModule = &crate::THIS_MODULE;
        }
    };
}

/// A domain of SRCU.
///
/// The name and the class of its lock are in this module, for every user's type: lockdep compares names by their
/// addresses, and a user's would go with the user.
#[inline(never)]
pub(crate) fn new_srcu() -> impl PinInit<Srcu, Error> {
    #[cfg(not(kernel_7_2))]
    {
        kernel::new_srcu!("revocable")
    }
    #[cfg(kernel_7_2)]
    {
        Srcu::new()
    }
}

/// Stores before it are done before those after it.
#[cfg(CONFIG_X86_64)]
#[inline]
pub(crate) fn wmb() {
    #[cfg(not(kernel_7_2))]
    kernel::sync::barrier::mb(kernel::sync::barrier::Write);
    #[cfg(kernel_7_2)]
    // SAFETY: A barrier may be anywhere. On x86 this one is `wmb()`.
    unsafe {
        bindings::pmem_wmb()
    };
}

/// A vector of that many zeroes.
///
/// # Errors
///
/// `ENOMEM`.
pub fn zeroed<T: Zeroable>(len: usize, flags: Flags) -> Result<VVec<T>, AllocError> {
    #[cfg(not(kernel_7_2))]
    {
        VVec::zeroed(len, flags)
    }
    #[cfg(kernel_7_2)]
    {
        let mut vector = VVec::with_capacity(len, flags | __GFP_ZERO)?;
        // SAFETY: There is room for them; the memory is zero, which is a valid value of the type.
        unsafe { vector.inc_len(len) };
        Ok(vector)
    }
}

/// How much of the current segment is done.
#[inline]
pub(crate) fn bvec_offset(iter: &bvec_iter) -> u32 {
    #[cfg(not(kernel_7_2))]
    {
        iter.bi_offset
    }
    #[cfg(kernel_7_2)]
    {
        iter.bi_bvec_done
    }
}

/// Initialises a value in its place.
///
/// # Safety
///
/// `slot` must be valid for writes and must not be initialised; where there is no error, the value is not moved
/// before it is dropped.
#[cfg(any(MODULE, CONFIG_RUST_KERNEL_EXT_FS))]
#[inline]
pub(crate) unsafe fn init_in_place<T, E>(init: impl PinInit<T, E>, slot: *mut T) -> Result<(), E> {
    #[cfg(not(kernel_7_2))]
    // SAFETY: As the caller promises.
    unsafe {
        init.__init(slot)
    }
    #[cfg(kernel_7_2)]
    // SAFETY: As the caller promises.
    unsafe {
        init.__pinned_init(slot)
    }
}

/// Has `end` called in a task, when the bio has ended.
///
/// # Safety
///
/// The bio must be valid, and not submitted yet. `end` must be right for it, as `bi_end_io` is.
#[cfg(any(MODULE, CONFIG_RUST_KERNEL_EXT_FS))]
pub(crate) unsafe fn end_in_task(bio: core::ptr::NonNull<bindings::bio>, end: End) {
    #[cfg(not(kernel_7_2))]
    // SAFETY: As the caller promises.
    unsafe {
        (*bio.as_ptr()).bi_end_io = Some(end);
        bindings::bio_set_flag(bio.as_ptr(), bindings::BIO_COMPLETE_IN_TASK);
    }
    #[cfg(kernel_7_2)]
    // SAFETY: As the caller promises.
    unsafe {
        v7_2::end_in_task(bio, end)
    }
}

/// What the block layer calls when a bio has ended.
#[cfg(any(MODULE, CONFIG_RUST_KERNEL_EXT_FS))]
pub(crate) type End = unsafe extern "C" fn(*mut bindings::bio);

#[cfg(kernel_7_2)]
mod v7_2;
