// SPDX-License-Identifier: GPL-2.0

//! A new inode is announced before anybody can reach it.

use rdaxfs_core::format::{Time, S_IFDIR, S_IFLNK};
use rdaxfs_core::name::{Made, NewInode};
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::Host;

use crate::medium::Trial;
use crate::trial::{file, Fs};

const NOW: Time = Time::new(5, 0);

type Announce<'a> = &'a mut dyn FnMut(u64, u32) -> Result;

/// What makes an inode.
#[derive(Clone, Copy, Debug)]
enum Maker {
    Create,
    Mkdir,
    Symlink,
    Tmpfile,
}

const MAKERS: [Maker; 4] = [Maker::Create, Maker::Mkdir, Maker::Symlink, Maker::Tmpfile];

impl Maker {
    fn make(self, fs: &mut Fs, name: &[u8], announce: Announce<'_>) -> Result<Made> {
        self.make_on(&fs.volume, &mut fs.workspace, name, announce)
    }

    fn make_on(
        self,
        volume: &Volume<Host<Trial>>,
        workspace: &mut Workspace,
        name: &[u8],
        announce: Announce<'_>,
    ) -> Result<Made> {
        let root = volume.root();
        let (mut map, _) = volume.inodes().open(root, None)?;
        let of = |mode| NewInode { mode, ..file() };
        match self {
            Self::Create => {
                volume
                    .names()
                    .create(workspace, &mut map, name, &file(), NOW, announce)
            }
            Self::Mkdir => {
                let new = of(S_IFDIR | 0o755);
                volume
                    .names()
                    .mkdir(workspace, &mut map, name, &new, NOW, announce)
            }
            Self::Symlink => {
                let new = of(S_IFLNK | 0o777);
                volume
                    .names()
                    .symlink(workspace, &mut map, (name, b"to"), &new, NOW, announce)
            }
            Self::Tmpfile => volume
                .names()
                .tmpfile(workspace, root, &file(), NOW, announce),
        }
    }
}

#[test]
fn it_is_announced_once_and_before_it_can_be_opened() {
    let mut fs = Fs::new(1024, 0);
    for maker in MAKERS {
        let mut announced = Vec::new();
        let name = format!("{maker:?}");
        // The chunk of inodes exists, so that what is not there is this inode.
        let made = maker.make(&mut fs, name.as_bytes(), &mut |ino, generation| {
            announced.push((ino, generation));
            Ok(())
        });
        let made = made.unwrap();
        let told = (made.map.ino(), made.map.generation());
        assert_eq!(announced, [told], "{maker:?}");
        assert_eq!(fs.volume.inodes().generation(told.0), Ok(told.1));
    }
}

#[test]
fn nobody_can_reach_it_before() {
    for maker in MAKERS {
        let fs = Fs::new(1024, 0);
        let volume = &fs.volume;
        let mut workspace = Box::new(Workspace::new());
        let (root, _) = volume.inodes().open(volume.root(), None).unwrap();
        let mut seen = None;
        let made = maker.make_on(volume, &mut workspace, b"new", &mut |ino, generation| {
            // As another CPU would look for it.
            seen = Some(volume.inodes().open(ino, Some(generation)).err());
            assert_eq!(volume.names().lookup(&root, b"new"), Err(Error::NoEntry));
            Ok(())
        });
        let ino = made.unwrap().map.ino();
        assert_eq!(seen, Some(Some(Error::Stale)), "{maker:?}");
        assert!(volume.inodes().open(ino, None).is_ok());
    }
}

#[test]
fn nothing_is_made_when_the_caller_cannot_take_it() {
    let mut fs = Fs::new(1024, 0);
    // So that the group has its chunk of inodes.
    let root = fs.root();
    fs.create(root, b"first", &file()).unwrap();
    for maker in MAKERS {
        let before = fs.snapshot();
        let refused = maker.make(&mut fs, b"refused", &mut |_, _| Err(Error::TooBig));
        assert_eq!(refused.err(), Some(Error::TooBig), "{maker:?}");
        assert_eq!(fs.snapshot(), before, "{maker:?}");
        fs.check();
        // And the place is used by the next one.
        let made = maker.make(&mut fs, b"refused", &mut |_, _| Ok(()));
        let ino = made.unwrap().map.ino();
        fs.check();
        if !matches!(maker, Maker::Tmpfile) {
            let remove = |fs: &mut Fs| {
                fs.reopen();
                if matches!(maker, Maker::Mkdir) {
                    fs.rmdir(root, b"refused")
                } else {
                    fs.unlink(root, b"refused")
                }
            };
            remove(&mut fs).unwrap();
            fs.finish_orphans();
        } else {
            let (mut map, _) = fs.volume.inodes().open(ino, None).unwrap();
            fs.volume
                .files()
                .finish(&mut fs.workspace, &mut map)
                .unwrap();
        }
    }
}

#[test]
fn a_name_that_exists_announces_nothing() {
    let mut fs = Fs::new(1024, 0);
    let root = fs.root();
    fs.create(root, b"there", &file()).unwrap();
    for maker in [Maker::Create, Maker::Mkdir, Maker::Symlink] {
        let made = maker.make(&mut fs, b"there", &mut |_, _| panic!("it was announced"));
        assert_eq!(made.err(), Some(Error::Exists));
    }
}

#[test]
fn generation_0_opens_nothing() {
    let mut fs = Fs::new(1024, 0);
    let root = fs.root();
    let ino = fs.create(root, b"name", &file()).unwrap();
    let generation = fs.attributes(ino).generation;
    assert!(fs.volume.inodes().open(ino, Some(generation)).is_ok());
    assert_eq!(
        fs.volume.inodes().open(ino, Some(0)).err(),
        Some(Error::Stale)
    );
    // Slot 0 of a chunk is no inode, block 0 holds none, and nothing is behind the last one.
    for none in [ino & !15, 1, u64::MAX] {
        assert_eq!(
            fs.volume.inodes().generation(none),
            Err(Error::Corrupt),
            "{none}"
        );
    }
}

#[test]
fn a_walk_that_has_lost_its_place_says_so() {
    let mut fs = Fs::new(1024, 0);
    let root = fs.root();
    let orphans: Vec<_> = (0..3).map(|_| fs.tmpfile(root).unwrap()).collect();
    let first = fs.volume.inodes().first_unfinished(0).unwrap().unwrap();
    let second = fs.volume.inodes().next_unfinished(first).unwrap().unwrap();
    assert!(orphans.contains(&first) && orphans.contains(&second));
    // The second one gets a name while the walk is there: it is an inode, but on no list.
    fs.link(root, b"named", second).unwrap();
    assert_eq!(
        fs.volume.inodes().next_unfinished(second),
        Err(Error::Stale)
    );
    let third = fs.volume.inodes().next_unfinished(first).unwrap().unwrap();
    assert_eq!(fs.volume.inodes().next_unfinished(third), Ok(None));
    // And one that is freed.
    fs.finish_orphans();
    assert_eq!(fs.volume.inodes().next_unfinished(third), Err(Error::Stale));
    assert_eq!(
        fs.volume.inodes().next_unfinished(u64::MAX),
        Err(Error::Invalid)
    );
}
