// SPDX-License-Identifier: GPL-2.0

//! Work queues of a module's own.
//!
//! The kernel crate's [`kernel::workqueue`] has the queues that the kernel makes. An item on one of
//! those may still be returning when the module that it belongs to is unloaded. A queue of the
//! module's own waits for its items, to their last instruction, before it goes.
//!
//! # Examples
//!
//! ```
//! use kernel_ext::workqueue::OwnedQueue;
//!
//! let queue = OwnedQueue::new(c"example")?;
//! queue.try_spawn(GFP_KERNEL, || pr_info!("in a worker\n"))?;
//! // Waits for it.
//! drop(queue);
//! # Ok::<(), Error>(())
//! ```
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::{ops::Deref, ptr::NonNull};
use kernel::{bindings, prelude::*, workqueue::Queue};

/// A work queue that was made here. Dropping it waits for all its items, those included that they
/// queue themselves.
///
/// Its workers are not frozen for suspend and hibernation: an item that sleeps does not hold these up.
/// An item must not drop the queue that it runs on, which would wait for itself.
///
/// # Invariants
///
/// `queue` points to a `struct workqueue_struct` from `alloc_workqueue()`, not yet destroyed.
pub struct OwnedQueue {
    queue: NonNull<bindings::workqueue_struct>,
}

// SAFETY: The queue's own lock is taken for all accesses, from any thread.
unsafe impl Send for OwnedQueue {}

// SAFETY: As above.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Makes a queue called `name`, whose items run on any CPU. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(name: &'static CStr) -> Result<Self> {
        /// As many items at once as the core takes for a sensible number.
        const MAX_ACTIVE: c_int = 0;

        // SAFETY: The format takes one string, which is NUL-terminated and copied.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(
                c"%s".as_char_ptr(),
                bindings::wq_flags_WQ_UNBOUND,
                MAX_ACTIVE,
                name.as_char_ptr(),
            )
        };
        // INVARIANT: Just made.
        Ok(Self {
            queue: NonNull::new(queue).ok_or(ENOMEM)?,
        })
    }
}

impl Deref for OwnedQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: By the type invariant the queue is valid as long as `self`.
        unsafe { Queue::from_raw(self.queue.as_ptr()) }
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the queue is valid, and nobody can queue anything any more:
        // that takes a borrow of `self`, or an item that runs, which this waits for.
        unsafe { bindings::destroy_workqueue(self.queue.as_ptr()) };
    }
}
