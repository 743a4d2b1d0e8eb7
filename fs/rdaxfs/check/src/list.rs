// SPDX-License-Identifier: GPL-2.0

//! Lists with links both ways, which begin in a group's header.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Word;

/// What is before and behind a member of a list; 0: nothing.
pub(crate) type Links = (u64, u64);

/// A list, as it is and as it has to be.
pub(crate) struct List {
    /// What the head says.
    pub(crate) head: u64,
    /// All that could be on it, with what they say.
    pub(crate) members: BTreeMap<u64, Links>,
    /// Those of them that have to be on it.
    pub(crate) wanted: Vec<u64>,
    /// The first one has itself before it, because 0 says that one is not on the list.
    pub(crate) first_has_itself: bool,
}

impl List {
    /// Whether all that have to be on it are, once, and nothing else has links.
    pub(crate) fn is_good(&self) -> bool {
        let mut listed = BTreeSet::new();
        let (mut before, mut at) = (0, self.head);
        while let Some(&(prev, next)) = self.members.get(&at) {
            let is_first = before == 0 && self.first_has_itself;
            let expected = if is_first { at } else { before };
            if prev != expected || !listed.insert(at) {
                return false;
            }
            (before, at) = (at, next);
        }
        let mut others = self.members.iter().filter(|(at, _)| !listed.contains(at));
        at == 0 && listed.iter().eq(&self.wanted) && others.all(|(_, links)| *links == (0, 0))
    }

    /// The words that make it good. `head` is the offset of the head, `start` that of a member, and `fields` are
    /// where its links are from there.
    pub(crate) fn words(
        &self,
        head: u64,
        start: fn(u64) -> u64,
        fields: (usize, usize),
    ) -> Vec<Word> {
        let mut words = vec![(head, self.wanted.first().copied().unwrap_or(0))];
        for &at in self.members.keys() {
            let (prev, next) = self.neighbours(at);
            for (field, value) in [(fields.0, prev), (fields.1, next)] {
                words.push((start(at) + field as u64, value));
            }
        }
        words
    }

    /// What has to be before and behind a member.
    fn neighbours(&self, at: u64) -> Links {
        let Ok(place) = self.wanted.binary_search(&at) else {
            return (0, 0);
        };
        let wanted = |place: usize| self.wanted.get(place).copied();
        let prev = match place.checked_sub(1) {
            Some(before) => wanted(before),
            None => self.first_has_itself.then_some(at),
        };
        (prev.unwrap_or(0), wanted(place + 1).unwrap_or(0))
    }
}
