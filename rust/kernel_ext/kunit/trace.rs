// SPDX-License-Identifier: GPL-2.0

//! The stores and fences of [`crate::pmem`], in their order.
//!
//! What makes data durable leaves no trace in memory: the same bytes are there with a fence and
//! without. So a test listens to those who store and fence.

use core::cell::UnsafeCell;
use kernel::{
    bindings,
    sync::atomic::{Acquire, Atomic, Release},
};

/// What is done to the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Data went around the caches: durable after the next fence.
    Store,
    /// A fence.
    Fence,
}

/// Who listens.
///
/// # Invariants
///
/// As long as `task` is not null, `listener` points to a function that lives, and only that task reads
/// or writes `listener`.
struct Listening {
    task: Atomic<*mut bindings::task_struct>,
    listener: UnsafeCell<Option<*const dyn Fn(Event)>>,
}

// SAFETY: By the type invariant `listener` is one task's.
unsafe impl Sync for Listening {}

static LISTENING: Listening = Listening {
    task: Atomic::new(core::ptr::null_mut()),
    listener: UnsafeCell::new(None),
};

/// Calls `f`, and `listener` for every store and fence that this task makes meanwhile, right after
/// it.
///
/// One at a time. Neither of the two may fail an assertion, which would end the task with the listener
/// in place: what is heard is judged afterwards.
pub fn with_listener<R>(listener: &dyn Fn(Event), f: impl FnOnce() -> R) -> R {
    // SAFETY: Returns the running task.
    let task = unsafe { bindings::get_current() };
    // SAFETY: The lifetime is only left out: the pointer is taken away below, before it ends.
    let listener: *const (dyn Fn(Event) + 'static) =
        unsafe { core::mem::transmute::<*const (dyn Fn(Event) + '_), _>(listener) };
    // INVARIANT: KUnit runs one case at a time, so that nobody else listens.
    // SAFETY: As said.
    unsafe { *LISTENING.listener.get() = Some(listener) };
    LISTENING.task.store(task.cast(), Release);
    let result = f();
    LISTENING.task.store(core::ptr::null_mut(), Release);
    result
}

/// Tells who listens, if that is this task.
pub(crate) fn tell(event: Event) {
    // SAFETY: Returns the running task.
    let current = unsafe { bindings::get_current() };
    if LISTENING.task.load(Acquire) != current.cast() {
        return;
    }
    // SAFETY: By the type invariant the place is this task's and the function lives.
    if let Some(listener) = unsafe { *LISTENING.listener.get() } {
        // SAFETY: As above.
        unsafe { (*listener)(event) };
    }
}
