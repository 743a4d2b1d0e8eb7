// SPDX-License-Identifier: GPL-2.0

//! Fills a new volume with the files of a directory or an archive.
//!
//! [`directory`] and [`archive`] read files, and give each to a [`Sink`]: [`estimate`] counts how much room they need,
//! [`filler`] puts them on the volume. Names are taken as they are, and nothing on the volume is followed: a link that
//! leads out of it leads nowhere here.

pub mod acl;
pub mod archive;
pub mod directory;
pub mod estimate;
pub mod filler;
pub mod pax;
pub mod when;

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{bail, Context, Result};
use terminal::safe_path;

use when::When;

/// What reads files.
pub trait Source {
    /// Gives every file to the sink, directories before what is in them.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or the sink does not take it.
    fn visit(&mut self, sink: &mut dyn Sink) -> Result<()>;
}

/// What takes files.
pub trait Sink {
    /// Takes a file. Its path has no "." or ".." and no "/" at either end; that of the root directory is empty.
    ///
    /// # Errors
    ///
    /// If it cannot be taken.
    fn add(&mut self, path: &[u8], node: &Node, kind: Kind<'_>) -> Result<()>;
}

/// What files of all kinds have.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// The permissions, with set-user-ID, set-group-ID and the sticky bit.
    pub permissions: u16,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// The last change of the contents.
    pub mtime: When,
    /// Extended attributes: whole names and values.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a file is.
pub enum Kind<'a> {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its length in bytes.
        size: u64,
        /// How much of that takes room, about.
        allocated: u64,
        /// What is in it.
        contents: &'a mut dyn Contents,
    },
    /// A symbolic link to this.
    Symlink(Vec<u8>),
    /// Another name of the file at this path.
    Link(Vec<u8>),
    /// A device, a fifo or a socket.
    Special {
        /// `S_IFCHR` and the like.
        format: u16,
        /// A device's major (upper 32 bits) and minor number.
        device: u64,
    },
}

/// What is in a regular file.
pub trait Contents {
    /// The next bytes, as many as the buffer holds if there are so many, and where in the file they are; nothing at
    /// the end. What is left out is zeros.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    fn next<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(u64, &'b [u8])>>;
}

/// What to fill a volume with: a directory, an archive, or `-` for one on standard input. `output` is the file that the
/// volume is made in, if it is there: its device and inode.
///
/// # Errors
///
/// If there is no such thing, or it is what the volume would be made in.
pub fn source(path: &Path, output: Option<(u64, u64)>) -> Result<Box<dyn Source>> {
    let is_output = |inode| output == Some(inode);
    let within = "the volume is made in this file; make it elsewhere";
    if path == Path::new("-") {
        let data = rustix::fs::fstat(io::stdin())?;
        if is_output((data.st_dev, data.st_ino)) {
            bail!("-d -: {within}");
        }
        return Ok(Box::new(archive::Archive::standard_input()));
    }
    let shown = safe_path(path);
    let data = fs::metadata(path).with_context(|| format!("-d {shown}"))?;
    if data.is_dir() {
        return Ok(Box::new(directory::Directory::new(path, output)));
    }
    if !data.is_file() {
        bail!("-d {shown}: neither a directory nor a file; an archive on standard input is -d -");
    }
    if is_output((data.dev(), data.ino())) {
        bail!("-d {shown}: {within}");
    }
    Ok(Box::new(archive::Archive::file(path)))
}

/// Reads until the buffer is full or there is no more.
///
/// # Errors
///
/// Those of read(2).
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
