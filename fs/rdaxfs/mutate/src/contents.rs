// SPDX-License-Identifier: GPL-2.0

//! What the files of a good volume are, and which bytes of it that needs.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::ops::Range;

use rdaxfs_core::format::{
    block_offset, inode_offset, BLOCK_SIZE, INODE_SIZE, MAX_XATTR_VALUE, S_IFLNK, S_IFMT,
};
use rdaxfs_core::inode::XattrState;
use rdaxfs_core::owner::Use;
use rdaxfs_core::{Error, Result};

use crate::session::Session;

/// No file of the corpus is longer.
const LONGEST: u64 = 4 << 20;

/// Something that has a path.
pub struct Known {
    /// The names from the root on.
    pub path: Vec<Vec<u8>>,
    /// A hash of type, size, contents, and attributes.
    pub hash: u64,
    /// The bytes of the volume that say so: inodes, blocks, and those of the directories above.
    pub needs: Vec<Range<usize>>,
}

/// All that has a path. The volume is good.
pub(crate) fn known(session: &mut Session) -> Result<Vec<Known>> {
    let needs = needs(session)?;
    let root = session.volume.root();
    let mut found = Vec::new();
    let mut left = vec![(root, Vec::<Vec<u8>>::new(), needs_of(&needs, root))];
    while let Some((dir, path, above)) = left.pop() {
        for (name, ino) in list(session, dir)? {
            let mut path = path.clone();
            path.push(name);
            let mut all = above.clone();
            all.extend(needs_of(&needs, ino));
            let known = Known {
                path: path.clone(),
                hash: hash(session, ino)?,
                needs: all.clone(),
            };
            found.push(known);
            let is_directory = session.with(ino, |volume, _, map, _| {
                Ok(volume.attributes(map)?.is_directory())
            })?;
            if is_directory {
                left.push((ino, path, all));
            }
        }
    }
    Ok(found)
}

/// Whether a path leads to what it led to.
pub(crate) fn is_there(session: &mut Session, known: &Known) -> bool {
    let mut at = session.volume.root();
    for name in &known.path {
        let found = session.with(at, |volume, _, map, _| volume.lookup(map, name));
        match found {
            Ok(target) => at = target.ino,
            Err(_) => return false,
        }
    }
    hash(session, at) == Ok(known.hash)
}

fn list(session: &mut Session, dir: u64) -> Result<Vec<(Vec<u8>, u64)>> {
    session.with(dir, |volume, workspace, map, _| {
        let mut found = Vec::new();
        volume.readdir(workspace, map, 0, |entry| {
            found.push((entry.name.to_vec(), entry.ino));
            true
        })?;
        Ok(found)
    })
}

fn hash(session: &mut Session, ino: u64) -> Result<u64> {
    session.with(ino, |volume, _, map, _| {
        let attributes = volume.attributes(map)?;
        let mut hasher = DefaultHasher::new();
        (attributes.mode, attributes.uid, attributes.device).hash(&mut hasher);
        if attributes.is_file() {
            if attributes.size > LONGEST {
                return Err(Error::FileTooBig);
            }
            let mut bytes = vec![0; attributes.size as usize];
            volume.read_file(map, 0, &mut bytes)?;
            bytes.hash(&mut hasher);
        }
        if attributes.mode & S_IFMT == S_IFLNK {
            let mut target = vec![0; BLOCK_SIZE as usize];
            let len = volume.readlink(map, &mut target)?;
            target[..len].hash(&mut hasher);
        }
        let xattrs = XattrState::new(map);
        let mut names = Vec::new();
        volume.list_xattrs(&xattrs, |name, _| {
            names.push((name.space(), name.rest().to_vec()));
            Ok(())
        })?;
        let mut value = vec![0; MAX_XATTR_VALUE];
        for (space, rest) in names {
            let name = rdaxfs_core::xattr::XattrName::new(space, &rest)?;
            let len = volume.get_xattr(&xattrs, name, &mut value)?;
            (rest, &value[..len]).hash(&mut hasher);
        }
        Ok(hasher.finish())
    })
}

fn needs_of(needs: &BTreeMap<u64, BTreeSet<u64>>, ino: u64) -> Vec<Range<usize>> {
    let inode = inode_offset(ino) as usize;
    let blocks = needs.get(&ino).into_iter().flatten().map(|&block| {
        let start = block_offset(block) as usize;
        start..start + BLOCK_SIZE as usize
    });
    std::iter::once(inode..inode + INODE_SIZE as usize)
        .chain(blocks)
        .collect()
}

/// The blocks of each inode.
fn needs(session: &mut Session) -> Result<BTreeMap<u64, BTreeSet<u64>>> {
    let mut inodes = Vec::new();
    let mut at = 0;
    session.begin();
    while let Some(ino) = session.volume.next_inode(at)? {
        inodes.push(ino);
        at = ino;
    }
    let mut needs: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for block in 0..session.volume.blocks() {
        match session.volume.use_of(block)? {
            Use::Node { ino } => {
                needs.entry(ino).or_default().insert(block);
            }
            Use::Data => {
                for &ino in &inodes {
                    let part = session.with(ino, |volume, _, map, _| volume.part_of(map, block));
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
