// SPDX-License-Identifier: GPL-2.0

//! Copies files out of a volume.
//!
//! Everything is made anew in a directory that was made for it, and names are checked: nothing that a volume says leads to
//! a file elsewhere.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{symlink, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail, Context, Result};
use rdaxfs_core::directory::check_name;
use rdaxfs_core::file::State;
use rdaxfs_core::format::{
    Time, BLOCK_SIZE, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK,
};
use rdaxfs_core::inode::{Attributes, MapState, XattrState};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::xattr::XattrName;
use rdaxfs_core::Error;
use rdaxfs_host::Mounted;
use rustix::fs::{
    chownat, lsetxattr, makedev, mknodat, statat, utimensat, AtFlags, FileType, Mode, Timespec,
    Timestamps, XattrFlags, CWD,
};
use rustix::fs::{Gid, Uid};
use terminal::{complain, safe, safe_path};

use crate::cli::What;
use crate::open::{failed, number, open, Files};

/// How much of a file is copied at once.
const PIECE: usize = 1 << 20;
/// File systems may round times to so many seconds (FAT: 2).
const COARSEST: u64 = 2;
/// The longest target of a symbolic link, in bytes.
const MAX_TARGET: usize = 4096;

/// Writes a file to standard output.
///
/// # Errors
///
/// If it is not a regular file, cannot be read, or standard output cannot be written. A reader that has gone away is none.
pub fn cat(path: &Path, what: &What) -> Result<()> {
    let Mounted { volume, .. } = open(path)?;
    let ino = number(&volume, what)?;
    let (map, attributes) = volume
        .inodes()
        .open(ino, None)
        .map_err(|error| failed(error, path))?;
    if !attributes.is_file() {
        bail!("inode {ino} is not a regular file");
    }
    let mut out = io::stdout().lock();
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while at < attributes.size {
        let read = volume
            .files()
            .read(&map, at, &mut buffer)
            .map_err(|error| {
                failed(error, path).context(format!("inode {ino}, from byte {at} on"))
            })?;
        if read == 0 {
            break;
        }
        match out.write_all(&buffer[..read]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("standard output cannot be written")?,
        }
        at += read as u64;
    }
    out.flush().context("standard output cannot be written")
}

/// Copies files into a new directory. Returns whether all of them could be kept as they are.
///
/// # Errors
///
/// If a file cannot be read or written.
pub fn extract(path: &Path, to: &Path, what: Option<&What>) -> Result<bool> {
    let Mounted {
        volume,
        mut workspace,
    } = open(path)?;
    let ino = match what {
        Some(what) => number(&volume, what)?,
        None => volume.root(),
    };
    let (_, attributes) = volume
        .inodes()
        .open(ino, None)
        .map_err(|error| failed(error, path))?;
    let mut copy = Copy {
        volume: &volume,
        workspace: &mut workspace,
        path,
        is_root: rustix::process::geteuid().is_root(),
        first_names: HashMap::new(),
        buffer: vec![0; PIECE],
        is_whole: true,
        moved: (0, PathBuf::new()),
    };
    if attributes.is_directory() {
        copy.tree(ino, to)?;
    } else {
        fs::create_dir(to).with_context(|| format!("{} cannot be made", safe_path(to)))?;
        let name = match what {
            Some(What::Path(path)) => path
                .rsplit(|&byte| byte == b'/')
                .find(|name| !name.is_empty()),
            _ => None,
        };
        let name = name.map_or_else(|| ino.to_string().into_bytes(), <[u8]>::to_vec);
        let place = to.join(std::ffi::OsStr::from_bytes(&name));
        copy.one(ino, &place)?;
    }
    if copy.moved.0 > 0 {
        complain!(
            "dump.rdaxfs: the file system of {} cannot hold some times and has others for them; files: {}, the \
             first: {}",
            safe_path(to),
            copy.moved.0,
            safe_path(&copy.moved.1)
        );
        copy.is_whole = false;
    }
    Ok(copy.is_whole)
}

