// SPDX-License-Identifier: GPL-2.0

//! Every file of a file system, and where it is.

use super::called;
use super::overlap::{BadBytes, Piece, What};
use anyhow::Context;
use fs_extents::attributes;
use fs_extents::fiemap::{self, Of};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use terminal::{hex_unless_utf8, safe_path};
use walkdir::{DirEntry, WalkDir};

/// A file that has bad bytes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DamagedFile {
    /// All its names that were found.
    #[serde(flatten)]
    pub(super) paths: Paths,
    /// Its number.
    #[serde(serialize_with = "terminal::number")]
    pub(super) inode: u64,
    /// What it is: `file`, `directory` or `other`.
    pub(super) kind: &'static str,
    /// Its bytes.
    #[serde(serialize_with = "terminal::number")]
    pub(super) size: u64,
    /// What of it is bad, in the order of the file.
    pub(super) pieces: Vec<Piece>,
    /// Whether its data is in a realtime section.
    #[serde(skip)]
    pub(super) is_realtime: bool,
}

/// What is bad, on each device that files are on.
#[derive(Clone, Copy)]
pub(super) struct BadPlaces<'a> {
    /// The file system's own.
    pub(super) own: &'a BadBytes<'a>,
    /// That of XFS's realtime section, if it has one.
    pub(super) realtime: Option<&'a BadBytes<'a>>,
}

/// Paths of one file. In JSON they are `paths`, as they are shown; if one is not UTF-8, `paths_bytes` has for each its
/// bytes in hex, or null.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths(pub(super) Vec<PathBuf>);

impl Serialize for Paths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex = |path: &PathBuf| hex_unless_utf8(path.as_os_str().as_bytes());
        let shown: Vec<_> = self.0.iter().map(|path| safe_path(path)).collect();
        let bytes: Vec<_> = self.0.iter().map(hex).collect();
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("paths", &shown)?;
        if bytes.iter().any(Option::is_some) {
            fields.serialize_entry("paths_bytes", &bytes)?;
        }
        fields.end()
    }
}

/// A file or folder that could not be looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Unexamined {
    /// Its path, as it is shown.
    pub(super) path: String,
    /// It in hex, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_bytes: Option<String>,
    /// Why not.
    pub(super) error: String,
}

impl Unexamined {
    fn new(path: &Path, error: String) -> Self {
        Self {
            path: safe_path(path),
            path_bytes: hex_unless_utf8(path.as_os_str().as_bytes()),
            error,
        }
    }
}

/// A name of an inode.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// Its paths.
    pub(super) paths: Paths,
    /// What it is.
    pub(super) kind: &'static str,
    /// Its bytes.
    pub(super) size: u64,
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// Files with bad bytes.
    pub(super) files: Vec<DamagedFile>,
    /// What could not be looked at.
    pub(super) unexamined: Vec<Unexamined>,
    /// Every inode that has a name.
    pub(super) inodes: BTreeMap<u64, Named>,
}

/// The files of a file system.
pub(super) struct Tree {
    /// Its topmost folder.
    root: OwnedFd,
    mount_point: PathBuf,
    clear: bool,
    block_size: u64,
}

impl Tree {
    /// What is mounted at `mount_point`. As root, a copy of that mount which nobody else sees and in which
    /// nothing is mounted, so that no file is hidden below another mount.
    pub(super) fn open(mount_point: &Path) -> anyhow::Result<Self> {
        // What is still in the page cache gets its place on the device. If that fails, so be it: the
        // file system may be in no state to write.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(mount_point, flags, Mode::empty())
            .with_context(|| safe_path(mount_point))?;
        let _ = rustix::fs::syncfs(&opened);
        let block_size = rustix::fs::fstatvfs(&opened)
            .with_context(|| safe_path(mount_point))?
            .f_frsize;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let cloned = rustix::mount::open_tree(rustix::fs::CWD, mount_point, flags);
        let clear = cloned.is_ok();
        Ok(Self {
            root: cloned.unwrap_or(opened),
            mount_point: mount_point.to_owned(),
            clear,
            block_size,
        })
    }

    /// Whether nothing can be hidden below another mount.
    pub(super) fn is_clear(&self) -> bool {
        self.clear
    }

    /// Bytes of a block of the file system.
    pub(super) fn block_size(&self) -> u64 {
        self.block_size
    }

