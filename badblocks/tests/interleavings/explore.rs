// SPDX-License-Identifier: GPL-2.0

//! Threads whose steps are interleaved in every way (loom), at random (Miri), or as the machine
//! happens to (neither).

#[cfg(loom)]
pub(crate) use loom::{
    sync::{atomic::AtomicU64, Arc, Mutex},
    thread,
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{atomic::AtomicU64, Arc, Mutex},
    thread,
};

/// Executions of a scenario where the machine, or Miri's seed, decides how it goes. Miri's programs
/// run some thousand times slower, and each in as many ways as it gets seeds.
#[cfg(not(loom))]
const ROUNDS: u64 = if cfg!(miri) { 5 } else { 2000 };

/// Runs `scenario` in all the ways in which it can go.
///
/// With `--cfg loom` these are all interleavings with at most `LOOM_MAX_PREEMPTIONS` switches from a
/// thread that could have gone on (`usual` if that is not set), and in each of them all values that
/// a load may see by the memory model. Nothing is cut short unless `LOOM_MAX_DURATION` says so.
#[cfg(loom)]
pub(crate) fn explore(usual: usize, scenario: impl Fn() + Send + Sync + 'static) {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(usual));
    // The widest map is set up in some hundred steps.
    model.max_branches = 10_000;
    let executions = std::sync::Arc::new(AtomicU64::new(0));
    let counter = executions.clone();
    model.check(move || {
        counter.fetch_add(1, Relaxed);
        scenario();
    });
    println!(
        "{} executions, at most {} preemptions",
        executions.load(Relaxed),
        model.preemption_bound.unwrap_or(usual),
    );
}

#[cfg(not(loom))]
pub(crate) fn explore(_usual: usize, scenario: impl Fn() + Send + Sync + 'static) {
    for _ in 0..ROUNDS {
        scenario();
    }
    println!("{ROUNDS} executions");
}
