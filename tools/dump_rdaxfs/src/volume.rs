// SPDX-License-Identifier: GPL-2.0

//! A volume as a whole.

use std::fmt;

use rdaxfs_core::format::{Time, BLOCK_SIZE, STATE_CLEAN, STATE_DAMAGED, STATE_MOUNTED};
use rdaxfs_core::platform::Platform;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::Result;
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
            let (free_blocks, inodes) = volume.count_group(group)?;
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
        writeln!(f, "huge pages:    from block {} on", self.align_offset)?;
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
