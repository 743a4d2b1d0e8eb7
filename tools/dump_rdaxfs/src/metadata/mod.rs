// SPDX-License-Identifier: GPL-2.0

//! An image of a volume's metadata, for bug reports.
//!
//! It has the blocks that a check and a repair read, each as far as it means something (`block`), and holes in place of
//! all others. The journal's records are carried out before. Names are replaced by others of the same hash (`names`),
//! so that the trees of directories stay as they are, with what is wrong with them.

mod block;
mod names;
mod watched;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{anyhow, Context, Result};
use rdaxfs_check::{
    choose_superblock, discard_records, superblock_by_copy, Block, Finding, Image, Problem, Repairs,
};
use rdaxfs_core::format::{
    block_offset, group_bitmap, group_header, group_metadata, group_of, group_start, Superblock,
    XattrHeader, BLOCK_BYTES, GROUP_BLOCKS,
};
use rdaxfs_core::mount;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_host::{FileMedium, Host, Trouble};
use terminal::{complain, safe_path};

use block::Kind;
use names::Scrambler;
use watched::Watched;

/// Makes an image of a volume's metadata.
///
/// # Errors
///
/// If it is not an rdaxfs volume, or the image is there already or cannot be written.
pub fn image(path: &Path, to: &Path) -> Result<()> {
    let shown = safe_path(to);
    let mut source = Source::open(path)?;
    let blocks = source.blocks_to_copy()?;
    let file = File::create_new(to).with_context(|| format!("{shown} cannot be made"))?;
    let written = (|| {
        file.set_len(block_offset(source.superblock.blocks.get()))?;
        source.copy(&blocks, &file)?;
        file.sync_all()
    })();
    if written.is_err() {
        // A part of an image is none, and in the way of the next try. It was made here, so nobody misses it.
        let _ = std::fs::remove_file(to);
    }
    written.with_context(|| format!("{shown} cannot be written"))?;
    if source.lost > 0 {
        complain!(
            "{}: {} blocks cannot be read as a whole; there are zeros in the image in place of what is lost",
            safe_path(path),
            source.lost
        );
    }
    Ok(())
}

/// A volume of which an image is made. Its journal is replayed in memory.
struct Source<'p> {
    path: &'p Path,
    medium: FileMedium,
    superblock: Superblock,
    /// What is wrong with block 0, and what block 0 has.
    wrong: Option<(Finding, Block)>,
    /// Whether block 0 is in the image as fsck repairs it.
    is_first_repaired: bool,
    /// Whether the journal's records were dropped instead.
    is_dropped: bool,
    scrambler: Scrambler,
    /// How many blocks could not be read as a whole.
    lost: u64,
}

impl<'p> Source<'p> {
    fn open(path: &'p Path) -> Result<Self> {
        let shown = safe_path(path);
        let medium = opened(path)?;
        let (superblock, wrong) =
            choose_superblock(&medium).map_err(|error| match Trouble::of(&medium) {
                Some(trouble) => anyhow!("{shown} {trouble}"),
                None => anyhow!("{shown}: {error}"),
            })?;
        let first = Image::new(&medium, superblock).block(0);
        let wrong = match (wrong, first) {
            (Some(wrong), Ok(first)) => Some((wrong, first)),
            // Without its magic number it would not have been chosen.
            _ => None,
        };
        let [one, other] = superblock.hash_key;
        let scrambler = Scrambler::new([one.get(), other.get()]);
        let replayed = replayed(medium, &superblock, wrong.as_ref()).and_then(|medium| {
            choose_superblock(&medium)
                .map_err(|_| anyhow!("a record destroys the superblock"))
                .map(|_| medium)
        });
        let is_dropped = replayed.is_err();
        let medium = replayed.or_else(|error| {
            complain!("{shown}: the journal cannot be replayed ({error}); its records are not in the image");
            dropped(path, &superblock, wrong.as_ref())
        })?;
        // With the wrong block 0 and a copy that a record has changed there would be no volume in the image.
        let last = superblock.blocks.get() - 1;
        let is_first_repaired = wrong.is_some() && superblock_by_copy(&medium, last).is_err();
        if is_first_repaired {
            complain!(
                "{shown}: block 0 is in the image as fsck repairs it: a record changes its copy"
            );
        }
        Ok(Self {
            path,
            medium,
            superblock,
            wrong,
            is_first_repaired,
            is_dropped,
            scrambler,
            lost: 0,
        })
    }

