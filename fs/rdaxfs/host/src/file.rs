// SPDX-License-Identifier: GPL-2.0

//! A medium in a file or on a block device.

use std::collections::HashMap;
use std::fs::{File, FileType, OpenOptions};
use std::io::{self, IoSliceMut, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdaxfs_core::format::{block_offset, BLOCK_BYTES, BLOCK_SHIFT, BLOCK_SIZE};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::{Error, Result};
use rustix::fs::{fallocate, seek, FallocateFlags, OFlags};
use rustix::io::{preadv, Errno};

use crate::digest;

/// The blocks that are kept; when there are more, they are written and forgotten.
const MAX_BLOCKS: usize = 2048;
/// Reads of at least so many bytes go past the cache.
const LARGE: usize = 16 * BLOCK_BYTES;

/// A block at an address that direct I/O takes.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Block([u8; BLOCK_BYTES]);

struct Cached {
    block: Box<Block>,
    dirty: bool,
    /// A bit for each sector that could not be read; zeros are in its place.
    bad: u8,
}

/// What is read on its own where a block cannot be read as a whole, in bytes.
const SECTOR: usize = BLOCK_BYTES / u8::BITS as usize;

impl Cached {
    fn zeroed() -> Self {
        Self {
            block: Box::new(Block([0; BLOCK_BYTES])),
            dirty: true,
            bad: 0,
        }
    }

    /// Reads a block, or what can be read of it.
    fn load(file: &File, block: u64) -> Self {
        let mut loaded = Self {
            dirty: false,
            ..Self::zeroed()
        };
        let start = block_offset(block);
        if file.read_exact_at(&mut loaded.block.0, start).is_ok() {
            return loaded;
        }
        let sectors = loaded.block.0.chunks_exact_mut(SECTOR);
        for (number, sector) in sectors.enumerate() {
            let at = start + (number * SECTOR) as u64;
            if file.read_exact_at(sector, at).is_err() {
                sector.fill(0);
                loaded.bad |= 1 << number;
            }
        }
        loaded
    }

    fn can_be_read(&self, range: &Range<usize>) -> bool {
        let sectors = range.start / SECTOR..range.end.div_ceil(SECTOR);
        sectors
            .into_iter()
            .all(|sector| self.bad >> sector & 1 == 0)
    }

    /// The bytes, to be changed: from now on there are zeros where nothing could be read.
    fn change(&mut self) -> &mut [u8; BLOCK_BYTES] {
        self.dirty = true;
        self.bad = 0;
        &mut self.block.0
    }
}

/// A medium in a file or on a block device, for tools that have it for themselves.
///
/// A block device is opened for direct I/O, so that its page cache neither hides nor keeps anything, and
/// exclusively: one that is mounted or in use otherwise is `EBUSY`.
///
/// Of a block with bad sectors the others can be read. To store to such a block writes all of it: the
/// device repairs it, and what was lost is zeros. Who stores there has judged before what is lost.
///
/// Blocks are cached. What was stored is written at a [`fence`](Stores::fence), and durable after
/// [`sync`](Self::sync), or at the fence itself with [`durable_fences`](Self::durable_fences). Opened for
/// reading only, what is stored stays in memory: so a repair can be tried.
///
/// The first error of a write is kept. Nothing is written after it: a later store may rely on the one that
/// failed, as a superblock relies on the rest of the volume. Stores then fail with [`Error::Io`], and
/// [`sync`](Self::sync) returns the error each time.
pub struct FileMedium {
    file: File,
    /// The device's length, which need not be a multiple of a block.
    bytes: u64,
    is_file: bool,
    write: bool,
    durable_fences: bool,
    /// The blocks that are written last, while a volume is being filled.
    held: Option<[u64; 2]>,
    cache: Mutex<Cache>,
    /// The hole of a file that was found last, in bytes.
    hole: Mutex<Range<u64>>,
    failed: WriteError,
}

/// Blocks that were read or are to be written.
struct Cache {
    blocks: HashMap<u64, Cached>,
    /// When there are more, they are written and forgotten. What may not be written has to stay.
    limit: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            blocks: HashMap::new(),
            limit: MAX_BLOCKS,
        }
    }
}

/// The first error of a write to a [`FileMedium`], once there was one; it outlives the medium.
#[derive(Clone, Default)]
pub struct WriteError(Arc<Mutex<Option<Reason>>>);

/// What is kept of an error: its kind, and its errno if it has one.
type Reason = (io::ErrorKind, Option<i32>);

