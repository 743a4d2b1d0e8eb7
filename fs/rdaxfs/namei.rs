// SPDX-License-Identifier: GPL-2.0

//! Names: look-up, creation, links; renames are in `rename`.
//!
//! Each changes the medium in one transaction, under the map locks of the inodes, and then what the
//! VFS knows of them.

use kernel::{
    prelude::*,
    str::{CStr, CString},
    sync::aref::ARef,
};
use kernel_ext::fs::{
    dentry::{Child, Dentry, Unhashed, Unused},
    inode::{InitialisedInode, Locked, NewInode},
    namei::{Operations, Rename},
    Inode, MntIdmap, Timespec,
};
use rdaxfs_core::{
    format::{Time, S_IFDIR, S_IFLNK, S_IFREG},
    inode::{Attributes, MapState},
    name::{Changes, Made, Names, NewInode as CoreNewInode},
    workspace::Workspace,
    Error as CoreError,
};

use crate::{
    attr::AttributeOperations,
    ctimes::Changing,
    error::met,
    inode::{self, refresh},
    maps::Maps,
    new::Template,
    platform::Platform,
    rename,
    super_block::Rdaxfs,
    time::to_medium,
};

/// The operations on directories.
pub(crate) struct DirectoryOperations;

/// Where a new file gets a name.
#[derive(Clone, Copy)]
struct Place<'a> {
    idmap: &'a MntIdmap,
    directory: Locked<'a, Rdaxfs>,
    dentry: Child<'a, Rdaxfs>,
}

/// Runs `make` for a new file that `place` gives a name, and shows it to the VFS.
fn make(
    place: Place<'_>,
    mode: u16,
    device: (u32, u32),
    target: Option<CString>,
    mut make: impl FnMut(
        Names<'_, Platform>,
        &mut Workspace,
        &mut MapState,
        &CoreNewInode<'_>,
        Time,
        &mut dyn FnMut(u64, u32) -> rdaxfs_core::Result,
    ) -> rdaxfs_core::Result<Made>,
) -> Result {
    let Place {
        idmap,
        directory,
        dentry,
    } = place;
    let sb = directory.super_block();
    let mut new = NewInode::new(sb)?;
    let template = Template::new(&mut new, idmap, &directory, Some(&dentry), mode, device)?;
    let xattrs = template.xattrs()?;
    let what = template.to_core(&xattrs);
    let change = Changing::new(&[directory.inode()]);
    let Made {
        map,
        attributes,
        directory: changed,
    } = sb.data().mounted.again(|| {
        let mut operation = sb.data().mounted.begin()?;
        let mut state = directory.data().map.write();
        make(
            operation.volume.names(),
            &mut operation.workspace,
            &mut state,
            &what,
            to_medium(change.now),
            &mut |ino, generation| announce(&mut new, ino, generation),
        )
        .map_err(|error| met(&directory, error))
    })?;
    refresh(&directory, &changed);
    change.commit();
    directory.set_mtime(change_time(&attributes));
    let inode = inode::init(new, sb, map, &attributes, target);
    template.cache_acls(&inode);
    dentry.instantiate_new(inode);
    Ok(())
}

/// Gives a name to an inode, or takes one from it, as `change` does on the medium, and tells the VFS what has
/// changed. A name that has been taken out of the cache for it goes back there if it fails.
fn change_name(
    directory: Locked<'_, Rdaxfs>,
    dentry: Child<'_, Rdaxfs>,
    inode: Locked<'_, Rdaxfs>,
    unhashed: Option<Unused<'_, Rdaxfs>>,
    mut change: impl FnMut(
        Names<'_, Platform>,
        &mut Workspace,
        &mut MapState,
        &[u8],
        &mut MapState,
        Time,
    ) -> rdaxfs_core::Result<Changes>,
) -> Result {
    let changing = Changing::new(&[directory.inode(), inode.inode()]);
    let mounted = &directory.super_block().data().mounted;
    let changed = mounted.again(|| {
        let mut operation = mounted.begin()?;
        let mut maps = Maps::lock([Some(directory.inode()), Some(inode.inode())]);
        let [Some(parent), Some(map)] = maps.states() else {
            return Err(EIO);
        };
        let changed = change(
            operation.volume.names(),
            &mut operation.workspace,
            parent,
            dentry.name(),
            map,
            to_medium(changing.now),
        )
        .map_err(|error| met(&directory, error))?;
        if changed.freed {
            inode.data().set_freed();
        }
        Ok(changed)
    })?;
    if let Some(unhashed) = unhashed {
        unhashed.forget();
    }
    refresh(&directory, &changed.directory);
    refresh(&inode, &changed.inode);
    directory.set_mtime(changing.commit());
    Ok(())
}

