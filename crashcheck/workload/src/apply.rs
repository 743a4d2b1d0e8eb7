// SPDX-License-Identifier: GPL-2.0

//! Does an operation.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use rustix::fs::{
    fallocate, removexattr, renameat_with, setxattr, FallocateFlags, OFlags, RenameFlags,
    XattrFlags, CWD,
};
use rustix::io::{pwritev2, ReadWriteFlags};

use crate::Operation;

/// How mapped stores are done: the crate that may has it. `true`: the program flushes them itself, as `MAP_SYNC`
/// allows, `false`: msync(2) does.
type Map<'a> = &'a dyn Fn(&File, u64, &[u8], bool) -> Result<()>;

/// The bytes of a write: no eight of them are the same, and none is 0.
#[must_use]
pub fn pattern(seed: u8, offset: u64, len: u64) -> Vec<u8> {
    let byte = |at: u64| {
        let mixed = (at / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(seed) << 32;
        (mixed >> (8 * (at % 8)) & 0xff) as u8 | 1
    };
    (offset..offset + len).map(byte).collect()
}

/// A buffer whose address is a multiple of 4096, as direct I/O wants it: all but its end of a larger one.
fn aligned(bytes: &[u8], with: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
    let mut room = vec![0; bytes.len() + 4096];
    let skip = room.as_ptr().align_offset(4096);
    let part = &mut room[skip..skip + bytes.len()];
    part.copy_from_slice(bytes);
    with(part)
}

/// Does it below `root`; of a disk, whose only path is `device`, `root` is the disk.
///
/// # Errors
///
/// What the call says: a workload has no operation that fails.
pub fn apply(root: &Path, operation: &Operation, map: Map<'_>) -> Result<()> {
    let raw = !root.is_dir();
    let at = |path: &str| {
        if raw {
            root.to_path_buf()
        } else {
            root.join(path)
        }
    };
    let open = |path: &str| OpenOptions::new().read(true).write(true).open(at(path));
    let open_direct = |path: &str| {
        let mut options = OpenOptions::new();
        let direct = OFlags::DIRECT.bits() as i32;
        options.write(true).custom_flags(direct).open(at(path))
    };
    let allocate = |path: &str, flags, offset, len| -> Result<()> {
        Ok(fallocate(open(path)?, flags, offset, len)?)
    };
    match operation {
        Operation::Create { path } => {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o644)
                .open(at(path))?;
        }
        Operation::Mkdir { path } => fs::create_dir(at(path))?,
        Operation::Write {
            path,
            offset,
            len,
            seed,
        } if raw => {
            // Past the page cache: what the disk does is what is looked at.
            let file = open_direct(path)?;
            aligned(&pattern(*seed, *offset, *len), |bytes| {
                Ok(file.write_all_at(bytes, *offset)?)
            })?;
        }
        Operation::Write {
            path,
            offset,
            len,
            seed,
        } => {
            open(path)?.write_all_at(&pattern(*seed, *offset, *len), *offset)?;
        }
        Operation::Append { path, len, seed } => {
            let mut file = OpenOptions::new().append(true).open(at(path))?;
            let offset = file.metadata()?.len();
            file.write_all(&pattern(*seed, offset, *len))?;
        }
        Operation::Dsync {
            path,
            offset,
            len,
            seed,
        } => {
            let file = open_direct(path)?;
            aligned(&pattern(*seed, *offset, *len), |bytes| {
                let buffers = [std::io::IoSlice::new(bytes)];
                let done = pwritev2(&file, &buffers, *offset, ReadWriteFlags::DSYNC)?;
                ensure!(
                    done == bytes.len(),
                    "{done} of {} bytes were written",
                    bytes.len()
                );
                Ok(())
            })?;
        }
        Operation::Map {
            path,
            offset,
            len,
            seed,
        } => map(&open(path)?, *offset, &pattern(*seed, *offset, *len), true)?,
        Operation::Msync {
            path,
            offset,
            len,
            seed,
        } => map(&open(path)?, *offset, &pattern(*seed, *offset, *len), false)?,
        Operation::Truncate { path, size } => open(path)?.set_len(*size)?,
        Operation::Fallocate { path, offset, len } => {
            allocate(path, FallocateFlags::empty(), *offset, *len)?
        }
        Operation::Punch { path, offset, len } => allocate(
            path,
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            *offset,
            *len,
        )?,
        Operation::Zero { path, offset, len } => {
            // A disk keeps its size whether it is told to or not, and wants to be told.
            let keep = if raw {
                FallocateFlags::KEEP_SIZE
            } else {
                FallocateFlags::empty()
            };
            allocate(path, FallocateFlags::ZERO_RANGE | keep, *offset, *len)?;
        }
        Operation::Link { path, new } => fs::hard_link(at(path), at(new))?,
        Operation::Symlink { target, path } => std::os::unix::fs::symlink(target, at(path))?,
        Operation::Rename { path, new } => fs::rename(at(path), at(new))?,
        Operation::Exchange { path, new } => {
            renameat_with(CWD, at(path), CWD, at(new), RenameFlags::EXCHANGE)?
        }
        Operation::Unlink { path } => fs::remove_file(at(path))?,
        Operation::Rmdir { path } => fs::remove_dir(at(path))?,
        Operation::Chmod { path, mode } => {
            fs::set_permissions(at(path), Permissions::from_mode(*mode))?
        }
        Operation::Setxattr {
            path,
            name,
            len,
            seed,
        } => {
            setxattr(
                at(path),
                format!("user.{name}"),
                &pattern(*seed, 0, *len),
                XattrFlags::empty(),
            )?;
        }
        Operation::Removexattr { path, name } => removexattr(at(path), format!("user.{name}"))?,
        Operation::Commit { path, .. } => bail!("'{path}': the guest's program has the databases"),
        Operation::Fsync { path } => File::open(at(path)).context("open")?.sync_all()?,
        Operation::Sync if raw => open("device")?.sync_all()?,
        Operation::Sync => rustix::fs::syncfs(File::open(root)?)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pairs, singles};

    #[test]
    fn every_generated_workload_can_be_done() {
        let mut names = std::collections::BTreeSet::new();
        for workload in singles().into_iter().chain(pairs()) {
            assert!(
                names.insert(workload.name.clone()),
                "{} twice",
                workload.name
            );
            let folder = tempfile::tempdir().expect("a folder");
            let map = |file: &File, offset, bytes: &[u8], _| Ok(file.write_all_at(bytes, offset)?);
            for operation in workload.before.iter().chain(&workload.operations) {
                // What not every host's file system has.
                let skip = matches!(
                    operation,
                    Operation::Dsync { .. }
                        | Operation::Zero { .. }
                        | Operation::Setxattr { .. }
                        | Operation::Removexattr { .. }
                        | Operation::Exchange { .. }
                );
                if !skip {
                    apply(folder.path(), operation, &map).unwrap_or_else(|error| {
                        panic!("{}: {operation}: {error:#}", workload.name)
                    });
                } else if let Operation::Exchange { .. } = operation {
                    break;
                }
            }
        }
        assert!(names.len() > 100, "{}", names.len());
    }
}
