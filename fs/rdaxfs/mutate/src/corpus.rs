// SPDX-License-Identifier: GPL-2.0

//! Small volumes with everything that a volume can have.

use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::{
    Time, XattrSpace, BLOCK_SIZE, GROUP_BLOCKS, S_IFBLK, S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK,
};
use rdaxfs_core::inode::Change;
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::Access;
use rdaxfs_core::name::NewInode;
use rdaxfs_core::owner::Use;
use rdaxfs_core::xattr::{NewXattr, SetMode, XattrName};
use rdaxfs_core::Result;

use crate::contents::Known;
use crate::damage::Places;
use crate::memory::Moment;
use crate::session::{new, Session};
use crate::Memory;

/// A volume as it is before it is damaged.
pub struct Base {
    /// What it has.
    pub name: &'static str,
    /// Where it is, and is damaged.
    pub(crate) medium: Memory,
    /// When it was good.
    pub(crate) good: Moment,
    pub(crate) places: Places,
    /// What has a path; nothing if that depends on what the journal has.
    pub(crate) known: Known,
}

impl Base {
    fn new(name: &'static str, medium: Memory, known: Known) -> Self {
        Self {
            name,
            good: medium.moment(),
            places: Places::of(&medium),
            medium,
            known,
        }
    }

    /// The volume, as it is now.
    #[must_use]
    pub fn medium(&self) -> &Memory {
        &self.medium
    }

    /// The volume, as it was made.
    #[must_use]
    pub fn undamaged(&self) -> &Memory {
        self.medium.go_back(self.good);
        &self.medium
    }
}

/// Makes all of them.
///
/// # Panics
///
/// If the core refuses something that it must not.
#[must_use]
pub fn corpus() -> Vec<Base> {
    let mut bases = Vec::new();
    for (name, blocks, fill) in [
        (
            "a bit of everything",
            64,
            everything as fn(&mut Session) -> Result,
        ),
        ("a full volume", 64, full),
        ("directories", 160, directories),
        ("extents", 512, extents),
        ("two groups", GROUP_BLOCKS + 64, two_groups),
        ("bad blocks", 128, bad_blocks),
    ] {
        let (medium, mut session) = filled(blocks, fill);
        let known = Known::of(&mut session).expect("the volume is good");
        session.unmount().expect("it can be counted");
        bases.push(Base::new(name, medium, known));
    }
    bases.extend(crashed());
    bases
}

fn formatted(blocks: u64) -> Memory {
    let medium = Memory::new(blocks);
    let options = Options {
        uuid: [5; 16],
        hash_key: [3, 4],
        now: Time::new(50, 0),
        ..Options::new(blocks)
    };
    make(&medium, &options).expect("the volume can be made");
    medium
}

fn filled(blocks: u64, fill: fn(&mut Session) -> Result) -> (Memory, Session) {
    let medium = formatted(blocks);
    let mut session =
        Session::mount(&medium, Access::ReadWrite).expect("what was made can be mounted");
    fill(&mut session).expect("the volume has room for it");
    (medium, session)
}