impl WriteError {
    fn lock(&self) -> MutexGuard<'_, Option<Reason>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, error: &io::Error) {
        self.lock()
            .get_or_insert((error.kind(), error.raw_os_error()));
    }

    /// Fails if a write has failed.
    ///
    /// # Errors
    ///
    /// That of the first write that failed.
    pub fn check(&self) -> io::Result<()> {
        match *self.lock() {
            None => Ok(()),
            Some((_, Some(errno))) => Err(io::Error::from_raw_os_error(errno)),
            Some((kind, None)) => Err(kind.into()),
        }
    }
}

/// Whether it is a file or a block device. Others are not even opened: that waits for a FIFO's writer, and some devices act
/// on it.
pub(crate) fn kind_of(path: &Path) -> io::Result<FileType> {
    let kind = std::fs::metadata(path)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        let what = "neither a regular file nor a block device";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    Ok(kind)
}

impl FileMedium {
    /// Opens a file or a block device.
    ///
    /// # Errors
    ///
    /// Those of open(2); `InvalidInput` if it is neither.
    pub fn open(path: &Path, write: bool) -> io::Result<Self> {
        let kind = kind_of(path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(write);
        if kind.is_block_device() {
            let exclusive = if write { OFlags::EXCL } else { OFlags::empty() };
            options.custom_flags((OFlags::DIRECT | exclusive).bits() as i32);
        }
        let mut file = options.open(path)?;
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            bytes,
            is_file: kind.is_file(),
            write,
            durable_fences: false,
            held: None,
            cache: Mutex::default(),
            hole: Mutex::new(0..0),
            failed: WriteError::default(),
        })
    }

    /// Makes what was stored durable at each fence, as persistent memory does.
    ///
    /// An error that the kernel only notices when it writes its page cache back is then noticed before the
    /// stores that follow the fence.
    #[must_use]
    pub fn durable_fences(mut self) -> Self {
        self.durable_fences = true;
        self
    }

    /// Fills a volume whose superblocks are in these blocks: a fence writes nothing, and the superblocks are written by
    /// [`sync`](Self::sync) alone, after all else is durable. Until then there are zeros in their places: a volume that
    /// is not complete is none.
    ///
    /// # Errors
    ///
    /// If the zeros cannot be written.
    pub fn filling(mut self, superblocks: [u64; 2]) -> io::Result<Self> {
        let zeros = Block([0; BLOCK_BYTES]);
        for block in superblocks {
            self.file.write_all_at(&zeros.0, block_offset(block))?;
        }
        self.file.sync_data()?;
        self.held = Some(superblocks);
        Ok(self)
    }

    /// The first error of a write, for when the medium is gone.
    #[must_use]
    pub fn write_error(&self) -> WriteError {
        self.failed.clone()
    }

    /// The length of the file or device in bytes. [`Medium::len`] is this, rounded down to whole blocks.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes a file of so many bytes, all zero, and opens it.
    ///
    /// # Errors
    ///
    /// Those of open(2), with `O_EXCL`, and of ftruncate(2).
    pub fn create(path: &Path, len: u64) -> io::Result<Self> {
        File::create_new(path)?.set_len(len)?;
        Self::open(path, true)
    }

    /// Makes all that was stored durable.
    ///
    /// # Errors
    ///
    /// The first error of any write since the medium was opened.
    pub fn sync(&self) -> io::Result<()> {
        self.write_back(&mut self.cache());
        self.make_durable();
        if self.held.is_some() {
            self.write_held(&mut self.cache());
            self.make_durable();
        }
        self.failed.check()
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores fail from the first failed write on.
    fn check_stores(&self) -> Result {
        self.failed.check().map_err(|_| Error::Io)
    }

    fn make_durable(&self) {
        if !self.write || self.failed.check().is_err() {
            return;
        }
        if let Err(error) = self.file.sync_data() {
            self.failed.keep(&error);
        }
    }

    /// Writes all blocks but those that are held.
    fn write_back(&self, cache: &mut Cache) {
        let is_held = |block| self.held.is_some_and(|held| held.contains(block));
        let dirty = cache
            .blocks
            .iter()
            .filter(|(block, cached)| cached.dirty && !is_held(block))
            .map(|(&block, _)| block)
            .collect();
        self.write_blocks(cache, dirty);
    }

    /// Writes those that are held.
    fn write_held(&self, cache: &mut Cache) {
        let dirty = self.held.into_iter().flatten();
        self.write_blocks(cache, dirty.collect());
    }

    fn write_blocks(&self, cache: &mut Cache, mut dirty: Vec<u64>) {
        dirty.sort_unstable();
        if self.write && !dirty.is_empty() {
            // What is written may be in it.
            *self.hole.lock().unwrap_or_else(PoisonError::into_inner) = 0..0;
        }
        for block in dirty.into_iter().filter(|_| self.write) {
            let Some(cached) = cache.blocks.get_mut(&block) else {
                continue;
            };
            if self.failed.check().is_err() {
                break;
            }
            match self.file.write_all_at(&cached.block.0, block_offset(block)) {
                Ok(()) => cached.dirty = false,
                Err(error) => self.failed.keep(&error),
            }
        }
        if cache.blocks.len() > cache.limit {
            cache.blocks.retain(|_, cached| cached.dirty);
            cache.limit = MAX_BLOCKS.max(2 * cache.blocks.len());
        }
    }

    /// Reads whole blocks past the cache, with what the cache has of them. Returns whether that could be done.
    fn read_large(&self, offset: u64, into: &mut [u8]) -> bool {
        let len = into.len() as u64;
        let end = offset.checked_add(len).filter(|&end| end <= self.len());
        let is_whole = offset % BLOCK_SIZE == 0 && len % BLOCK_SIZE == 0;
        let (Some(end), true) = (end, is_whole) else {
            return false;
        };
        // What is stored meanwhile is seen or not, as with memory.
        let cache = self.cache();
        if self.is_hole(offset, end) {
            into.fill(0);
        } else if !self.is_file {
            // Direct I/O needs an aligned buffer.
            let mut aligned = vec![Block([0; BLOCK_BYTES]); into.len() / BLOCK_BYTES];
            let mut pieces: Vec<_> = aligned
                .iter_mut()
                .map(|block| IoSliceMut::new(&mut block.0))
                .collect();
            if !matches!(preadv(&self.file, &mut pieces, offset), Ok(read) if read == into.len()) {
                return false;
            }
            for (piece, block) in into.chunks_exact_mut(BLOCK_BYTES).zip(&aligned) {
                piece.copy_from_slice(&block.0);
            }
        } else if self.file.read_exact_at(into, offset).is_err() {
            return false;
        }
        for (piece, block) in into
            .chunks_exact_mut(BLOCK_BYTES)
            .zip(offset >> BLOCK_SHIFT..)
        {
            if let Some(cached) = cache.blocks.get(&block) {
                if cached.bad != 0 {
                    return false;
                }
                piece.copy_from_slice(&cached.block.0);
            }
        }
        true
    }

    /// Whether a range of a file is not on its medium at all.
    fn is_hole(&self, start: u64, end: u64) -> bool {
        if !self.is_file {
            return false;
        }
        let mut hole = self.hole.lock().unwrap_or_else(PoisonError::into_inner);
        if !hole.contains(&start) {
            *hole = match seek(&self.file, rustix::fs::SeekFrom::Data(start)) {
                Ok(data) => start..data,
                // Nothing but a hole up to the end.
                Err(Errno::NXIO) => start..self.bytes,
                Err(_) => start..start,
            };
        }
        hole.start <= start && end <= hole.end
    }

    /// Calls `each` for every block of a range, with the bytes of the range that are in it. `replaced`: it replaces
    /// them.
    fn with_blocks(
        &self,
        offset: u64,
        len: u64,
        replaced: bool,
        mut each: impl FnMut(&mut Cached, Range<usize>, usize) -> Result,
    ) -> Result {
        let end = offset
            .checked_add(len)
            .filter(|&end| end <= self.len())
            .ok_or(Error::Io)?;
        let mut cache = self.cache();
        let mut at = offset;
        while at < end {
            let block = at >> BLOCK_SHIFT;
            let from = (at - block_offset(block)) as usize;
            let to = (end - block_offset(block)).min(BLOCK_SIZE) as usize;
            if !cache.blocks.contains_key(&block) {
                if cache.blocks.len() > cache.limit {
                    self.write_back(&mut cache);
                }
                // What is replaced as a whole need not be read.
                let cached = if replaced && (from, to) == (0, BLOCK_BYTES) {
                    Cached::zeroed()
                } else {
                    Cached::load(&self.file, block)
                };
                cache.blocks.insert(block, cached);
            }
            if let Some(cached) = cache.blocks.get_mut(&block) {
                each(cached, from..to, (at - offset) as usize)?;
            }
            at = block_offset(block) + to as u64;
        }
        Ok(())
    }
}

