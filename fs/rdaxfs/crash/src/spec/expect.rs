// SPDX-License-Identifier: GPL-2.0

//! Which trees a crash may show.

use std::ops::Range;

use super::{Difference, Entry, FallocateMode, Op, Snapshot, View};

/// The tree before an operation and after it, and how much of it may be in between.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Before.
    pub before: Snapshot,
    /// After.
    pub after: Snapshot,
    /// The path of the file whose data may be partly written, and which bytes the operation writes.
    partly: Option<(Vec<u8>, Range<u64>)>,
}

impl Expectation {
    /// Of an operation that is running, if it is one and can succeed.
    #[must_use]
    pub fn of(before: Snapshot, after: Snapshot, op: &Op) -> Self {
        let partly = match op {
            // All pages move, or none does.
            Op::Fallocate {
                mode: FallocateMode::Collapse | FallocateMode::Insert,
                ..
            } => None,
            Op::ShortWrite {
                path,
                offset,
                copied,
                ..
            } => Some((path.clone().into_bytes(), *offset..offset + copied)),
            Op::Write {
                path, offset, len, ..
            }
            | Op::Fallocate {
                path, offset, len, ..
            } => Some((path.clone().into_bytes(), *offset..offset + len)),
            _ => None,
        };
        Self {
            before,
            after,
            partly,
        }
    }

    /// Of a time at which nothing runs.
    #[must_use]
    pub fn exactly(snapshot: Snapshot) -> Self {
        Self {
            before: snapshot.clone(),
            after: snapshot,
            partly: None,
        }
    }

    /// Whether a crash may show `found`.
    ///
    /// Before or after, all of it. Of what changes a file's data (write and fallocate) also what POSIX
    /// allows: each 8-byte word of the data old or new (of words that are written in part, each byte: no
    /// copy to persistent memory promises more), the times old or new, and a size in between with the
    /// new data up to there.
    ///
    /// # Errors
    ///
    /// What separates it from the nearer of both.
    pub fn judge(&self, found: &Snapshot) -> Result<(), String> {
        let Some(from_after) = Difference::between(&self.after, found) else {
            return Ok(());
        };
        let Some(from_before) = Difference::between(&self.before, found) else {
            return Ok(());
        };
        if self.is_partly(found) {
            return Ok(());
        }
        Err(if from_before.len() < from_after.len() {
            format!("is neither the tree before nor after; from that before: {from_before}")
        } else if self.before == self.after {
            format!("is not the tree that it has to be: {from_after}")
        } else {
            format!("is neither the tree before nor after; from that after: {from_after}")
        })
    }

    fn is_partly(&self, found: &Snapshot) -> bool {
        let Some((path, range)) = &self.partly else {
            return false;
        };
        let entry = |snapshot: &Snapshot| snapshot.entries.get(path).cloned();
        let (Some(before), Some(after), Some(mixed)) =
            (entry(&self.before), entry(&self.after), entry(found))
        else {
            return false;
        };
        if !is_mixed(&before, &after, &mixed, range) {
            return false;
        }
        // All names of the file show the same; everything else is as before.
        let mut rest = found.clone();
        for other in rest
            .entries
            .values_mut()
            .filter(|other| other.same_as == mixed.same_as)
        {
            if (&other.attributes, &other.view) != (&mixed.attributes, &mixed.view) {
                return false;
            }
            *other = before.clone();
        }
        rest == self.before
    }
}

fn is_mixed(before: &Entry, after: &Entry, found: &Entry, range: &Range<u64>) -> bool {
    let (View::File(old), View::File(new), View::File(bytes)) =
        (&before.view, &after.view, &found.view)
    else {
        return false;
    };
    let mut attributes = found.attributes.clone();
    let times = [&before.attributes.times, &after.attributes.times];
    if !times
        .iter()
        .any(|times| times.modified == attributes.times.modified)
        || !times
            .iter()
            .any(|times| times.changed == attributes.times.changed)
    {
        return false;
    }
    attributes.times = before.attributes.times;
    attributes.size = before.attributes.size;
    let size = found.attributes.size;
    let (least, most) = (before.attributes.size, after.attributes.size);
    if attributes != before.attributes || !(least..=most).contains(&size) {
        return false;
    }
    // Where the file has grown, it has the new data up to its end; beyond the end it has nothing.
    let grown = |at: u64| size > least && at >= least.min(range.end) && at < size;
    old.differences(bytes)
        .chain(new.differences(bytes))
        .all(|at| {
            let first = at & !7;
            let whole = range.start <= first && first + 8 <= range.end;
            let unit = if whole {
                first..(first + 8).min(size)
            } else {
                at..at + 1
            };
            let is = |content: &super::Content| {
                unit.clone().all(|at| content.byte(at) == bytes.byte(at))
            };
            if at >= size {
                bytes.byte(at) == 0
            } else if grown(at) {
                bytes.byte(at) == new.byte(at)
            } else {
                is(new) || is(old)
            }
        })
}
