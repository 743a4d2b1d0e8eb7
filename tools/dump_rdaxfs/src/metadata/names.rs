// SPDX-License-Identifier: GPL-2.0

//! What stands in place of names.

use std::collections::{HashMap, HashSet};

use rdaxfs_core::directory::check_name;
use rdaxfs_host::{scrambled_name, siphash, WHOLE_NAME};

/// What stands for a byte that is not to be seen.
pub(super) const HIDDEN: u8 = b'x';

/// Replaces names by others that have the same hash, by the volume's own key.
#[derive(Clone, Copy)]
pub(super) struct Scrambler {
    key: [u64; 2],
}

/// The names of one inode, entries or attributes: different ones stay different, and the same ones the same.
#[derive(Default)]
pub(super) struct Names {
    made: HashMap<Vec<u8>, Vec<u8>>,
    taken: HashSet<Vec<u8>>,
}

impl Scrambler {
    pub(super) const fn new(key: [u64; 2]) -> Self {
        Self { key }
    }

    /// For a name in a leaf, where a short one has room to become longer.
    pub(super) fn in_leaf(self, name: &[u8]) -> Vec<u8> {
        if check_name(name).is_err() {
            return hidden(name);
        }
        self.made(name, 0, name.len().max(WHOLE_NAME))
    }

    /// For a name of which the length has to stay.
    pub(super) fn of_same_length(self, names: &mut Names, name: &[u8]) -> Vec<u8> {
        if check_name(name).is_err() {
            return hidden(name);
        }
        if let Some(made) = names.made.get(name) {
            return made.clone();
        }
        // An inode has fewer names of one length than there are.
        let made = (0..=u8::MAX)
            .map(|attempt| self.made(name, attempt, name.len()))
            .find(|made| !names.taken.contains(made))
            .unwrap_or_else(|| hidden(name));
        names.taken.insert(made.clone());
        names.made.insert(name.to_vec(), made.clone());
        made
    }

    fn made(self, name: &[u8], attempt: u8, len: usize) -> Vec<u8> {
        let hash = siphash(&self.key, name);
        // No name has a NUL.
        let other = siphash(&self.key, &[name, &[0, attempt]].concat());
        scrambled_name(hash, other, len)
    }
}

/// What is no good name stays none, and shows nothing else.
pub(super) fn hidden(name: &[u8]) -> Vec<u8> {
    if matches!(name, b"." | b"..") {
        return name.to_vec();
    }
    let shown = |byte| matches!(byte, 0 | b'/');
    name.iter()
        .map(|&byte| if shown(byte) { byte } else { HIDDEN })
        .collect()
}
