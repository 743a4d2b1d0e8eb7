// SPDX-License-Identifier: GPL-2.0

//! The entries of a directory.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, fingerprint, inode_offset, key_of_hash, last_key, target_ino, target_kind,
    target_len, EntryHead, Inode, NodeHeader, Root, DIRECTORY_LEAF_MAGIC, FINGERPRINTS, FIRST_LINE,
    LINE, LINES, MAX_KEY, MIN_KEY,
};
use rdaxfs_core::platform::{Digest, Medium};

use crate::entry::{Entry, Place};
use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::node::{leaves, Leaf, Owner};
use crate::survey::Survey;

/// A name as it can be shown.
pub(crate) fn shown(name: &[u8]) -> String {
    terminal::safe(name)
}

/// Claims a directory's blocks and returns its entries.
pub(crate) fn entries<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    inode: &Inode,
    root: Root,
) -> Vec<Entry> {
    let ino = inode.ino.get();
    let mut found = Vec::new();
    match root {
        Root::Entries(len) => inline(image, survey, inode, usize::from(len), &mut found),
        Root::DirectoryTree { block, level } => {
            let owner = Owner {
                ino,
                generation: inode.generation.get(),
                leaf_magic: DIRECTORY_LEAF_MAGIC,
            };
            // A directory's own keys end below the largest number that the range can have.
            for leaf in leaves(image, survey, owner, (block, level), 0..MAX_KEY + 1) {
                in_leaf(image, survey, ino, &leaf, &mut found);
            }
        }
        _ => {}
    }
    found
}

/// Whether a name may be one.
fn judge_name(name: &[u8]) -> Result<(), &'static str> {
    if matches!(name, b"." | b"..") || name.iter().any(|&byte| byte == 0 || byte == b'/') {
        return Err("is no name; it is removed");
    }
    Ok(())
}

fn inline<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    inode: &Inode,
    len: usize,
    found: &mut Vec<Entry>,
) {
    let ino = inode.ino.get();
    let bytes = &inode.inline[..len];
    let mut kept: Vec<(usize, usize)> = Vec::new();
    let mut keys = HashSet::new();
    let mut problems = Vec::new();
    let mut at = 0;
    while at < len {
        let what = "the inode's entries end within one; it is removed";
        let Some(target) = bytes.get(at..at + 8) else {
            problems.push(Problem::Inode { ino, what });
            break;
        };
        let target = u64::from_le_bytes(target.try_into().expect("it has 8 bytes"));
        let end = at + 8 + target_len(target);
        let Some(name) = bytes.get(at + 8..end) else {
            problems.push(Problem::Inode { ino, what });
            break;
        };
        let judged = judge_name(name).and_then(|()| {
            // The same name twice has the same hash too.
            let fresh = keys.insert(key_of_hash(image.hash(name)));
            if fresh {
                Ok(())
            } else {
                Err("has a name that another has; it is removed")
            }
        });
        match judged {
            Ok(()) => {
                kept.push((at, end));
                found.push(Entry {
                    name: name.to_vec(),
                    ino: target_ino(target),
                    kind: target_kind(target),
                    place: Place::Inline(at),
                });
            }
            Err(what) => problems.push(Problem::Entry {
                ino,
                name: shown(name),
                what,
            }),
        }
        at = end;
    }
    for problem in problems {
        survey.add(Finding::words(problem, inline_words(inode, &kept)));
    }
}

/// The words of an inode that has only those of its entries.
fn inline_words(inode: &Inode, kept: &[(usize, usize)]) -> Vec<Word> {
    // What is behind the last one may be attributes.
    let mut bytes = inode.inline;
    let mut len = 0;
    for &(from, to) in kept {
        bytes[len..len + to - from].copy_from_slice(&inode.inline[from..to]);
        len += to - from;
    }
    let root = if len == 0 {
        Root::Empty
    } else {
        Root::Entries(len as u8)
    };
    let base = inode_offset(inode.ino.get());
    let mut words = vec![(base + offset_of!(Inode, root) as u64, root.to_word())];
    for (at, bytes) in bytes[..len.next_multiple_of(8)].chunks_exact(8).enumerate() {
        let word = u64::from_le_bytes(bytes.try_into().expect("the chunks have 8 bytes"));
        words.push((base + (offset_of!(Inode, inline) + 8 * at) as u64, word));
    }
    words
}

