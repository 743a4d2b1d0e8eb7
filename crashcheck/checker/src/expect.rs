// SPDX-License-Identifier: GPL-2.0

//! What a crash may show.

use std::collections::BTreeSet;

use crashcheck_tree::{Entry, Kind, Tree};
use crashcheck_workload::{Operation, Reach};
use rdaxfs_crash::Point;

use crate::case::Case;

/// What a crash at one point of a case may show.
#[derive(Debug)]
pub struct Expectation<'a> {
    case: &'a Case,
    durable: bool,
    /// Operations that have returned.
    done: usize,
    /// The newest tree that may show.
    newest: usize,
}

impl<'a> Expectation<'a> {
    /// At this point. `durable`: every call is durable when it returns.
    #[must_use]
    pub fn at(case: &'a Case, point: &Point, durable: bool) -> Self {
        let done = point.done.len();
        Self {
            case,
            durable,
            done,
            newest: done + point.running.len().min(1),
        }
    }

    /// Whether it may show this.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn judge(&self, found: &Tree) -> Result<(), String> {
        if self.durable {
            self.judge_durable(found)
        } else {
            self.judge_synced(found)
        }
    }

    fn tree(&self, number: usize) -> &'a Tree {
        &self.case.trees[number.min(self.case.trees.len() - 1)]
    }

    /// The tree before the running operation or behind it, as a whole; of what writes data, each byte old or
    /// new.
    fn judge_durable(&self, found: &Tree) -> Result<(), String> {
        let (before, after) = (self.tree(self.done), self.tree(self.newest));
        if found == before || found == after {
            return Ok(());
        }
        let running = self.case.workload.operations.get(self.done);
        if self.newest > self.done {
            if let Some((path, _)) = running.and_then(Operation::data) {
                if partly(before, after, found, path) {
                    return Ok(());
                }
            }
        }
        let what = match running {
            Some(operation) if self.newest > self.done => {
                format!("is neither the tree before '{operation}' nor after it")
            }
            _ => format!(
                "is not the tree after {} operations that have returned",
                self.done
            ),
        };
        let (to_before, to_after) = (differences(before, found), differences(after, found));
        let fewer = if to_before.len() < to_after.len() {
            to_before
        } else {
            to_after
        };
        Err(format!("{what}: {}", fewer.join("; ")))
    }

    /// How old what a path shows may be, given what has been made durable.
    fn oldest(&self, path: &str) -> usize {
        let reaches = self.case.workload.operations[..self.done]
            .iter()
            .map(Operation::reach);
        let covers = |reach: &Reach| match reach {
            Reach::All => true,
            Reach::Path(synced) => synced == path,
            Reach::Nothing | Reach::Data(..) => false,
        };
        let reaches: Vec<Reach> = reaches.collect();
        reaches.iter().rposition(covers).map_or(0, |at| at + 1)
    }

    /// How old a byte may be.
    fn oldest_byte(&self, path: &str, byte: u64, oldest: usize) -> usize {
        let mut operations = self.case.workload.operations[..self.done]
            .iter()
            .enumerate();
        let covers = |(_, operation): &(usize, &Operation)| matches!(operation.reach(), Reach::Data(synced, range) if synced == path && range.contains(&byte));
        operations
            .rfind(covers)
            .map_or(0, |(at, _)| at + 1)
            .max(oldest)
    }

    /// Names as they were at one time since the last sync; files as they were at some time since they were
    /// synced, byte by byte.
    fn judge_synced(&self, found: &Tree) -> Result<(), String> {
        let synced = |operation: &&Operation| **operation == Operation::Sync;
        let operations = &self.case.workload.operations[..self.done];
        let oldest = operations
            .iter()
            .collect::<Vec<_>>()
            .iter()
            .rposition(synced)
            .map_or(0, |at| at + 1);
        let names = |tree: &Tree| -> BTreeSet<(String, String, &'static str)> {
            let name = |(path, entry): (&String, &Entry)| {
                (path.clone(), entry.same_as.clone(), entry.kind.name())
            };
            tree.entries.iter().map(name).collect()
        };
        let found_names = names(found);
        if !(oldest..=self.newest).any(|at| names(self.tree(at)) == found_names) {
            let lines = differences(self.tree(self.newest), found);
            return Err(format!(
                "the names are those of no time since the last sync; from the newest: {}",
                lines.join("; ")
            ));
        }
        let paths: BTreeSet<&String> = (oldest..=self.newest)
            .flat_map(|at| self.tree(at).entries.keys())
            .collect();
        for path in paths {
            self.judge_path(path, found.entries.get(path))?;
        }
        Ok(())
    }

    fn judge_path(&self, path: &str, found: Option<&Entry>) -> Result<(), String> {
        let oldest = self.oldest(path);
        let times = || (oldest..=self.newest).map(|at| self.tree(at).entries.get(path));
        let Some(found) = found else {
            return if times().any(|entry| entry.is_none()) {
                Ok(())
            } else {
                Err(format!(
                    "/{path}: is missing, and was there at all times since it was made durable"
                ))
            };
        };
        let entries: Vec<(usize, &Entry)> = (oldest..=self.newest)
            .filter_map(|at| Some((at, self.tree(at).entries.get(path)?)))
            .collect();
        if entries.is_empty() {
            return Err(format!(
                "/{path}: should not be: it was removed, and that was made durable"
            ));
        }
        if !entries.iter().any(|(_, entry)| entry.mode == found.mode) {
            return Err(format!(
                "/{path}: has mode {:o}, which it had at no time since it was made durable",
                found.mode
            ));
        }
        if !entries
            .iter()
            .any(|(_, entry)| entry.xattrs == found.xattrs)
        {
            return Err(format!("/{path}: has extended attributes that it had at no time since they were made durable"));
        }
        let Kind::File(bytes) = &found.kind else {
            return match entries.iter().any(|(_, entry)| entry.kind == found.kind) {
                true => Ok(()),
                false => Err(format!("/{path}: is something that it was at no time")),
            };
        };
        self.judge_bytes(path, oldest, &entries, &bytes.0)
    }

    fn judge_bytes(
        &self,
        path: &str,
        oldest: usize,
        entries: &[(usize, &Entry)],
        found: &[u8],
    ) -> Result<(), String> {
        let files: Vec<(usize, &[u8])> = entries
            .iter()
            .filter_map(|(at, entry)| match &entry.kind {
                Kind::File(bytes) => Some((*at, &bytes.0[..])),
                _ => None,
            })
            .collect();
        let lengths = files.iter().map(|(_, bytes)| bytes.len());
        let (least, most) = (
            lengths.clone().min().unwrap_or(0),
            lengths.max().unwrap_or(0),
        );
        if !(least..=most).contains(&found.len()) {
            return Err(format!(
                "/{path}: has {} bytes, and had from {least} to {most} since it was made durable",
                found.len()
            ));
        }
        let changed = files.windows(2).any(|pair| pair[0].1 != pair[1].1);
        for (at, &byte) in found.iter().enumerate() {
            let oldest = self.oldest_byte(path, at as u64, oldest);
            let since: Vec<u8> = files
                .iter()
                .filter(|(time, _)| *time >= oldest)
                .map(|(_, bytes)| bytes.get(at).copied().unwrap_or(0))
                .collect();
            // What is new may not have been written yet: then it is zero.
            let zero = byte == 0
                && changed
                && oldest < self.newest
                && since.windows(2).any(|pair| pair[0] != pair[1]);
            if !since.contains(&byte) && !zero {
                return Err(format!("/{path}: byte {at} is {byte:#04x}, which it was at no time since it was made durable ({since:02x?})"));
            }
        }
        Ok(())
    }
}

