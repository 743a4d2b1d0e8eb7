// SPDX-License-Identifier: GPL-2.0

//! Sequences of operations against maps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rdaxfs_core::name::RenameMode;
use rdaxfs_core::{Error, Result};

use crate::trial::{file, Fs};

/// A name: its number, of which its length and its first byte depend.
type Name = u8;

fn bytes(name: Name) -> Vec<u8> {
    const LENGTHS: [usize; 8] = [4, 4, 9, 20, 48, 49, 113, 255];
    let mut bytes = format!("{}{name:03}", char::from(b'a' + name % 26)).into_bytes();
    bytes.resize(LENGTHS[usize::from(name) % LENGTHS.len()], b'.');
    bytes
}

#[derive(Clone, Debug)]
enum Op {
    Create(u8, Name),
    Mkdir(u8, Name),
    Symlink(u8, Name, u16),
    /// A file without a name, and a name for it.
    Unnamed(u8, Name),
    Link((u8, Name), (u8, Name)),
    Unlink(u8, Name),
    Rmdir(u8, Name),
    Rename((u8, Name), (u8, Name), RenameMode),
    Finish,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let place = || (0..4_u8, any::<Name>());
    let mode = prop_oneof![
        4 => Just(RenameMode::Replace),
        1 => Just(RenameMode::NoReplace),
        1 => Just(RenameMode::Exchange),
    ];
    let op = prop_oneof![
        12 => place().prop_map(|(dir, name)| Op::Create(dir, name)),
        1 => place().prop_map(|(dir, name)| Op::Mkdir(dir, name)),
        1 => (place(), 1..300_u16).prop_map(|((dir, name), len)| Op::Symlink(dir, name, len)),
        1 => place().prop_map(|(dir, name)| Op::Unnamed(dir, name)),
        2 => (place(), place()).prop_map(|(old, new)| Op::Link(old, new)),
        6 => place().prop_map(|(dir, name)| Op::Unlink(dir, name)),
        2 => place().prop_map(|(dir, name)| Op::Rmdir(dir, name)),
        6 => (place(), place(), mode).prop_map(|(old, new, mode)| Op::Rename(old, new, mode)),
        1 => Just(Op::Finish),
    ];
    proptest::collection::vec(op, 1..600)
}

#[derive(Debug)]
enum Contents {
    File,
    Symlink(Vec<u8>),
    /// Names, with their inodes and, once seen, cookies.
    Directory(BTreeMap<Vec<u8>, (u64, Option<u64>)>),
}

#[derive(Debug)]
struct Node {
    links: u64,
    parent: u64,
    contents: Contents,
}

struct Model {
    nodes: BTreeMap<u64, Node>,
    root: u64,
}

impl Model {
    fn new(root: u64) -> Self {
        let mut model = Self {
            nodes: BTreeMap::new(),
            root,
        };
        model.add(root, root, Contents::Directory(BTreeMap::new()));
        model
    }

    fn add(&mut self, ino: u64, parent: u64, contents: Contents) {
        let directory = matches!(contents, Contents::Directory(_));
        let node = Node {
            links: if directory { 2 } else { 1 },
            parent: if directory { parent } else { 0 },
            contents,
        };
        let before = self.nodes.insert(ino, node);
        assert!(before.is_none_or(|before| before.links == 0));
    }

