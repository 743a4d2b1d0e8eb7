// SPDX-License-Identifier: GPL-2.0

//! What the files of a good volume are, and which bytes of it that needs.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::ops::Range;

use rdaxfs_core::format::{
    inode_block, inode_offset, BLOCK_BYTES, BLOCK_SIZE, INODE_SIZE, MAX_XATTR_VALUE, S_IFLNK,
    S_IFMT,
};
use rdaxfs_core::inode::XattrState;
use rdaxfs_core::owner::Use;
use rdaxfs_core::platform::CACHE_LINE;
use rdaxfs_core::{Error, Result};

use crate::memory::Moment;
use crate::session::Session;
use crate::Memory;

/// No file of the corpus is longer.
const LONGEST: u64 = 4 << 20;

/// Everything of a good volume that has a path.
#[derive(Default)]
pub(crate) struct Known {
    /// Directories before what is in them.
    entries: Vec<Entry>,
    /// For each block the entries that need bytes of it, and which.
    needs: BTreeMap<u64, Vec<(usize, Range<usize>)>>,
}

struct Entry {
    /// The number of the directory's entry; [`None`] for the root directory.
    above: Option<usize>,
    name: Vec<u8>,
    ino: u64,
    /// A hash of type, size, contents, and attributes.
    hash: u64,
    /// The blocks that say so, those of the directories above among them.
    blocks: BTreeSet<u64>,
}

impl Known {
    /// All that has a path. The volume is good.
    pub(crate) fn of(session: &mut Session) -> Result<Self> {
        let needs = needs(session)?;
        let root = session.volume.root();
        let mut known = Self::default();
        let mut left = vec![(root, None, needs_of(&needs, root))];
        while let Some((dir, above, all_above)) = left.pop() {
            for (name, ino) in list(session, dir)? {
                let number = known.entries.len();
                let mut all = all_above.clone();
                all.extend(needs_of(&needs, ino));
                for (block, range) in &all {
                    let of_block = known.needs.entry(*block).or_default();
                    of_block.push((number, range.clone()));
                }
                known.entries.push(Entry {
                    above,
                    name,
                    ino,
                    hash: hash(session, ino)?,
                    blocks: all.iter().map(|&(block, _)| block).collect(),
                });
                let is_directory = session.with(ino, |volume, _, map, _| {
                    Ok(volume.inodes().attributes(map)?.is_directory())
                })?;
                if is_directory {
                    left.push((ino, Some(number), all));
                }
            }
        }
        Ok(known)
    }

    /// The numbers of the entries of which no byte differs from that moment.
    pub(crate) fn untouched(&self, medium: &Memory, good: Moment) -> Vec<usize> {
        let mut touched = BTreeSet::new();
        for block in medium.changed_since(good) {
            for (number, range) in self.needs.get(&block).into_iter().flatten() {
                if !medium.is_as_at(good, block, range.clone()) {
                    touched.insert(*number);
                }
            }
        }
        (0..self.entries.len())
            .filter(|number| !touched.contains(number))
            .collect()
    }

    /// The numbers of the entries that do not need the line there.
    pub(crate) fn without_need_of(&self, offset: u64) -> Vec<usize> {
        let (block, start) = (offset / BLOCK_SIZE, (offset % BLOCK_SIZE) as usize);
        let line = start..start + CACHE_LINE;
        let needs = self.needs.get(&block).into_iter().flatten();
        let touched: BTreeSet<usize> = needs
            .filter(|(_, range)| range.start < line.end && line.start < range.end)
            .map(|(number, _)| *number)
            .collect();
        (0..self.entries.len())
            .filter(|number| !touched.contains(number))
            .collect()
    }

