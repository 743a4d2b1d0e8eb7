// SPDX-License-Identifier: GPL-2.0

//! Makes the volume that was asked for.

use std::path::Path;

use anyhow::{bail, Context, Result};
use device::{lock, open, refuse_loop_file, refuse_read_only};
use rdaxfs_core::format::{BLOCK_SIZE, MAX_BLOCKS, MIN_BLOCKS};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::Access;
use rdaxfs_core::platform::Medium;
use rdaxfs_core::Error;
use rdaxfs_host::{siphash, FileMedium, Mounted, Scope};
use terminal::{safe, safe_path, say};
use uuid::Uuid;

use crate::cli::Arguments;
use crate::clock::Clock;
use crate::fill::estimate::Estimate;
use crate::fill::filler::Filler;
use crate::fill::{self, Source};
use crate::size::Size;
use crate::target::Target;
use crate::{alignment, signature};

/// Makes the volume, or says what it would be.
///
/// # Errors
///
/// If it was not made. Until a file system that is there already would be overwritten, nothing is changed.
pub fn run(arguments: &Arguments) -> Result<()> {
    let path = &arguments.path;
    let shown = safe_path(path);
    let clock = Clock::read()?;
    refuse_loop_file(path)?;
    let target = Target::new(arguments)?;
    let mut source = match &arguments.source {
        Some(from) => Some(fill::source(from, target.identity())?),
        None => None,
    };
    let mut blocks = match (arguments.wanted_size(), &mut source) {
        (None, _) => None,
        (Some(Size::Blocks(blocks)), _) => Some(blocks),
        (Some(Size::Auto), None) => bail!("auto is the size of what -d names; give it, or a size"),
        (Some(Size::Auto), Some(source)) => {
            target.require_resizable()?;
            if arguments.source.as_deref() == Some(Path::new("-")) {
                bail!("auto reads the archive twice, which standard input cannot be; give a file, or a size");
            }
            Some(Estimate::of(source.as_mut())?.volume())
        }
    };
    let mut made = target.begin(blocks)?;
    // From the look at what is there until the volume is made.
    let lock = (!arguments.dry_run)
        .then(|| lock(path, Scope::WholeDisk))
        .transpose()?;
    if !arguments.dry_run {
        refuse_read_only(path, "")?;
    }
    if target.is_there() && !arguments.force {
        let medium = open(path, !arguments.dry_run, "")?;
        if blocks.is_none() {
            fitting(arguments, &medium, None)?;
        }
        if let Some(found) = signature::find(path, &medium)? {
            bail!("{shown} has {found}; -f overwrites it");
        }
    }
    let mut files = 0;
    let options = loop {
        if arguments.dry_run && !target.is_there() {
            let blocks = blocks.unwrap_or(MIN_BLOCKS);
            break options(arguments, blocks, &clock)?;
        }
        made.resize(blocks)?;
        let medium = open(path, !arguments.dry_run, "")?;
        let options = options(arguments, fitting(arguments, &medium, blocks)?, &clock)?;
        if arguments.dry_run {
            break options;
        }
        signature::erase(path, medium)?;
        let Some(source) = &mut source else {
            write(path, &options)?;
            break options;
        };
        match write_filled(arguments, &options, &clock, source.as_mut()) {
            Ok(count) => {
                files = count;
                break options;
            }
            Err(error) if is_full(&error) && arguments.wanted_size() == Some(Size::Auto) => {
                // What was estimated is not enough: how files lie is not known before.
                blocks = Some(options.blocks + (options.blocks / 8).max(256));
                if options.blocks == MAX_BLOCKS {
                    return Err(error);
                }
            }
            Err(error) if is_full(&error) => {
                return Err(error.context(format!(
                    "{shown}: a volume of {} MiB is too small for these files; there is no volume on it now",
                    (options.blocks * BLOCK_SIZE) >> 20
                )));
            }
            Err(error) => {
                return Err(error.context(format!("{shown}: there is no volume on it now")))
            }
        }
    };
    made.keep();
    drop(lock);
    if !arguments.quiet {
        report(arguments, &options, source.is_some().then_some(files));
    }
    Ok(())
}

/// Writes the volume. Its superblocks are written last, and only if all else is on the medium.
fn write(path: &Path, options: &Options) -> Result<()> {
    let shown = safe_path(path);
    let medium = open(path, true, "")?.durable_fences();
    let made = make(&medium, options);
    // What could not be written says more than what came of it.
    medium
        .sync()
        .with_context(|| format!("{shown} cannot be written; there is no volume on it now"))?;
    made.map(drop)
        .with_context(|| format!("no volume can be made on {shown}"))
}