/// Takes a name out of the cache, if the inode that has it can be freed with it: nobody uses it, and none of its
/// pages are in memory, whose users would not be noticed. `references` are the VFS's.
pub(crate) fn unhash_if_unused<'a>(
    dentry: Child<'a, Rdaxfs>,
    inode: Locked<'a, Rdaxfs>,
    references: u32,
) -> Option<Unused<'a, Rdaxfs>> {
    let is_last = inode.is_directory() || inode.links() == 1;
    if !is_last || !inode::has_no_pages(&inode) {
        return None;
    }
    dentry.unhash_if_unused(inode, references)
}

/// The references that the VFS has to the name of a file that is removed: its caller's.
const FILE_REFERENCES: u32 = 1;

/// Those to the name of a directory that is removed, and to a name that a rename replaces: `vfs_rmdir()` and
/// `vfs_rename()` take one more.
pub(crate) const HELD_REFERENCES: u32 = 2;

/// Enters a new inode into the hash, so that others that look for it wait: it can be opened by its number once the
/// core's transaction has been committed. If that fails, it leaves the hash when it is dropped.
fn announce(new: &mut NewInode<Rdaxfs>, ino: u64, generation: u32) -> rdaxfs_core::Result {
    // There is no other one: no two inodes with a number have the same generation.
    new.insert(ino, generation).map_err(|_| CoreError::Corrupt)
}

/// The time at which a new file was made.
fn change_time(attributes: &Attributes) -> Timespec {
    crate::time::from_medium(attributes.ctime)
}

#[vtable]
impl Operations for DirectoryOperations {
    type FileSystem = Rdaxfs;
    type Attributes = AttributeOperations;

    fn lookup(
        directory: &Inode<Rdaxfs>,
        dentry: Unhashed<'_, Rdaxfs>,
    ) -> Result<Option<ARef<Dentry<Rdaxfs>>>> {
        let sb = directory.super_block();
        let found = {
            let map = directory.data().map.read();
            sb.data()
                .mounted
                .volume()?
                .names()
                .lookup(&map, dentry.name())
        };
        let inode = match found {
            Ok(target) => Some(inode::get(sb, target.ino)?),
            Err(CoreError::NoEntry) => None,
            Err(error) => return Err(met(directory, error)),
        };
        dentry.splice(inode)
    }

    fn create(
        idmap: &MntIdmap,
        directory: Locked<'_, Rdaxfs>,
        dentry: Child<'_, Rdaxfs>,
        mode: u16,
    ) -> Result {
        Self::mknod(
            idmap,
            directory,
            dentry,
            mode & !rdaxfs_core::format::S_IFMT | S_IFREG,
            (0, 0),
        )
    }

    fn mknod(
        idmap: &MntIdmap,
        directory: Locked<'_, Rdaxfs>,
        dentry: Child<'_, Rdaxfs>,
        mode: u16,
        device: (u32, u32),
    ) -> Result {
        let place = Place {
            idmap,
            directory,
            dentry,
        };
        let name = dentry.name();
        make(
            place,
            mode,
            device,
            None,
            |names, workspace, map, new, now, announce| {
                names.create(workspace, map, name, new, now, announce)
            },
        )
    }