impl Medium for FileMedium {
    fn len(&self) -> u64 {
        self.bytes & !(BLOCK_SIZE - 1)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        if into.len() >= LARGE && self.read_large(offset, into) {
            return Ok(());
        }
        self.with_blocks(offset, into.len() as u64, false, |cached, range, at| {
            if !cached.can_be_read(&range) {
                return Err(Error::Io);
            }
            into[at..at + range.len()].copy_from_slice(&cached.block.0[range]);
            Ok(())
        })
    }

    fn check_poison(&self, offset: u64, len: u64) -> Result {
        self.with_blocks(offset, len, false, |cached, range, _| {
            if cached.can_be_read(&range) {
                Ok(())
            } else {
                Err(Error::Io)
            }
        })
    }
}

impl Stores for FileMedium {
    fn store_u64(&self, offset: u64, value: u64) {
        if self.copy_nt(offset, &value.to_le_bytes()).is_err() {
            self.failed
                .keep(&io::Error::from_raw_os_error(Error::Io.errno()));
        }
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.check_stores()?;
        self.with_blocks(offset, bytes.len() as u64, true, |cached, range, at| {
            let len = range.len();
            cached.change()[range].copy_from_slice(&bytes[at..at + len]);
            Ok(())
        })
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.check_stores()?;
        let whole = offset % BLOCK_SIZE == 0 && len % BLOCK_SIZE == 0;
        if whole && offset.checked_add(len).is_some_and(|end| end <= self.len()) {
            // A sparse file stays sparse, and a bad block is repaired.
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let zero = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
            let how = if self.is_file { hole } else { zero };
            let mut held = self.held.into_iter().flatten();
            let is_held = held.any(|block| (offset..offset + len).contains(&block_offset(block)));
            if !is_held && self.write && fallocate(&self.file, how, offset, len).is_ok() {
                let mut cache = self.cache();
                for block in offset >> BLOCK_SHIFT..(offset + len) >> BLOCK_SHIFT {
                    cache.blocks.remove(&block);
                }
                return Ok(());
            }
            let mut cache = self.cache();
            for block in offset >> BLOCK_SHIFT..(offset + len) >> BLOCK_SHIFT {
                cache.blocks.insert(block, Cached::zeroed());
            }
            return Ok(());
        }
        self.with_blocks(offset, len, true, |cached, range, _| {
            cached.change()[range].fill(0);
            Ok(())
        })
    }