    /// One of the directories.
    fn directory(&self, number: u8) -> u64 {
        let all: Vec<u64> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.links > 0 && matches!(node.contents, Contents::Directory(_)))
            .map(|(&ino, _)| ino)
            .collect();
        all[usize::from(number) % all.len()]
    }

    fn entries(&mut self, dir: u64) -> &mut BTreeMap<Vec<u8>, (u64, Option<u64>)> {
        match &mut self.node(dir).contents {
            Contents::Directory(entries) => entries,
            other => panic!("{other:?} is no directory"),
        }
    }

    fn node(&mut self, ino: u64) -> &mut Node {
        self.nodes.get_mut(&ino).unwrap()
    }

    fn get(&mut self, dir: u64, name: &[u8]) -> Option<u64> {
        self.entries(dir).get(name).map(|entry| entry.0)
    }

    fn is_directory(&mut self, ino: u64) -> bool {
        matches!(self.node(ino).contents, Contents::Directory(_))
    }

    fn is_empty(&mut self, ino: u64) -> bool {
        self.entries(ino).is_empty()
    }

    /// Whether a directory is `above` or below it.
    fn is_below(&mut self, dir: u64, above: u64) -> bool {
        let mut at = dir;
        while at != above && at != self.root {
            at = self.node(at).parent;
        }
        at == above
    }

    fn insert(&mut self, dir: u64, name: &[u8], ino: u64) {
        self.entries(dir).insert(name.to_vec(), (ino, None));
        if self.is_directory(ino) {
            self.node(dir).links += 1;
            self.node(ino).parent = dir;
        }
    }

    fn remove(&mut self, dir: u64, name: &[u8]) -> u64 {
        let (ino, _) = self.entries(dir).remove(name).unwrap();
        if self.is_directory(ino) {
            self.node(dir).links -= 1;
        }
        ino
    }

    /// An inode has lost a name.
    fn unlink(&mut self, ino: u64) {
        let lost = if self.is_directory(ino) { 2 } else { 1 };
        self.node(ino).links -= lost;
    }

    /// Makes a name that exists another inode's: its cookie stays.
    fn retarget(&mut self, dir: u64, name: &[u8], ino: u64) {
        let cookie = self.entries(dir)[name].1;
        self.remove(dir, name);
        self.insert(dir, name, ino);
        self.entries(dir).get_mut(name).unwrap().1 = cookie;
    }

    /// What a removal has to return.
    fn judge_removal(&mut self, dir: u64, name: &[u8], rmdir: bool) -> Result {
        let ino = self.get(dir, name).ok_or(Error::NoEntry)?;
        match (self.is_directory(ino), rmdir) {
            (true, false) => Err(Error::IsDirectory),
            (false, true) => Err(Error::NotDirectory),
            (true, true) if !self.is_empty(ino) => Err(Error::NotEmpty),
            _ => Ok(()),
        }
    }

    /// What a rename has to return; [`None`] if the VFS would not let it through.
    fn judge_rename(
        &mut self,
        (from, old): (u64, &[u8]),
        (to, new): (u64, &[u8]),
        mode: RenameMode,
    ) -> Option<Result> {
        let Some(moved) = self.get(from, old) else {
            return Some(Err(Error::NoEntry));
        };
        let other = self.get(to, new);
        if self.is_directory(moved) && self.is_below(to, moved) {
            return None;
        }
        if let Some(other) = other {
            if self.is_directory(other) && self.is_below(from, other) {
                return None;
            }
        }
        Some(match (other, mode) {
            (Some(_), RenameMode::NoReplace) => Err(Error::Exists),
            (None, RenameMode::Exchange) => Err(Error::NoEntry),
            (Some(other), RenameMode::Replace) if other != moved => {
                match (self.is_directory(moved), self.is_directory(other)) {
                    (true, false) => Err(Error::NotDirectory),
                    (false, true) => Err(Error::IsDirectory),
                    (true, true) if !self.is_empty(other) => Err(Error::NotEmpty),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        })
    }

    fn rename(&mut self, (from, old): (u64, &[u8]), (to, new): (u64, &[u8]), mode: RenameMode) {
        let moved = self.get(from, old).unwrap();
        match self.get(to, new) {
            Some(other) if other == moved => {}
            Some(other) => {
                self.retarget(to, new, moved);
                if mode == RenameMode::Exchange {
                    self.retarget(from, old, other);
                } else {
                    self.remove(from, old);
                    self.unlink(other);
                    if self.is_directory(moved) {
                        self.node(moved).parent = to;
                    }
                }
            }
            None => {
                self.remove(from, old);
                self.insert(to, new, moved);
            }
        }
    }

    /// The volume shows what the model does.
    fn check(&mut self, fs: &mut Fs) {
        fs.check();
        let mut orphans = Vec::new();
        for (&ino, node) in &mut self.nodes {
            let found = fs.attributes(ino);
            assert_eq!(found.links, node.links, "links of {ino}");
            if node.links == 0 {
                orphans.push(ino);
                continue;
            }
            match &mut node.contents {
                Contents::File => {}
                Contents::Symlink(target) => assert_eq!(fs.readlink(ino).as_ref(), Ok(&*target)),
                Contents::Directory(entries) => {
                    assert_eq!(fs.volume.names().parent(fs.map(ino)), Ok(node.parent));
                    assert_eq!(found.size, found.blocks * 4096);
                    check_entries(fs, ino, entries);
                }
            }
        }
        let mut found = fs.orphans();
        found.sort_unstable();
        assert_eq!(found, orphans);
    }
}

fn check_entries(fs: &mut Fs, dir: u64, entries: &mut BTreeMap<Vec<u8>, (u64, Option<u64>)>) {
    let found = fs.list(dir);
    assert_eq!(found.len(), entries.len());
    for entry in &found {
        let (ino, cookie) = entries.get_mut(&entry.name).expect("the name is known");
        assert_eq!(entry.ino, *ino);
        assert_eq!(entry.cookie, *cookie.get_or_insert(entry.cookie));
        assert_eq!(u16::from(entry.kind), fs.attributes(*ino).mode >> 12);
        let target = fs
            .lookup(dir, &entry.name)
            .expect("what is listed is found");
        assert_eq!((target.ino, target.kind), (*ino, entry.kind));
    }
    // From any cookie on, and from between two.
    for (at, entry) in found.iter().enumerate().step_by(17) {
        assert_eq!(fs.list_from(dir, entry.cookie), found[at..]);
        assert_eq!(fs.list_from(dir, entry.cookie + 1), found[at + 1..]);
    }
}

fn apply(fs: &mut Fs, model: &mut Model, op: &Op) {
    match *op {
        Op::Create(dir, name) | Op::Mkdir(dir, name) | Op::Symlink(dir, name, _) => {
            let (dir, name) = (model.directory(dir), bytes(name));
            let (result, contents) = match *op {
                Op::Mkdir(..) => (fs.mkdir(dir, &name), Contents::Directory(BTreeMap::new())),
                Op::Symlink(.., len) => {
                    let target = vec![b't'; usize::from(len)];
                    (fs.symlink(dir, &name, &target), Contents::Symlink(target))
                }
                _ => (fs.create(dir, &name, &file()), Contents::File),
            };
            if model.get(dir, &name).is_some() {
                assert_eq!(result, Err(Error::Exists));
            } else {
                let ino = result.expect("there is room");
                model.add(ino, dir, contents);
                model.insert(dir, &name, ino);
            }
        }
        Op::Unnamed(dir, name) => {
            let (dir, name) = (model.directory(dir), bytes(name));
            let ino = fs.tmpfile(dir).expect("there is room");
            model.add(ino, 0, Contents::File);
            model.node(ino).links = 0;
            let result = fs.link(dir, &name, ino);
            if model.get(dir, &name).is_some() {
                assert_eq!(result, Err(Error::Exists));
            } else {
                result.expect("the name is free");
                model.node(ino).links = 1;
                model.insert(dir, &name, ino);
            }
        }
        Op::Link((from, old), (to, new)) => {
            let (from, old) = (model.directory(from), bytes(old));
            let (to, new) = (model.directory(to), bytes(new));
            let Some(ino) = model.get(from, &old) else {
                return;
            };
            let result = fs.link(to, &new, ino);
            if model.is_directory(ino) {
                assert_eq!(result, Err(Error::IsDirectory));
            } else if model.get(to, &new).is_some() {
                assert_eq!(result, Err(Error::Exists));
            } else {
                result.expect("the name is free");
                model.node(ino).links += 1;
                model.insert(to, &new, ino);
            }
        }
        Op::Unlink(dir, name) | Op::Rmdir(dir, name) => {
            let (dir, name) = (model.directory(dir), bytes(name));
            let rmdir = matches!(op, Op::Rmdir(..));
            let expected = model.judge_removal(dir, &name, rmdir);
            // Every second name is one that nobody uses.
            let unused = name.iter().fold(0, |sum, &byte| sum ^ byte) & 1 == 1;
            let result = match (rmdir, unused) {
                (true, true) => fs.rmdir_last(dir, &name),
                (true, false) => fs.rmdir(dir, &name),
                (false, true) => fs.unlink_last(dir, &name),
                (false, false) => fs.unlink(dir, &name),
            };
            assert_eq!(result, expected);
            if result.is_ok() {
                let ino = model.remove(dir, &name);
                model.unlink(ino);
                forget_freed(fs, model, ino);
            }
        }
        Op::Rename((from, old), (to, new), mode) => {
            let (from, old) = (model.directory(from), bytes(old));
            let (to, new) = (model.directory(to), bytes(new));
            let Some(expected) = model.judge_rename((from, &old), (to, &new), mode) else {
                return;
            };
            let unused = new.iter().fold(0, |sum, &byte| sum ^ byte) & 1 == 1;
            let other = model.get(to, &new);
            let result = fs.rename_as((from, &old), (to, &new), mode, unused, None);
            assert_eq!(result, expected);
            if result.is_ok() {
                model.rename((from, &old), (to, &new), mode);
                if let Some(other) = other {
                    forget_freed(fs, model, other);
                }
            }
        }
        Op::Finish => {
            fs.finish_orphans();
            model.nodes.retain(|_, node| node.links > 0);
        }
    }
}

/// An inode may have been freed with its last name.
fn forget_freed(fs: &Fs, model: &mut Model, ino: u64) {
    if !fs.is_known(ino) {
        assert_eq!(model.node(ino).links, 0);
        model.nodes.remove(&ino);
    }
}

fn run(ops: &[Op], hashes: u64) {
    let mut fs = Fs::new(2048, hashes);
    let free = fs.free();
    let mut model = Model::new(fs.root());
    for (at, op) in ops.iter().enumerate() {
        apply(&mut fs, &mut model, op);
        if at % 32 == 0 {
            model.check(&mut fs);
        }
    }
    model.check(&mut fs);
    let root = fs.root();
    fs.empty(root);
    fs.check();
    assert_eq!(fs.attributes(root).blocks, 0);
    // One block of inodes may stay.
    assert!(
        free - fs.free() <= 1,
        "{} blocks have leaked",
        free - fs.free()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn volumes_are_as_maps(ops in ops()) {
        run(&ops, 0);
    }

    #[test]
    fn volumes_are_as_maps_when_hashes_collide(ops in ops(), hashes in 1..5_u64) {
        run(&ops, hashes);
    }
}