/// States in which a crash leaves operations: a record to do, and intents.
fn crashed() -> Vec<Base> {
    let mut bases = Vec::new();
    for fence in [1, 2, 3] {
        let (medium, mut session) = filled(128, everything);
        medium.keep_at_fence(fence);
        let root = session.volume.root();
        let dir = session.mkdir(root, &[b'n'; 200]);
        dir.expect("there is room for a directory");
        let crashed = medium.kept().unwrap_or(medium);
        let name = "a crash while a directory is made";
        bases.push(Base::new(name, crashed, Known::default()));
    }
    for fence in [1, 3, 6, 9] {
        let (medium, mut session) = filled(512, extents);
        let root = session.volume.root();
        let found = session.with(root, |volume, _, map, _| {
            volume.names().lookup(map, b"scattered")
        });
        let ino = found.expect("it is there").ino;
        medium.keep_at_fence(fence);
        let shorter = session.with(ino, |volume, workspace, map, now| {
            volume
                .files()
                .truncate(workspace, map, BLOCK_SIZE, &Change::modified(now))
                .map(drop)
        });
        shorter.expect("a file can become shorter");
        let crashed = medium.kept().unwrap_or(medium);
        let name = "a crash while a file becomes shorter";
        bases.push(Base::new(name, crashed, Known::default()));
    }
    for mode in [Fallocate::CollapseRange, Fallocate::InsertRange] {
        for fence in [1, 7, 10, 13] {
            let (medium, mut session) = filled(512, extents);
            let root = session.volume.root();
            let found = session.with(root, |volume, _, map, _| {
                volume.names().lookup(map, b"scattered")
            });
            let ino = found.expect("it is there").ino;
            medium.keep_at_fence(fence);
            let range = FallocateRange {
                mode,
                keep_size: false,
                offset: 3 * BLOCK_SIZE,
                len: 100 * BLOCK_SIZE,
            };
            let moved = session.with(ino, |volume, workspace, map, now| {
                volume
                    .files()
                    .fallocate(workspace, map, &range, &Change::modified(now))
                    .map(drop)
            });
            moved.expect("pages can move");
            let crashed = medium.kept().unwrap_or(medium);
            let name = "a crash while pages move";
            bases.push(Base::new(name, crashed, Known::default()));
        }
    }
    bases
}

fn set_xattr(session: &mut Session, ino: u64, name: &[u8], value: &[u8]) -> Result {
    session
        .with_xattrs(ino, |volume, workspace, (xattrs, map), now| {
            let name = XattrName::new(XattrSpace::User, name)?;
            let xattr = NewXattr { name, value };
            volume.xattrs().set(
                workspace,
                xattrs,
                map,
                &xattr,
                SetMode::Any,
                &Change::changed(now),
            )
        })
        .map(drop)
}

fn link(session: &mut Session, dir: u64, name: &[u8], ino: u64) -> Result {
    session
        .with_two(dir, ino, |volume, workspace, (dir, map), now| {
            volume.names().link(workspace, dir, name, map, now)
        })
        .map(drop)
}

fn unlink(session: &mut Session, dir: u64, name: &[u8], ino: u64) -> Result {
    session
        .with_two(dir, ino, |volume, workspace, (dir, map), now| {
            volume.names().unlink(workspace, dir, name, map, now)
        })
        .map(drop)
}

fn file(session: &mut Session, dir: u64, name: &[u8], len: usize) -> Result<u64> {
    let ino = session.create(dir, name, &new(S_IFREG))?;
    let bytes: Vec<u8> = (0..len).map(|at| ((at as u64 * ino) >> 3) as u8).collect();
    session.write(ino, 0, &bytes)?;
    Ok(ino)
}

fn everything(session: &mut Session) -> Result {
    let root = session.volume.root();
    let sub = session.mkdir(root, b"sub")?;
    let deep = session.mkdir(sub, b"deep")?;
    let deeper = session.mkdir(deep, b"deeper")?;
    file(session, root, b"small", 100)?;
    let two = file(session, sub, b"two blocks", 5000)?;
    link(session, deeper, b"hard link", two)?;
    set_xattr(session, two, b"colour", b"green")?;
    set_xattr(session, two, b"long", &[7; 4000])?;
    set_xattr(session, sub, b"of a directory", &[])?;
    session.symlink(root, b"short", b"sub/deep")?;
    session.symlink(sub, b"long", &[b'l'; 300])?;
    for (name, kind, device) in [
        (&b"fifo"[..], S_IFIFO, 0),
        (b"socket", S_IFSOCK, 0),
        (b"null", S_IFCHR, 1 << 32 | 3),
        (b"disk", S_IFBLK, 8 << 32),
    ] {
        let new = NewInode {
            device,
            ..new(kind)
        };
        session.create(deeper, name, &new)?;
    }
    let sparse = file(session, deep, b"sparse", 10)?;
    session.write(sparse, 9 * BLOCK_SIZE, b"behind a hole")?;
    let gone = file(session, root, b"gone", 6000)?;
    unlink(session, root, b"gone", gone)?;
    session.tmpfile(sub)?;
    Ok(())
}

