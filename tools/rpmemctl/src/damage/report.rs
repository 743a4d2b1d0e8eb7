// SPDX-License-Identifier: GPL-2.0

//! What was found, for programs and for people.

use super::overlap::{BadBytes, Piece, What};
use super::walk::{DamagedFile, Named, Paths, Unexamined};
use crate::bad_list;
use crate::companions::Companion;
use crate::mounts::Mount;
use crate::quantity::counted;
use crate::stack::Bad;
use fs_extents::fsmap::{Owner, Part};
use serde::Serialize;
use std::fmt::Write;
use std::ops::Range;
use terminal::safe_path;

/// Bytes of a page, the least that can be rewritten over a bad sector of a file with DAX.
const PAGE: u64 = 4096;

#[derive(Serialize)]
pub(super) struct Report {
    mount_point: String,
    file_system: String,
    device: String,
    block_size: u64,
    disks: Vec<Disk>,
    pub(super) files: Vec<DamagedFile>,
    metadata: Vec<Owned>,
    free: Vec<Piece>,
    unknown: Vec<Piece>,
    unexamined: Vec<Unexamined>,
    /// Whether nothing can have been missed.
    complete: bool,
    notes: Vec<String>,
    /// Whether the file system keeps no map of its device.
    #[serde(skip)]
    has_no_map: bool,
    /// The node of XFS's log, if it is on another device: xfs_repair has to be told.
    #[serde(skip)]
    log: Option<String>,
}

#[derive(Serialize)]
struct Disk {
    name: String,
    bad_sectors: u64,
    bad_ranges: usize,
}

fn disks(bad: &Bad) -> impl Iterator<Item = Disk> + '_ {
    bad.disks.iter().map(|(name, list)| Disk {
        name: name.clone(),
        bad_sectors: bad_list::sectors(list),
        bad_ranges: list.len(),
    })
}

/// Bad bytes of the file system itself.
#[derive(Serialize)]
struct Owned {
    owner: String,
    #[serde(flatten)]
    piece: Piece,
}

impl Report {
    pub(super) fn new(mount: &Mount, bad: &Bad, block_size: u64) -> Self {
        Self {
            mount_point: safe_path(&mount.mount_point),
            file_system: mount.file_system.clone(),
            device: mount.source.clone(),
            block_size,
            disks: disks(bad).collect(),
            files: Vec::new(),
            metadata: Vec::new(),
            free: Vec::new(),
            unknown: Vec::new(),
            unexamined: Vec::new(),
            complete: bad.unfollowed.is_empty(),
            notes: bad.unfollowed.clone(),
            has_no_map: false,
            log: None,
        }
    }

    /// Adds another device that the file system uses.
    pub(super) fn add_device(&mut self, bad: &Bad) {
        for disk in disks(bad) {
            if self.disks.iter().all(|known| known.name != disk.name) {
                self.disks.push(disk);
            }
        }
        self.complete &= bad.unfollowed.is_empty();
        self.notes.extend(bad.unfollowed.iter().cloned());
    }

    /// Adds what is bad on another device, all of which has one purpose.
    pub(super) fn add_companion(&mut self, companion: &Companion, bad: &Bad) {
        self.add_device(bad);
        let pieces = BadBytes::new(&bad.pieces).pieces_of_range(0..u64::MAX, What::Data);
        self.metadata.extend(pieces.into_iter().map(|piece| Owned {
            owner: format!("{} on {}", companion.role, companion.device.name()),
            piece,
        }));
        if companion.role == "log" {
            self.log = Some(companion.device.node());
        }
    }

    /// Says why something can have been missed.
    pub(super) fn incomplete(&mut self, why: String) {
        self.complete = false;
        self.notes.push(why);
    }

    /// Notes that the file system keeps no map of its device.
    pub(super) fn no_map(&mut self) {
        if !self.has_no_map {
            self.has_no_map = true;
            let what = if self.file_system == "rdaxfs" {
                "; dump.rdaxfs --block N says it of block N, 8 sectors each"
            } else {
                ""
            };
            self.incomplete(format!(
                "whose the rest is, {} does not tell{what}",
                self.file_system
            ));
        }
    }