fn in_leaf<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    ino: u64,
    leaf: &Leaf,
    found: &mut Vec<Entry>,
) {
    let header: NodeHeader = leaf.bytes.get(0);
    let (starts, more) = (header.word.get(), header.more.get());
    let mut kept: BTreeMap<u64, Entry> = BTreeMap::new();
    let mut problems = Vec::new();
    // What the words have to say, and the fingerprints.
    let (mut good_starts, mut good_more) = (0_u64, 0_u64);
    let mut prints = [0_u8; LINES];
    prints.copy_from_slice(&leaf.bytes.bytes()[FINGERPRINTS..FINGERPRINTS + LINES]);
    for line in (0..LINES).filter(|line| starts >> line & 1 == 1) {
        let judged = judge_entry(image, leaf, line, (good_starts | good_more, starts));
        let (entry, key, lines) = match judged {
            Ok(judged) => judged,
            Err((name, what)) => {
                problems.push(Problem::Entry { ino, name, what });
                continue;
            }
        };
        if kept.contains_key(&key) {
            let what = "has a key that another has; it is removed";
            problems.push(Problem::Entry {
                ino,
                name: shown(&entry.name),
                what,
            });
            continue;
        }
        good_starts |= 1 << line;
        good_more |= lines & !(1 << line);
        if prints[line] != fingerprint(key) {
            prints[line] = fingerprint(key);
            let what = "has a wrong fingerprint";
            problems.push(Problem::Entry {
                ino,
                name: shown(&entry.name),
                what,
            });
        }
        kept.insert(key, entry);
    }
    if problems.is_empty() && good_more != more {
        let what = "has wrong marks of lines in use";
        problems.push(Problem::Node {
            ino,
            block: leaf.block,
            what,
        });
    }
    let base = block_offset(leaf.block);
    for problem in problems {
        let mut words = vec![
            (base + offset_of!(NodeHeader, word) as u64, good_starts),
            (base + offset_of!(NodeHeader, more) as u64, good_more),
        ];
        for (at, bytes) in prints.chunks_exact(8).enumerate() {
            let word = u64::from_le_bytes(bytes.try_into().expect("the chunks have 8 bytes"));
            words.push((base + (FINGERPRINTS + 8 * at) as u64, word));
        }
        survey.add(Finding::words(problem, words));
    }
    found.extend(kept.into_values().map(|mut entry| {
        if let Place::Leaf { starts, more, .. } = &mut entry.place {
            (*starts, *more) = (good_starts, good_more);
        }
        entry
    }));
}

/// An entry with its key and the lines that it takes.
fn judge_entry<M: Medium + Digest>(
    image: &Image<'_, M>,
    leaf: &Leaf,
    line: usize,
    (taken, starts): (u64, u64),
) -> Result<(Entry, u64, u64), (String, &'static str)> {
    let nameless = |what| (format!("line {line} of block {}", leaf.block), what);
    if line < FIRST_LINE {
        return Err(nameless("is where none can be; it is removed"));
    }
    let unreadable = "cannot be read; it is removed";
    if leaf.bytes.is_lost(line * LINE) {
        return Err(nameless(unreadable));
    }
    let head: EntryHead = leaf.bytes.get(line * LINE);
    let (key, target) = (head.key.get(), head.target.get());
    let len = target_len(target);
    let count = (size_of::<EntryHead>() + len).div_ceil(LINE);
    if len > 255 || line + count > LINES {
        return Err(nameless("is longer than its leaf; it is removed"));
    }
    let lines = (u64::MAX >> (64 - count)) << line;
    if lines & leaf.bytes.lost() != 0 {
        return Err(nameless(unreadable));
    }
    let at = line * LINE + size_of::<EntryHead>();
    let name = &leaf.bytes.bytes()[at..at + len];
    let named = |what| (shown(name), what);
    judge_name(name).map_err(named)?;
    if lines & taken != 0 || (lines & !(1 << line)) & starts != 0 {
        return Err(named("overlaps another; it is removed"));
    }
    let first = key_of_hash(image.hash(name));
    if !(first..=last_key(first)).contains(&key) || key < MIN_KEY || !leaf.keys.contains(&key) {
        return Err(named("has a key that is not its name's; it is removed"));
    }
    let entry = Entry {
        name: name.to_vec(),
        ino: target_ino(target),
        kind: target_kind(target),
        place: Place::Leaf {
            block: leaf.block,
            lines,
            starts: 0,
            more: 0,
        },
    };
    Ok((entry, key, lines))
}

/// The words that take entries (by their numbers in `all`) out of their directory.
pub(crate) fn without(directory: &Inode, all: &[Entry], bad: &BTreeSet<usize>) -> Vec<Word> {
    let mut leaves: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut kept = Vec::new();
    let mut inline = false;
    for (number, entry) in all.iter().enumerate() {
        match entry.place {
            Place::Inline(_) if bad.contains(&number) => inline = true,
            Place::Inline(at) => kept.push((at, at + 8 + entry.name.len())),
            Place::Leaf {
                block,
                lines,
                starts,
                more,
            } if bad.contains(&number) => {
                let left = leaves.entry(block).or_insert((starts, more));
                *left = (left.0 & !lines, left.1 & !lines);
            }
            Place::Leaf { .. } => {}
        }
    }
    let mut words = if inline {
        inline_words(directory, &kept)
    } else {
        Vec::new()
    };
    for (block, (starts, more)) in leaves {
        let base = block_offset(block);
        words.push((base + offset_of!(NodeHeader, word) as u64, starts));
        words.push((base + offset_of!(NodeHeader, more) as u64, more));
    }
    words
}