    /// A path of the topmost folder, for this process.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/.", self.root.as_raw_fd()))
    }

    /// The topmost folder, opened to be asked.
    pub(super) fn folder(&self) -> std::io::Result<std::fs::File> {
        std::fs::File::open(self.path())
    }

    /// Looks at every file.
    pub(super) fn visit(&self, bad: BadPlaces<'_>) -> Found {
        let root = self.path();
        let mut found = Found::default();
        let mut files = BTreeMap::<u64, DamagedFile>::new();
        // The folders that lead to where the walk is, the topmost first.
        let mut folders = Vec::new();
        for entry in WalkDir::new(&root).same_file_system(true) {
            match entry {
                Ok(entry) => {
                    folders.truncate(entry.depth());
                    folders.push(entry.path().to_owned());
                    self.visit_one(&root, &entry, bad, &mut files, &mut found);
                }
                // It was removed while the walk went on.
                Err(error) if error.depth() > 0 && is_gone(error.io_error()) => {}
                Err(error) => {
                    // An entry that cannot be read has no name: the folder that it is in has.
                    let folder = error.depth().checked_sub(1).and_then(|n| folders.get(n));
                    let path = error.path().or(folder.map(PathBuf::as_path));
                    let path = self.called(&root, path.unwrap_or(&root));
                    let error = error
                        .io_error()
                        .map_or("a loop of folders".to_owned(), ToString::to_string);
                    found.unexamined.push(Unexamined::new(&path, error));
                }
            }
        }
        for (inode, mut file) in files {
            // Names that were found after it was looked at.
            if let Some(named) = found.inodes.get(&inode) {
                file.paths = named.paths.clone();
            }
            found.files.push(file);
        }
        found
    }

    fn called(&self, root: &Path, path: &Path) -> PathBuf {
        called(&self.mount_point, path.strip_prefix(root).unwrap_or(path))
    }

    fn visit_one(
        &self,
        root: &Path,
        entry: &DirEntry,
        bad: BadPlaces<'_>,
        files: &mut BTreeMap<u64, DamagedFile>,
        found: &mut Found,
    ) {
        let path = self.called(root, entry.path());
        // walkdir's own error has no errno.
        let data = entry.metadata().map_err(|error| {
            let loops = || std::io::Error::other("a loop of folders");
            error.into_io_error().unwrap_or_else(loops)
        });
        let looked = data.and_then(|data| {
            let kind = kind(&data);
            let named = found.inodes.entry(data.ino()).or_insert_with(|| Named {
                paths: Paths::default(),
                kind,
                size: data.len(),
            });
            named.paths.0.push(path.clone());
            // Another name of a file that was looked at.
            if named.paths.0.len() > 1 || kind == "other" {
                return Ok(());
            }
            let (pieces, is_realtime) = pieces(entry.path(), &data, bad)?;
            if !pieces.is_empty() {
                let file = DamagedFile {
                    paths: Paths::default(),
                    inode: data.ino(),
                    kind,
                    size: data.len(),
                    pieces,
                    is_realtime,
                };
                files.insert(data.ino(), file);
            }
            Ok(())
        });
        if let Err(error) = looked {
            if is_gone(Some(&error)) {
                return;
            }
            let error = std::io::Error::to_string(&error);
            found.unexamined.push(Unexamined::new(&path, error));
        }
    }
}

/// Whether a file was removed meanwhile, so that nothing of it can be damaged.
fn is_gone(error: Option<&std::io::Error>) -> bool {
    let gone = [Errno::NOENT, Errno::STALE].map(Errno::raw_os_error);
    error
        .and_then(std::io::Error::raw_os_error)
        .is_some_and(|error| gone.contains(&error))
}

fn kind(data: &Metadata) -> &'static str {
    match data.file_type() {
        kind if kind.is_file() => "file",
        kind if kind.is_dir() => "directory",
        _ => "other",
    }
}

/// The bad bytes of a file or a folder, and whether its data is in a realtime section.
fn pieces(path: &Path, data: &Metadata, bad: BadPlaces<'_>) -> std::io::Result<(Vec<Piece>, bool)> {
    // Should it have become something else meanwhile, opening it must not block or do anything.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    // The size of a folder says nothing about where its entries are.
    let size = if data.is_dir() { u64::MAX } else { data.len() };
    // Without the section there is no need to ask.
    let realtime = match bad.realtime {
        Some(realtime) if attributes::is_realtime(&fd)? => Some(realtime),
        _ => None,
    };
    let mut pieces = Vec::new();
    for (of, what) in [(Of::Data, What::Data), (Of::Attributes, What::Attributes)] {
        let bad = match (of, realtime) {
            (Of::Data, Some(realtime)) => realtime,
            _ => bad.own,
        };
        for extent in fiemap::extents(&fd, of) {
            match extent {
                Ok(extent) => pieces.extend(bad.pieces_of_extent(&extent, size, what)),
                // Not told of a folder of XFS, of attributes on some file systems, and where there are none:
                // whose such blocks are is asked for later.
                Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::BADR | Errno::NOENT) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok((pieces, realtime.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a live file system files come and go. What has gone is neither damaged nor unexamined.
    #[test]
    fn files_that_vanish_are_no_failures() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["file", "other"] {
            std::fs::write(folder.path().join(name), "contents").unwrap();
        }
        let tree = Tree::open(folder.path()).unwrap();
        let root = tree.path();
        let none = BadBytes::new(&[]);
        let bad = BadPlaces {
            own: &none,
            realtime: None,
        };
        let entries: Vec<_> = WalkDir::new(&root).min_depth(1).into_iter().collect();
        assert_eq!(entries.len(), 2);
        std::fs::remove_file(folder.path().join("file")).unwrap();
        let (mut files, mut found) = (BTreeMap::new(), Found::default());
        for entry in entries {
            tree.visit_one(&root, &entry.unwrap(), bad, &mut files, &mut found);
        }
        assert!(found.unexamined.is_empty(), "{:?}", found.unexamined);
        let names: Vec<_> = found.inodes.values().map(|named| &named.paths.0).collect();
        assert_eq!(names, [&[folder.path().join("other")]]);
    }

    #[test]
    fn only_what_has_gone_is_passed_over() {
        let error = |errno: Errno| std::io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(is_gone(Some(&error(Errno::NOENT))));
        assert!(is_gone(Some(&error(Errno::STALE))));
        assert!(!is_gone(Some(&error(Errno::IO))));
        assert!(!is_gone(Some(&error(Errno::ACCESS))));
        assert!(!is_gone(None));
    }
}
