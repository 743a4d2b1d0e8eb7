// SPDX-License-Identifier: GPL-2.0

//! From a path to an inode.

use rdaxfs_core::platform::Platform;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::Error;

/// The number of the inode at a path from the root. Symbolic links are not followed.
///
/// # Errors
///
/// Those of a look-up, with the name in the path that it was.
pub fn resolve<'p, P: Platform>(
    volume: &Volume<P>,
    path: &'p [u8],
) -> Result<u64, (&'p [u8], Error)> {
    let mut names = path
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty());
    names.try_fold(volume.root(), |at, name| {
        let found = volume
            .inodes()
            .open(at, None)
            .and_then(|(directory, _)| volume.names().lookup(&directory, name));
        found.map(|found| found.ino).map_err(|error| (name, error))
    })
}
