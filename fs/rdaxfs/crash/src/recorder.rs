// SPDX-License-Identifier: GPL-2.0

//! The medium in DRAM.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::event::{this_cpu, Event, EventKind, Log, Site, Step};
use crate::image::{Image, LINE_BYTES, WORD_BYTES};
use crate::oracle::{Choice, Oracle, Policy};
use crate::persistence::Undecided;
use crate::schedule;

/// Digests of states in which the runs of one search have been, and by which decisions the first came there.
pub(crate) type Known = Mutex<HashMap<u64, Vec<usize>>>;

/// A medium that remembers what happens to it.
///
/// Loads see the newest values. What a crash leaves is what
/// [`Persistence`](crate::Persistence) makes of the [`log`](Self::log). All calls may come from any
/// thread; [`on_cpu`](crate::on_cpu) says which logical CPU it is.
///
/// A call that no medium can do (an offset out of range or not that of a word) does nothing,
/// reads as zeros, and is one of the [`faults`](Self::faults).
#[derive(Debug)]
pub struct Recorder {
    len: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    image: Image,
    log: Log,
    /// A medium after a crash, of which not everything is decided.
    oracle: Option<Oracle>,
    /// Words that were stored to, with their values; only with an oracle.
    written: BTreeMap<u64, u64>,
    /// States in which other runs have been, when all that follows is the same.
    known: Option<Arc<Known>>,
    /// Lines that were read, a bit each.
    lines_read: Vec<u64>,
    /// Words that were streamed to and not fenced, and by which CPU.
    unfenced: HashMap<u64, u32>,
    faults: Vec<String>,
}

impl Recorder {
    /// A medium with these contents, all of it durable.
    #[must_use]
    pub fn new(image: Image) -> Self {
        Self::with(image, None, None)
    }

    /// A medium after a crash.
    pub(crate) fn crashed(
        undecided: &Undecided,
        policy: Policy,
        known: Option<Arc<Known>>,
    ) -> Self {
        let oracle = Oracle::new(undecided.lines.clone(), policy);
        Self::with(undecided.settled.clone(), Some(oracle), known)
    }