    /// Says what could not be looked at.
    pub(super) fn unexamined(&mut self, unexamined: Vec<Unexamined>) {
        self.complete &= unexamined.is_empty();
        self.unexamined = unexamined;
    }

    /// Adds a bad range of which the file system names the owner.
    pub(super) fn add_owned(
        &mut self,
        bad: &BadBytes<'_>,
        range: Range<u64>,
        owner: Owner,
        name: impl Fn(u64) -> Option<Named>,
    ) {
        let pieces = |what| bad.pieces_of_range(range.clone(), what);
        match owner {
            Owner::Free => self.free.extend(pieces(What::Data)),
            Owner::Unknown => self.unknown.extend(pieces(What::Data)),
            Owner::Special(kind, code) => {
                let owner = special(kind, code);
                let pieces = pieces(What::Data).into_iter();
                self.metadata.extend(pieces.map(|piece| Owned {
                    owner: owner.clone(),
                    piece,
                }));
            }
            Owner::Inode { inode, part } => {
                let what = match part {
                    Part::Data => What::Data,
                    Part::Attributes => What::Attributes,
                    Part::ExtentMap => What::ExtentMap,
                };
                self.add_to_inode(inode, pieces(what), name(inode));
            }
        }
    }

    fn add_to_inode(&mut self, inode: u64, pieces: Vec<Piece>, named: Option<Named>) {
        if let Some(file) = self.files.iter_mut().find(|file| file.inode == inode) {
            file.pieces.extend(pieces);
            return;
        }
        let named = named.unwrap_or(Named {
            paths: Paths::default(),
            kind: "other",
            size: 0,
        });
        self.files.push(DamagedFile {
            paths: named.paths,
            inode,
            kind: named.kind,
            size: named.size,
            pieces,
            is_realtime: false,
        });
    }

    /// Whether there is more to do than to wait until free space is used again.
    pub(super) fn is_problem(&self) -> bool {
        let loss = self
            .files
            .iter()
            .flat_map(|file| &file.pieces)
            .any(|piece| piece.what.is_loss());
        loss || !self.metadata.is_empty() || !self.unknown.is_empty() || !self.complete
    }
}

/// The special owners of ext4 (`fs/ext4/fsmap.h`) and XFS (`fs/xfs/libxfs/xfs_fs.h`).
fn special(kind: u32, code: u32) -> String {
    let kind = u8::try_from(kind).map_or('?', char::from);
    let name = match (kind, code) {
        ('\0', 3) => "metadata",
        ('X', 1) => "superblock and other static metadata",
        ('X', 2) => "journal",
        ('X', 3) => "metadata of an allocation group",
        ('X', 4) => "inode btree",
        ('X', 5) => "inodes",
        ('X', 6) => "reference counts",
        ('X', 7) => "copy-on-write staging",
        ('X', 8) => "blocks marked as bad",
        ('f', 1) => "group descriptors",
        ('f', 2) => "reserved group descriptors",
        ('f', 3) => "block bitmap",
        ('f', 4) => "inode bitmap",
        _ => return format!("metadata of kind {kind}:{code}"),
    };
    name.to_owned()
}

pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_text(report, &mut out);
    out
}