    fn flush(&self, _offset: u64, _len: u64) {}

    fn fence(&self) {
        if self.held.is_some() {
            return;
        }
        self.write_back(&mut self.cache());
        if self.durable_fences {
            self.make_durable();
        }
    }
}

impl Digest for FileMedium {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        digest::crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        digest::siphash(key, bytes)
    }
}

impl Drop for FileMedium {
    fn drop(&mut self) {
        self.write_back(&mut self.cache());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A large read has what a read of each block has: in holes, in data, and in what is not written yet.
    #[test]
    fn large_reads_are_what_small_ones_are() {
        let path = std::env::temp_dir().join(format!("rdaxfs-large-{}", std::process::id()));
        let medium = FileMedium::create(&path, 8 << 20).unwrap();
        let at = |block: u64| block_offset(block);
        medium.copy_nt(at(300) + 8, &[1; 64]).unwrap();
        medium.fence();
        let mut large = vec![0xff; 256 * BLOCK_BYTES];
        medium.read(at(0), &mut large).unwrap();
        assert!(large.iter().all(|&byte| byte == 0));
        // Stored and not written, in what was a hole.
        medium.copy_nt(at(200), &[2; 64]).unwrap();
        for written in [false, true] {
            if written {
                medium.fence();
                medium.cache().blocks.clear();
            }
            medium.read(at(100), &mut large).unwrap();
            for (offset, value) in [(at(100), 2), (at(200) + 8, 1), (at(200) + 72, 0)] {
                assert_eq!(large[offset as usize], value, "{offset:#x}, {written}");
            }
        }
        assert!(medium.read(at(1800), &mut large).is_err(), "beyond the end");
        std::fs::remove_file(&path).unwrap();
    }

    /// Until all is written there is nothing where the superblocks are.
    #[test]
    fn superblocks_of_a_volume_that_is_filled_come_last() {
        let path = std::env::temp_dir().join(format!("rdaxfs-filling-{}", std::process::id()));
        std::fs::write(&path, vec![0xff; 64 * BLOCK_BYTES]).unwrap();
        let on_medium = |block: usize| {
            let bytes = std::fs::read(&path).unwrap();
            bytes[block * BLOCK_BYTES]
        };
        for complete in [false, true] {
            let medium = FileMedium::open(&path, true).unwrap();
            let medium = medium.filling([0, 63]).unwrap();
            for block in [0, 5, 63] {
                medium.copy_nt(block_offset(block), &[7; 64]).unwrap();
            }
            medium.fence();
            assert_eq!([on_medium(0), on_medium(63)], [0, 0]);
            if complete {
                medium.sync().unwrap();
            }
            drop(medium);
            assert_eq!(on_medium(5), 7);
            let wanted = if complete { 7 } else { 0 };
            assert_eq!([on_medium(0), on_medium(63)], [wanted; 2]);
        }
        std::fs::remove_file(&path).unwrap();
    }
}