    fn mkdir(
        idmap: &MntIdmap,
        directory: Locked<'_, Rdaxfs>,
        dentry: Child<'_, Rdaxfs>,
        mode: u16,
    ) -> Result {
        let place = Place {
            idmap,
            directory,
            dentry,
        };
        let name = dentry.name();
        make(
            place,
            mode | S_IFDIR,
            (0, 0),
            None,
            |names, workspace, map, new, now, announce| {
                names.mkdir(workspace, map, name, new, now, announce)
            },
        )
    }

    fn symlink(
        idmap: &MntIdmap,
        directory: Locked<'_, Rdaxfs>,
        dentry: Child<'_, Rdaxfs>,
        target: &CStr,
    ) -> Result {
        let place = Place {
            idmap,
            directory,
            dentry,
        };
        let name = dentry.name();
        let kept = CString::try_from(target)?;
        make(
            place,
            S_IFLNK | 0o777,
            (0, 0),
            Some(kept),
            |names, workspace, map, new, now, announce| {
                names.symlink(
                    workspace,
                    map,
                    (name, target.to_bytes()),
                    new,
                    now,
                    announce,
                )
            },
        )
    }

    fn tmpfile(
        idmap: &MntIdmap,
        directory: &Inode<Rdaxfs>,
        mode: u16,
    ) -> Result<InitialisedInode<Rdaxfs>> {
        let sb = directory.super_block();
        let mut new = NewInode::new(sb)?;
        let template = Template::new(&mut new, idmap, directory, None, mode, (0, 0))?;
        let xattrs = template.xattrs()?;
        let what = template.to_core(&xattrs);
        let now = to_medium(new.set_ctime_current());
        let Made {
            map, attributes, ..
        } = sb.data().mounted.again(|| {
            let mut operation = sb.data().mounted.begin()?;
            operation
                .volume
                .names()
                .tmpfile(
                    &mut operation.workspace,
                    directory.ino(),
                    &what,
                    now,
                    &mut |ino, generation| announce(&mut new, ino, generation),
                )
                .map_err(|error| met(directory, error))
        })?;
        let inode = inode::init(new, sb, map, &attributes, None);
        template.cache_acls(&inode);
        Ok(inode)
    }

    fn link(
        inode: Locked<'_, Rdaxfs>,
        directory: Locked<'_, Rdaxfs>,
        dentry: Child<'_, Rdaxfs>,
    ) -> Result {
        change_name(
            directory,
            dentry,
            inode,
            None,
            |names, workspace, parent, name, map, now| {
                names.link(workspace, parent, name, map, now)
            },
        )?;
        dentry.instantiate(inode.inode().into());
        Ok(())
    }

    fn unlink(
        directory: Locked<'_, Rdaxfs>,
        dentry: Child<'_, Rdaxfs>,
        inode: Locked<'_, Rdaxfs>,
    ) -> Result {
        let unused = unhash_if_unused(dentry, inode, FILE_REFERENCES);
        let is_last = unused.is_some();
        change_name(
            directory,
            dentry,
            inode,
            unused,
            |names, workspace, parent, name, map, now| match is_last {
                true => names.unlink_last(workspace, parent, name, map, now),
                false => names.unlink(workspace, parent, name, map, now),
            },
        )
    }

    fn rmdir(
        directory: Locked<'_, Rdaxfs>,
        dentry: Child<'_, Rdaxfs>,
        inode: Locked<'_, Rdaxfs>,
    ) -> Result {
        let unused = unhash_if_unused(dentry, inode, HELD_REFERENCES);
        let is_last = unused.is_some();
        change_name(
            directory,
            dentry,
            inode,
            unused,
            |names, workspace, parent, name, map, now| match is_last {
                true => names.rmdir_last(workspace, parent, name, map, now),
                false => names.rmdir(workspace, parent, name, map, now),
            },
        )
    }

    fn rename(idmap: &MntIdmap, rename: Rename<'_, Rdaxfs>) -> Result {
        rename::rename(idmap, rename)
    }
}
