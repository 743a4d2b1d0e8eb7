// SPDX-License-Identifier: GPL-2.0

//! Every operation that changes a volume, on whatever it is.

use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::{Time, XattrSpace, BLOCK_SIZE, S_IFCHR, S_IFREG};
use rdaxfs_core::inode::Change;
use rdaxfs_core::name::{Directories, NewInode, RenameMode, Renamed};
use rdaxfs_core::xattr::{NewXattr, SetMode, XattrName};
use rdaxfs_core::{Error, Result};

use crate::choices::Choices;
use crate::session::{new, Session};
use crate::trial::Tally;
use crate::walk::Found;

/// How many kinds of operations there are.
const KINDS: u64 = 27;
/// More orphans and intents than the corpus has.
const MANY: usize = 64;

/// Does every operation once, some again, and what is left to finish. Errors are what a damaged volume is
/// expected to give.
pub(crate) fn operate(
    session: &mut Session,
    found: &Found,
    choices: &mut Choices<'_>,
    tally: &mut Tally,
) {
    let first = choices.below(KINDS);
    for kind in (0..KINDS).map(|kind| (first + kind) % KINDS) {
        tally.operations += 1;
        tally.succeeded += u64::from(once(session, kind, found, choices).is_ok());
    }
    let times = choices.below(16);
    operate_some(session, found, choices, times, tally);
    finish_all(session);
}

/// Does so many operations, whichever.
pub(crate) fn operate_some(
    session: &mut Session,
    found: &Found,
    choices: &mut Choices<'_>,
    times: u64,
    tally: &mut Tally,
) {
    for _ in 0..times {
        let kind = choices.below(KINDS);
        tally.operations += 1;
        tally.succeeded += u64::from(once(session, kind, found, choices).is_ok());
    }
}

fn finish_all(session: &mut Session) {
    for group in 0..session.volume.groups() {
        // What is not finished stays the first.
        for _ in 0..MANY {
            session.begin();
            let Ok(Some(ino)) = session.volume.inodes().first_unfinished(group) else {
                break;
            };
            let finished = session.with(ino, |volume, workspace, map, _| {
                volume.files().finish(workspace, map)
            });
            if finished.is_err() {
                break;
            }
        }
    }
}

/// Bytes of a file, mostly among its first.
fn place(choices: &mut Choices<'_>) -> u64 {
    if choices.once_in(16) {
        choices.word() >> choices.below(64)
    } else {
        choices.below(600) * BLOCK_SIZE + choices.below(3) * 100
    }
}

