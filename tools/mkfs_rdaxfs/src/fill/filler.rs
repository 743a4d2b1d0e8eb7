// SPDX-License-Identifier: GPL-2.0

//! Puts files on a volume.

use anyhow::{anyhow, bail, Context, Result};
use rdaxfs_core::format::{Time, XattrSpace, S_IFDIR, S_IFLNK, S_IFREG};
use rdaxfs_core::inode::{Change, MapState, XattrState};
use rdaxfs_core::name::{unannounced, Made, NewInode};
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::xattr::{NewXattr, SetMode, XattrName};
use rdaxfs_core::Error;
use rdaxfs_host::{resolve, FileMedium, Host, Mounted};
use terminal::{complain, safe};

use super::when::{Moved, When};
use super::{Contents, Kind, Node, Sink};

/// How much of a file is read at once; a multiple of a page.
const PIECE: usize = 1 << 20;
/// What is left out if it is all zeros.
const PAGE: usize = 4096;

type Files = Volume<Host<FileMedium>>;

/// A volume that is being filled.
pub struct Filler<'m> {
    volume: &'m Files,
    workspace: &'m mut Workspace,
    /// No time is later than this, if it is given (`SOURCE_DATE_EPOCH`).
    latest: Option<Time>,
    /// The owner of the root directory, whatever the source says.
    root_owner: Option<(u32, u32)>,
    buffer: Vec<u8>,
    /// The directories, which get their times once all is in them.
    directories: Vec<(u64, Time)>,
    /// The directory that was used last: most files are in it.
    last: (Vec<u8>, u64),
    /// The root directory was given.
    has_root: bool,
    files: u64,
    moved: Moved,
}

impl<'m> Filler<'m> {
    /// Begins with an empty volume.
    #[must_use]
    pub fn new(
        mounted: &'m mut Mounted<FileMedium>,
        latest: Option<Time>,
        root_owner: Option<(u32, u32)>,
    ) -> Self {
        let Mounted { volume, workspace } = mounted;
        Self {
            last: (Vec::new(), volume.root()),
            volume,
            workspace,
            latest,
            root_owner,
            buffer: vec![0; PIECE],
            directories: Vec::new(),
            has_root: false,
            files: 0,
            moved: Moved::default(),
        }
    }

    /// Ends it. Returns how many files there are, without the root directory.
    ///
    /// # Errors
    ///
    /// If the times of the directories cannot be set.
    pub fn finish(self) -> Result<u64> {
        for (ino, time) in self.directories.into_iter().rev() {
            let (mut map, _) = self.volume.inodes().open(ino, None)?;
            self.volume
                .inodes()
                .change(self.workspace, &mut map, &times(time))?;
        }
        self.moved.warn();
        Ok(self.files)
    }

    /// The time that a file gets.
    fn time(&self, node: &Node) -> Time {
        self.when(node).nearest
    }

    fn when(&self, node: &Node) -> When {
        self.latest
            .map_or(node.mtime, |latest| node.mtime.at_most(latest))
    }

    /// The directory at a path, and those above it, which are made if the source has not got them.
    fn directory(&mut self, path: &[u8]) -> Result<u64> {
        if self.last.0 == path {
            return Ok(self.last.1);
        }
        let mut at = self.volume.root();
        let mut end = 0;
        for name in path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
        {
            end += name.len() + usize::from(end > 0);
            let (mut map, attributes) = self.volume.inodes().open(at, None)?;
            at = match self.volume.names().lookup(&map, name) {
                Ok(found) => found.ino,
                Err(Error::NoEntry) => {
                    // As tar makes it: what is in it says nothing of it.
                    let new = NewInode {
                        mode: S_IFDIR | 0o755,
                        ..NewInode::default()
                    };
                    let time = attributes.mtime;
                    let made = self.volume.names().mkdir(
                        self.workspace,
                        &mut map,
                        name,
                        &new,
                        time,
                        &mut unannounced,
                    )?;
                    self.files += 1;
                    made.attributes.ino
                }
                Err(error) => return Err(error.into()),
            };
            if !self.volume.inodes().open(at, None)?.1.is_directory() {
                bail!("\"{}\" is not a directory", safe(&path[..end]));
            }
        }
        self.last = (path.to_vec(), at);
        Ok(at)
    }