    fn with(image: Image, oracle: Option<Oracle>, known: Option<Arc<Known>>) -> Self {
        let len = image.len();
        let lines = (len / LINE_BYTES).div_ceil(u64::from(u64::BITS));
        let log = Log::new(image.clone(), Vec::new());
        let state = State {
            image,
            log,
            oracle,
            written: BTreeMap::new(),
            known,
            lines_read: vec![0; lines as usize],
            unfenced: HashMap::new(),
            faults: Vec::new(),
        };
        Self {
            len,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock is half-done by a panic of the subject, which happens outside.
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies from the medium.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        into.fill(0);
        let mut state = self.state();
        if into.is_empty() || !state.check("read", offset, into.len() as u64, 1) {
            return;
        }
        let end = offset + into.len() as u64;
        for line in offset / LINE_BYTES..end.div_ceil(LINE_BYTES) {
            let first = offset.max(line * LINE_BYTES) / WORD_BYTES;
            let last = end.min((line + 1) * LINE_BYTES).div_ceil(WORD_BYTES);
            state.look(line, first..last);
        }
        state.image.read(offset, into);
    }

    /// Stores a word through the cache.
    #[track_caller]
    pub fn store(&self, offset: u64, value: u64) {
        let mut state = self.state();
        if state.check("store", offset, WORD_BYTES, WORD_BYTES) {
            state.change(Site::caller(), offset / WORD_BYTES, value, false);
        }
    }

    /// Copies past the cache.
    #[track_caller]
    pub fn stream(&self, offset: u64, bytes: &[u8]) {
        let mut state = self.state();
        if !state.check("non-temporal copy", offset, bytes.len() as u64, WORD_BYTES) {
            return;
        }
        for (word, bytes) in (offset / WORD_BYTES..).zip(bytes.chunks_exact(WORD_BYTES as usize)) {
            let value = bytes
                .iter()
                .rev()
                .fold(0, |value, &byte| value << 8 | u64::from(byte));
            state.change(Site::caller(), word, value, true);
        }
    }

    /// Zeroes past the cache.
    #[track_caller]
    pub fn stream_zeros(&self, offset: u64, len: u64) {
        let mut state = self.state();
        if state.check("non-temporal zeroing", offset, len, WORD_BYTES) {
            for word in offset / WORD_BYTES..(offset + len) / WORD_BYTES {
                state.change(Site::caller(), word, 0, true);
            }
        }
    }

    /// Starts the write-back of the lines that have part of the range.
    #[track_caller]
    pub fn flush(&self, offset: u64, len: u64) {
        let mut state = self.state();
        if state.check("flush", offset, len, 1) && len > 0 {
            for line in offset / LINE_BYTES..(offset + len).div_ceil(LINE_BYTES) {
                state.log(Site::caller(), EventKind::Flush { line });
            }
        }
    }

    /// Waits until this CPU's flushed and streamed bytes are durable. Before and after it, another
    /// CPU may take its turn.
    #[track_caller]
    pub fn fence(&self) {
        schedule::turn();
        let mut state = self.state();
        state.log(Site::caller(), EventKind::Fence);
        let cpu = this_cpu();
        state.unfenced.retain(|_, owner| *owner != cpu);
        drop(state);
        schedule::turn();
    }

    /// Notes a step of the operation that runs.
    #[track_caller]
    pub fn step(&self, step: Step) {
        self.state().log(Site::caller(), EventKind::Step(step));
    }

    /// What has happened so far. After a crash its base is one of the states that what
    /// has been read agrees with.
    #[must_use]
    pub fn log(&self) -> Log {
        let state = self.state();
        let mut log = state.log.clone();
        if let Some(oracle) = &state.oracle {
            for (word, value) in oracle.settled() {
                log.base.decide(word, value);
            }
        }
        log
    }

    /// Begins a new log. What has happened so far is the past, in which nothing crashes any more; what of it
    /// may not have arrived still may not.
    pub fn forget(&self) {
        let mut state = self.state();
        for event in std::mem::take(&mut state.log.events) {
            state.log.base.apply(&event);
        }
    }

    /// The newest contents; of words that nobody has read since a crash, old ones.
    #[must_use]
    pub fn image(&self) -> Image {
        self.state().image.clone()
    }

    /// The lines of which something was undecided after the crash, in order.
    #[must_use]
    pub fn undecided_lines(&self) -> Vec<u64> {
        let state = self.state();
        let mut lines: Vec<u64> = state.oracle.iter().flat_map(Oracle::lines).collect();
        lines.sort_unstable();
        lines
    }

    /// How many lines have been read.
    #[must_use]
    pub fn lines_read(&self) -> u64 {
        self.state()
            .lines_read
            .iter()
            .map(|bits| u64::from(bits.count_ones()))
            .sum()
    }

    /// What was asked of the medium that must not be: each makes a check fail.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.state().faults.clone()
    }

    /// Whether another run of the check has been at this place with a medium that is the same as far
    /// as anybody can see from here on: the check may then end with success, because that run
    /// finds what there is to find. A check that calls it must depend on the medium alone from here on, and
    /// on nothing that it has read before: as a mount does that begins from scratch.
    #[must_use]
    #[track_caller]
    pub fn explored(&self) -> bool {
        let state = self.state();
        let (Some(oracle), Some(known)) = (&state.oracle, &state.known) else {
            return false;
        };
        let mut hasher = DefaultHasher::new();
        Site::caller().hash(&mut hasher);
        state.written.hash(&mut hasher);
        oracle.digest(|word| state.image.word(word), &mut hasher);
        let mut known = known
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let path: Vec<usize> = oracle.choices().iter().map(|choice| choice.taken).collect();
        // The search is depth-first: what another path has reached is done with, but
        // the same path comes here once for each state behind it.
        *known.entry(hasher.finish()).or_insert_with(|| path.clone()) != path
    }

    /// What was decided since the crash.
    pub(crate) fn choices(&self) -> Vec<Choice> {
        self.state()
            .oracle
            .as_ref()
            .map(|oracle| oracle.choices().to_vec())
            .unwrap_or_default()
    }
}

