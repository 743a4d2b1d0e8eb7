// SPDX-License-Identifier: GPL-2.0

//! Every operation of the core, on a volume of middling size that is in use.

use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::{XattrSpace, BLOCK_SIZE, S_IFBLK, S_IFLNK};
use rdaxfs_core::inode::{Change, MapState, XattrState};
use rdaxfs_core::name::{unannounced, Directories, NewInode, RenameMode};
use rdaxfs_core::platform::{Digest, Stores};
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::xattr::{NewXattr, SetMode, XattrName};
use rdaxfs_host::Host;

use crate::meter::Meter;
use crate::renames::Renames;
use crate::session::{directory, file, now, Session};

/// How often each is done.
const TIMES: u64 = 256;
/// The entries of the directories.
const ENTRIES: u64 = 1000;
/// The blocks of the volume: eight groups.
pub const BLOCKS: u64 = 256 << 10;
const MIB: u64 = 1 << 20;

/// Measures all of them.
pub fn run<M: Stores + Digest>(medium: M, meter: &mut dyn Meter) {
    let mut all = Operations {
        session: Session::new(medium),
        meter,
    };
    let (mut from, mut to) = (all.filled(b"from"), all.filled(b"to"));
    all.making(&mut from);
    all.directories(&mut from);
    all.renaming(&mut from, &mut to);
    all.removing(&mut from);
    all.looking(&mut from);
    all.writing();
    all.without_dax();
    all.ranges();
    all.attributes();
    all.xattrs();
    all.session.unmount();
}

fn name(kind: &str, number: u64) -> Vec<u8> {
    format!("{kind}-{number:08}").into_bytes()
}

struct Operations<'m, M: Stores + Digest> {
    session: Session<M>,
    meter: &'m mut dyn Meter,
}

