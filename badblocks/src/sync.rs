// SPDX-License-Identifier: GPL-2.0

//! The one place that names the atomics, so that a model checker's can stand in for them.

#[cfg(loom)]
mod loom;

#[cfg(loom)]
pub use self::loom::AtomicU64;
#[cfg(not(any(loom, CONFIG_RUST)))]
pub use core::sync::atomic::AtomicU64;
#[cfg(not(CONFIG_RUST))]
pub(crate) use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The kernel's, whose memory model is the one that its other CPUs go by.
#[cfg(CONFIG_RUST)]
pub type AtomicU64 = kernel::sync::atomic::Atomic<u64>;
#[cfg(CONFIG_RUST)]
pub(crate) use kernel::sync::atomic::{Acquire, Relaxed, Release};

/// A number that no earlier call has returned.
///
/// At a call a nanosecond, 64 bits last for 584 years.
pub(crate) fn unique() -> u64 {
    #[cfg(CONFIG_RUST)]
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Not loom's, which exist in a model only.
    #[cfg(not(CONFIG_RUST))]
    static NEXT: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

    NEXT.fetch_add(1, Relaxed)
}