    /// Which of some entries are not where and as they were; directories come before what is in them.
    pub(crate) fn lost(
        &self,
        session: &mut Session,
        (medium, good): (&Memory, Moment),
        numbers: &[usize],
    ) -> Vec<usize> {
        let changed: BTreeSet<u64> = medium.changed_since(good).into_iter().collect();
        let mut found: BTreeMap<usize, u64> = BTreeMap::new();
        let mut lost = Vec::new();
        for &number in numbers {
            let entry = &self.entries[number];
            let above = match entry.above {
                None => Some(session.volume.root()),
                Some(above) => found.get(&above).copied(),
            };
            let target = above.map(|above| {
                session.with(above, |volume, _, map, _| {
                    volume.names().lookup(map, &entry.name)
                })
            });
            let Some(Ok(target)) = target else {
                lost.push(number);
                continue;
            };
            found.insert(number, target.ino);
            // Of blocks that nobody has changed the core reads what it read before.
            let is_same = target.ino == entry.ino && changed.is_disjoint(&entry.blocks);
            let is_there = if is_same {
                session.with(target.ino, |_, _, _, _| Ok(())).is_ok()
            } else {
                hash(session, target.ino) == Ok(entry.hash)
            };
            if !is_there {
                lost.push(number);
            }
        }
        lost
    }

    /// An entry's path.
    pub(crate) fn path(&self, number: usize) -> String {
        let entry = &self.entries[number];
        let above = entry.above.map_or(String::new(), |above| self.path(above));
        format!("{above}/{}", entry.name.escape_ascii())
    }
}

fn list(session: &mut Session, dir: u64) -> Result<Vec<(Vec<u8>, u64)>> {
    session.with(dir, |volume, workspace, map, _| {
        let mut found = Vec::new();
        volume.names().readdir(workspace, map, 0, |entry| {
            found.push((entry.name.to_vec(), entry.ino));
            true
        })?;
        Ok(found)
    })
}

fn hash(session: &mut Session, ino: u64) -> Result<u64> {
    session.with(ino, |volume, _, map, _| {
        let attributes = volume.inodes().attributes(map)?;
        let mut hasher = DefaultHasher::new();
        (attributes.mode, attributes.uid, attributes.device).hash(&mut hasher);
        if attributes.is_file() {
            if attributes.size > LONGEST {
                return Err(Error::FileTooBig);
            }
            let mut bytes = vec![0; attributes.size as usize];
            volume.files().read(map, 0, &mut bytes)?;
            bytes.hash(&mut hasher);
        }
        if attributes.mode & S_IFMT == S_IFLNK {
            let mut target = vec![0; BLOCK_SIZE as usize];
            let len = volume.names().readlink(map, &mut target)?;
            target[..len].hash(&mut hasher);
        }
        let xattrs = XattrState::new(map);
        let mut names = Vec::new();
        volume.xattrs().list(&xattrs, |name, _| {
            names.push((name.space(), name.rest().to_vec()));
            Ok(())
        })?;
        let mut value = vec![0; MAX_XATTR_VALUE];
        for (space, rest) in names {
            let name = rdaxfs_core::xattr::XattrName::new(space, &rest)?;
            let len = volume.xattrs().get(&xattrs, name, &mut value)?;
            (rest, &value[..len]).hash(&mut hasher);
        }
        Ok(hasher.finish())
    })
}

/// A block and bytes of it.
type Place = (u64, Range<usize>);

fn needs_of(needs: &BTreeMap<u64, BTreeSet<u64>>, ino: u64) -> Vec<Place> {
    let start = (inode_offset(ino) % BLOCK_SIZE) as usize;
    let own = (inode_block(ino), start..start + INODE_SIZE as usize);
    let blocks = needs.get(&ino).into_iter().flatten();
    std::iter::once(own)
        .chain(blocks.map(|&block| (block, 0..BLOCK_BYTES)))
        .collect()
}

/// The blocks of each inode.
fn needs(session: &mut Session) -> Result<BTreeMap<u64, BTreeSet<u64>>> {
    // What nobody has written, unwritten extents have.
    let written = session.medium.written();
    let mut inodes = Vec::new();
    let mut at = 0;
    session.begin();
    while let Some(ino) = session.volume.inodes().next(at)? {
        inodes.push(ino);
        at = ino;
    }
    let mut needs: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for block in written {
        match session.volume.owners().use_of(block)? {
            Use::Node { ino } => {
                needs.entry(ino).or_default().insert(block);
            }
            Use::Data => {
                for &ino in &inodes {
                    let part =
                        session.with(ino, |volume, _, map, _| volume.owners().part_of(map, block));
                    if part?.is_some() {
                        needs.entry(ino).or_default().insert(block);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(needs)
}
