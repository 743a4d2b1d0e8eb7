// SPDX-License-Identifier: GPL-2.0

//! The memory model.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::event::{Event, EventKind};
use crate::image::{Image, LINE_WORDS};
use crate::line::{Line, LineStates};

/// What a crash may leave on persistent memory of an x86 machine, after any part of a log.
///
/// The power-fail protected domain begins at the memory controller (ADR): what has reached it is
/// durable, what is in a cache or in a write-combining buffer is lost, or not, as it happens.
///
/// # Rules
///
/// The chapters are those of Intel's *Software Developer's Manual* (SDM).
///
/// 1. *A word is not torn.* Aligned stores of 8 bytes are atomic (volume 3, "Guaranteed Atomic
///    Operations"), and so is their way into the domain.
/// 2. *Ordinary stores of one line arrive in order.* All CPUs see the stores of one CPU in program order, and
///    agree on the order of stores to one place (volume 3, "Memory Ordering in P6 and More Recent
///    Processor Families"). A cache writes back whole lines, whenever it likes. So the medium has the
///    line as it was at some time since it was last known to be durable: a prefix of its stores.
///    Different lines are independent.
/// 3. *`clwb` starts, `sfence` waits.* `clwb` writes back the line if it is modified in any cache of the
///    coherence domain, whoever stored to it; it is ordered behind older stores of the same CPU to
///    the same line, and otherwise only by fences (volume 2, `CLWB`). Once an `sfence` of the
///    *same* CPU has completed, what the line held at the `clwb` is durable. A fence alone says nothing about a
///    line that was not flushed, and a fence of another CPU says nothing about this one's flushes.
/// 4. *Non-temporal stores arrive in any order.* They are kept in write-combining buffers, which are
///    written whenever and in whatever pieces the CPU likes (volume 1, "Caching of Temporal vs.
///    Non-Temporal Data"; volume 3, "Buffering of Write Combining Memory Locations"). So of a line any
///    subset of words may have arrived. An `sfence` of the same CPU empties the buffers. A `clwb` does not
///    concern them: what they hold is in no cache.
/// 5. *Both kinds in one line.* Stores to one word keep their order, whatever their kinds, since
///    memory is coherent. Beyond that the prefix of the ordinary stores and the subset of the others
///    are taken to be independent. A CPU may do less: the manual lets a non-temporal store evict the
///    line that it hits. The rule allows all that any CPU does, and perhaps more; code should not
///    depend on such a line before its fence.
///
/// The order of the log is the order in which all CPUs see the ordinary stores. Loads see the newest
/// values of the log, non-temporal ones too; that these are seen by *another* CPU before their
/// fence is nothing that the manual promises, and [`Recorder::faults`](crate::Recorder::faults)
/// reports such a load.
///
/// # At which points a crash has to be looked at
///
/// Between two fences of the log the set of states only grows: a store adds states and takes none away,
/// since the one without it stays possible, and a flush changes nothing by itself. Only a fence takes states
/// away. So all states of all points are among those before each fence and at the end. What a check
/// *expects* changes with each [`Step`](crate::Step): so the points before steps count as well.
/// [`explore`](crate::explore()) looks at these only; a test compares that with every position.
#[derive(Clone, Debug)]
pub struct Persistence {
    /// The oldest that the medium may hold.
    settled: Image,
    lines: BTreeMap<u64, Line>,
    cpus: BTreeMap<u32, Waiting>,
    time: usize,
}

/// What becomes durable with a CPU's next fence.
#[derive(Clone, Debug, Default)]
struct Waiting {
    /// Lines, and when they were flushed last.
    flushed: BTreeMap<u64, usize>,
    /// Words, and when they were streamed to last.
    streamed: BTreeMap<u64, usize>,
}

impl Persistence {
    /// Nothing has happened yet to a medium with these contents.
    #[must_use]
    pub fn new(base: Image) -> Self {
        Self {
            settled: base,
            lines: BTreeMap::new(),
            cpus: BTreeMap::new(),
            time: 0,
        }
    }

    /// One more thing happens.
    pub fn apply(&mut self, event: &Event) {
        self.time += 1;
        match event.kind {
            EventKind::Store { word, value } => self.store(word, value, false),
            EventKind::Stream { word, value } => {
                self.store(word, value, true);
                self.cpus
                    .entry(event.cpu)
                    .or_default()
                    .streamed
                    .insert(word, self.time);
            }
            EventKind::Flush { line } => {
                if self.lines.contains_key(&line) {
                    self.cpus
                        .entry(event.cpu)
                        .or_default()
                        .flushed
                        .insert(line, self.time);
                }
            }
            EventKind::Fence => self.fence(event.cpu),
            EventKind::Step(_) => {}
        }
    }

    fn store(&mut self, word: u64, value: u64, streamed: bool) {
        let number = word / LINE_WORDS as u64;
        let line = self
            .lines
            .entry(number)
            .or_insert_with(|| Line::new(self.settled.line(number)));
        line.store(
            self.time,
            (word % LINE_WORDS as u64) as usize,
            value,
            streamed,
        );
    }

    fn fence(&mut self, cpu: u32) {
        let waiting = self.cpus.remove(&cpu).unwrap_or_default();
        for (&number, &time) in &waiting.flushed {
            if let Some(line) = self.lines.get_mut(&number) {
                line.settle_cached(time);
            }
        }
        for (&word, &time) in &waiting.streamed {
            if let Some(line) = self.lines.get_mut(&(word / LINE_WORDS as u64)) {
                line.settle((word % LINE_WORDS as u64) as usize, time);
            }
        }
        let flushed = waiting.flushed.into_keys();
        let streamed = waiting
            .streamed
            .into_keys()
            .map(|word| word / LINE_WORDS as u64);
        for number in flushed.chain(streamed) {
            let Some(line) = self.lines.get(&number) else {
                continue;
            };
            for (word, &value) in (number * LINE_WORDS as u64..).zip(line.base()) {
                self.settled.set_word(word, value);
            }
            if line.is_decided() {
                self.lines.remove(&number);
            }
        }
    }

    /// The medium without all that may not have arrived.
    #[must_use]
    pub fn settled(&self) -> &Image {
        &self.settled
    }

    /// A word of which nobody knew what it was before: the medium is one after a crash.
    pub(crate) fn decide(&mut self, word: u64, value: u64) {
        self.settled.set_word(word, value);
        if let Some(line) = self.lines.get_mut(&(word / LINE_WORDS as u64)) {
            line.set_base((word % LINE_WORDS as u64) as usize, value);
        }
    }

    /// What a crash here may leave.
    #[must_use]
    pub fn undecided(&self) -> Undecided {
        let lines = self
            .lines
            .iter()
            .map(|(&number, line)| (number, line.states()));
        Undecided {
            settled: self.settled.clone(),
            lines: Arc::new(lines.collect()),
        }
    }
}

/// The states of a medium: what is certain, and what the other lines may hold.
#[derive(Clone, Debug)]
pub struct Undecided {
    /// The medium without all that may not have arrived.
    pub settled: Image,
    /// The lines of which something may have arrived.
    pub lines: Arc<HashMap<u64, LineStates>>,
}