impl<M: Stores + Digest> Operations<'_, M> {
    /// A directory with entries.
    fn filled(&mut self, what: &[u8]) -> MapState {
        let mut map = self.session.mkdir(what);
        for number in 0..ENTRIES {
            self.session.create(&mut map, &name("entry", number));
        }
        map
    }

    fn files(&mut self) -> Vec<MapState> {
        (0..TIMES).map(|_| self.session.tmpfile()).collect()
    }

    /// Files that have so many bytes.
    fn written(&mut self, bytes: u64) -> Vec<MapState> {
        let mut maps = self.files();
        let bytes = vec![5; bytes as usize];
        for map in &mut maps {
            self.session.write(map, 0, &bytes);
        }
        maps
    }

    /// Frees files without names.
    fn drop_files(&mut self, maps: Vec<MapState>) {
        for mut map in maps {
            let Session {
                volume, workspace, ..
            } = &mut self.session;
            volume
                .files()
                .finish(workspace, &mut map)
                .expect("it is freed");
        }
    }

    fn making(&mut self, dir: &mut MapState) {
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        let names: Vec<_> = (0..TIMES).map(|at| name("made", at)).collect();
        self.meter.measure("create", TIMES, &mut |at| {
            let name = &names[at as usize];
            volume
                .names()
                .create(workspace, dir, name, &file(), now(), &mut unannounced)
                .expect("made");
        });
        let special = NewInode {
            mode: S_IFBLK | 0o600,
            device: 8 << 32,
            ..NewInode::default()
        };
        let names: Vec<_> = (0..TIMES).map(|at| name("special", at)).collect();
        self.meter.measure("mknod", TIMES, &mut |at| {
            let name = &names[at as usize];
            volume
                .names()
                .create(workspace, dir, name, &special, now(), &mut unannounced)
                .expect("made");
        });
        let label = NewXattr {
            name: XattrName::new(XattrSpace::Security, b"selinux").expect("it is one"),
            value: b"system_u:object_r:unlabeled_t:s0",
        };
        let labelled = NewInode {
            xattrs: &[label],
            ..file()
        };
        let names: Vec<_> = (0..TIMES).map(|at| name("labelled", at)).collect();
        self.meter
            .measure("create with a security label", TIMES, &mut |at| {
                let name = &names[at as usize];
                volume
                    .names()
                    .create(workspace, dir, name, &labelled, now(), &mut unannounced)
                    .expect("made");
            });
        let link = NewInode {
            mode: S_IFLNK | 0o777,
            ..NewInode::default()
        };
        for (what, len) in [("symlink of 40 bytes", 40), ("symlink of 400 bytes", 400)] {
            let target = vec![b't'; len];
            let names: Vec<_> = (0..TIMES).map(|at| name(what, at)).collect();
            self.meter.measure(what, TIMES, &mut |at| {
                let name = &names[at as usize];
                volume
                    .names()
                    .symlink(
                        workspace,
                        dir,
                        (name, &target),
                        &link,
                        now(),
                        &mut unannounced,
                    )
                    .expect("made");
            });
        }
        let near = dir.ino();
        let mut orphans = Vec::new();
        self.meter.measure("tmpfile", TIMES, &mut |_| {
            let made = volume
                .names()
                .tmpfile(workspace, near, &file(), now(), &mut unannounced);
            orphans.push(made.expect("made").map);
        });
        let names: Vec<_> = (0..TIMES).map(|at| name("orphan", at)).collect();
        self.meter.measure("link of an orphan", TIMES, &mut |at| {
            let (name, orphan) = (&names[at as usize], &mut orphans[at as usize]);
            volume
                .names()
                .link(workspace, dir, name, orphan, now())
                .expect("linked");
        });
        let names: Vec<_> = (0..TIMES).map(|at| name("link", at)).collect();
        self.meter.measure("link", TIMES, &mut |at| {
            let (name, inode) = (&names[at as usize], &mut orphans[at as usize]);
            volume
                .names()
                .link(workspace, dir, name, inode, now())
                .expect("linked");
        });
        self.meter
            .measure("unlink, a name remains", TIMES, &mut |at| {
                let (name, inode) = (&names[at as usize], &mut orphans[at as usize]);
                volume
                    .names()
                    .unlink(workspace, dir, name, inode, now())
                    .expect("gone");
            });
    }

    fn directories(&mut self, dir: &mut MapState) {
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        let names: Vec<_> = (0..TIMES).map(|at| name("dir", at)).collect();
        let mut made = Vec::new();
        self.meter.measure("mkdir", TIMES, &mut |at| {
            let name = &names[at as usize];
            let new =
                volume
                    .names()
                    .mkdir(workspace, dir, name, &directory(), now(), &mut unannounced);
            made.push(new.expect("made").map);
        });
        self.meter
            .measure("create in an empty directory", TIMES, &mut |at| {
                let inner = &mut made[at as usize];
                volume
                    .names()
                    .create(workspace, inner, b"name", &file(), now(), &mut unannounced)
                    .expect("made");
            });
        for inner in &mut made {
            let target = volume.names().lookup(inner, b"name").expect("it is there");
            let (mut inode, _) = volume.inodes().open(target.ino, None).expect("it is one");
            volume
                .names()
                .unlink(workspace, inner, b"name", &mut inode, now())
                .expect("gone");
            volume.files().finish(workspace, &mut inode).expect("freed");
        }
        self.meter.measure("rmdir", TIMES, &mut |at| {
            let (name, inner) = (&names[at as usize], &mut made[at as usize]);
            volume
                .names()
                .rmdir(workspace, dir, name, inner, now())
                .expect("gone");
        });
        self.meter
            .measure("finish of an empty directory", TIMES, &mut |at| {
                volume
                    .files()
                    .finish(workspace, &mut made[at as usize])
                    .expect("freed");
            });
    }

    /// Renames what [`making`](Self::making) has made.
    fn renaming(&mut self, from: &mut MapState, to: &mut MapState) {
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        let open = |dir: &MapState, name: &[u8]| {
            let target = volume.names().lookup(dir, name).expect("it is there");
            volume.inodes().open(target.ino, None).expect("it is one").0
        };
        let (made, renamed): (Vec<_>, Vec<_>) = (0..TIMES)
            .map(|at| (name("made", at), name("renamed", at)))
            .unzip();
        let mut maps: Vec<_> = made.iter().map(|name| open(from, name)).collect();
        let warm = |map: &mut MapState, workspace: &mut _| {
            // What has just been opened may have words in any record.
            let change = Change {
                atime: Some(now()),
                permissions: Some(0o600),
                ..Change::default()
            };
            volume
                .inodes()
                .change(workspace, map, &change)
                .expect("changed");
        };
        maps.iter_mut().for_each(|map| warm(map, workspace));
        let plain = Renames {
            what: "rename in a directory",
            mode: RenameMode::Replace,
            directories: Directories::One(from),
            old: &made,
            new: &renamed,
            moved: &mut maps,
            others: None,
            unused: false,
        };
        plain.measure(volume, workspace, self.meter);
        let back = Renames {
            what: "rename, NOREPLACE",
            mode: RenameMode::NoReplace,
            directories: Directories::One(from),
            old: &renamed,
            new: &made,
            moved: &mut maps,
            others: None,
            unused: false,
        };
        back.measure(volume, workspace, self.meter);
        let away = Renames {
            what: "rename to another directory",
            mode: RenameMode::Replace,
            directories: Directories::Two(from, to),
            old: &made,
            new: &renamed,
            moved: &mut maps,
            others: None,
            unused: false,
        };
        away.measure(volume, workspace, self.meter);
        let entries: Vec<_> = (0..TIMES).map(|at| name("entry", at)).collect();
        let mut others: Vec<_> = entries.iter().map(|name| open(from, name)).collect();
        others.iter_mut().for_each(|map| warm(map, workspace));
        let exchange = Renames {
            what: "rename, EXCHANGE",
            mode: RenameMode::Exchange,
            directories: Directories::Two(to, from),
            old: &renamed,
            new: &entries,
            moved: &mut maps,
            others: Some(&mut others),
            unused: false,
        };
        exchange.measure(volume, workspace, self.meter);
        let replacing = Renames {
            what: "rename, replacing",
            mode: RenameMode::Replace,
            directories: Directories::Two(from, to),
            old: &entries,
            new: &renamed,
            moved: &mut maps,
            others: Some(&mut others),
            unused: false,
        };
        replacing.measure(volume, workspace, self.meter);
        for other in &mut others {
            volume.files().finish(workspace, other).expect("freed");
        }
        let dirs: Vec<_> = (0..TIMES).map(|at| name("moving", at)).collect();
        let mut moving: Vec<_> = dirs
            .iter()
            .map(|name| {
                let made = volume.names().mkdir(
                    workspace,
                    from,
                    name,
                    &directory(),
                    now(),
                    &mut unannounced,
                );
                made.expect("made").map
            })
            .collect();
        let of_directories = Renames {
            what: "rename of a directory to another",
            mode: RenameMode::Replace,
            directories: Directories::Two(from, to),
            old: &dirs,
            new: &dirs,
            moved: &mut moving,
            others: None,
            unused: false,
        };
        of_directories.measure(volume, workspace, self.meter);
    }

    fn removing(&mut self, dir: &mut MapState) {
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        let names: Vec<_> = (0..TIMES).map(|at| name("goes", at)).collect();
        let make = |volume: &Volume<Host<M>>, workspace: &mut Workspace, dir: &mut MapState| {
            let maps = names.iter().map(|name| {
                let made =
                    volume
                        .names()
                        .create(workspace, dir, name, &file(), now(), &mut unannounced);
                made.expect("made").map
            });
            maps.collect::<Vec<_>>()
        };
        let mut maps = make(volume, workspace, dir);
        self.meter.measure("unlink", TIMES, &mut |at| {
            let at = at as usize;
            volume
                .names()
                .unlink(workspace, dir, &names[at], &mut maps[at], now())
                .expect("gone");
        });
        self.meter
            .measure("finish of an empty file", TIMES, &mut |at| {
                volume
                    .files()
                    .finish(workspace, &mut maps[at as usize])
                    .expect("freed");
            });
        let mut unused = make(volume, workspace, dir);
        self.meter
            .measure("unlink that frees an empty file", TIMES, &mut |at| {
                let at = at as usize;
                volume
                    .names()
                    .unlink_last(workspace, dir, &names[at], &mut unused[at], now())
                    .expect("gone");
            });
        let mut written = make(volume, workspace, dir);
        for map in &mut written {
            let done = volume.files().write(workspace, map, 0, &[5; 4096], now());
            assert_eq!(done, Ok(4096));
        }
        self.meter
            .measure("unlink that frees a file of 4 KiB", TIMES, &mut |at| {
                let at = at as usize;
                volume
                    .names()
                    .unlink_last(workspace, dir, &names[at], &mut written[at], now())
                    .expect("gone");
            });
        let mut replaced = make(volume, workspace, dir);
        let new: Vec<_> = (0..TIMES).map(|at| name("new", at)).collect();
        let mut moved: Vec<_> = (new.iter())
            .map(|name| {
                let made =
                    volume
                        .names()
                        .create(workspace, dir, name, &file(), now(), &mut unannounced);
                made.expect("made").map
            })
            .collect();
        let over_last = Renames {
            what: "rename that frees an empty file",
            mode: RenameMode::Replace,
            directories: Directories::One(dir),
            old: &new,
            new: &names,
            moved: &mut moved,
            others: Some(&mut replaced),
            unused: true,
        };
        over_last.measure(volume, workspace, self.meter);
        let (dir, mut dirs) = (dir, Vec::new());
        for (name, map) in names.iter().zip(&mut moved) {
            volume
                .names()
                .unlink_last(workspace, dir, name, map, now())
                .expect("gone");
            let made =
                volume
                    .names()
                    .mkdir(workspace, dir, name, &directory(), now(), &mut unannounced);
            dirs.push(made.expect("made").map);
        }
        self.meter.measure("rmdir that frees it", TIMES, &mut |at| {
            let at = at as usize;
            volume
                .names()
                .rmdir_last(workspace, dir, &names[at], &mut dirs[at], now())
                .expect("gone");
        });
        make(volume, workspace, dir);
        self.meter
            .measure("look-up, open and unlink", TIMES, &mut |at| {
                let name = &names[at as usize];
                let target = volume.names().lookup(dir, name).expect("it is there");
                let (mut map, _) = volume.inodes().open(target.ino, None).expect("it is one");
                volume
                    .names()
                    .unlink(workspace, dir, name, &mut map, now())
                    .expect("gone");
            });
    }

    fn looking(&mut self, dir: &mut MapState) {
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        let names: Vec<_> = (0..TIMES).map(|at| name("entry", 400 + at)).collect();
        let mut inodes = Vec::new();
        self.meter.measure("lookup", TIMES, &mut |at| {
            let target = volume.names().lookup(dir, &names[at as usize]);
            inodes.push(target.expect("it is there").ino);
        });
        let absent: Vec<_> = (0..TIMES).map(|at| name("absent", at)).collect();
        self.meter.measure("lookup of no entry", TIMES, &mut |at| {
            assert!(volume.names().lookup(dir, &absent[at as usize]).is_err());
        });
        self.meter.measure("open by number", TIMES, &mut |at| {
            volume
                .inodes()
                .open(inodes[at as usize], None)
                .expect("it is one");
        });
        self.meter.measure("stat", TIMES, &mut |_| {
            volume.inodes().attributes(dir).expect("it is good");
        });
        let mut entries = volume.names().readdir(workspace, dir, 0, |_| true);
        let mut count = 0;
        self.meter.measure("readdir of a directory", 16, &mut |_| {
            count = 0;
            entries = volume.names().readdir(workspace, dir, 0, |_| {
                count += 1;
                true
            });
        });
        assert!(entries.is_ok() && count >= ENTRIES);
    }

    fn writing(&mut self) {
        for (what, bytes) in [
            ("4 KiB", BLOCK_SIZE),
            ("64 KiB", 64 << 10),
            ("2 MiB", 2 * MIB),
        ] {
            let mut maps = self.files();
            let bytes = vec![5; bytes as usize];
            let Session {
                volume, workspace, ..
            } = &mut self.session;
            let times = TIMES / if bytes.len() as u64 > MIB { 8 } else { 1 };
            let mut write = |what: &str, offset: u64, maps: &mut Vec<MapState>| {
                self.meter.measure(what, times, &mut |at| {
                    let map = &mut maps[at as usize];
                    let written = volume.files().write(workspace, map, offset, &bytes, now());
                    assert_eq!(written, Ok(bytes.len()));
                });
            };
            write(&format!("first write of {what}"), 0, &mut maps);
            write(&format!("overwrite of {what}"), 0, &mut maps);
            write(
                &format!("extending write of {what}"),
                bytes.len() as u64,
                &mut maps,
            );
            self.drop_files(maps);
        }
        let mut maps = self.written(1001);
        for (what, offset, len) in [
            ("append of 100 bytes at an odd offset", 1001, 100),
            ("append of 5,000 bytes at an odd offset", 1101, 5000),
        ] {
            let bytes = vec![6; len];
            let Session {
                volume, workspace, ..
            } = &mut self.session;
            self.meter.measure(what, TIMES, &mut |at| {
                let map = &mut maps[at as usize];
                let written = volume.files().write(workspace, map, offset, &bytes, now());
                assert_eq!(written, Ok(len));
            });
        }
        self.drop_files(maps);
        let mut maps = self.written(MIB);
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        self.meter
            .measure("map for a write, blocks are there", TIMES, &mut |at| {
                let map = &mut maps[at as usize];
                volume
                    .files()
                    .map_for_write(workspace, map, (7, 1), &Change::modified(now()))
                    .expect("mapped");
            });
        self.meter.measure("map for a read", TIMES, &mut |at| {
            volume
                .files()
                .map(&maps[at as usize], 7, 1)
                .expect("mapped");
        });
        let mut bytes = vec![0; BLOCK_SIZE as usize];
        self.meter.measure("read of 4 KiB", TIMES, &mut |at| {
            let read = volume
                .files()
                .read(&maps[at as usize], 7 * BLOCK_SIZE, &mut bytes);
            assert_eq!(read, Ok(bytes.len()));
        });
        self.meter.measure("extending truncate", TIMES, &mut |at| {
            let map = &mut maps[at as usize];
            volume
                .files()
                .truncate(workspace, map, 3 * MIB / 2 + 5, &Change::modified(now()))
                .expect("cut");
        });
        self.meter
            .measure("truncate that frees 0.5 MiB", TIMES, &mut |at| {
                let map = &mut maps[at as usize];
                volume
                    .files()
                    .truncate(workspace, map, MIB / 2, &Change::modified(now()))
                    .expect("cut");
            });
        self.meter
            .measure("finish of a file of 0.5 MiB", TIMES, &mut |at| {
                let map = &mut maps[at as usize];
                volume.files().finish(workspace, map).expect("freed");
            });
    }

    fn without_dax(&mut self) {
        let mut maps = self.files();
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        self.meter
            .measure("unwritten blocks for 64 KiB", TIMES, &mut |at| {
                let map = &mut maps[at as usize];
                volume
                    .files()
                    .reserve_unwritten(workspace, map, 0, 16)
                    .expect("reserved");
            });
        self.meter
            .measure("conversion of 64 KiB", TIMES, &mut |at| {
                let map = &mut maps[at as usize];
                volume
                    .files()
                    .convert(workspace, map, (0, 16), &|_| false)
                    .expect("converted");
            });
        self.meter.measure("set_size", TIMES, &mut |at| {
            let map = &mut maps[at as usize];
            volume
                .files()
                .set_size(workspace, map, (0, 64 << 10), &Change::modified(now()))
                .expect("set");
        });
        self.drop_files(maps);
    }

    fn ranges(&mut self) {
        let mut maps = self.written(64 << 10);
        for (what, mode, keep_size, offset, len) in [
            (
                "fallocate of 1 MiB",
                Fallocate::Allocate,
                false,
                64 << 10,
                MIB,
            ),
            (
                "fallocate of 1 MiB, KEEP_SIZE",
                Fallocate::Allocate,
                true,
                2 * MIB,
                MIB,
            ),
            (
                "fallocate, PUNCH_HOLE of 16 KiB",
                Fallocate::PunchHole,
                true,
                16 << 10,
                16 << 10,
            ),
            (
                "fallocate, ZERO_RANGE of 16 KiB",
                Fallocate::ZeroRange,
                true,
                48 << 10,
                16 << 10,
            ),
        ] {
            let range = FallocateRange {
                mode,
                keep_size,
                offset,
                len,
            };
            let Session {
                volume, workspace, ..
            } = &mut self.session;
            self.meter.measure(what, TIMES, &mut |at| {
                let map = &mut maps[at as usize];
                volume
                    .files()
                    .fallocate(workspace, map, &range, &Change::modified(now()))
                    .expect("done");
            });
        }
        self.drop_files(maps);
    }

    fn attributes(&mut self) {
        let mut maps = self.files();
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        for (what, change) in [
            (
                "setattr of a time",
                Change {
                    atime: Some(now()),
                    ..Change::default()
                },
            ),
            (
                "setattr of times",
                Change {
                    atime: Some(now()),
                    mtime: Some(now()),
                    ctime: Some(now()),
                    ..Change::default()
                },
            ),
            (
                "setattr of permissions",
                Change {
                    permissions: Some(0o600),
                    ctime: Some(now()),
                    ..Change::default()
                },
            ),
            (
                "setattr of owner and group",
                Change {
                    uid: Some(7),
                    gid: Some(8),
                    ctime: Some(now()),
                    ..Change::default()
                },
            ),
            (
                "setattr of flags",
                Change {
                    flags: Some(0x10),
                    ctime: Some(now()),
                    ..Change::default()
                },
            ),
            (
                "setattr of the project",
                Change {
                    project: Some(6),
                    ctime: Some(now()),
                    ..Change::default()
                },
            ),
        ] {
            self.meter.measure(what, TIMES, &mut |at| {
                let map = &mut maps[at as usize];
                volume
                    .inodes()
                    .change(workspace, map, &change)
                    .expect("changed");
            });
        }
        self.drop_files(maps);
    }

    fn xattrs(&mut self) {
        let mut maps = self.files();
        let mut locks: Vec<_> = maps.iter().map(XattrState::new).collect();
        let first = XattrName::new(XattrSpace::User, b"first").expect("it is one");
        let second = XattrName::new(XattrSpace::User, b"second").expect("it is one");
        let Session {
            volume, workspace, ..
        } = &mut self.session;
        // The first change of a lock that has just come into being flushes the marks of all slots.
        for (map, lock) in maps.iter_mut().zip(&mut locks) {
            let xattr = NewXattr {
                name: first,
                value: b"value",
            };
            volume
                .xattrs()
                .set(
                    workspace,
                    lock,
                    map,
                    &xattr,
                    SetMode::Any,
                    &Change::changed(now()),
                )
                .expect("set");
            volume
                .xattrs()
                .remove(workspace, lock, map, first, &Change::changed(now()))
                .expect("removed");
        }
        for (what, name, value) in [
            ("setxattr, the first", first, &[1; 40][..]),
            ("setxattr, another", second, &[2; 40][..]),
            ("setxattr, replacing", first, &[3; 60][..]),
        ] {
            let xattr = NewXattr { name, value };
            self.meter.measure(what, TIMES, &mut |at| {
                let (map, lock) = (&mut maps[at as usize], &mut locks[at as usize]);
                volume
                    .xattrs()
                    .set(
                        workspace,
                        lock,
                        map,
                        &xattr,
                        SetMode::Any,
                        &Change::changed(now()),
                    )
                    .expect("set");
            });
        }
        let mut value = [0; 64];
        self.meter.measure("getxattr", TIMES, &mut |at| {
            let read = volume.xattrs().get(&locks[at as usize], second, &mut value);
            assert_eq!(read, Ok(40));
        });
        self.meter.measure("listxattr", TIMES, &mut |at| {
            volume
                .xattrs()
                .list(&locks[at as usize], |_, _| Ok(()))
                .expect("listed");
        });
        self.meter.measure("removexattr", TIMES, &mut |at| {
            let (map, lock) = (&mut maps[at as usize], &mut locks[at as usize]);
            volume
                .xattrs()
                .remove(workspace, lock, map, second, &Change::changed(now()))
                .expect("removed");
        });
        self.drop_files(maps);
    }
}