/// Whether all is as before but for one file's data, each byte of which is old or new.
fn partly(before: &Tree, after: &Tree, found: &Tree, path: &str) -> bool {
    let (Some(old), Some(new), Some(mixed)) =
        (before.file(path), after.file(path), found.file(path))
    else {
        return false;
    };
    let (old, new, mixed) = (&old.0, &new.0, &mixed.0);
    let lengths = old.len().min(new.len())..=old.len().max(new.len());
    let byte = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or(0);
    let either = |(at, &value): (usize, &u8)| {
        // Where the file has grown, it has the new data.
        value == byte(new, at) || (at < old.len() && value == old[at])
    };
    if !lengths.contains(&mixed.len()) || !mixed.iter().enumerate().all(either) {
        return false;
    }
    let mut rest = found.clone();
    let same_as = found.entries[path].same_as.clone();
    for (name, entry) in &mut rest.entries {
        if entry.same_as == same_as {
            if entry.kind != found.entries[path].kind {
                return false;
            }
            match before.entries.get(name) {
                Some(other) => entry.kind = other.kind.clone(),
                None => return false,
            }
        }
    }
    rest == *before
}

/// What separates two trees, a line each.
fn differences(expected: &Tree, found: &Tree) -> Vec<String> {
    let paths: BTreeSet<&String> = expected
        .entries
        .keys()
        .chain(found.entries.keys())
        .collect();
    let mut lines = Vec::new();
    for path in paths {
        match (expected.entries.get(path), found.entries.get(path)) {
            (Some(entry), None) => {
                lines.push(format!("/{path}: is missing ({})", entry.kind.name()))
            }
            (None, Some(entry)) => {
                lines.push(format!("/{path}: should not be ({})", entry.kind.name()))
            }
            (Some(a), Some(b)) if a != b => {
                lines.push(format!("/{path}: {}", entry_difference(a, b)))
            }
            _ => {}
        }
    }
    lines
}

