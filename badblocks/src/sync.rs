// SPDX-License-Identifier: GPL-2.0

//! The one place that names the atomics, so that a model checker's can stand in for them.

#[cfg(loom)]
mod loom;

#[cfg(loom)]
pub use self::loom::AtomicU64;
#[cfg(not(loom))]
pub use core::sync::atomic::AtomicU64;
pub(crate) use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A number that no earlier call has returned.
///
/// At a call a nanosecond, 64 bits last for 584 years.
pub(crate) fn unique() -> u64 {
    static NEXT: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

    NEXT.fetch_add(1, Relaxed)
}
