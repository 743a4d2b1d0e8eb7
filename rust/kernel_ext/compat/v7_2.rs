// SPDX-License-Identifier: GPL-2.0

//! What kernels of series 7.2 lack.

use super::End;
use core::ptr::NonNull;
use kernel::{prelude::*, workqueue};
use kernel_bindings as bindings;

/// What is known of a module.
pub trait ModuleMetadata: kernel::ModuleMetadata {
    /// The module itself.
    const THIS_MODULE: &'static kernel::ThisModule;
}

pub(super) mod code {
    use core::num::NonZeroI32;
    use kernel::error::Error;
    use kernel_bindings as bindings;

    const fn error(number: u32) -> Error {
        let Some(number) = NonZeroI32::new(-(number as i32)) else {
            panic!("an error has a number");
        };
        // SAFETY: `Error` is a structure of one field, which is a `NonZeroI32` that is an error's number with
        // a minus, as this is; the compiler has compared the sizes.
        unsafe { core::mem::transmute::<NonZeroI32, Error>(number) }
    }

    macro_rules! errors {
        ($($name:ident)*) => {
            $(
                /// As in `include/uapi/asm-generic/errno.h`.
                pub const $name: Error = error(bindings::$name);
            )*
        };
    }
    errors! { ENODATA EOPNOTSUPP ESHUTDOWN ESTALE }
}

pub(super) mod srcu {
    use kernel::{
        error::to_result,
        prelude::*,
        types::{NotThreadSafe, Opaque},
    };
    use kernel_bindings as bindings;

    /// A domain of SRCU.
    ///
    /// # Invariants
    ///
    /// It is initialised, and is not moved until it is dropped.
    #[pin_data(PinnedDrop)]
    pub(crate) struct Srcu {
        #[pin]
        raw: Opaque<bindings::srcu_struct>,
    }

    // SAFETY: Any task may use and drop it.
    unsafe impl Send for Srcu {}
    // SAFETY: Several may use it at once.
    unsafe impl Sync for Srcu {}

    impl Srcu {
        pub(crate) fn new() -> impl PinInit<Self, Error> {
            // INVARIANT: Without an error it is initialised, where it stays.
            try_pin_init!(Self {
                raw <- Opaque::try_ffi_init(|raw: *mut bindings::srcu_struct| {
                    // SAFETY: The place is valid and not initialised.
                    to_result(unsafe { bindings::init_srcu_struct(raw) })
                }),
            })
        }

        pub(crate) fn read_lock(&self) -> Guard<'_> {
            Guard {
                srcu: self,
                // SAFETY: By the type invariants it is initialised.
                index: unsafe { bindings::srcu_read_lock(self.raw.get()) },
                _in_this_task: NotThreadSafe,
            }
        }

        pub(crate) fn synchronize(&self) {
            // SAFETY: By the type invariants it is initialised.
            unsafe { bindings::synchronize_srcu(self.raw.get()) }
        }
    }

    #[pinned_drop]
    impl PinnedDrop for Srcu {
        fn drop(self: Pin<&mut Self>) {
            // SAFETY: By the type invariants it is initialised. Guards borrow it: there is none.
            unsafe { bindings::cleanup_srcu_struct(self.raw.get()) }
        }
    }

    /// A read-side critical section.
    pub(crate) struct Guard<'a> {
        srcu: &'a Srcu,
        index: core::ffi::c_int,
        _in_this_task: NotThreadSafe,
    }

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            // SAFETY: The section was begun with this index, in this task.
            unsafe { bindings::srcu_read_unlock(self.srcu.raw.get(), self.index) }
        }
    }
}

/// See [`super::end_in_task`]. The bio keeps `end` meanwhile.
///
/// # Safety
///
/// As there.
pub(super) unsafe fn end_in_task(bio: NonNull<bindings::bio>, end: End) {
    // SAFETY: As the caller promises; iomap's writeback does not use `bi_private`.
    unsafe {
        (*bio.as_ptr()).bi_private = end as *mut core::ffi::c_void;
        (*bio.as_ptr()).bi_end_io = Some(end_or_defer);
    }
}

/// A bio that has ended, and that nobody else uses.
struct Ended(NonNull<bindings::bio>);

// SAFETY: A bio may be handed on.
unsafe impl Send for Ended {}

impl Ended {
    fn finish(self) {
        // SAFETY: `end_in_task` has put it there.
        unsafe {
            let end =
                core::mem::transmute::<*mut core::ffi::c_void, End>((*self.0.as_ptr()).bi_private);
            end(self.0.as_ptr());
        }
    }
}

/// # Safety
///
/// For the block layer, with a bio of [`end_in_task`] that has ended.
unsafe extern "C" fn end_or_defer(bio: *mut bindings::bio) {
    // SAFETY: The block layer passes a bio.
    let ended = Ended(unsafe { NonNull::new_unchecked(bio) });
    // SAFETY: They ask about the current context only.
    if unsafe { bindings::preemptible() && bindings::rcu_preempt_depth() == 0 } {
        return ended.finish();
    }
    let raw = ended.0;
    let deferred = workqueue::system().try_spawn(GFP_ATOMIC, move || {
        let ended = ended;
        ended.finish()
    });
    if deferred.is_err() {
        // Without memory to wait with the write has failed: then there is nothing that may sleep.
        // SAFETY: The closure, which would have used the bio, is gone.
        unsafe {
            (*raw.as_ptr()).bi_status = bindings::BLK_STS_IOERR;
        }
        Ended(raw).finish();
    }
}