fn entry_difference(expected: &Entry, found: &Entry) -> String {
    match (&expected.kind, &found.kind) {
        (Kind::File(a), Kind::File(b)) if a.0.len() != b.0.len() => {
            format!("has {} bytes, not {}", b.0.len(), a.0.len())
        }
        (Kind::File(a), Kind::File(b)) if a != b => {
            let at = a.0.iter().zip(&b.0).position(|(a, b)| a != b).unwrap_or(0);
            format!("byte {at} is {:#04x}, not {:#04x}", b.0[at], a.0[at])
        }
        (a, b) if a != b => format!("is a {}, not a {}", b.name(), a.name()),
        _ if expected.mode != found.mode => {
            format!("has mode {:o}, not {:o}", found.mode, expected.mode)
        }
        _ if expected.links != found.links => {
            format!("has {} links, not {}", found.links, expected.links)
        }
        _ if expected.same_as != found.same_as => format!(
            "is the same as /{}, not /{}",
            found.same_as, expected.same_as
        ),
        _ => "has other extended attributes".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use crashcheck_tree::Bytes;
    use crashcheck_workload::parse;
    use rdaxfs_crash::{Image, Log};

    use super::*;

    /// A tree of files with their bytes.
    fn tree(files: &[(&str, &[u8])]) -> Tree {
        let entry = |(path, bytes): &(&str, &[u8])| {
            let entry = Entry {
                same_as: (*path).into(),
                mode: 0o644,
                links: 1,
                kind: Kind::File(Bytes(bytes.to_vec())),
                xattrs: BTreeMap::new(),
            };
            ((*path).to_string(), entry)
        };
        Tree {
            entries: files.iter().map(entry).collect(),
        }
    }

    fn case(operations: &str, trees: Vec<Tree>) -> Case {
        let text = format!("workload w\ncrash\n{operations}\n");
        Case {
            workload: parse(&text).expect("it is one").remove(0),
            log: Log::new(Image::zeroed(4096), Vec::new()),
            trees,
            touched: BTreeSet::new(),
        }
    }

    fn judge(case: &Case, done: u32, running: bool, durable: bool, found: &Tree) -> bool {
        let point = Point {
            position: 0,
            done: (0..done).collect(),
            running: if running { vec![done] } else { vec![] },
        };
        Expectation::at(case, &point, durable).judge(found).is_ok()
    }

    #[test]
    fn a_durable_rename_is_done_or_not() {
        let (old, new) = (tree(&[("a", b"1")]), tree(&[("b", b"1")]));
        let both = tree(&[("a", b"1"), ("b", b"1")]);
        let case = case("rename a b", vec![old.clone(), new.clone()]);
        for (done, running, found, right) in [
            (0, true, &old, true),
            (0, true, &new, true),
            (0, true, &both, false),
            (0, true, &tree(&[]), false),
            (0, false, &new, false),
            (1, false, &new, true),
            (1, false, &old, false),
        ] {
            assert_eq!(
                judge(&case, done, running, true, found),
                right,
                "{done} {running} {found:?}"
            );
        }
    }

    #[test]
    fn each_byte_of_a_durable_write_is_old_or_new() {
        let case = case(
            "append a 4 1",
            vec![
                tree(&[("a", b"1111"), ("c", b"x")]),
                tree(&[("a", b"11112222"), ("c", b"x")]),
            ],
        );
        let found = |bytes: &[u8]| judge(&case, 0, true, true, &tree(&[("a", bytes), ("c", b"x")]));
        assert!(found(b"111122"));
        assert!(!found(b"11112\x002"));
        assert!(!found(b"111"));
        assert!(!judge(
            &case,
            0,
            true,
            true,
            &tree(&[("a", b"111122"), ("c", b"y")])
        ));
        assert!(!judge(
            &case,
            1,
            false,
            true,
            &tree(&[("a", b"111122"), ("c", b"x")])
        ));
    }

    #[test]
    fn what_was_not_synced_may_be_lost_and_what_was_may_not() {
        let trees = vec![
            tree(&[("a", b"1111")]),
            tree(&[("a", b"2222")]),
            tree(&[("a", b"2222")]),
            tree(&[("a", b"3322")]),
            tree(&[("a", b"3322"), ("b", b"")]),
        ];
        let case = case("write a 0 4 1\nfsync a\nwrite a 0 2 1\ncreate b", trees);
        let found = |done, bytes: &[u8]| judge(&case, done, false, false, &tree(&[("a", bytes)]));
        assert!(found(1, b"1111") && found(1, b"2111") && found(1, b"0222") == found(1, b"9222"));
        assert!(found(1, b"2\x00\x002") && !found(1, b"3111"));
        assert!(
            !found(2, b"1111") && !found(2, b"2221") && found(2, b"2222") && !found(2, b"222\x00")
        );
        assert!(found(3, b"2322") && found(3, b"3222") && !found(3, b"3321"));
        assert!(found(4, b"3322"), "b need not be there");
        let more = tree(&[("a", b"3322"), ("c", b"")]);
        assert!(!judge(&case, 4, false, false, &more));
        assert!(!judge(&case, 4, false, false, &tree(&[("b", b"")])));
    }

    #[test]
    fn sync_is_for_all_and_dsync_for_its_range() {
        let trees = vec![
            tree(&[("a", b"11")]),
            tree(&[("a", b"21")]),
            tree(&[("a", b"22")]),
        ];
        let case = case("dsync a 0 1 1\nwrite a 1 1 1", trees);
        let found = |bytes: &[u8]| judge(&case, 2, false, false, &tree(&[("a", bytes)]));
        assert!(found(b"22") && found(b"21") && !found(b"12") && !found(b"11"));
    }
}
