// SPDX-License-Identifier: GPL-2.0

//! Recovers rdaxfs on this machine, by the core that the kernel has too. Only what it reads is decided, so that
//! states which it cannot tell apart are one.

use std::collections::BTreeMap;

use anyhow::Result;
use crashcheck_tree::{Bytes, Entry, Kind, Tree};
use rdaxfs_check::finish_all;
use rdaxfs_core::format::{Time, BLOCK_SIZE, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use rdaxfs_core::inode::XattrState;
use rdaxfs_core::mount::Access;
use rdaxfs_core::xattr::XattrName;
use rdaxfs_core::Error;
use rdaxfs_crash::Recorder;
use rdaxfs_crash_medium::{fsck, Pmem};
use rdaxfs_host::Mounted;

use super::{Found, Judge};
use crate::case::Case;

/// The time of what recovery changes.
const NOW: Time = Time(0);
/// A tree of a workload has far fewer inodes: more are a loop.
const MOST_INODES: usize = 10_000;

/// The core on this machine.
#[derive(Debug, Default)]
pub struct Rdaxfs {
    looked: u64,
}

impl Judge for Rdaxfs {
    fn look(&mut self, _case: &Case, medium: &Recorder) -> Result<Option<Found>> {
        match recover(medium) {
            Ok(None) => Ok(None),
            Ok(Some(tree)) => {
                self.looked += 1;
                Ok(Some(Ok(tree)))
            }
            Err(reason) => {
                self.looked += 1;
                Ok(Some(Err(reason)))
            }
        }
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}

fn failed(what: &'static str) -> impl Fn(Error) -> String {
    move |error| format!("{what}: {error}")
}

fn recover(medium: &Recorder) -> std::result::Result<Option<Tree>, String> {
    drop(Mounted::mount(Pmem(medium), Access::ReadWrite, NOW).map_err(failed("the mount fails"))?);
    if medium.explored() {
        return Ok(None);
    }
    fsck(medium)?;
    let mut mounted = Mounted::mount(Pmem(medium), Access::ReadWrite, NOW)
        .map_err(failed("the second mount fails"))?;
    let tree = walk(&mut mounted).map_err(failed("the tree cannot be read"))?;
    finish_all(&mounted.volume, &mut mounted.workspace)
        .map_err(failed("what was left to do fails"))?;
    let finished = walk(&mut mounted).map_err(failed("the tree cannot be read"))?;
    if finished != tree {
        return Err("what was left to do is not read as done".into());
    }
    mounted.unmount().map_err(failed("the unmount fails"))?;
    fsck(medium)?;
    Ok(Some(tree))
}

type Volume<'m> = Mounted<Pmem<'m>>;

fn walk(mounted: &mut Volume<'_>) -> rdaxfs_core::Result<Tree> {
    let mut tree = Tree::default();
    let mut inodes = BTreeMap::new();
    let root = mounted.volume.root();
    below(mounted, root, String::new(), &mut inodes, &mut tree)?;
    Ok(tree)
}

fn below(
    mounted: &mut Volume<'_>,
    ino: u64,
    name: String,
    inodes: &mut BTreeMap<u64, String>,
    tree: &mut Tree,
) -> rdaxfs_core::Result<()> {
    if tree.entries.len() > MOST_INODES {
        return Err(Error::Corrupt);
    }
    let Mounted { volume, workspace } = mounted;
    let (map, _) = volume.inodes().open(ino, None)?;
    let attributes = volume.inodes().attributes(&map)?;
    let mut children = Vec::new();
    let kind = match attributes.mode & S_IFMT {
        S_IFREG => {
            let mut bytes = vec![
                0;
                usize::try_from(attributes.size)
                    .map_err(|_| Error::Corrupt)?
                    .min(1 << 26)
            ];
            let mut page = 0;
            while let Some(extent) = volume.files().next_extent(&map, page)? {
                let start = extent.page * BLOCK_SIZE;
                let end = (extent.end() * BLOCK_SIZE).min(attributes.size);
                if start < end {
                    let part = bytes
                        .get_mut(start as usize..end as usize)
                        .ok_or(Error::Corrupt)?;
                    let mut done = 0;
                    while done < part.len() {
                        match volume
                            .files()
                            .read(&map, start + done as u64, &mut part[done..])?
                        {
                            0 => break,
                            more => done += more,
                        }
                    }
                }
                page = extent.end();
            }
            Kind::File(Bytes(bytes))
        }
        S_IFDIR => {
            volume.names().readdir(workspace, &map, 0, |entry| {
                children.push((entry.name.to_vec(), entry.ino));
                true
            })?;
            children.sort();
            Kind::Directory
        }
        S_IFLNK => {
            let mut target = [0; 4096];
            let len = volume.names().readlink(&map, &mut target)?;
            Kind::Symlink(String::from_utf8_lossy(&target[..len]).into_owned())
        }
        _ => Kind::Special,
    };
    let states = XattrState::new(&map);
    let mut names = Vec::new();
    volume.xattrs().list(&states, |name, len| {
        names.push((name.space(), name.rest().to_vec(), len));
        Ok(())
    })?;
    let mut xattrs = BTreeMap::new();
    for (space, rest, len) in names {
        let mut value = vec![0; len.max(1)];
        let found = volume
            .xattrs()
            .get(&states, XattrName::new(space, &rest)?, &mut value)?;
        value.truncate(found);
        // Workloads have those of users only.
        xattrs.insert(
            format!("user.{}", String::from_utf8_lossy(&rest)),
            Bytes(value),
        );
    }
    let entry = Entry {
        same_as: inodes.entry(ino).or_insert_with(|| name.clone()).clone(),
        mode: u32::from(attributes.mode & !S_IFMT),
        links: attributes.links,
        kind,
        xattrs,
    };
    tree.entries.insert(name.clone(), entry);
    for (child, ino) in children {
        let child = String::from_utf8_lossy(&child);
        let child = if name.is_empty() {
            child.into_owned()
        } else {
            format!("{name}/{child}")
        };
        below(mounted, ino, child, inodes, tree)?;
    }
    Ok(())
}