    fn root(&mut self, node: &Node) -> Result<()> {
        let ino = self.volume.root();
        self.attributes(ino, node, self.root_owner)?;
        if !self.has_root {
            self.directories.push((ino, self.time(node)));
        }
        self.has_root = true;
        Ok(())
    }

    /// Sets what a directory has that is there already.
    fn attributes(&mut self, ino: u64, node: &Node, owner: Option<(u32, u32)>) -> Result<()> {
        let (mut map, _) = self.volume.inodes().open(ino, None)?;
        let (uid, gid) = owner.unwrap_or((node.uid, node.gid));
        let change = Change {
            permissions: Some(node.permissions),
            uid: Some(uid),
            gid: Some(gid),
            ..times(self.time(node))
        };
        self.volume
            .inodes()
            .change(self.workspace, &mut map, &change)?;
        for xattr in &new_xattrs(&node.xattrs)? {
            let mut xattrs = XattrState::new(&map);
            self.volume.xattrs().set(
                self.workspace,
                &mut xattrs,
                &mut map,
                xattr,
                SetMode::Any,
                &Change::none(),
            )?;
        }
        Ok(())
    }

    /// Makes what is not a link, in a directory.
    fn make(
        &mut self,
        directory: &mut MapState,
        name: &[u8],
        node: &Node,
        kind: Kind<'_>,
    ) -> Result<()> {
        let time = self.time(node);
        let xattrs = new_xattrs(&node.xattrs)?;
        let mut new = NewInode {
            mode: node.permissions,
            uid: node.uid,
            gid: node.gid,
            xattrs: &xattrs,
            ..NewInode::default()
        };
        let (names, workspace) = (self.volume.names(), &mut *self.workspace);
        match kind {
            Kind::Directory => {
                new.mode |= S_IFDIR;
                let made = names.mkdir(workspace, directory, name, &new, time, &mut unannounced)?;
                self.directories.push((made.attributes.ino, time));
            }
            Kind::File { size, contents, .. } => {
                new.mode |= S_IFREG;
                let made =
                    names.create(workspace, directory, name, &new, time, &mut unannounced)?;
                self.write(made, size, contents, time)?;
            }
            Kind::Symlink(target) => {
                new.mode = S_IFLNK | 0o777;
                let both = (name, &target[..]);
                names.symlink(workspace, directory, both, &new, time, &mut unannounced)?;
            }
            Kind::Special { format, device } => {
                new.mode |= format;
                new.device = device;
                names.create(workspace, directory, name, &new, time, &mut unannounced)?;
            }
            Kind::Link(_) => return Err(Error::Invalid.into()),
        }
        Ok(())
    }

    /// Writes what is in a file, without pages of zeros.
    fn write(
        &mut self,
        made: Made,
        size: u64,
        contents: &mut dyn Contents,
        time: Time,
    ) -> Result<()> {
        let mut map = made.map;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut read = 0;
        while let Some((offset, bytes)) = contents.next(&mut buffer)? {
            read = offset + bytes.len() as u64;
            if read > size {
                bail!("there is more in it than its {size} bytes");
            }
            let mut at = offset;
            for run in runs(bytes) {
                let (from, piece) = (at, run);
                at += piece.len() as u64;
                if is_zero(piece) {
                    continue;
                }
                let written =
                    self.volume
                        .files()
                        .write(self.workspace, &mut map, from, piece, time)?;
                if written < piece.len() {
                    return Err(Error::NoSpace.into());
                }
            }
        }
        self.buffer = buffer;
        if self.volume.inodes().attributes(&map)?.size < size {
            self.volume
                .files()
                .truncate(self.workspace, &mut map, size, &times(time))?;
        }
        self.volume.files().close(&mut map);
        debug_assert!(read <= size);
        Ok(())
    }

    fn link(&mut self, directory: &mut MapState, name: &[u8], first: &[u8]) -> Result<()> {
        let ino = resolve(self.volume, first)
            .map_err(|(_, error)| error)
            .with_context(|| format!("a hard link to \"{}\"", safe(first)))?;
        let (mut map, attributes) = self.volume.inodes().open(ino, None)?;
        if attributes.is_directory() {
            bail!("a hard link to the directory \"{}\"", safe(first));
        }
        self.volume
            .names()
            .link(self.workspace, directory, name, &mut map, attributes.ctime)?;
        Ok(())
    }
}

