// SPDX-License-Identifier: GPL-2.0

//! Renames: under a new name, over another file, in exchange, with a whiteout left behind.

use kernel::prelude::*;
use kernel_ext::fs::{
    dentry::Child,
    inode::NewInode,
    namei::{Rename, RenameTarget},
    Inode, MntIdmap,
};
use rdaxfs_core::{
    format::S_IFCHR,
    name::{Directories, RenameMode, Renamed},
};

use crate::{
    ctimes::Changing,
    error::met,
    inode::refresh,
    maps::Maps,
    namei::{unhash_if_unused, HELD_REFERENCES},
    new::Template,
    super_block::Rdaxfs,
    time::to_medium,
};

/// A name moves, replaces another one or changes places with it.
pub(crate) fn rename(idmap: &MntIdmap, rename: Rename<'_, Rdaxfs>) -> Result {
    let (other, mode) = match &rename.target {
        // The VFS has seen that there is nothing to replace.
        RenameTarget::Nothing => (None, RenameMode::NoReplace),
        RenameTarget::Replace(other) => (Some(other.inode()), RenameMode::Replace),
        RenameTarget::Exchange(other) => (Some(*other), RenameMode::Exchange),
    };
    let (from, to) = (rename.old_directory, rename.new_directory);
    let is_one = from.ino() == to.ino();
    let template = match rename.whiteout {
        true => Some(whiteout(idmap, &from, &rename.old)?),
        false => None,
    };
    let xattrs = template.as_ref().map(Template::xattrs).transpose()?;
    let xattrs = xattrs.unwrap_or_else(KVec::new);
    let whiteout = template.as_ref().map(|template| template.to_core(&xattrs));
    let unused = match &rename.target {
        RenameTarget::Replace(replaced) => unhash_if_unused(rename.new, *replaced, HELD_REFERENCES),
        RenameTarget::Nothing | RenameTarget::Exchange(_) => None,
    };
    let change = Changing::new(&[
        from.inode(),
        to.inode(),
        rename.inode,
        other.unwrap_or(rename.inode),
    ]);
    let mounted = &from.super_block().data().mounted;
    let changed = mounted.again(|| {
        let mut operation = mounted.begin()?;
        let mut maps = Maps::lock([
            Some(from.inode()),
            (!is_one).then_some(to.inode()),
            Some(rename.inode),
            other,
        ]);
        let [Some(from_map), to_map, Some(moved), other_map] = maps.states() else {
            return Err(EIO);
        };
        let directories = match to_map {
            Some(to_map) => Directories::Two(from_map, to_map),
            None => Directories::One(from_map),
        };
        let names = (rename.old.name(), rename.new.name());
        let inodes = Renamed {
            moved,
            other: other_map,
            other_is_unused: unused.is_some(),
            whiteout: whiteout.as_ref(),
        };
        let now = to_medium(change.now);
        let changed = operation
            .volume
            .names()
            .rename(
                &mut operation.workspace,
                directories,
                names,
                inodes,
                mode,
                now,
            )
            .map_err(|error| met(&from, error))?;
        if let (true, Some(other)) = (changed.freed, other) {
            other.data().set_freed();
        }
        Ok(changed)
    })?;
    if !changed.renamed {
        // Both names are the inode's, and stay.
        return Ok(());
    }
    if let Some(unused) = unused {
        unused.forget();
    }
    refresh(&from, &changed.from);
    refresh(&to, &changed.to);
    if let RenameTarget::Replace(replaced) = &rename.target {
        refresh(replaced, &changed.other);
    }
    let now = change.commit();
    from.set_mtime(now);
    to.set_mtime(now);
    Ok(())
}

/// What a rename leaves under the old name: a device of number 0, which overlayfs takes for no file.
fn whiteout(
    idmap: &MntIdmap,
    directory: &Inode<Rdaxfs>,
    old: &Child<'_, Rdaxfs>,
) -> Result<Template> {
    // It is not in memory before somebody looks it up: this one is only asked whose it would be.
    let mut new = NewInode::new(directory.super_block())?;
    Template::new(&mut new, idmap, directory, Some(old), S_IFCHR, (0, 0))
}