fn full(session: &mut Session) -> Result {
    let root = session.volume.root();
    let dir = session.mkdir(root, b"lost+found")?;
    file(session, dir, b"kept", 4096)?;
    let large = file(session, root, b"large", 4096)?;
    for page in 1.. {
        if session.write(large, page * BLOCK_SIZE, &[9; 4096]).is_err() {
            break;
        }
    }
    Ok(())
}

fn directories(session: &mut Session) -> Result {
    let root = session.volume.root();
    let many = session.mkdir(root, b"many")?;
    for number in 0..150_usize {
        let mut name = format!("{number}-").into_bytes();
        name.resize(10 + number * 37 % 240, b'a' + (number % 26) as u8);
        session.create(many, &name, &new(S_IFREG))?;
    }
    let mut at = root;
    for level in 0..20 {
        at = session.mkdir(at, format!("level {level}").as_bytes())?;
        file(session, at, b"file", 64)?;
    }
    for number in 0..5 {
        session.mkdir(at, format!("a name that needs a leaf {number}").as_bytes())?;
    }
    Ok(())
}

fn extents(session: &mut Session) -> Result {
    let root = session.volume.root();
    let scattered = file(session, root, b"scattered", 10)?;
    for page in 1..260 {
        session.write(scattered, 2 * page * BLOCK_SIZE, &[page as u8; 100])?;
    }
    let unwritten = file(session, root, b"unwritten", 100)?;
    for offset in [2, 5, 9, 14, 20, 27, 35] {
        let range = FallocateRange {
            mode: Fallocate::Allocate,
            keep_size: offset > 9,
            offset: offset * BLOCK_SIZE,
            len: 2 * BLOCK_SIZE,
        };
        session.with(unwritten, |volume, workspace, map, now| {
            volume
                .files()
                .fallocate(workspace, map, &range, &Change::modified(now))
                .map(drop)
        })?;
    }
    set_xattr(session, scattered, b"large", &[1; 30_000])?;
    file(session, root, b"plain", 20_000)?;
    Ok(())
}

/// Some free blocks are bad, and are not used any more.
fn bad_blocks(session: &mut Session) -> Result {
    let root = session.volume.root();
    let dir = session.mkdir(root, b"dir")?;
    for number in 0..9_u64 {
        // What is taken next is between these.
        for block in (20 + 8 * number..).step_by(3).take(2) {
            if session.volume.owners().use_of(block) == Ok(Use::Free) {
                session.medium.kill(block, true);
            }
        }
        file(session, dir, format!("file {number}").as_bytes(), 9000)?;
        session.repair()?;
    }
    // Nobody reads them.
    session.medium.replace_dead();
    Ok(())
}

/// The first group is full but for a few blocks, so that everything lies in both.
fn two_groups(session: &mut Session) -> Result {
    let root = session.volume.root();
    let large = file(session, root, b"large", 10)?;
    for (offset, len) in [(1, 30_000), (40_000, GROUP_BLOCKS - 30_100)] {
        let range = FallocateRange {
            mode: Fallocate::Allocate,
            keep_size: true,
            offset: offset * BLOCK_SIZE,
            len: len * BLOCK_SIZE,
        };
        session.with(large, |volume, workspace, map, now| {
            volume
                .files()
                .fallocate(workspace, map, &range, &Change::modified(now))
                .map(drop)
        })?;
    }
    for name in [b"one", b"two"] {
        let dir = session.mkdir(root, name)?;
        for number in 0..8 {
            let len = 100 + number * 3000;
            file(session, dir, format!("file {number}").as_bytes(), len)?;
        }
        set_xattr(session, dir, b"colour", b"green")?;
        let gone = file(session, dir, b"gone", 5000)?;
        unlink(session, dir, b"gone", gone)?;
    }
    Ok(())
}