impl State {
    /// Somebody looks at words of a line.
    fn look(&mut self, line: u64, words: Range<u64>) {
        self.lines_read[(line / 64) as usize] |= 1 << (line % 64);
        if let Some(oracle) = self.oracle.as_mut().filter(|oracle| oracle.concerns(line)) {
            for word in words.clone() {
                if let Some(value) = oracle.look(word) {
                    self.image.set_word(word, value);
                    self.log.base.decide(word, value);
                }
            }
        }
        if self.unfenced.is_empty() {
            return;
        }
        for word in words {
            match self.unfenced.get(&word) {
                Some(&owner) if owner != this_cpu() => self.faults.push(format!(
                    "CPU {} reads {:#x}, which CPU {owner} has stored to past the cache and not fenced",
                    this_cpu(),
                    word * WORD_BYTES
                )),
                _ => {}
            }
        }
    }

    fn change(&mut self, site: Site, word: u64, value: u64, streamed: bool) {
        if let Some(oracle) = &mut self.oracle {
            oracle.overwrite(word);
            self.written.insert(word, value);
        }
        self.image.set_word(word, value);
        if streamed {
            self.unfenced.insert(word, this_cpu());
            self.log(site, EventKind::Stream { word, value });
        } else {
            self.log(site, EventKind::Store { word, value });
        }
    }

    fn log(&mut self, site: Site, kind: EventKind) {
        self.log.events.push(Event {
            cpu: this_cpu(),
            site,
            kind,
        });
    }

    /// Whether the range can be touched; otherwise a fault.
    fn check(&mut self, what: &str, offset: u64, len: u64, unit: u64) -> bool {
        let inside = offset
            .checked_add(len)
            .is_some_and(|end| end <= self.image.len());
        let aligned = offset % unit == 0 && len % unit == 0;
        if !inside || !aligned {
            let rule = if inside {
                "not aligned to 8"
            } else {
                "beyond the end"
            };
            self.faults
                .push(format!("{what} of {len} bytes at {offset:#x}: {rule}"));
        }
        inside && aligned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_cpu;

    #[test]
    fn notes_who_did_what_where() {
        let medium = Recorder::new(Image::zeroed(4096));
        medium.store(8, 7);
        on_cpu(3, || medium.stream(16, &[1; 16]));
        medium.flush(8, 100);
        medium.fence();
        let events = medium.log().events;
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        assert_eq!(
            kinds,
            [
                EventKind::Store { word: 1, value: 7 },
                EventKind::Stream {
                    word: 2,
                    value: 0x0101_0101_0101_0101
                },
                EventKind::Stream {
                    word: 3,
                    value: 0x0101_0101_0101_0101
                },
                EventKind::Flush { line: 0 },
                EventKind::Flush { line: 1 },
                EventKind::Fence,
            ]
        );
        assert_eq!(
            events.iter().map(|event| event.cpu).collect::<Vec<_>>(),
            [0, 3, 3, 0, 0, 0]
        );
        assert!(events[0].site.file.ends_with("recorder.rs"));
        assert!(events[0].site.line + 1 == events[1].site.line, "{events:?}");
        assert_eq!(medium.faults(), [""; 0]);
    }

    #[test]
    fn what_no_medium_can_do_is_a_fault_and_changes_nothing() {
        let medium = Recorder::new(Image::foreign(4096));
        medium.store(4, 1);
        medium.store(4096, 1);
        medium.stream(8, &[0; 7]);
        medium.stream_zeros(4088, 16);
        medium.flush(u64::MAX, 2);
        let mut beyond = [9; 16];
        medium.read(4090, &mut beyond);
        assert_eq!(beyond, [0; 16]);
        assert_eq!(medium.faults().len(), 6, "{:?}", medium.faults());
        assert_eq!(medium.image(), Image::foreign(4096));
    }

    #[test]
    fn another_cpu_must_not_read_what_is_streamed_before_the_fence() {
        let medium = Recorder::new(Image::zeroed(4096));
        medium.stream(0, &[5; 8]);
        let mut word = [0; 8];
        medium.read(0, &mut word);
        assert_eq!(medium.faults(), [""; 0]);
        on_cpu(1, || medium.read(0, &mut word));
        assert_eq!(medium.faults().len(), 1);
        medium.fence();
        on_cpu(1, || medium.read(0, &mut word));
        assert_eq!(medium.faults().len(), 1);
    }

    #[test]
    fn lines_that_are_read_are_counted_once() {
        let medium = Recorder::new(Image::zeroed(4096));
        medium.read(60, &mut [0; 8]);
        medium.read(0, &mut [0; 64]);
        assert_eq!(medium.lines_read(), 2);
    }
}
