// SPDX-License-Identifier: GPL-2.0

//! A volume as a whole.

use std::fmt;

use rdaxfs_core::format::{Time, BLOCK_SIZE, STATE_CLEAN, STATE_MOUNTED};
use rdaxfs_core::platform::Platform;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::Result;
use serde::Serialize;
use uuid::Uuid;

use crate::text;

/// What a superblock and the groups' headers say.
#[derive(Serialize)]
pub(crate) struct VolumeInfo {
    uuid: Uuid,
    label: String,
    state: &'static str,
    block_size: u64,
    blocks: u64,
    free_blocks: u64,
    inodes: u64,
    root: u64,
    journal_slots: u32,
    journal_block: u64,
    align_offset: u32,
    created: String,
    mounted: Option<String>,
    mounts: u64,
    compat: u32,
    ro_compat: u32,
    incompat: u32,
    groups: Vec<GroupInfo>,
}

/// What a group's header says.
#[derive(Serialize)]
struct GroupInfo {
    group: u32,
    free_blocks: u32,
    inodes: u64,
}

impl VolumeInfo {
    pub(crate) fn of<P: Platform>(volume: &Volume<P>) -> Result<Self> {
        let superblock = volume.superblock();
        let mut groups = Vec::new();
        for group in 0..volume.groups() {
            let (free_blocks, inodes) = volume.count_group(group)?;
            groups.push(GroupInfo {
                group,
                free_blocks,
                inodes,
            });
        }
        let label = superblock
            .label
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or(&[]);
        Ok(Self {
            uuid: Uuid::from_bytes(superblock.uuid),
            label: String::from_utf8_lossy(label).into_owned(),
            state: match superblock.state.get() {
                STATE_CLEAN => "clean",
                STATE_MOUNTED => "mounted",
                _ => "damaged",
            },
            block_size: BLOCK_SIZE,
            blocks: volume.blocks(),
            free_blocks: groups
                .iter()
                .map(|group| u64::from(group.free_blocks))
                .sum(),
            inodes: groups.iter().map(|group| group.inodes).sum(),
            root: volume.root(),
            journal_slots: volume.slots(),
            journal_block: superblock.slots_at.get(),
            align_offset: superblock.align_offset.get(),
            created: text::time(Time(superblock.created.get())),
            mounted: (superblock.mounts.get() > 0)
                .then(|| text::time(Time(superblock.mounted.get()))),
            mounts: superblock.mounts.get(),
            compat: superblock.compat.get(),
            ro_compat: superblock.ro_compat.get(),
            incompat: superblock.incompat.get(),
            groups,
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
        for GroupInfo {
            group,
            free_blocks,
            inodes,
        } in &self.groups
        {
            writeln!(
                f,
                "group {group}: {free_blocks} blocks free, {inodes} inodes"
            )?;
        }
        Ok(())
    }
}
