// SPDX-License-Identifier: GPL-2.0

//! Extended attributes against a map.

mod common;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rdaxfs_core::format::{Time, XattrSpace, MAX_XATTR_VALUE};
use rdaxfs_core::inode::{Change, Changed, XattrState};
use rdaxfs_core::xattr::{NewXattr, SetMode, XattrName};
use rdaxfs_core::Error;

use common::DramVolume;

type Model = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

fn name(space: u16, rest: &[u8]) -> XattrName<'_> {
    XattrName::new(XattrSpace::from_number(space).unwrap(), rest).unwrap()
}

fn all(volume: &DramVolume, xattrs: &XattrState) -> Model {
    let mut names = Vec::new();
    let list = volume.xattrs().list(xattrs, |name, len| {
        names.push((name.space() as u16, name.rest().to_vec(), len));
        Ok(())
    });
    list.unwrap();
    let mut found = Model::new();
    for (space, rest, len) in names {
        let mut value = vec![0; len];
        if len > 0 {
            assert_eq!(
                volume.xattrs().get(xattrs, name(space, &rest), &mut value),
                Ok(len)
            );
        }
        assert_eq!(
            volume.xattrs().get(xattrs, name(space, &rest), &mut []),
            Ok(len)
        );
        assert_eq!(
            found.insert((space, rest), value),
            None,
            "an attribute is listed once"
        );
    }
    found
}

fn free(volume: &DramVolume) -> u32 {
    volume.space().of_group(0).unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn they_are_those_of_a_map(
        steps in prop::collection::vec(
            (1..5_u16, prop::collection::vec(1..=255_u8, 1..4), prop_oneof![0..60_usize, 0..6000_usize], any::<u8>(), 0..4_u8),
            1..40,
        )
    ) {
        let (volume, mut workspace) = common::volume(8);
        let (mut map, mut xattrs) = common::root(&volume);
        let before = free(&volume);
        let mut model = Model::new();
        for (time, (space, rest, len, fill, how)) in (10..).zip(steps) {
            let key = (space, rest.clone());
            let value = vec![fill; len];
            let xattr = NewXattr { name: name(space, &rest), value: &value };
            let now = Time::new(time, 0);
            let (result, expected) = if how == 3 {
                let removed = model.remove(&key).map(drop).ok_or(Error::NoData);
                (volume.xattrs().remove(&mut workspace, &mut xattrs, &mut map, xattr.name, &Change::changed(now)), removed)
            } else {
                let (mode, expected) = match how {
                    0 => (SetMode::Any, Ok(())),
                    1 if model.contains_key(&key) => (SetMode::Create, Err(Error::Exists)),
                    1 => (SetMode::Create, Ok(())),
                    _ if model.contains_key(&key) => (SetMode::Replace, Ok(())),
                    _ => (SetMode::Replace, Err(Error::NoData)),
                };
                let result = volume.xattrs().set(&mut workspace, &mut xattrs, &mut map, &xattr, mode, &Change::changed(now));
                // Many long ones do not fit, and then nothing changes.
                if result == Err(Error::TooBig) {
                    (Ok(Changed::default()), Ok(()))
                } else {
                    if expected.is_ok() {
                        model.insert(key, value);
                    }
                    (result, expected)
                }
            };
            prop_assert_eq!(result.map(drop), expected);
            prop_assert_eq!(&all(&volume, &xattrs), &model);
            let attributes = volume.inodes().attributes(&map).unwrap();
            prop_assert_eq!(u64::from(before - free(&volume)), attributes.blocks);
            prop_assert_eq!(attributes.has_xattrs, !model.is_empty());
        }
    }
}

#[test]
fn the_longest_value_fits_and_no_longer_one() {
    let (volume, mut workspace) = common::volume(8);
    let (mut map, mut xattrs) = common::root(&volume);
    let value = vec![3; MAX_XATTR_VALUE + 1];
    let now = Time::new(2, 0);
    let long = NewXattr {
        name: name(1, &[b'n'; 255]),
        value: &value,
    };
    let result = volume.xattrs().set(
        &mut workspace,
        &mut xattrs,
        &mut map,
        &long,
        SetMode::Any,
        &Change::changed(now),
    );
    assert_eq!(result, Err(Error::TooBig));
    let long = NewXattr {
        value: &value[1..],
        ..long
    };
    volume
        .xattrs()
        .set(
            &mut workspace,
            &mut xattrs,
            &mut map,
            &long,
            SetMode::Any,
            &Change::changed(now),
        )
        .unwrap();

    let mut short = vec![0; MAX_XATTR_VALUE - 1];
    assert_eq!(
        volume.xattrs().get(&xattrs, long.name, &mut short),
        Err(Error::Range)
    );
    assert_eq!(volume.inodes().attributes(&map).unwrap().ctime, now);
}

#[test]
fn names_have_1_to_255_bytes() {
    assert_eq!(XattrName::new(XattrSpace::User, b""), Err(Error::Invalid));
    assert_eq!(
        XattrName::new(XattrSpace::User, b"a\0b"),
        Err(Error::Invalid)
    );
    assert_eq!(
        XattrName::new(XattrSpace::User, &[b'a'; 256]),
        Err(Error::Range)
    );
    assert!(XattrName::new(XattrSpace::User, &[b'a'; 255]).is_ok());
}

#[test]
fn an_attribute_and_what_it_says_of_the_inode_change_together() {
    let (volume, mut workspace) = common::volume(8);
    let (mut map, mut xattrs) = common::root(&volume);
    let acl = XattrName::new(XattrSpace::System, b"posix_acl_access").unwrap();
    let list = NewXattr {
        name: acl,
        value: &[2; 124],
    };
    let change = |permissions, time| Change {
        permissions: Some(permissions),
        ..Change::changed(Time::new(time, 0))
    };
    let before = volume.inodes().attributes(&map).unwrap();
    let set = volume.xattrs().set(
        &mut workspace,
        &mut xattrs,
        &mut map,
        &list,
        SetMode::Create,
        &change(0o750, 20),
    );
    let after = volume.inodes().attributes(&map).unwrap();
    assert_eq!(set.unwrap().blocks, Some(before.blocks + 1));
    assert_eq!(after.blocks, before.blocks + 1);
    assert_eq!(after.mode, before.mode & !0o7777 | 0o750);
    assert_eq!(after.ctime, Time::new(20, 0));
    assert_eq!((after.mtime, after.uid), (before.mtime, before.uid));

    // What fails changes neither.
    let set = volume.xattrs().set(
        &mut workspace,
        &mut xattrs,
        &mut map,
        &list,
        SetMode::Create,
        &change(0o777, 30),
    );
    assert_eq!(set, Err(Error::Exists));
    assert_eq!(volume.inodes().attributes(&map), Ok(after));

    let (map, xattrs) = (&mut map, &mut xattrs);
    let removed = volume
        .xattrs()
        .remove(&mut workspace, xattrs, map, acl, &change(0o700, 40));
    assert_eq!(removed.unwrap().blocks, Some(before.blocks));
    let last = volume.inodes().attributes(map).unwrap();
    assert_eq!((last.mode & 0o7777, last.has_xattrs), (0o700, false));
    let removed = volume
        .xattrs()
        .remove(&mut workspace, xattrs, map, acl, &change(0o777, 50));
    assert_eq!(removed, Err(Error::NoData));
    assert_eq!(volume.inodes().attributes(map), Ok(last));
}