impl Sink for Filler<'_> {
    fn add(&mut self, path: &[u8], node: &Node, kind: Kind<'_>) -> Result<()> {
        if path.is_empty() {
            if !matches!(kind, Kind::Directory) {
                bail!("the root is not a directory");
            }
            if !self.has_root {
                self.moved.note(path, self.when(node));
            }
            return self.root(node);
        }
        let split = path.iter().rposition(|&byte| byte == b'/');
        let (parent, name) = match split {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        let parent = self.directory(parent)?;
        let (mut directory, _) = self.volume.inodes().open(parent, None)?;
        if let Ok(there) = self.volume.names().lookup(&directory, name) {
            let is_directory = self.volume.inodes().open(there.ino, None)?.1.is_directory();
            // An archive may have a directory again, after it was made for what is in it.
            if !is_directory || !matches!(kind, Kind::Directory) {
                bail!("there is a file of this name already");
            }
            self.moved.note(path, self.when(node));
            self.directories.push((there.ino, self.time(node)));
            return self.attributes(there.ino, node, None);
        }
        if let Kind::Link(first) = kind {
            return self.link(&mut directory, name, &first);
        }
        self.make(&mut directory, name, node, kind)?;
        self.moved.note(path, self.when(node));
        self.files += 1;
        Ok(())
    }
}

/// A change of all times to one.
fn times(time: Time) -> Change {
    Change {
        atime: Some(time),
        mtime: Some(time),
        ctime: Some(time),
        ..Change::none()
    }
}

/// The longest runs of pages that are zeros, or are not; the last page may be a part of one.
fn runs(bytes: &[u8]) -> Vec<&[u8]> {
    let mut runs = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let zero = is_zero(&rest[..rest.len().min(PAGE)]);
        let pages = rest
            .chunks(PAGE)
            .take_while(|page| is_zero(page) == zero)
            .count();
        let (run, behind) = rest.split_at((pages * PAGE).min(rest.len()));
        runs.push(run);
        rest = behind;
    }
    runs
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// The prefix of an attribute's name, and the rest; [`None`] if a volume has no such attributes.
#[must_use]
pub fn xattr_name(name: &[u8]) -> Option<(XattrSpace, &[u8])> {
    XattrSpace::split(name).filter(|&(space, rest)| {
        space != XattrSpace::System || matches!(rest, b"posix_acl_access" | b"posix_acl_default")
    })
}

/// Whether a volume can have an attribute; if not, says that the file gets none.
#[must_use]
pub fn has_place_for(file: &str, name: &[u8]) -> bool {
    let has_place = xattr_name(name).is_some();
    if !has_place {
        complain!(
            "mkfs.rdaxfs: {file}: a volume has no attributes like {}: left out",
            safe(name)
        );
    }
    has_place
}

fn new_xattrs(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<NewXattr<'_>>> {
    let new = xattrs.iter().map(|(name, value)| {
        let named = xattr_name(name).ok_or(Error::NotSupported);
        let named = named.and_then(|(space, rest)| XattrName::new(space, rest));
        let named = named.map_err(|error| anyhow!(error));
        Ok(NewXattr {
            name: named.with_context(|| format!("attribute {}", safe(name)))?,
            value,
        })
    });
    new.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_left_out_by_pages() {
        let mut bytes = vec![0; 3 * PAGE + 10];
        bytes[PAGE] = 1;
        bytes[3 * PAGE + 9] = 1;
        let lengths: Vec<_> = runs(&bytes).iter().map(|run| run.len()).collect();
        assert_eq!(lengths, [PAGE, PAGE, PAGE, 10]);
        assert_eq!(runs(&[]).len(), 0);
        assert_eq!(runs(&[1; 2 * PAGE]).len(), 1);
    }

    #[test]
    fn a_volume_has_attributes_of_four_kinds() {
        for name in [
            "user.a",
            "trusted.b",
            "security.capability",
            "system.posix_acl_access",
        ] {
            assert!(xattr_name(name.as_bytes()).is_some(), "{name}");
        }
        for name in ["system.nfs4_acl", "btrfs.x", "userx", ""] {
            assert!(xattr_name(name.as_bytes()).is_none(), "{name}");
        }
    }
}
