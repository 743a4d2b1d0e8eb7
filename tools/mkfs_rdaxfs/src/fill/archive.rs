// SPDX-License-Identifier: GPL-2.0

//! The files of a tar archive.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{anyhow, bail, Context, Result};
use rdaxfs_core::format::{S_IFBLK, S_IFCHR, S_IFIFO};
use tar::{Entry, EntryType, Header};
use terminal::{complain, safe, safe_path};

use super::when::When;
use super::{pax, read_full, Contents, Kind, Node, Sink, Source};

/// A block of an archive; two of zeros end it.
const RECORD: usize = 512;

/// What compressed archives begin with, and what unpacks them.
const COMPRESSED: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "gzip -dc"),
    (b"\xfd7zXZ\0", "xz -dc"),
    (b"\x28\xb5\x2f\xfd", "zstd -dc"),
    (b"BZh", "bzip2 -dc"),
    (b"\x04\x22\x4d\x18", "lz4 -dc"),
];

/// An archive whose files are put on a volume.
pub struct Archive {
    /// [`None`] is standard input.
    path: Option<PathBuf>,
}

impl Archive {
    /// An archive in a file.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self {
            path: Some(path.to_owned()),
        }
    }

    /// An archive on standard input.
    #[must_use]
    pub fn standard_input() -> Self {
        Self { path: None }
    }

    fn shown(&self) -> String {
        self.path
            .as_deref()
            .map_or("standard input".to_owned(), safe_path)
    }

    fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match &self.path {
            Some(path) => Box::new(BufReader::with_capacity(1 << 16, File::open(path)?)),
            None => Box::new(BufReader::new(io::stdin())),
        })
    }

    fn read(&self, sink: &mut dyn Sink) -> Result<()> {
        let mut reader = self.open()?;
        let mut start = vec![0; RECORD];
        let len = read_full(&mut reader, &mut start)?;
        start.truncate(len);
        if let Some((_, with)) = COMPRESSED
            .iter()
            .find(|(magic, _)| start.starts_with(magic))
        {
            bail!("it is compressed; unpack it: {with} FILE | mkfs.rdaxfs -d - …");
        }
        let tail = Rc::new(RefCell::new(Tail::default()));
        let reader = Watched {
            reader: start.chain(reader),
            tail: Rc::clone(&tail),
        };
        let mut archive = tar::Archive::new(reader);
        for (number, entry) in (1..).zip(archive.entries()?) {
            let entry =
                entry.with_context(|| format!("entry {number}: not a tar archive, or damaged"))?;
            let path = entry.path_bytes().into_owned();
            add(entry, &path, sink)
                .with_context(|| format!("entry {number}, \"{}\"", safe(&path)))?;
        }
        // What is cut off between two files looks like an end otherwise.
        if !tail.borrow().is_end() {
            bail!("the archive is cut off: the blocks of zeros at its end are missing");
        }
        Ok(())
    }
}

impl Source for Archive {
    fn visit(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.read(sink).with_context(|| self.shown())
    }
}

/// The last bytes that were read.
#[derive(Default)]
struct Tail {
    zeros: usize,
    any: bool,
}

impl Tail {
    fn is_end(&self) -> bool {
        self.any && self.zeros >= RECORD
    }
}

/// A reader whose last bytes are looked at.
struct Watched<R> {
    reader: R,
    tail: Rc<RefCell<Tail>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(into)?;
        let mut tail = self.tail.borrow_mut();
        let zeros = into[..len]
            .iter()
            .rev()
            .take_while(|&&byte| byte == 0)
            .count();
        tail.zeros = if zeros == len {
            tail.zeros + zeros
        } else {
            zeros
        };
        tail.any |= len > 0;
        Ok(len)
    }
}

/// The contents of an entry.
struct Sequential<'e> {
    entry: &'e mut dyn Read,
    at: u64,
    size: u64,
}

impl Contents for Sequential<'_> {
    fn next<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(u64, &'b [u8])>> {
        let wanted = (self.size - self.at).min(buffer.len() as u64) as usize;
        if wanted == 0 {
            return Ok(None);
        }
        let len = read_full(self.entry, &mut buffer[..wanted])?;
        if len < wanted {
            let error = "the archive is cut off";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
        }
        let start = self.at;
        self.at += len as u64;
        Ok(Some((start, &buffer[..len])))
    }
}

