// SPDX-License-Identifier: GPL-2.0

//! A volume as a whole.

use std::fmt;

use rdaxfs_core::format::{ErrorKind, Time, BLOCK_SIZE, STATE_CLEAN, STATE_DAMAGED, STATE_MOUNTED};
use rdaxfs_core::platform::Platform;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::{Error, Result};
use serde::Serialize;
use terminal::{hex_unless_utf8, safe};
use uuid::Uuid;

use crate::text::{self, Number};

/// What a superblock and the groups' headers say.
#[derive(Serialize)]
pub(crate) struct VolumeInfo {
    uuid: Uuid,
    label: String,
    /// In hex, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    label_bytes: Option<String>,
    state: String,
    block_size: u64,
    blocks: Number,
    free_blocks: Number,
    inodes: Number,
    root: Number,
    journal_slots: u32,
    journal_block: Number,
    align_offset: u32,
    inode_size: u32,
    /// Blocks that are not used because they are bad.
    bad_blocks: Number,
    /// The inode that owns them; 0: none.
    bad_blocks_owner: Number,
    /// The numbers of journal slots that are not used any more.
    retired_slots: Vec<u32>,
    errors: u32,
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    created: String,
    mounted: Option<String>,
    mounts: Number,
    compat: u32,
    ro_compat: u32,
    incompat: u32,
    groups: u32,
    /// Each group, if they are to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_list: Option<Vec<GroupInfo>>,
}

/// What a group's header says.
#[derive(Serialize)]
struct GroupInfo {
    group: u32,
    free_blocks: u32,
    inodes: Number,
}

impl VolumeInfo {
    pub(crate) fn of<P: Platform>(volume: &Volume<P>, with_groups: bool) -> Result<Self> {
        let superblock = volume.superblock();
        let mut groups = Vec::new();
        let (mut all_free, mut all_inodes) = (0, 0_u64);
        for group in 0..volume.groups() {
            let (free_blocks, inodes) = volume.space().of_group(group)?;
            all_free += u64::from(free_blocks);
            // What a damaged group counts is any number.
            all_inodes = all_inodes.saturating_add(inodes);
            if with_groups {
                groups.push(GroupInfo {
                    group,
                    free_blocks,
                    inodes: Number(inodes),
                });
            }
        }
        let label = text::label(superblock);
        let has_errors = superblock.errors.get() > 0;
        Ok(Self {
            uuid: Uuid::from_bytes(superblock.uuid),
            label: safe(label),
            label_bytes: hex_unless_utf8(label),
            state: match superblock.state.get() {
                STATE_CLEAN => "clean".into(),
                STATE_MOUNTED => "mounted".into(),
                STATE_DAMAGED => "damaged".into(),
                unknown => format!("unknown ({unknown})"),
            },
            block_size: BLOCK_SIZE,
            blocks: Number(volume.blocks()),
            free_blocks: Number(all_free),
            inodes: Number(all_inodes),
            root: Number(volume.root()),
            journal_slots: volume.slots(),
            journal_block: Number(superblock.slots_at.get()),
            align_offset: superblock.align_offset.get(),
            inode_size: superblock.inode_size.get(),
            bad_blocks: Number(bad_blocks(volume)?),
            bad_blocks_owner: Number(volume.bad_blocks().owner()),
            retired_slots: (0..volume.slots())
                .filter(|slot| volume.bad_blocks().retired_slots() >> slot & 1 == 1)
                .collect(),
            errors: superblock.errors.get(),
            error_kind: ErrorKind::from_number(superblock.error_kind.get())
                .filter(|_| has_errors)
                .map(kind),
            first_error: has_errors.then(|| text::time(Time(superblock.first_error.get()))),
            last_error: has_errors.then(|| text::time(Time(superblock.last_error.get()))),
            created: text::time(Time(superblock.created.get())),
            mounted: (superblock.mounts.get() > 0)
                .then(|| text::time(Time(superblock.mounted.get()))),
            mounts: Number(superblock.mounts.get()),
            compat: superblock.compat.get(),
            ro_compat: superblock.ro_compat.get(),
            incompat: superblock.incompat.get(),
            groups: volume.groups(),
            group_list: with_groups.then_some(groups),
        })
    }
}

/// How many blocks are not used because they are bad.
fn bad_blocks<P: Platform>(volume: &Volume<P>) -> Result<u64> {
    let (map, _) = match volume.bad_blocks().open_owner() {
        Err(Error::NoEntry) => return Ok(0),
        opened => opened?,
    };
    let (mut count, mut at) = (0, 0);
    while let Some(extent) = volume.files().next_extent(&map, at)? {
        count += extent.count;
        at = extent.end();
    }
    Ok(count)
}

/// What an error was.
const fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Corrupt => "corrupt metadata",
        ErrorKind::Unreadable => "metadata that could not be read",
        ErrorKind::Unwritable => "metadata that could not be written",
        ErrorKind::Journal => "a journal slot that could not be written",
    }
}

impl fmt::Display for VolumeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "UUID:          {}", self.uuid)?;
        writeln!(f, "label:         {}", self.label)?;
        writeln!(f, "state:         {}", self.state)?;
        writeln!(
            f,
            "blocks:        {} of {} bytes, {} free",
            self.blocks, self.block_size, self.free_blocks
        )?;
        writeln!(f, "inodes:        {}, root {}", self.inodes, self.root)?;
        writeln!(
            f,
            "journal:       {} slots from block {} on",
            self.journal_slots, self.journal_block
        )?;
        for slot in &self.retired_slots {
            writeln!(f, "               slot {slot} is not used any more")?;
        }
        writeln!(f, "huge pages:    from block {} on", self.align_offset)?;
        writeln!(f, "inode size:    {} bytes", self.inode_size)?;
        match self.bad_blocks_owner {
            Number(0) => writeln!(f, "bad blocks:    none")?,
            owner => writeln!(f, "bad blocks:    {}, of inode {owner}", self.bad_blocks)?,
        }
        if let (Some(first), Some(last)) = (&self.first_error, &self.last_error) {
            let kind = self.error_kind.unwrap_or("unknown");
            writeln!(
                f,
                "errors:        {}, first {first}, last {last}: {kind}",
                self.errors
            )?;
        }
        writeln!(f, "created:       {}", self.created)?;
        match &self.mounted {
            Some(last) => writeln!(f, "mounted:       {} times, last {last}", self.mounts)?,
            None => writeln!(f, "mounted:       never")?,
        }
        writeln!(
            f,
            "features:      compat {:#x}, ro_compat {:#x}, incompat {:#x}",
            self.compat, self.ro_compat, self.incompat
        )?;
        writeln!(f, "groups:        {}", self.groups)?;
        for GroupInfo {
            group,
            free_blocks,
            inodes,
        } in self.group_list.iter().flatten()
        {
            writeln!(
                f,
                "group {group}: {free_blocks} blocks free, {inodes} inodes"
            )?;
        }
        Ok(())
    }
}
