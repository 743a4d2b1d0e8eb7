// SPDX-License-Identifier: GPL-2.0

//! Names: where they lead, and what has none.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, entry_type, inode_block, inode_offset, inode_slot, Inode, InodeChunk, CHUNK_FULL,
    INODE_CHUNK_MAGIC, INODE_CRC, INODE_MAGIC, S_IFDIR, S_IFMT,
};
use rdaxfs_core::platform::{Digest, Medium};
use zerocopy::{FromZeros, IntoBytes};

use crate::directory::{shown, without};
use crate::finding::{Finding, Fix, Problem, Word};
use crate::image::Image;
use crate::inodes::find_by_name;
use crate::progress::Progress;
use crate::survey::Survey;

/// Follows all names, and counts links.
pub(crate) fn judge<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    progress: &mut impl FnMut(Progress),
) {
    let root = image.superblock.root.get();
    find_by_name(image, survey, root, entry_type(S_IFDIR));
    if !is_directory(survey, root) {
        survey.add(new_root(image, root));
        return;
    }
    let mut done = BTreeSet::new();
    // A name may lead to directories that were not known before.
    loop {
        let next = survey
            .entries
            .keys()
            .copied()
            .find(|ino| !done.contains(ino));
        let Some(directory) = next else { break };
        progress(Progress {
            part: "names",
            done: done.len() as u64,
            all: survey.entries.len() as u64,
        });
        done.insert(directory);
        judge_entries(image, survey, root, directory);
    }
    judge_connections(survey, root);
    judge_links(survey, root);
}

/// The root directory is lost: an empty one takes its place, so that the rest gets names in
/// lost+found.
fn new_root<M: Medium + Digest>(image: &Image<'_, M>, root: u64) -> Finding {
    let what = "the root directory is lost; an empty one takes its place";
    let problem = Problem::Inode { ino: root, what };
    let (block, slot) = (inode_block(root), inode_slot(root));
    if slot == 0 || !image.is_run(block, 1) {
        return Finding {
            problem,
            fix: Fix::None,
        };
    }
    let mut inode = Inode::new_zeroed();
    inode.magic.set(INODE_MAGIC);
    inode.ino.set(root);
    inode.generation.set(1);
    inode.mode.set(S_IFDIR | 0o755);
    inode.links.set(2);
    inode.parent.set(root);
    inode.crc.set(image.crc(&inode.as_bytes()[INODE_CRC]));
    let words = inode
        .as_bytes()
        .chunks_exact(8)
        .enumerate()
        .map(|(at, bytes)| {
            let word = bytes.try_into().expect("the chunks have 8 bytes");
            (inode_offset(root) + 8 * at as u64, u64::from_le_bytes(word))
        });
    let mut words: Vec<Word> = words.collect();
    let base = block_offset(block);
    let used_at = base + offset_of!(InodeChunk, used) as u64;
    let crc = image.crc(&block.to_le_bytes());
    let used = image
        .get::<InodeChunk>(base)
        .map_or(0, |chunk| chunk.used.get() & CHUNK_FULL);
    words.extend([
        (base, u64::from(INODE_CHUNK_MAGIC) | u64::from(crc) << 32),
        (base + offset_of!(InodeChunk, block) as u64, block),
        (used_at, used | 1 << slot),
    ]);
    Finding::words(problem, words)
}

fn is_directory(survey: &Survey, ino: u64) -> bool {
    survey
        .inodes
        .get(&ino)
        .is_some_and(|info| info.inode.mode.get() & S_IFMT == S_IFDIR)
}

/// Where a directory's entries lead.
fn judge_entries<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    root: u64,
    directory: u64,
) {
    let Some(entries) = survey.entries.get(&directory).cloned() else {
        return;
    };
    let mut bad = BTreeSet::new();
    let mut problems = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let known = survey.inodes.contains_key(&entry.ino)
            || find_by_name(image, survey, entry.ino, entry.kind);
        let judged = if known {
            judge_target(survey, root, entry.ino, entry.kind)
        } else {
            Err("leads to no inode; it is removed")
        };
        match judged {
            Ok(()) => {
                if let Some(info) = survey.inodes.get_mut(&entry.ino) {
                    info.names.push((directory, entry.name.clone()));
                }
            }
            Err(what) => {
                bad.insert(number);
                problems.push(Problem::Entry {
                    ino: directory,
                    name: shown(&entry.name),
                    what,
                });
            }
        }
    }
    let Some(info) = survey.inodes.get(&directory) else {
        return;
    };
    let words = without(&info.inode, &entries, &bad);
    for problem in problems {
        survey.add(Finding::words(problem, words.clone()));
    }
}

fn judge_target(survey: &Survey, root: u64, ino: u64, kind: u8) -> Result<(), &'static str> {
    let Some(info) = survey.inodes.get(&ino) else {
        return Err("leads to no inode; it is removed");
    };
    if entry_type(info.inode.mode.get()) != kind {
        return Err("says another type than the inode; it is removed");
    }
    if ino == root {
        return Err("leads to the root directory; it is removed");
    }
    if ino == survey.bad_blocks_owner {
        return Err("leads to the owner of the bad blocks; it is removed");
    }
    if info.inode.mode.get() & S_IFMT == S_IFDIR && !info.names.is_empty() {
        return Err("leads to a directory that has a name already; it is removed");
    }
    Ok(())
}