fn once(session: &mut Session, kind: u64, found: &Found, choices: &mut Choices<'_>) -> Result {
    let any = |choices: &mut Choices<'_>| choices.of(&found.inodes).copied().unwrap_or(81);
    let root = session.volume.root();
    let ino = any(choices);
    let entry = (root, b"sub".to_vec(), ino);
    let (dir, old, target) = choices.of(&found.entries).cloned().unwrap_or(entry);
    let mut name = vec![b'a' + choices.below(26) as u8; 1 + choices.below(260) as usize];
    if choices.once_in(4) {
        name.clone_from(&old);
    }
    let offset = place(choices);
    let page = offset / BLOCK_SIZE;
    match kind {
        0 => session.create(dir, &name, &new(S_IFREG)).map(drop),
        1 => session.mkdir(dir, &name).map(drop),
        2 => {
            let len = 1 + choices.below(400) as usize;
            session.symlink(dir, &name, &vec![b't'; len]).map(drop)
        }
        3 => session.tmpfile(ino).map(drop),
        4 => session.with_two(dir, ino, |volume, workspace, (dir, map), now| {
            volume
                .names()
                .link(workspace, dir, &name, map, now)
                .map(drop)
        }),
        5 => session.with_two(dir, target, |volume, workspace, (dir, map), now| {
            volume
                .names()
                .unlink(workspace, dir, &old, map, now)
                .map(drop)
        }),
        6 => session.with_two(dir, target, |volume, workspace, (dir, map), now| {
            volume
                .names()
                .rmdir(workspace, dir, &old, map, now)
                .map(drop)
        }),
        7 => {
            let to = any(choices);
            rename(session, (dir, &old, target), (to, &name), choices)
        }
        8 => {
            let len = 1 + choices.below(9000) as usize;
            session.write(ino, offset, &vec![3; len]).map(drop)
        }
        9 => session.with(ino, |volume, workspace, map, now| {
            volume
                .files()
                .truncate(workspace, map, offset, &Change::modified(now))
                .map(drop)
        }),
        10 => session.with(ino, |volume, workspace, map, now| {
            let from = volume.inodes().attributes(map)?.size;
            volume
                .files()
                .set_size(workspace, map, (from, offset), &Change::modified(now))
                .map(drop)
        }),
        11..=13 => {
            let modes = [
                Fallocate::Allocate,
                Fallocate::PunchHole,
                Fallocate::ZeroRange,
            ];
            let range = FallocateRange {
                mode: modes[kind as usize - 11],
                keep_size: choices.once_in(2),
                offset: if choices.once_in(4) { 0 } else { offset },
                len: 1 + place(choices),
            };
            session.with(ino, |volume, workspace, map, now| {
                volume
                    .files()
                    .fallocate(workspace, map, &range, &Change::modified(now))
                    .map(drop)
            })
        }
        14 => session.with(ino, |volume, workspace, map, now| {
            let count = 1 + choices.below(20);
            volume
                .files()
                .map_for_write(workspace, map, (page, count), &Change::modified(now))
                .map(drop)
        }),
        15 => session.with(ino, |volume, workspace, map, _| {
            let count = 1 + choices.below(20);
            volume
                .files()
                .reserve_unwritten(workspace, map, page, count)?;
            volume
                .files()
                .convert(workspace, map, (page, count), &|_| false)
        }),
        16 => session.with(ino, |volume, workspace, map, _| {
            let count = 1 + choices.below(40);
            volume
                .files()
                .convert(workspace, map, (page, count), &|_| false)
        }),
        17 => xattr(session, ino, choices),
        18 => session.with(ino, |volume, workspace, map, now| {
            let change = Change {
                permissions: Some(choices.below(0o10_000) as u16),
                uid: Some(1000),
                flags: Some(16),
                atime: Some(now),
                mtime: Some(Time::new(i64::MAX, 999_999_999)),
                ..Change::default()
            };
            volume.inodes().change(workspace, map, &change)
        }),
        19 => session.with_two(dir, ino, |volume, workspace, (dir, map), now| {
            volume
                .names()
                .adopt(workspace, dir, &name, map, now)
                .map(drop)
        }),
        22 | 23 => {
            let range = FallocateRange {
                mode: if kind == 22 {
                    Fallocate::CollapseRange
                } else {
                    Fallocate::InsertRange
                },
                keep_size: false,
                offset: choices.below(20) * BLOCK_SIZE,
                len: (1 + choices.below(100)) * BLOCK_SIZE,
            };
            session.with(ino, |volume, workspace, map, now| {
                volume
                    .files()
                    .fallocate(workspace, map, &range, &Change::modified(now))
                    .map(drop)
            })
        }
        24 => session.with(ino, |volume, workspace, map, now| {
            let from = volume.inodes().attributes(map)?.size;
            let start = from.saturating_add(choices.below(3 * BLOCK_SIZE));
            let len = 1 + choices.below(9 * BLOCK_SIZE);
            let Some(claim) = volume.files().claim(workspace, map, start, len)? else {
                return Ok(());
            };
            let copied = choices.below(len + 1);
            let change = Change::modified(now);
            volume
                .files()
                .commit_claim(workspace, map, claim, (start, copied), &change)
                .map(drop)
        }),
        25 => session.repair(),
        26 => whiteout(session, (dir, &old, target), &name),
        20 => session.with(ino, |volume, workspace, map, _| {
            volume.files().finish(workspace, map)?;
            volume.files().close(map);
            Ok(())
        }),
        _ => {
            let value = [5; 90];
            let xattrs = [NewXattr {
                name: XattrName::new(XattrSpace::Security, b"selinux")?,
                value: &value,
            }];
            let new = NewInode {
                device: 5,
                xattrs: &xattrs,
                ..new(S_IFCHR)
            };
            session.create(dir, &name, &new).map(drop)
        }
    }
}