/// Writes the volume and the files on it. Returns their number. Until all is durable there are no superblocks: if this
/// fails, or is killed, there is no volume.
fn write_filled(
    arguments: &Arguments,
    options: &Options,
    clock: &Clock,
    source: &mut dyn Source,
) -> Result<u64> {
    let path = &arguments.path;
    let cannot = || format!("{} cannot be written", safe_path(path));
    let medium = open(path, true, "")?
        .filling([0, options.blocks - 1])
        .with_context(cannot)?;
    let write_error = medium.write_error();
    let filled = fill_medium(arguments, options, clock, source, medium);
    // What could not be written says more than what came of it.
    write_error.check().with_context(cannot)?;
    let (files, medium) = filled?;
    medium.sync().with_context(cannot)?;
    Ok(files)
}

fn fill_medium(
    arguments: &Arguments,
    options: &Options,
    clock: &Clock,
    source: &mut dyn Source,
    medium: FileMedium,
) -> Result<(u64, FileMedium)> {
    make(&medium, options)?;
    let mut mounted = Mounted::mount(medium, Access::ReadWrite, clock.now)?;
    let root_owner = arguments.root_owner.map(|owner| owner.numbers());
    let mut filler = Filler::new(&mut mounted, clock.latest(), root_owner);
    source.visit(&mut filler)?;
    let files = filler.finish()?;
    Ok((files, mounted.unmount()?))
}

/// Whether the volume was too small.
fn is_full(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>() == Some(&Error::NoSpace)
}

/// How many blocks the volume gets.
fn fitting(arguments: &Arguments, medium: &FileMedium, wanted: Option<u64>) -> Result<u64> {
    let shown = safe_path(&arguments.path);
    let (bytes, all) = (medium.bytes(), medium.len() / BLOCK_SIZE);
    if all < MIN_BLOCKS {
        bail!(
            "{shown} has {bytes} bytes; a volume needs {} KiB",
            (MIN_BLOCKS * BLOCK_SIZE) >> 10
        );
    }
    match wanted {
        Some(blocks) if blocks > all => bail!(
            "{shown} has {bytes} bytes, fewer than the {} of SIZE",
            blocks * BLOCK_SIZE
        ),
        Some(blocks) => Ok(blocks),
        None if all > MAX_BLOCKS => {
            bail!("{shown} has {bytes} bytes; a volume has at most 16 TiB: give a SIZE")
        }
        None => Ok(all),
    }
}

fn options(arguments: &Arguments, blocks: u64, clock: &Clock) -> Result<Options> {
    let align_offset = alignment::first_aligned_block(&arguments.path).unwrap_or(0);
    let uuid = arguments.uuid.uuid();
    let hash_key = if clock.is_given {
        // The same volume each time. Who knows the key can make names that collide, which makes directories slow.
        let [first, second] = [[1, 0], [2, 0]].map(|key| siphash(&key, uuid.as_bytes()));
        [first, second]
    } else {
        let (first, second) = Uuid::new_v4().as_u64_pair();
        [first, second]
    };
    let (root_uid, root_gid) = arguments.root_owner.map_or((0, 0), |owner| owner.numbers());
    Ok(Options {
        align_offset: u32::try_from(align_offset).context("the alignment is below 512")?,
        uuid: uuid.into_bytes(),
        label: arguments.label.0,
        hash_key,
        now: clock.now,
        root_uid,
        root_gid,
        ..Options::new(blocks)
    })
}

fn report(arguments: &Arguments, options: &Options, files: Option<u64>) {
    let would = if arguments.dry_run {
        "would have"
    } else {
        "has"
    };
    say!(
        "{} {would} {} blocks of 4096 bytes, groups: {}, journal slots: {}",
        safe_path(&arguments.path),
        options.blocks,
        rdaxfs_core::format::groups_of(options.blocks),
        options.slots,
    );
    say!("UUID: {}", Uuid::from_bytes(options.uuid));
    let label = safe(arguments.label.bytes());
    if !label.is_empty() {
        say!("label: {label}");
    }
    if let (Some(files), false) = (files, arguments.dry_run) {
        say!("files: {files}");
    }
    if options.align_offset != 0 {
        say!("huge pages from block {} on", options.align_offset);
    }
}