fn add<R: Read>(mut entry: Entry<'_, R>, path: &[u8], sink: &mut dyn Sink) -> Result<()> {
    let name = normal(path)?;
    let mut node = Node::default();
    let header = entry.header();
    let kind = header.entry_type();
    let id = |id: u64| {
        u32::try_from(id).map_err(|_| anyhow!("an owner of {id}, which is not below 2^32"))
    };
    // Permissions are 12 bits; some programs write the type, too.
    node.permissions = (header.mode()? & 0o7777) as u16;
    let (uid, gid) = (header.uid(), header.gid());
    node.mtime = When::new(seconds(header)?, 0);
    // Of what is not a device, the fields may be empty.
    let device = match kind {
        EntryType::Char | EntryType::Block => {
            let (major, minor) = (header.device_major()?, header.device_minor()?);
            let both = major.zip(minor).context("a device without a number")?;
            u64::from(both.0) << 32 | u64::from(both.1)
        }
        _ => 0,
    };
    let mut has_pax = (false, false);
    if let Some(records) = entry.pax_extensions().context("its extended header")? {
        for record in records {
            let record = record.context("its extended header")?;
            let key = record.key_bytes();
            has_pax.0 |= key == b"uid";
            has_pax.1 |= key == b"gid";
            pax::apply(path, key, record.value_bytes(), &mut node)
                .with_context(|| format!("\"{}\" in its extended header", safe(key)))?;
        }
    }
    // A number that does not fit the header's field is in the extended header.
    if !has_pax.0 {
        node.uid = id(uid?)?;
    }
    if !has_pax.1 {
        node.gid = id(gid?)?;
    }
    node.xattrs.sort();
    let target = |entry: &Entry<'_, R>| -> Result<Vec<u8>> {
        let target = entry.link_name_bytes().context("a link to nothing")?;
        Ok(target.into_owned())
    };
    let special = |format, device| Kind::Special { format, device };
    match kind {
        EntryType::Directory => sink.add(&name, &node, Kind::Directory),
        EntryType::Symlink => {
            let target = target(&entry)?;
            sink.add(&name, &node, Kind::Symlink(target))
        }
        EntryType::Link => {
            let first = target(&entry)?;
            let first = normal(&first).context("what it is a hard link to")?;
            sink.add(&name, &node, Kind::Link(first))
        }
        EntryType::Char => sink.add(&name, &node, special(S_IFCHR, device)),
        EntryType::Block => sink.add(&name, &node, special(S_IFBLK, device)),
        EntryType::Fifo => sink.add(&name, &node, special(S_IFIFO, 0)),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            // Older programs mark a directory by its name only.
            if kind == EntryType::Regular && path.ends_with(b"/") {
                return sink.add(&name, &node, Kind::Directory);
            }
            let size = entry.size();
            // A sparse file takes what the archive has of it.
            let allocated = entry.header().entry_size().unwrap_or(size).min(size);
            let mut contents = Sequential {
                entry: &mut entry,
                at: 0,
                size,
            };
            let file = Kind::File {
                size,
                allocated,
                contents: &mut contents,
            };
            sink.add(&name, &node, file)
        }
        // What is said of all entries, such as a comment.
        EntryType::XGlobalHeader => Ok(()),
        other => {
            complain!(
                "mkfs.rdaxfs: {}: an entry of type {:?}: left out",
                safe(path),
                char::from(other.as_byte())
            );
            Ok(())
        }
    }
}

/// The time of an entry, in seconds since 1970.
fn seconds(header: &Header) -> io::Result<i64> {
    let seconds = header.mtime()?;
    // Times before 1970 are in base 256, as GNU tar has it, in two's complement behind the mark.
    let is_negative = header.as_old().mtime[0] & 0xc0 == 0xc0;
    Ok(match i64::try_from(seconds) {
        // These are the lowest 64 bits of a number that has no room in so many.
        Ok(_) if is_negative => i64::MIN,
        Err(_) if is_negative => seconds as i64,
        found => found.unwrap_or(i64::MAX),
    })
}

/// A path as a [`Sink`] wants it.
fn normal(path: &[u8]) -> Result<Vec<u8>> {
    if path.starts_with(b"/") {
        bail!("an absolute path; make the archive with relative ones (tar -C DIR .)");
    }
    let parts: Vec<_> = path
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    if parts.iter().any(|part| *part == b"..") {
        bail!("a path with \"..\", which would lead out of the volume");
    }
    Ok(parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_the_volume() {
        for (path, wanted) in [("./a//b/", "a/b"), (".", ""), ("./", ""), ("a/./b", "a/b")] {
            assert_eq!(
                normal(path.as_bytes()).unwrap(),
                wanted.as_bytes(),
                "{path}"
            );
        }
        for path in ["/etc/passwd", "../x", "a/../../x", ".."] {
            assert!(normal(path.as_bytes()).is_err(), "{path}");
        }
    }
}