/// Which directories cannot be reached from the root.
fn judge_connections(survey: &mut Survey, root: u64) {
    let mut children: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (&ino, info) in &survey.inodes {
        for (directory, _) in &info.names {
            children.entry(*directory).or_default().push(ino);
        }
    }
    let mut reached = BTreeSet::from([root]);
    let mut left = vec![root];
    while let Some(ino) = left.pop() {
        for &child in children.get(&ino).map_or(&[][..], Vec::as_slice) {
            if reached.insert(child) {
                left.push(child);
            }
        }
    }
    // Those that have names, but not from the root: a circle of directories somewhere. The first
    // loses its name; then it has none, and what is below it is found below it.
    let circle = survey.inodes.iter().find(|(ino, info)| {
        !reached.contains(ino) && info.inode.mode.get() & S_IFMT == S_IFDIR && {
            !info.names.is_empty() && is_in_circle(survey, **ino)
        }
    });
    let Some((&ino, info)) = circle else { return };
    let Some((directory, name)) = info.names.first().cloned() else {
        return;
    };
    let Some(entries) = survey.entries.get(&directory) else {
        return;
    };
    let bad = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.ino == ino && entry.name == name);
    let bad = bad.map(|(number, _)| number).collect();
    let Some(holder) = survey.inodes.get(&directory) else {
        return;
    };
    let words = without(&holder.inode, entries, &bad);
    let what = "is part of a circle of directories; it is removed";
    let problem = Problem::Entry {
        ino: directory,
        name: shown(&name),
        what,
    };
    survey.add(Finding::words(problem, words));
}

/// Whether the way up from a directory leads to it again.
fn is_in_circle(survey: &Survey, ino: u64) -> bool {
    let mut at = ino;
    for _ in 0..=survey.inodes.len() {
        let Some((parent, _)) = survey.inodes.get(&at).and_then(|info| info.names.first()) else {
            return false;
        };
        at = *parent;
        if at == ino {
            return true;
        }
    }
    false
}

/// Whether link counts and parents are those of the names, and what has no name.
fn judge_links(survey: &mut Survey, root: u64) {
    let mut subdirectories: BTreeMap<u64, u64> = BTreeMap::new();
    for info in survey.inodes.values() {
        if info.inode.mode.get() & S_IFMT == S_IFDIR {
            if let Some((parent, _)) = info.names.first() {
                *subdirectories.entry(*parent).or_default() += 1;
            }
        }
    }
    let mut findings = Vec::new();
    let mut gone = Vec::new();
    for (&ino, info) in &survey.inodes {
        let links = u64::from(info.inode.links.get());
        let is_directory = info.inode.mode.get() & S_IFMT == S_IFDIR;
        let names = info.names.len() as u64;
        let of_directory = 2 + subdirectories.get(&ino).copied().unwrap_or(0);
        if ino == survey.bad_blocks_owner {
            // The superblock's is its only one.
            findings.extend(wrong_links(ino, links, 1));
            continue;
        }
        if names == 0 && ino != root {
            // A directory that waits to be freed has no entries, nor blocks for them.
            let has_entries = is_directory && info.inode.root.get() != 0;
            if links == 0 && !has_entries && info.inode.orphan_prev.get() != 0 {
                continue;
            }
            if is_directory && (links != 0 || has_entries) {
                // Its new name does not change what its subdirectories are to it.
                findings.extend(wrong_links(ino, links, of_directory));
            }
            if links == 0 && has_entries {
                continue;
            }
            if links == 0 {
                let what = "has no links and waits for nothing; it is freed";
                findings.push((Problem::Inode { ino, what }, None));
                gone.push(ino);
            } else {
                findings.push((Problem::Unconnected { ino }, Some(Fix::Reconnect { ino })));
            }
            continue;
        }
        let expected = if is_directory { of_directory } else { names };
        findings.extend(wrong_links(ino, links, expected));
        if is_directory {
            let parent = info.names.first().map_or(root, |(parent, _)| *parent);
            let found = info.inode.parent.get();
            findings.extend(wrong_number(
                ino,
                (offset_of!(Inode, parent), "parent"),
                (found, parent),
            ));
        }
    }
    // One word of a chunk may be that of several inodes.
    for &ino in &gone {
        if let Some(used) = survey.chunks.get_mut(&inode_block(ino)) {
            *used &= !(1 << inode_slot(ino));
        }
    }
    for (problem, fix) in findings {
        let fix = fix.unwrap_or_else(|| {
            let Problem::Inode { ino, .. } = problem else {
                return Fix::None;
            };
            let block = inode_block(ino);
            let at = block_offset(block) + offset_of!(InodeChunk, used) as u64;
            Fix::Words(
                survey
                    .chunks
                    .get(&block)
                    .map(|&used| (at, used))
                    .into_iter()
                    .collect(),
            )
        });
        survey.add(Finding { problem, fix });
    }
    for ino in gone {
        survey.inodes.remove(&ino);
    }
}

fn wrong_links(ino: u64, found: u64, expected: u64) -> Option<(Problem, Option<Fix>)> {
    let field = (offset_of!(Inode, links), "number of links");
    wrong_number(ino, field, (found, expected))
}

/// What is wrong with a word of an inode that says one thing and should say another.
fn wrong_number(
    ino: u64,
    (field, which): (usize, &'static str),
    (found, expected): (u64, u64),
) -> Option<(Problem, Option<Fix>)> {
    let problem = Problem::InodeNumber {
        ino,
        which,
        found,
        expected,
    };
    let word = (inode_offset(ino) + field as u64, expected);
    (found != expected).then(|| (problem, Some(Fix::Words(vec![word]))))
}