/// A copy on its way.
struct Copy<'v> {
    volume: &'v Files,
    workspace: &'v mut Workspace,
    path: &'v Path,
    is_root: bool,
    /// Where files with several names are, and directories.
    first_names: HashMap<u64, PathBuf>,
    buffer: Vec<u8>,
    is_whole: bool,
    /// How many copies have another time than the file, and the first.
    moved: (u64, PathBuf),
}

impl Copy<'_> {
    /// Copies a directory and all below it.
    fn tree(&mut self, ino: u64, to: &Path) -> Result<()> {
        // Directories get their permissions and times once all is in them.
        let mut made = Vec::new();
        let mut left = vec![(ino, to.to_owned())];
        while let Some((ino, place)) = left.pop() {
            let (map, attributes) = self.open(ino, &place)?;
            if !attributes.is_directory() {
                self.one(ino, &place)?;
                continue;
            }
            if let Some(first) = self.first_names.insert(ino, place.clone()) {
                bail!(
                    "{}: the directory is at {} as well; run fsck.rdaxfs",
                    safe_path(&place),
                    safe_path(&first)
                );
            }
            fs::create_dir(&place)
                .with_context(|| format!("{} cannot be made", safe_path(&place)))?;
            fs::set_permissions(&place, Permissions::from_mode(0o700))?;
            let mut entries = Vec::new();
            let read = self
                .volume
                .names()
                .readdir(self.workspace, &map, 0, |entry| {
                    if !matches!(entry.name, b"." | b"..") {
                        entries.push((entry.ino, entry.name.to_vec()));
                    }
                    true
                });
            read.map_err(|error| self.failed(error, &place))?;
            for (child, name) in entries.into_iter().rev() {
                check_name(&name).map_err(|_| {
                    anyhow!(
                        "{}: a name that cannot be one, \"{}\"",
                        safe_path(&place),
                        safe(&name)
                    )
                })?;
                left.push((child, place.join(std::ffi::OsString::from_vec(name))));
            }
            made.push((map, attributes, place));
        }
        for (map, attributes, place) in made.into_iter().rev() {
            self.keep(&map, &attributes, &place)?;
        }
        Ok(())
    }

    /// Copies what is not a directory.
    fn one(&mut self, ino: u64, place: &Path) -> Result<()> {
        let (map, attributes) = self.open(ino, place)?;
        let cannot = || format!("{} cannot be made", safe_path(place));
        if attributes.links > 1 {
            if let Some(first) = self.first_names.get(&ino) {
                return fs::hard_link(first, place).with_context(cannot);
            }
            self.first_names.insert(ino, place.to_owned());
        }
        match attributes.mode & S_IFMT {
            S_IFREG => self.file(&map, &attributes, place)?,
            S_IFLNK => {
                let mut target = [0; MAX_TARGET];
                let len = self
                    .volume
                    .names()
                    .readlink(&map, &mut target)
                    .map_err(|error| self.failed(error, place))?;
                symlink(std::ffi::OsStr::from_bytes(&target[..len]), place).with_context(cannot)?;
            }
            S_IFCHR | S_IFBLK if !self.is_root => {
                self.lost(place, "only root can make a device: left out");
                return Ok(());
            }
            format => special(format, attributes.device, place).with_context(cannot)?,
        }
        self.keep(&map, &attributes, place)
    }

    fn file(&mut self, map: &MapState, attributes: &Attributes, place: &Path) -> Result<()> {
        let cannot = || format!("{} cannot be written", safe_path(place));
        // No link that is there is followed.
        let file = File::create_new(place).with_context(cannot)?;
        file.set_len(attributes.size).with_context(cannot)?;
        let pages = attributes.size.div_ceil(BLOCK_SIZE);
        let mut page = 0;
        while page < pages {
            let count = (pages - page).min((PIECE as u64) / BLOCK_SIZE);
            let mapping = self
                .volume
                .files()
                .map(map, page, count)
                .map_err(|error| self.failed(error, place))?;
            let end = (mapping.page + mapping.count).max(page + 1);
            if matches!(mapping.state, State::Mapped(_)) {
                let (from, to) = (page * BLOCK_SIZE, (end * BLOCK_SIZE).min(attributes.size));
                let bytes = &mut self.buffer[..(to - from) as usize];
                self.volume
                    .files()
                    .read(map, from, bytes)
                    .map_err(|error| failed(error, self.path).context(safe_path(place)))?;
                file.write_all_at(bytes, from).with_context(cannot)?;
            }
            page = end;
        }
        Ok(())
    }

    /// Gives a copy what else the file has.
    fn keep(&mut self, map: &MapState, attributes: &Attributes, place: &Path) -> Result<()> {
        let is_link = attributes.mode & S_IFMT == S_IFLNK;
        if self.is_root {
            let owner = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
            chownat(
                CWD,
                place,
                Some(owner.0),
                Some(owner.1),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .with_context(|| format!("the owner of {}", safe_path(place)))?;
        }
        let mut xattrs = Vec::new();
        let state = XattrState::new(map);
        self.volume
            .xattrs()
            .list(&state, |name, len| {
                xattrs.push((name.space(), name.rest().to_vec(), len));
                Ok(())
            })
            .map_err(|error| self.failed(error, place))?;
        for (space, rest, len) in xattrs {
            let mut value = vec![0; len];
            XattrName::new(space, &rest)
                .and_then(|name| self.volume.xattrs().get(&state, name, &mut value))
                .map_err(|error| self.failed(error, place))?;
            let name = [space.prefix(), &rest].concat();
            if let Err(error) = lsetxattr(place, &name[..], &value, XattrFlags::empty()) {
                self.lost(place, &format!("attribute {}: {error}", safe(&name)));
            }
        }
        if !is_link {
            // After the owner, which takes set-user-ID away.
            let permissions = Permissions::from_mode(u32::from(attributes.mode & !S_IFMT));
            fs::set_permissions(place, permissions)
                .with_context(|| format!("the permissions of {}", safe_path(place)))?;
        }
        let times = Timestamps {
            last_access: timespec(attributes.atime),
            last_modification: timespec(attributes.mtime),
        };
        let the_times = || format!("the times of {}", safe_path(place));
        utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW).with_context(the_times)?;
        // The kernel takes the nearest that the file system there can hold, and says nothing.
        let kept = statat(CWD, place, AtFlags::SYMLINK_NOFOLLOW).with_context(the_times)?;
        let is_kept = |wanted: i64, kept: i64| wanted.abs_diff(kept) <= COARSEST;
        if !is_kept(times.last_access.tv_sec, kept.st_atime)
            || !is_kept(times.last_modification.tv_sec, kept.st_mtime)
        {
            if self.moved.0 == 0 {
                self.moved.1 = place.to_owned();
            }
            self.moved.0 += 1;
        }
        Ok(())
    }

    fn open(&self, ino: u64, place: &Path) -> Result<(MapState, Attributes)> {
        let opened = self.volume.inodes().open(ino, None);
        opened.map_err(|error| self.failed(error, place))
    }

    fn failed(&self, error: Error, place: &Path) -> anyhow::Error {
        failed(error, self.path).context(safe_path(place))
    }

    fn lost(&mut self, place: &Path, what: &str) {
        complain!("dump.rdaxfs: {}: {what}", safe_path(place));
        self.is_whole = false;
    }
}

fn special(format: u16, device: u64, place: &Path) -> io::Result<()> {
    let kind = match format {
        S_IFCHR => FileType::CharacterDevice,
        S_IFBLK => FileType::BlockDevice,
        S_IFIFO => FileType::Fifo,
        S_IFSOCK => FileType::Socket,
        S_IFDIR => FileType::Directory,
        _ => FileType::Unknown,
    };
    let number = makedev((device >> 32) as u32, device as u32);
    Ok(mknodat(CWD, place, kind, Mode::RUSR | Mode::WUSR, number)?)
}

fn timespec(time: Time) -> Timespec {
    Timespec {
        tv_sec: time.seconds(),
        // In a damaged volume it may be any number of 30 bits.
        tv_nsec: i64::from(time.nanoseconds().min(999_999_999)),
    }
}
