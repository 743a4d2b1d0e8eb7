// SPDX-License-Identifier: GPL-2.0

//! Attributes in the inode, beside its extents, its entries or its target.

mod common;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rdaxfs_check::{choose_superblock, survey, Image};
use rdaxfs_core::format::{
    Time, XattrSpace, INLINE_BYTES, MAX_INLINE_XATTRS, S_IFBLK, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG,
};
use rdaxfs_core::inode::{Change, MapState, XattrState};
use rdaxfs_core::mount;
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::xattr::{NewXattr, SetMode, XattrName};
use rdaxfs_core::Error;

use common::DramVolume;

const NOW: Time = Time::new(9, 9);
const PAGE: usize = 4096;

/// A label as SELinux gives it to every file: 56 bytes with its head.
const LABEL: &[u8] = b"unconfined_u:object_r:user_home_t:s0:c1\0";

fn label() -> [NewXattr<'static>; 1] {
    [NewXattr {
        name: XattrName::new(XattrSpace::Security, b"selinux").unwrap(),
        value: LABEL,
    }]
}

fn new<'a>(kind: u16, xattrs: &'a [NewXattr<'a>]) -> NewInode<'a> {
    NewInode {
        mode: kind | 0o644,
        xattrs,
        ..NewInode::default()
    }
}

/// A volume, and what is done to it.
struct Setup {
    volume: DramVolume,
    workspace: Box<rdaxfs_core::workspace::Workspace>,
    root: MapState,
}

impl Setup {
    fn new() -> Self {
        let (volume, workspace) = common::volume(8);
        let (root, _) = common::root(&volume);
        Self {
            volume,
            workspace,
            root,
        }
    }

    fn make(&mut self, name: &str, new: &NewInode<'_>) -> MapState {
        let (volume, workspace) = (&self.volume, &mut self.workspace);
        let root = &mut self.root;
        let made = if new.mode & S_IFMT == S_IFDIR {
            volume
                .names()
                .mkdir(workspace, root, name.as_bytes(), new, NOW, &mut unannounced)
        } else {
            volume
                .names()
                .create(workspace, root, name.as_bytes(), new, NOW, &mut unannounced)
        };
        made.unwrap().map
    }

    fn symlink(&mut self, name: &str, target: &[u8], xattrs: &[NewXattr<'_>]) -> MapState {
        let made = self.volume.names().symlink(
            &mut self.workspace,
            &mut self.root,
            (name.as_bytes(), target),
            &new(S_IFLNK, xattrs),
            NOW,
            &mut unannounced,
        );
        made.unwrap().map
    }

    fn set(&mut self, map: &mut MapState, name: &[u8], value: &[u8]) {
        let mut xattrs = XattrState::new(map);
        let xattr = NewXattr {
            name: XattrName::new(XattrSpace::User, name).unwrap(),
            value,
        };
        let set = self.volume.xattrs().set(
            &mut self.workspace,
            &mut xattrs,
            map,
            &xattr,
            SetMode::Any,
            &Change::changed(NOW),
        );
        let blocks = self.volume.inodes().attributes(map).unwrap().blocks;
        assert_eq!(set.unwrap().blocks, Some(blocks));
    }

    fn remove(&mut self, map: &mut MapState, name: &[u8]) -> Result<(), Error> {
        let mut xattrs = XattrState::new(map);
        let name = XattrName::new(XattrSpace::User, name).unwrap();
        let change = Change::changed(NOW);
        let removed =
            self.volume
                .xattrs()
                .remove(&mut self.workspace, &mut xattrs, map, name, &change);
        removed.map(drop)
    }

    fn value(&self, map: &MapState, space: XattrSpace, name: &[u8]) -> Vec<u8> {
        let mut value = vec![0; 8192];
        let name = XattrName::new(space, name).unwrap();
        let len = self
            .volume
            .xattrs()
            .get(&XattrState::new(map), name, &mut value);
        value.truncate(len.unwrap());
        value
    }

    fn has_label(&self, map: &MapState) {
        assert_eq!(self.value(map, XattrSpace::Security, b"selinux"), LABEL);
    }

    fn blocks(&self, map: &MapState) -> u64 {
        self.volume.inodes().attributes(map).unwrap().blocks
    }

    fn write(&mut self, map: &mut MapState, page: usize, byte: u8) {
        let offset = (page * PAGE) as u64;
        let written =
            self.volume
                .files()
                .write(&mut self.workspace, map, offset, &[byte; PAGE], NOW);
        assert_eq!(written, Ok(PAGE));
    }

    fn page(&mut self, map: &MapState, page: usize) -> u8 {
        let mut bytes = [0; PAGE];
        let offset = (page * PAGE) as u64;
        let read = self.volume.files().read(map, offset, &mut bytes);
        assert_eq!(read, Ok(PAGE));
        assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]));
        bytes[0]
    }

    fn names(&mut self, map: &MapState) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        let list = self
            .volume
            .names()
            .readdir(&mut self.workspace, map, 0, |entry| {
                names.push(entry.name.to_vec());
                true
            });
        list.unwrap();
        names.sort();
        names
    }

    /// fsck finds nothing wrong.
    fn check(self) {
        let Self {
            volume, workspace, ..
        } = self;
        drop(workspace);
        mount::unmount(&volume).unwrap();
        let medium = volume.into_platform().into_medium();
        let (superblock, _) = choose_superblock(&medium).unwrap();
        assert_eq!(
            survey(&Image::new(&medium, superblock), |_| {}).findings,
            []
        );
    }
}

