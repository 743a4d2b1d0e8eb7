// SPDX-License-Identifier: GPL-2.0

//! Operations on several CPUs at once.

use rdaxfs_core::format::{Time, GROUP_BLOCKS, S_IFDIR};
use rdaxfs_core::name::{unannounced, Directories, NewInode, RenameMode, Renamed};
use rdaxfs_core::workspace::Workspace;

use crate::trial::{file, Fs};

/// Enough blocks for a second group.
const BLOCKS: u64 = GROUP_BLOCKS + 512;

#[test]
fn directories_of_their_own_at_once() {
    let mut fs = Fs::new(BLOCKS, 0);
    let root = fs.root();
    let free = fs.free();
    let dirs: Vec<u64> = (0..4_u8)
        .map(|number| fs.mkdir(root, &[b'a' + number]).unwrap())
        .collect();
    let volume = &fs.volume;
    std::thread::scope(|scope| {
        for &dir in &dirs {
            scope.spawn(move || {
                let mut workspace = Box::new(Workspace::new());
                let (mut map, _) = volume.inodes().open(dir, None).unwrap();
                let now = Time::new(5, 5);
                for round in 0..600_u32 {
                    let name = |number: u32| format!("{number:060}").into_bytes();
                    let ws = &mut workspace;
                    let made = volume.names().create(
                        ws,
                        &mut map,
                        &name(round),
                        &file(),
                        now,
                        &mut unannounced,
                    );
                    let mut inode = made.unwrap().map;
                    let new = NewInode {
                        mode: S_IFDIR | 0o700,
                        ..NewInode::default()
                    };
                    let mut sub = volume
                        .names()
                        .mkdir(ws, &mut map, b"sub", &new, now, &mut unannounced)
                        .unwrap()
                        .map;
                    let directories = Directories::Two(&mut map, &mut sub);
                    let names = (&name(round)[..], &b"moved"[..]);
                    let mode = RenameMode::NoReplace;
                    volume
                        .names()
                        .rename(
                            ws,
                            directories,
                            names,
                            Renamed {
                                moved: &mut inode,
                                other: None,
                                other_is_unused: false,
                                whiteout: None,
                            },
                            mode,
                            now,
                        )
                        .unwrap();
                    volume
                        .names()
                        .unlink(ws, &mut sub, b"moved", &mut inode, now)
                        .unwrap();
                    volume
                        .names()
                        .rmdir(ws, &mut map, b"sub", &mut sub, now)
                        .unwrap();
                    volume.files().finish(ws, &mut inode).unwrap();
                    volume.files().finish(ws, &mut sub).unwrap();
                    volume
                        .names()
                        .create(ws, &mut map, &name(round), &file(), now, &mut unannounced)
                        .unwrap();
                }
            });
        }
    });
    for (at, &dir) in dirs.iter().enumerate() {
        // What the threads knew of it is gone.
        let name = [b'a' + at as u8];
        assert_eq!(fs.lookup(root, &name).unwrap().ino, dir);
        assert_eq!(fs.list(dir).len(), 600);
    }
    assert_eq!(fs.orphans(), []);
    fs.check();
    fs.reopen();
    fs.empty(root);
    // A block of inodes may stay in each group.
    assert!(free - fs.free() <= 2);
}
