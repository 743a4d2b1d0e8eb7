// SPDX-License-Identifier: GPL-2.0

//! Setting and removing attributes.

use core::mem::offset_of;

use super::entry::{entry_len, NewXattr, XattrName};
use super::inline::Inline;
use super::read::{Blob, Found};
use super::write::Writer;
use super::Xattrs;
use crate::alloc::free_run;
use crate::format::{Inode, Root, XattrRoot};
use crate::inode::{inode_word, set_attributes, Change, Changed, MapState, XattrState};
use crate::journal::Transaction;
use crate::platform::{Platform, CACHE_LINE};
use crate::source::Source;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// Whether an attribute may or must exist before it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetMode {
    /// It does not matter.
    Any,
    /// It must not (`XATTR_CREATE`).
    Create,
    /// It must (`XATTR_REPLACE`).
    Replace,
}

impl<P: Platform> Xattrs<'_, P> {
    /// Sets an attribute, and changes what `change` says of the inode, in one transaction: with an
    /// access control list the permissions, with all the ctime. Returns what else has changed.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] and [`Error::NoData`] as `mode` says, [`Error::TooBig`] if the value or all attributes
    /// together are too long, [`Error::NoSpace`], [`Error::ReadOnly`].
    pub fn set(
        self,
        workspace: &mut Workspace,
        xattrs: &mut XattrState,
        map: &mut MapState,
        xattr: &NewXattr<'_>,
        mode: SetMode,
        change: &Change,
    ) -> Result<Changed> {
        let blob = Blob::open(self.volume, xattrs.ino)?;
        let old = self.find_xattr(blob, xattr.name)?;
        match (mode, old) {
            (SetMode::Create, Some(_)) => return Err(Error::Exists),
            (SetMode::Replace, None) => return Err(Error::NoData),
            _ => {}
        }
        let entries = XattrChange {
            blob,
            without: old,
            with: Some(xattr),
        };
        self.change_xattrs(workspace, xattrs, map, entries, change)
    }

    /// Removes an attribute, and changes what `change` says, as [`set`](Self::set) does.
    ///
    /// # Errors
    ///
    /// [`Error::NoData`] if there is none, [`Error::NoSpace`] if the others cannot be written anew,
    /// [`Error::ReadOnly`].
    pub fn remove(
        self,
        workspace: &mut Workspace,
        xattrs: &mut XattrState,
        map: &mut MapState,
        name: XattrName<'_>,
        change: &Change,
    ) -> Result<Changed> {
        let blob = Blob::open(self.volume, xattrs.ino)?;
        let old = self.find_xattr(blob, name)?.ok_or(Error::NoData)?;
        let entries = XattrChange {
            blob,
            without: Some(old),
            with: None,
        };
        self.change_xattrs(workspace, xattrs, map, entries, change)
    }

    fn find_xattr(self, blob: Option<Blob>, name: XattrName<'_>) -> Result<Option<Found>> {
        match blob {
            Some(blob) => blob.find(self.volume, name),
            None => Ok(None),
        }
    }

    fn change_xattrs(
        self,
        workspace: &mut Workspace,
        xattrs: &mut XattrState,
        map: &mut MapState,
        entries: XattrChange<'_>,
        change: &Change,
    ) -> Result<Changed> {
        self.volume.check_writable()?;
        if xattrs.ino != map.ino {
            return Err(Error::Invalid);
        }
        let (ino, generation) = (map.ino, map.generation);
        let mut held = Transaction::new(self.volume, &mut workspace.log);
        let mut tx = held.open();
        tx.join(&mut xattrs.stamp)?;
        tx.join(&mut map.stamp)?;
        let changed = tx.attempt(|tx| {
            let root = entries.write(tx, (ino, generation))?;
            tx.set(inode_word(ino, offset_of!(Inode, xattrs)), root.to_word())?;
            let count = root.run().map_or(0, |run| run.count);
            let mut before = 0;
            if let Some(run) = entries.blob.and_then(|blob| blob.root.run()) {
                before = run.count;
                free_run(tx, run.block, before, false)?;
            }
            let blocks_at = inode_word(ino, offset_of!(Inode, blocks));
            let blocks = tx.word(blocks_at)?.checked_sub(before);
            let blocks = blocks.and_then(|blocks| blocks.checked_add(count));
            let blocks = blocks.ok_or(Error::Corrupt)?;
            tx.set(blocks_at, blocks)?;
            set_attributes(tx, ino, change)?;
            Ok(Changed {
                blocks: Some(blocks),
                ..Changed::default()
            })
        })?;
        tx.commit()?;
        Ok(changed)
    }
}

/// What the inode is going to have: the old entries, without one, with another.
#[derive(Clone, Copy)]
struct XattrChange<'a> {
    blob: Option<Blob>,
    without: Option<Found>,
    with: Option<&'a NewXattr<'a>>,
}

impl XattrChange<'_> {
    /// Writes the entries; returns where they are.
    fn write<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        inode: (u64, u32),
    ) -> Result<XattrRoot> {
        let mut bytes = self.blob.map_or(0, |blob| blob.bytes);
        bytes = bytes.saturating_sub(self.without.map_or(0, |found| found.len));
        if let Some(xattr) = self.with {
            bytes += entry_len(xattr.name.rest().len(), xattr.value.len())?;
        }
        if bytes == 0 {
            return Ok(XattrRoot::Empty);
        }
        let (ino, _) = inode;
        let contents = tx.word(inode_word(ino, offset_of!(Inode, root)))?;
        let contents = Root::from_word(contents).ok_or(Error::Corrupt)?;
        if Inline::fits(bytes, contents.inline_len()) {
            self.write_inline(tx, ino)
        } else {
            self.write_run(tx, inode, bytes)
        }
    }

    #[inline(never)]
    fn write_inline<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        ino: u64,
    ) -> Result<XattrRoot> {
        let mut inline = Inline::new();
        self.copy_kept(tx, |_, bytes| inline.bytes(bytes))?;
        if let Some(xattr) = self.with {
            inline.add(xattr)?;
        }
        inline.write(tx, ino)
    }

    #[inline(never)]
    fn write_run<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        inode: (u64, u32),
        bytes: u64,
    ) -> Result<XattrRoot> {
        let mut writer = Writer::new();
        writer.start(tx, inode, bytes, self.with.is_none())?;
        self.copy_kept(tx, |tx, bytes| writer.bytes(tx, bytes))?;
        if let Some(xattr) = self.with {
            writer.add(tx, xattr)?;
        }
        writer.finish(tx).map(XattrRoot::Run)
    }

    /// Hands the entries that stay to `put`, a few bytes at a time.
    fn copy_kept<'t, P: Platform>(
        &self,
        tx: &mut Transaction<'t, P>,
        mut put: impl FnMut(&mut Transaction<'t, P>, &[u8]) -> Result,
    ) -> Result {
        let Some(blob) = self.blob else { return Ok(()) };
        let (gap, gap_len) = self
            .without
            .map_or((blob.bytes, 0), |found| (found.at, found.len));
        for (from, to) in [(0, gap), (gap + gap_len, blob.bytes)] {
            let mut at = from;
            while at < to {
                let mut piece = [0; CACHE_LINE];
                let now = (to - at).min(piece.len() as u64);
                let piece = piece.get_mut(..now as usize).unwrap_or(&mut []);
                blob.read(tx.volume(), at, piece)?;
                put(tx, piece)?;
                at += now;
            }
        }
        Ok(())
    }
}