#[test]
fn a_label_costs_no_block() {
    let mut setup = Setup::new();
    for (name, kind) in [("file", S_IFREG), ("folder", S_IFDIR), ("disk", S_IFBLK)] {
        let xattrs = label();
        let made = NewInode {
            device: if kind == S_IFBLK { 7 << 32 | 9 } else { 0 },
            ..new(kind, &xattrs)
        };
        let map = setup.make(name, &made);
        setup.has_label(&map);
        assert_eq!(setup.blocks(&map), 0, "{name}");
        assert_eq!(
            setup.volume.inodes().attributes(&map).unwrap().device,
            made.device
        );
    }
    setup.check();
}

#[test]
fn a_target_and_a_label_share_the_inode() {
    let mut setup = Setup::new();
    let room = INLINE_BYTES - 56;
    for (name, len, blocks) in [("short", room, 0), ("long", room + 1, 1)] {
        let target = vec![b't'; len];
        let mut map = setup.symlink(name, &target, &label());
        assert_eq!(setup.blocks(&map), blocks, "{name}");
        // What does not fit beside the target is in a block.
        setup.set(&mut map, b"more", &[1; 40]);
        assert_eq!(setup.blocks(&map), blocks + 1, "{name}");
        setup.has_label(&map);
        let mut found = vec![0; len + 1];
        assert_eq!(setup.volume.names().readlink(&map, &mut found), Ok(len));
        assert_eq!(&found[..len], target);
        // And back.
        setup.remove(&mut map, b"more").unwrap();
        assert_eq!(setup.blocks(&map), blocks, "{name}");
        setup.has_label(&map);
    }
    setup.check();
}

#[test]
fn extents_beyond_the_room_go_to_a_leaf() {
    let mut setup = Setup::new();
    let xattrs = label();
    let mut map = setup.make("file", &new(S_IFREG, &xattrs));
    for (number, blocks) in [(0, 1), (1, 2), (2, 4), (3, 5)] {
        setup.write(&mut map, number * 2, number as u8 + 1);
        assert_eq!(setup.blocks(&map), blocks, "extent {number}");
        setup.has_label(&map);
    }
    for number in 0..4 {
        assert_eq!(setup.page(&map, number * 2), number as u8 + 1);
    }
    setup.check();
}

#[test]
fn the_longest_that_fit_leave_room_for_an_extent() {
    let mut setup = Setup::new();
    let mut map = setup.make("file", &new(S_IFREG, &[]));
    // A head of 8 bytes and a name of one.
    let longest = MAX_INLINE_XATTRS - 9;
    for (len, blocks) in [(longest + 1, 1), (longest, 0)] {
        setup.set(&mut map, b"a", &vec![3; len]);
        assert_eq!(setup.blocks(&map), blocks, "{len} bytes");
    }
    setup.write(&mut map, 5, 6);
    assert_eq!(setup.blocks(&map), 1);
    setup.set(&mut map, b"a", b"");
    assert_eq!(setup.blocks(&map), 1);
    assert_eq!(setup.page(&map, 5), 6);
    setup.check();
}

