// SPDX-License-Identifier: GPL-2.0

//! Whose the bad bytes are that no file has.

use super::walk::Tree;
use crate::block_device;
use fs_extents::fsmap::{self, Owner};
use rangemap::RangeSet;
use rustix::io::Errno;
use std::io;
use std::ops::Range;

/// What the file system tells.
pub(super) struct Owned {
    /// Each range with its owner, in the order of the device.
    pub(super) pieces: Vec<(Range<u64>, Owner)>,
    /// Whether it keeps no map of its device: what has no file may be free as well.
    pub(super) has_no_map: bool,
    /// Why it does not tell more.
    pub(super) error: Option<String>,
}

/// The owners of the bytes in `left` of the device with these numbers.
pub(super) fn of(tree: &Tree, numbers: &str, left: &RangeSet<u64>) -> Owned {
    let mut owned = Owned {
        pieces: Vec::new(),
        has_no_map: false,
        error: None,
    };
    if left.is_empty() {
        return owned;
    }
    match ask(tree, numbers, left, &mut owned.pieces) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::Unsupported => owned.has_no_map = true,
        Err(error) => owned.error = Some(error.to_string()),
    }
    let mut rest = left.clone();
    for (range, _) in &owned.pieces {
        rest.remove(range.clone());
    }
    owned
        .pieces
        .extend(rest.into_iter().map(|range| (range, Owner::Unknown)));
    owned.pieces.sort_by_key(|(range, _)| range.start);
    owned
}

fn ask(
    tree: &Tree,
    numbers: &str,
    left: &RangeSet<u64>,
    pieces: &mut Vec<(Range<u64>, Owner)>,
) -> io::Result<()> {
    for record in fsmap::records(tree.folder()?) {
        let record = match record {
            Ok(record) => record,
            // It keeps no such map.
            Err(Errno::NOTTY | Errno::OPNOTSUPP) => return Err(io::ErrorKind::Unsupported.into()),
            Err(error) => return Err(error.into()),
        };
        if block_device::unpacked(record.device) != numbers || record.length == 0 {
            continue;
        }
        let range = record.physical..record.physical.saturating_add(record.length);
        let hit = left.overlapping(&range);
        pieces.extend(hit.map(|bad| {
            (
                bad.start.max(range.start)..bad.end.min(range.end),
                record.owner,
            )
        }));
    }
    Ok(())
}