fn write_text(report: &Report, out: &mut String) -> std::fmt::Result {
    let mut hit = false;
    for disk in &report.disks {
        if disk.bad_ranges > 0 {
            let sectors = counted(disk.bad_sectors, "bad sector");
            let ranges = counted(disk.bad_ranges as u64, "range");
            writeln!(out, "{} has {sectors} in {ranges}.", disk.name)?;
            hit = true;
        }
    }
    if !hit {
        let names: Vec<_> = report.disks.iter().map(|disk| disk.name.as_str()).collect();
        writeln!(out, "No sector of {} is bad.", names.join(", "))?;
    } else if report.files.is_empty()
        && report.metadata.is_empty()
        && report.free.is_empty()
        && report.unknown.is_empty()
    {
        writeln!(
            out,
            "None of them is known to be on {} ({}).",
            report.mount_point, report.device
        )?;
    }
    for file in &report.files {
        write_file(file, out)?;
    }
    if !report.files.is_empty() {
        writeln!(out, "\nTo bring a file back, restore it, or overwrite the whole pages (4096 bytes) named above.")?;
    }
    if !report.metadata.is_empty() {
        writeln!(
            out,
            "\nMetadata of {} on {}:",
            report.file_system, report.device
        )?;
        for owned in &report.metadata {
            writeln!(out, "  {}: {}", owned.owner, on_device(&owned.piece))?;
        }
        writeln!(
            out,
            "Unmount it, make a copy of what still reads, and run {}.",
            repair(report)
        )?;
    }
    if !report.unknown.is_empty() {
        let what = if report.has_no_map {
            "Free space, metadata, or a file that was deleted and is still open"
        } else {
            "In use, but no file says for what: metadata, or a file that was deleted and is still open"
        };
        writeln!(out, "\n{what}:")?;
        for piece in &report.unknown {
            writeln!(out, "  {}{}", on_device(piece), whose(report, piece))?;
        }
    }
    if !report.free.is_empty() {
        writeln!(
            out,
            "\nFree space; nothing is lost, the errors go when it is used again:"
        )?;
        for piece in &report.free {
            writeln!(out, "  {}", on_device(piece))?;
        }
    }
    if !report.unexamined.is_empty() {
        writeln!(out, "\nCould not be looked at:")?;
        for unexamined in &report.unexamined {
            writeln!(out, "  {}: {}", unexamined.path, unexamined.error)?;
        }
    }
    for note in &report.notes {
        writeln!(out, "\nNote: {note}.")?;
    }
    Ok(())
}

fn write_file(file: &DamagedFile, out: &mut String) -> std::fmt::Result {
    match file.paths.0.split_first() {
        Some((first, others)) => {
            let slash = if file.kind == "directory" {
                " (directory)"
            } else {
                ""
            };
            writeln!(out, "\n{}{slash}", safe_path(first))?;
            for other in others {
                writeln!(out, "  also {}", safe_path(other))?;
            }
        }
        None => writeln!(out, "\ninode {}, without a name that was found", file.inode)?,
    }
    for piece in &file.pieces {
        let disk = format!("{} sector {}, {}", piece.disk, piece.sector, piece.sectors);
        let bytes = format!(
            "bytes {} to {}",
            piece.offset,
            piece.offset + piece.length - 1
        );
        match piece.what {
            What::Data if file.kind != "file" => writeln!(out, "  entries, {disk}")?,
            What::Data => writeln!(out, "  {bytes}, {}: lost, {disk}", pages(piece))?,
            What::Unwritten => writeln!(out, "  {bytes}: not written yet, nothing lost, {disk}")?,
            What::BeyondEnd => writeln!(out, "  {bytes}: beyond the end, nothing lost, {disk}")?,
            What::Attributes => writeln!(out, "  extended attributes, {disk}")?,
            What::ExtentMap => writeln!(out, "  the list of its extents, {disk}")?,
        }
    }
    Ok(())
}

/// The pages of the file that have to be overwritten.
fn pages(piece: &Piece) -> String {
    let first = piece.offset / PAGE;
    let last = (piece.offset + piece.length - 1) / PAGE;
    if first == last {
        format!("page {first}")
    } else {
        format!("pages {first} to {last}")
    }
}

fn on_device(piece: &Piece) -> String {
    format!(
        "bytes {} to {}, {} sector {}, {}",
        piece.device_offset,
        piece.device_offset + piece.length - 1,
        piece.disk,
        piece.sector,
        piece.sectors
    )
}

/// How to check the file system.
fn repair(report: &Report) -> String {
    match report.file_system.as_str() {
        "xfs" => match &report.log {
            Some(log) => format!("xfs_repair -l {log} {}", report.device),
            None => format!("xfs_repair {}", report.device),
        },
        "ext2" | "ext4" => format!("e2fsck -f {}", report.device),
        other => format!("fsck.{other} {}", report.device),
    }
}

/// How to ask ext4 whose a block is.
fn whose(report: &Report, piece: &Piece) -> String {
    let block = piece.device_offset.checked_div(report.block_size);
    match (report.file_system.as_str(), block) {
        ("ext4", Some(block)) => format!(" (debugfs -R 'icheck {block}' {})", report.device),
        _ => String::new(),
    }
}
