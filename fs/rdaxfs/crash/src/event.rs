// SPDX-License-Identifier: GPL-2.0

//! What happened to a medium, in order.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::Location;

use crate::image::Image;
use crate::persistence::Persistence;

/// The place that called the medium: in the source, or a name for it with line 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The source file.
    pub file: &'static str,
    /// The line in it, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl Site {
    /// The caller of the function that calls this, if that is `#[track_caller]`.
    #[must_use]
    #[track_caller]
    pub fn caller() -> Self {
        let at = Location::caller();
        Self {
            file: at.file(),
            line: at.line(),
            column: at.column(),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(self.file);
        }
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A step of the operation that runs, for a check that has to know what is promised already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The operation with this number has been called.
    Begin(u32),
    /// It has returned: what it did has to be durable.
    End(u32),
}

/// What an event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A store through the cache.
    Store {
        /// The word's number.
        word: u64,
        /// Its new value.
        value: u64,
    },
    /// A store past the cache (`movnti`).
    Stream {
        /// The word's number.
        word: u64,
        /// Its new value.
        value: u64,
    },
    /// A line's write-back is started (`clwb`).
    Flush {
        /// The line's number.
        line: u64,
    },
    /// What this CPU flushed and streamed has reached the medium (`sfence`).
    Fence,
    /// Nothing happens to the medium.
    Step(Step),
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// The logical CPU.
    pub cpu: u32,
    /// Who asked for it.
    pub site: Site,
    /// What.
    pub kind: EventKind,
}

/// All that happened to a medium, in the order in which all CPUs see it.
#[derive(Clone, Debug)]
pub struct Log {
    /// The medium before.
    pub base: Persistence,
    /// What happened then.
    pub events: Vec<Event>,
}

impl Log {
    /// What happens to a medium with these contents, all of them durable.
    #[must_use]
    pub fn new(base: Image, events: Vec<Event>) -> Self {
        Self {
            base: Persistence::new(base),
            events,
        }
    }

    /// The log of a medium on which the calls at `site` do not flush and do not fence: a test that
    /// passes with it does not need them, or does not test them.
    #[must_use]
    pub fn without(&self, site: Site) -> Self {
        let mut log = self.clone();
        log.events
            .retain(|event| event.site != site || !event.kind.orders());
        log
    }

    /// The places that flush or fence.
    #[must_use]
    pub fn ordering_sites(&self) -> BTreeSet<Site> {
        let ordering = self.events.iter().filter(|event| event.kind.orders());
        ordering.map(|event| event.site).collect()
    }
}

impl EventKind {
    /// Whether it is a flush or a fence, which programs cannot see.
    #[must_use]
    pub fn orders(&self) -> bool {
        matches!(self, Self::Flush { .. } | Self::Fence)
    }

    /// The word that it changes, and its new value.
    #[must_use]
    pub fn change(&self) -> Option<(u64, u64)> {
        match *self {
            Self::Store { word, value } | Self::Stream { word, value } => Some((word, value)),
            _ => None,
        }
    }
}

thread_local! {
    static CPU: Cell<u32> = const { Cell::new(0) };
}

/// The logical CPU of the calling thread: 0 outside of [`on_cpu`].
#[must_use]
pub fn this_cpu() -> u32 {
    CPU.get()
}

/// Runs `body` as logical CPU `cpu`.
pub fn on_cpu<T>(cpu: u32, body: impl FnOnce() -> T) -> T {
    struct Back(u32);
    impl Drop for Back {
        fn drop(&mut self) {
            CPU.set(self.0);
        }
    }
    let _back = Back(CPU.replace(cpu));
    body()
}