    fn image(&self) -> Image<'_, FileMedium> {
        Image::new(&self.medium, self.superblock)
    }

    /// The blocks that a repair reads, and those that are marked as metadata.
    fn blocks_to_copy(&self) -> Result<BTreeSet<u64>> {
        let wrong = self.wrong.as_ref();
        let medium = if self.is_dropped {
            dropped(self.path, &self.superblock, wrong)?
        } else {
            replayed(opened(self.path)?, &self.superblock, wrong)?
        };
        let watched = Watched::new(medium);
        // What a repair stores stays in memory. That it may not end is a bug that the image shows.
        let _ = Repairs::default().repair(&watched, &mut |_: &Problem| true);
        let mut blocks = watched.into_blocks();
        let image = self.image();
        for group in 0..image.groups() {
            let start = group_start(group);
            if let Ok(bitmap) = image.block(group_metadata(group)) {
                let marked = (0..GROUP_BLOCKS)
                    .filter(|bit| bitmap.word((bit / 64 * 8) as usize) >> (bit % 64) & 1 == 1);
                blocks.extend(marked.map(|bit| start + bit));
            }
            blocks.extend([
                group_header(group),
                group_bitmap(group),
                group_metadata(group),
            ]);
        }
        // The journal is empty, and the superblocks are copied on their own.
        let first = self.superblock.slots_at.get();
        let slots = first..first.saturating_add(self.superblock.slots.get().into());
        let last = image.blocks() - 1;
        blocks.retain(|&block| block != 0 && block < last && !slots.contains(&block));
        Ok(blocks)
    }

    /// Reads a block, or what can be read of it.
    fn block(&mut self, block: u64) -> Option<Block> {
        let found = self.image().block(block).ok();
        let is_whole = found.as_ref().is_some_and(|found| found.lost() == 0);
        self.lost += u64::from(!is_whole);
        found
    }

    fn copy(&mut self, blocks: &BTreeSet<u64>, file: &File) -> std::io::Result<()> {
        let put = |block: u64, bytes: &[u8]| {
            if bytes.iter().all(|&byte| byte == 0) {
                return Ok(());
            }
            file.write_all_at(bytes, block_offset(block))
        };
        let last = self.superblock.blocks.get() - 1;
        let first = match self.wrong.take() {
            Some((_, first)) if !self.is_first_repaired => Some(first),
            _ => self.block(0),
        };
        for (block, found) in [(0, first), (last, self.block(last))] {
            if let Some(found) = found {
                put(block, &block::superblock(&found, &self.superblock))?;
            }
        }
        let mut targets = Vec::new();
        for &number in blocks {
            let Some(found) = self.block(number) else {
                continue;
            };
            let group = group_of(number);
            if number == group_header(group) {
                put(number, &block::group_header(&found))?;
                continue;
            }
            if [group_bitmap(group), group_metadata(group)].contains(&number) {
                put(number, found.bytes())?;
                continue;
            }
            match Kind::of(&found) {
                Kind::Chunk => {
                    put(number, &block::chunk(&found, self.scrambler, &mut targets))?;
                }
                Kind::Inner => put(number, &block::inner(&found))?,
                Kind::Extents => put(number, &block::extents(&found))?,
                Kind::Directory => put(number, &block::directory(&found, self.scrambler))?,
                Kind::Xattrs => self.copy_xattrs(number, &found, put)?,
                Kind::Unknown => {}
            }
        }
        for target in targets {
            let (at, len) = block::target_range(target);
            let mut bytes = vec![0; len];
            if self.image().read(at, &mut bytes).is_ok() && !blocks.contains(&target.0) {
                put(target.0, &block::target(&bytes))?;
            }
        }
        Ok(())
    }

    /// A run of attributes, of which the first block was found.
    fn copy_xattrs(
        &self,
        first: u64,
        found: &Block,
        put: impl Fn(u64, &[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut run = vec![0; block::xattrs_len(found)];
        let start = block_offset(first);
        if self.image().read(start, &mut run).is_err() {
            run = found.bytes()[..size_of::<XattrHeader>()].to_vec();
        }
        let made = block::xattrs(&run, self.scrambler);
        for (bytes, block) in made.chunks(BLOCK_BYTES).zip(first..) {
            put(block, bytes)?;
        }
        Ok(())
    }
}

fn opened(path: &Path) -> Result<FileMedium> {
    let shown = safe_path(path);
    FileMedium::open(path, false).with_context(|| format!("{shown} cannot be opened"))
}

/// Replays the journal, in memory.
fn replayed(
    medium: FileMedium,
    superblock: &Superblock,
    wrong: Option<&(Finding, Block)>,
) -> Result<FileMedium> {
    if let Some((wrong, _)) = wrong {
        wrong.apply(&medium);
    }
    let host = Host::new(medium, superblock);
    let host =
        mount::replay(host, &mut Box::new(Workspace::new())).map_err(|error| anyhow!(error))?;
    Ok(host.into_medium())
}

/// Drops the journal's records, in memory.
fn dropped(
    path: &Path,
    superblock: &Superblock,
    wrong: Option<&(Finding, Block)>,
) -> Result<FileMedium> {
    let medium = opened(path)?;
    if let Some((wrong, _)) = wrong {
        wrong.apply(&medium);
    }
    discard_records(&medium, superblock);
    Ok(medium)
}
