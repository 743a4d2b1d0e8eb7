// SPDX-License-Identifier: GPL-2.0

//! The files below a directory.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use rdaxfs_core::format::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK};
use rustix::fs::{lgetxattr, llistxattr, seek, OFlags, SeekFrom};
use rustix::io::Errno;
use terminal::{safe, safe_path};
use walkdir::WalkDir;

use super::filler::has_place_for;
use super::when::When;
use super::{Contents, Kind, Node, Sink, Source};

/// The longest list of attributes' names (`XATTR_LIST_MAX`), and the longest value.
const MAX_XATTRS: usize = 65536;

/// A directory whose files are put on a volume. What is mounted in it stays out.
pub struct Directory {
    root: PathBuf,
    /// The file that the volume is made in, which cannot hold itself: its device and inode.
    output: Option<(u64, u64)>,
}

impl Directory {
    /// That directory.
    #[must_use]
    pub fn new(root: &Path, output: Option<(u64, u64)>) -> Self {
        Self {
            root: root.to_owned(),
            output,
        }
    }

    fn add(
        &self,
        path: &Path,
        data: &Metadata,
        names: &mut HashMap<(u64, u64), Vec<u8>>,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let inode = (data.dev(), data.ino());
        if self.output == Some(inode) {
            bail!("the volume is made in this file; make it elsewhere");
        }
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let name = below.as_os_str().as_bytes();
        let node = Node {
            permissions: (data.mode() & 0o7777) as u16,
            uid: data.uid(),
            gid: data.gid(),
            mtime: When::new(data.mtime(), data.mtime_nsec() as u32),
            xattrs: xattrs(path)?,
        };
        let kind = data.file_type();
        if !kind.is_dir() && data.nlink() > 1 {
            if let Some(first) = names.get(&inode) {
                return sink.add(name, &node, Kind::Link(first.clone()));
            }
            names.insert(inode, name.to_vec());
        }
        let special = |format, device| Kind::Special { format, device };
        let number = || {
            let device = data.rdev();
            u64::from(rustix::fs::major(device)) << 32 | u64::from(rustix::fs::minor(device))
        };
        if kind.is_dir() {
            sink.add(name, &node, Kind::Directory)
        } else if kind.is_symlink() {
            let target = fs::read_link(path)?.into_os_string().into_vec();
            sink.add(name, &node, Kind::Symlink(target))
        } else if kind.is_file() {
            let mut contents = Sparse::open(path, data.len())?;
            let file = Kind::File {
                size: data.len(),
                allocated: data.len().min(data.blocks().saturating_mul(512)),
                contents: &mut contents,
            };
            sink.add(name, &node, file)
        } else if kind.is_char_device() {
            sink.add(name, &node, special(S_IFCHR, number()))
        } else if kind.is_block_device() {
            sink.add(name, &node, special(S_IFBLK, number()))
        } else if kind.is_fifo() {
            sink.add(name, &node, special(S_IFIFO, 0))
        } else {
            sink.add(name, &node, special(S_IFSOCK, 0))
        }
    }
}

impl Source for Directory {
    fn visit(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let mut names = HashMap::new();
        // The same order each time, so that the volume is the same.
        let walk = WalkDir::new(&self.root)
            .same_file_system(true)
            .sort_by_file_name();
        for entry in walk {
            let entry = entry?;
            let path = entry.path();
            let added = entry
                .metadata()
                .map_err(anyhow::Error::from)
                .and_then(|data| {
                    // The directory itself may be named by a link.
                    let data = if entry.depth() == 0 {
                        fs::metadata(path)?
                    } else {
                        data
                    };
                    self.add(path, &data, &mut names, sink)
                });
            added.with_context(|| safe_path(path))?;
        }
        Ok(())
    }
}

/// The attributes of a file that a volume can have.
fn xattrs(path: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0; MAX_XATTRS];
    let len = match llistxattr(path, &mut names[..]) {
        Ok(len) => len,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error).context("its extended attributes"),
    };
    let mut found = Vec::new();
    let names = names[..len].split(|&byte| byte == 0);
    for name in names.filter(|name| !name.is_empty()) {
        if !has_place_for(&safe_path(path), name) {
            continue;
        }
        let mut value = vec![0; MAX_XATTRS];
        let len = lgetxattr(path, name, &mut value[..])
            .with_context(|| format!("its attribute {}", safe(name)))?;
        value.truncate(len);
        found.push((name.to_vec(), value));
    }
    found.sort();
    Ok(found)
}

/// A file without its holes.
struct Sparse {
    file: File,
    size: u64,
    at: u64,
    /// Where the data ends that `at` is in.
    end: u64,
}

impl Sparse {
    fn open(path: &Path, size: u64) -> io::Result<Self> {
        // Should it have become something else, opening it must not block.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(path)?;
        Ok(Self {
            file,
            size,
            at: 0,
            end: 0,
        })
    }
}

impl Contents for Sparse {
    fn next<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(u64, &'b [u8])>> {
        if self.at >= self.end {
            match seek(&self.file, SeekFrom::Data(self.at)) {
                Ok(start) if start < self.size => self.at = start,
                Ok(_) | Err(Errno::NXIO) => return Ok(None),
                // A file system that does not know holes.
                Err(Errno::INVAL) if self.at >= self.size => return Ok(None),
                Err(Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
            let hole = seek(&self.file, SeekFrom::Hole(self.at)).unwrap_or(self.size);
            self.end = hole.min(self.size);
        }
        let len = (self.end - self.at).min(buffer.len() as u64) as usize;
        let bytes = &mut buffer[..len];
        self.file.read_exact_at(bytes, self.at)?;
        let start = self.at;
        self.at += len as u64;
        Ok(Some((start, bytes)))
    }
}
