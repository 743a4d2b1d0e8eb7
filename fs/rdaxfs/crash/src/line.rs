// SPDX-License-Identifier: GPL-2.0

//! What one cache line of the medium may hold.

use std::collections::BTreeSet;

use crate::image::LINE_WORDS;

/// A store that may be on the medium or not.
#[derive(Clone, Copy, Debug)]
struct Store {
    /// When; later ones have greater numbers.
    time: usize,
    word: usize,
    value: u64,
    /// Past the cache.
    streamed: bool,
}

/// A line of which something is undecided.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The words as they are if none of `stores` has arrived.
    base: [u64; LINE_WORDS],
    /// In the order of time.
    stores: Vec<Store>,
}

impl Line {
    pub(crate) fn new(base: [u64; LINE_WORDS]) -> Self {
        Self {
            base,
            stores: Vec::new(),
        }
    }

    pub(crate) fn store(&mut self, time: usize, word: usize, value: u64, streamed: bool) {
        self.stores.push(Store {
            time,
            word,
            value,
            streamed,
        });
    }

    /// The ordinary stores up to `time` are on the medium.
    pub(crate) fn settle_cached(&mut self, time: usize) {
        let mut newest = [None; LINE_WORDS];
        for store in self
            .stores
            .iter()
            .filter(|store| !store.streamed && store.time <= time)
        {
            newest[store.word] = Some(store.time);
        }
        for (word, newest) in newest.into_iter().enumerate() {
            if let Some(newest) = newest {
                self.settle(word, newest);
            }
        }
    }

    /// The store to `word` at `time` is on the medium, or a later one to it.
    pub(crate) fn settle(&mut self, word: usize, time: usize) {
        let decided = |store: &Store| store.word == word && store.time <= time;
        if let Some(newest) = self.stores.iter().rfind(|store| decided(store)) {
            self.base[word] = newest.value;
        }
        self.stores.retain(|store| !decided(store));
    }

    pub(crate) fn is_decided(&self) -> bool {
        self.stores.is_empty()
    }

    pub(crate) fn base(&self) -> &[u64; LINE_WORDS] {
        &self.base
    }

    pub(crate) fn set_base(&mut self, word: usize, value: u64) {
        self.base[word] = value;
    }

    /// What the line may hold.
    pub(crate) fn states(&self) -> LineStates {
        let cached: Vec<usize> = self
            .stores
            .iter()
            .filter(|store| !store.streamed)
            .map(|store| store.time)
            .collect();
        let cuts = std::iter::once(None).chain(cached.into_iter().map(Some));
        LineStates {
            cuts: cuts
                .map(|cut| std::array::from_fn(|word| self.values(word, cut)))
                .collect(),
        }
    }

    /// The values of a word, oldest first, if the ordinary stores up to `cut` have arrived and none
    /// behind it.
    fn values(&self, word: usize, cut: Option<usize>) -> Vec<u64> {
        let mut values = vec![self.base[word]];
        for store in self.stores.iter().filter(|store| store.word == word) {
            if store.streamed {
                values.push(store.value);
            } else if Some(store.time) <= cut {
                // What was stored to this word before can be seen no more.
                values = vec![store.value];
            }
        }
        values
    }
}

/// The contents that a line may have: for each number of ordinary stores that may have arrived, in order,
/// the values that each word may then have, whatever the other words have.
#[derive(Clone, Debug)]
pub struct LineStates {
    pub(crate) cuts: Vec<[Vec<u64>; LINE_WORDS]>,
}

impl LineStates {
    /// Every content, written out.
    #[must_use]
    pub fn contents(&self) -> BTreeSet<[u64; LINE_WORDS]> {
        let mut all = BTreeSet::new();
        for cut in &self.cuts {
            let mut some = vec![[0; LINE_WORDS]];
            for (word, values) in cut.iter().enumerate() {
                let with = |line: &[u64; LINE_WORDS]| {
                    let line = *line;
                    values.iter().map(move |&value| {
                        let mut line = line;
                        line[word] = value;
                        line
                    })
                };
                some = some.iter().flat_map(with).collect();
            }
            all.extend(some);
        }
        all
    }

    /// The word's value when everything has arrived.
    pub(crate) fn newest(&self, word: usize) -> Option<u64> {
        self.cuts.last().and_then(|cut| cut[word].last()).copied()
    }
}
