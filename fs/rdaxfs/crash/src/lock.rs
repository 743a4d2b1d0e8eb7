// SPDX-License-Identifier: GPL-2.0

//! Locks that a [`Schedule`](crate::Schedule) knows of.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::schedule;

/// A lock. Before it is taken another CPU may go on; while it is held the others that want it wait.
///
/// Outside of a schedule there is one thread, and whoever would wait panics: it would for ever.
#[derive(Debug, Default)]
pub struct Lock<T> {
    value: Mutex<T>,
}

/// A lock that is held.
#[derive(Debug)]
pub struct Held<'a, T> {
    value: MutexGuard<'a, T>,
    lock: usize,
}

impl<T> Lock<T> {
    /// A free lock of `value`.
    pub const fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    fn take(&self) -> Option<Held<'_, T>> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            // An operation panicked: that is what is reported.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Held {
            value,
            lock: self.address(),
        })
    }

    /// Waits for the lock.
    ///
    /// # Panics
    ///
    /// When nobody could ever let go of it.
    pub fn lock(&self) -> Held<'_, T> {
        Self::lock_any(&[self])
    }

    /// Takes the first of the locks that is free, and waits as long as none is.
    ///
    /// # Panics
    ///
    /// As [`lock`](Self::lock), and if there are no locks.
    pub fn lock_any<'a>(locks: &[&'a Self]) -> Held<'a, T> {
        assert!(!locks.is_empty(), "no lock to take");
        let addresses: Vec<usize> = locks.iter().map(|lock| lock.address()).collect();
        let held = match schedule::acquire(&addresses) {
            Some(free) => locks.get(free).and_then(|lock| lock.take()),
            None => locks.iter().find_map(|lock| lock.take()),
        };
        held.expect("deadlock: the only thread wants a lock that it holds")
    }

    /// Takes the lock if nobody holds it.
    pub fn try_lock(&self) -> Option<Held<'_, T>> {
        match schedule::try_acquire(self.address()) {
            Some(false) => None,
            _ => self.take(),
        }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        // Nobody else runs before the guard itself is gone.
        schedule::release(self.lock);
    }
}