#[test]
fn a_full_volume_has_room_for_a_label() {
    let mut setup = Setup::new();
    let mut map = setup.make("file", &new(S_IFREG, &[]));
    let mut page = 0;
    let bytes = vec![1; 64 * PAGE];
    loop {
        let offset = (page * PAGE) as u64;
        let (volume, workspace) = (&setup.volume, &mut setup.workspace);
        match volume
            .files()
            .write(workspace, &mut map, offset, &bytes, NOW)
        {
            Ok(len) if len == bytes.len() => page += 64,
            _ => break,
        }
    }
    let mut small = setup.make("small", &new(S_IFREG, &[]));
    setup.set(&mut small, b"label", &[1; 30]);
    assert_eq!(setup.blocks(&small), 0);
    setup.check();
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, usize),
    Remove(u8),
    Write(usize),
    Truncate(u64),
    Create(u8, usize),
    Unlink(u8, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..3_u8;
    let len = prop_oneof![8 => 0..60_usize, 1 => 0..3000_usize];
    prop_oneof![
        3 => (key.clone(), len).prop_map(|(key, len)| Step::Set(key, len)),
        2 => key.clone().prop_map(Step::Remove),
        3 => (0..12_usize).prop_map(Step::Write),
        1 => (0..12_u64).prop_map(Step::Truncate),
        3 => (key.clone(), 1..50_usize).prop_map(|(key, len)| Step::Create(key, len)),
        2 => (key, 1..50_usize).prop_map(|(key, len)| Step::Unlink(key, len)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Attributes and extents of one inode, attributes and entries of another: none is lost to the other.
    #[test]
    fn neither_takes_the_others_place(steps in prop::collection::vec(step(), 1..60)) {
        let mut setup = Setup::new();
        let mut file = setup.make("file", &new(S_IFREG, &[]));
        let mut folder = setup.make("folder", &new(S_IFDIR, &[]));
        let mut xattrs = BTreeMap::new();
        let mut pages = BTreeMap::new();
        let mut names = std::collections::BTreeSet::new();
        let mut size = 0;
        for (number, step) in steps.into_iter().enumerate() {
            let byte = number as u8 + 1;
            match step {
                Step::Set(key, len) => {
                    let value = vec![byte; len];
                    for map in [&mut file, &mut folder] {
                        setup.set(map, &[b'a' + key], &value);
                    }
                    xattrs.insert(key, value);
                }
                Step::Remove(key) => {
                    let expected = xattrs.remove(&key).map(drop).ok_or(Error::NoData);
                    for map in [&mut file, &mut folder] {
                        prop_assert_eq!(setup.remove(map, &[b'a' + key]), expected);
                    }
                }
                Step::Write(page) => {
                    setup.write(&mut file, page, byte);
                    pages.insert(page, byte);
                    size = size.max(page + 1);
                }
                Step::Truncate(page) => {
                    let (volume, workspace) = (&setup.volume, &mut setup.workspace);
                    let offset = page * PAGE as u64;
                    volume.files().truncate(workspace, &mut file, offset, &Change::modified(NOW)).unwrap();
                    size = page as usize;
                    pages.retain(|&at, _| at < size);
                }
                Step::Create(key, len) => {
                    let name = vec![b'a' + key; len];
                    let inode = new(S_IFREG, &[]);
                    let (volume, workspace) = (&setup.volume, &mut setup.workspace);
                    let made = volume.names().create(workspace, &mut folder, &name, &inode, NOW, &mut unannounced);
                    let expected = if names.insert(name) { Ok(()) } else { Err(Error::Exists) };
                    prop_assert_eq!(made.map(drop), expected);
                }
                Step::Unlink(key, len) => {
                    let name = vec![b'a' + key; len];
                    let found = setup.volume.names().lookup(&folder, &name);
                    prop_assert_eq!(found.is_ok(), names.remove(&name));
                    if let Ok(target) = found {
                        let (mut map, _) = setup.volume.inodes().open(target.ino, None).unwrap();
                        let (volume, workspace) = (&setup.volume, &mut setup.workspace);
                        volume.names().unlink(workspace, &mut folder, &name, &mut map, NOW).unwrap();
                        volume.files().finish(workspace, &mut map).unwrap();
                    }
                }
            }
            for map in [&file, &folder] {
                let mut count = 0;
                setup.volume.xattrs().list(&XattrState::new(map), |_, _| { count += 1; Ok(()) }).unwrap();
                prop_assert_eq!(count, xattrs.len());
                for (key, value) in &xattrs {
                    prop_assert_eq!(&setup.value(map, XattrSpace::User, &[b'a' + key]), value);
                }
            }
            for page in 0..size {
                let expected = pages.get(&page).copied().unwrap_or(0);
                prop_assert_eq!(setup.page(&file, page), expected);
            }
            prop_assert_eq!(setup.names(&folder), names.iter().cloned().collect::<Vec<_>>());
        }
        setup.check();
    }
}