fn xattr(session: &mut Session, ino: u64, choices: &mut Choices<'_>) -> Result {
    let names: [&[u8]; 4] = [b"colour", b"long", b"large", b"another"];
    let name = choices.of(&names).copied().unwrap_or(b"colour");
    let name = XattrName::new(XattrSpace::User, name)?;
    let value = vec![8; choices.below(9000) as usize];
    let remove = choices.once_in(3);
    session.with_xattrs(ino, |volume, workspace, (xattrs, map), now| {
        if remove {
            return volume
                .xattrs()
                .remove(workspace, xattrs, map, name, &Change::changed(now))
                .map(drop);
        }
        let xattr = NewXattr {
            name,
            value: &value,
        };
        volume
            .xattrs()
            .set(
                workspace,
                xattrs,
                map,
                &xattr,
                SetMode::Any,
                &Change::changed(now),
            )
            .map(drop)
    })
}

/// A rename within a directory that leaves a whiteout, to a name that there is none of.
fn whiteout(
    session: &mut Session,
    (dir, old, moved): (u64, &[u8], u64),
    new_name: &[u8],
) -> Result {
    let whiteout = new(S_IFCHR);
    session.with_two(dir, moved, |volume, workspace, (dir, map), now| {
        let renamed = Renamed {
            moved: map,
            other: None,
            other_is_unused: false,
            whiteout: Some(&whiteout),
        };
        let directories = Directories::One(dir);
        let names = (old, new_name);
        volume
            .names()
            .rename(
                workspace,
                directories,
                names,
                renamed,
                RenameMode::NoReplace,
                now,
            )
            .map(drop)
    })
}

/// As the VFS calls it: all inodes are known and differ.
fn rename(
    session: &mut Session,
    (from, old, moved): (u64, &[u8], u64),
    (to, new): (u64, &[u8]),
    choices: &mut Choices<'_>,
) -> Result {
    let modes = [
        RenameMode::Replace,
        RenameMode::NoReplace,
        RenameMode::Exchange,
    ];
    let mode = choices.of(&modes).copied().unwrap_or(RenameMode::Replace);
    let other = session.with(to, |volume, _, map, _| volume.names().lookup(map, new));
    let other = other
        .ok()
        .map(|target| target.ino)
        .filter(|&ino| ino != moved);
    if moved == from || moved == to || other == Some(from) || other == Some(to) {
        return Err(Error::Invalid);
    }
    let now = session.now();
    let mut maps = Vec::new();
    let mut failed = None;
    for ino in [
        Some(moved),
        Some(from),
        Some(to).filter(|&to| to != from),
        other,
    ] {
        match ino.map(|ino| session.take(ino)).transpose() {
            Ok(map) => maps.push(map),
            Err(error) => failed = Some(error),
        }
    }
    let result = match (failed, &mut maps[..]) {
        (Some(error), _) => Err(error),
        (None, [Some(moved), Some(from), to, other]) => {
            let directories = match to {
                Some(to) => Directories::Two(from, to),
                None => Directories::One(from),
            };
            let (volume, workspace) = (&session.volume, &mut session.workspace);
            volume.names().rename(
                workspace,
                directories,
                (old, new),
                Renamed {
                    moved,
                    other: other.as_mut(),
                    other_is_unused: false,
                    whiteout: None,
                },
                mode,
                now,
            )
        }
        _ => Err(Error::Invalid),
    };
    for map in maps.into_iter().flatten() {
        session.give(map);
    }
    result.map(drop)
}
