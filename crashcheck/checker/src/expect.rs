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
    /// Operations that have returned, one after the other.
    done: usize,
    /// The newest tree that may show.
    newest: usize,
    /// Operations that have returned, and those that run.
    returned: Vec<u32>,
    running: Vec<u32>,
}

impl<'a> Expectation<'a> {
    /// At this point. `durable`: every call is durable when it returns.
    #[must_use]
    pub fn at(case: &'a Case, point: &Point, durable: bool) -> Self {
        let in_turn = case.workload.in_turn().len();
        let all = |numbers: &[u32]| {
            numbers
                .iter()
                .filter(|&&at| (at as usize) < in_turn)
                .count()
        };
        let done = all(&point.done);
        let at_once = point.done.len() + point.running.len() > done + all(&point.running);
        let newest = match at_once {
            true => in_turn + 2,
            false => done + all(&point.running),
        };
        Self {
            case,
            durable,
            done,
            newest,
            returned: point.done.clone(),
            running: point.running.clone(),
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

    /// Trees with their numbers: the numbers of what two operations at once leave are those of either order.
    fn times(&self, oldest: usize) -> Vec<(usize, &'a Tree)> {
        let mut times: Vec<_> = (oldest..=self.newest)
            .map(|at| (at, self.tree(at)))
            .collect();
        let in_turn = self.case.workload.in_turn().len();
        if let Some(other) = &self.case.other_order {
            let other = (in_turn + 1..).zip(other);
            times.extend(other.filter(|(at, _)| (oldest..=self.newest).contains(at)));
        }
        times.sort_by_key(|(at, _)| *at);
        times
    }

    /// All that may show as a whole, where every call is durable when it returns.
    fn whole(&self) -> Vec<&'a Tree> {
        let in_turn = self.case.workload.in_turn().len();
        let (first, second) = (in_turn as u32, in_turn as u32 + 1);
        let other = self.case.other_order.as_ref();
        let Some(other) = other.filter(|_| self.newest > in_turn) else {
            return (self.done..=self.newest).map(|at| self.tree(at)).collect();
        };
        let may = |number: u32, is_done: bool| match is_done {
            true => self.returned.contains(&number) || self.running.contains(&number),
            false => !self.returned.contains(&number),
        };
        let mut trees = Vec::new();
        for (one, two, found) in [
            (false, false, vec![self.tree(in_turn)]),
            (true, false, vec![self.tree(in_turn + 1)]),
            (false, true, vec![&other[0]]),
            (true, true, vec![self.tree(in_turn + 2), &other[1]]),
        ] {
            if may(first, one) && may(second, two) {
                trees.extend(found);
            }
        }
        trees
    }

    /// The tree before the running operation or behind it, as a whole; of what writes data, each byte old or
    /// new. Where two run at once, with each of them done or not.
    fn judge_durable(&self, found: &Tree) -> Result<(), String> {
        let may = self.whole();
        if may.contains(&found) {
            return Ok(());
        }
        let operations = &self.case.workload.operations;
        let running: Vec<&Operation> = (self.running.iter())
            .filter_map(|&number| operations.get(number as usize))
            .collect();
        let written = running.iter().filter_map(|operation| operation.data());
        let written: BTreeSet<&str> = written.map(|(path, _)| path).collect();
        if partly(&may, found, &written) {
            return Ok(());
        }
        let what = match running[..] {
            [] => format!(
                "is not the tree after {} operations that have returned",
                self.returned.len()
            ),
            [operation] => format!("is neither the tree before '{operation}' nor after it"),
            _ => {
                let names: Vec<String> = running.iter().map(ToString::to_string).collect();
                format!(
                    "is no tree before or after each of '{}'",
                    names.join("' and '")
                )
            }
        };
        let fewest = may.iter().map(|tree| differences(tree, found));
        let fewest = fewest.min_by_key(Vec::len).unwrap_or_default();
        Err(format!("{what}: {}", fewest.join("; ")))
    }

    /// The operations that have returned, each with the number of the first tree that has all of it: where two are
    /// done at once, it is not known what the one has seen of the other.
    fn returned(&self) -> Vec<(usize, &'a Operation)> {
        let workload = &self.case.workload;
        if !workload.at_once {
            return (1..).zip(&workload.operations[..self.done]).collect();
        }
        let in_turn = workload.in_turn().len();
        let operation = |&number: &u32| {
            let operation = workload.operations.get(number as usize)?;
            Some(((number as usize + 1).min(in_turn), operation))
        };
        self.returned.iter().filter_map(operation).collect()
    }

    /// How old what a path shows may be, given what has been made durable.
    fn oldest(&self, path: &str) -> usize {
        let covers = |(at, operation): &(usize, &Operation)| match operation.reach() {
            Reach::All => Some(*at),
            Reach::Path(synced) => (synced == path).then_some(*at),
            Reach::Nothing | Reach::Data(..) => None,
        };
        self.returned().iter().filter_map(covers).max().unwrap_or(0)
    }

    /// How old a byte may be.
    fn oldest_byte(&self, path: &str, byte: u64, oldest: usize) -> usize {
        let covers = |(_, operation): &&(usize, &Operation)| matches!(operation.reach(), Reach::Data(synced, range) if synced == path && range.contains(&byte));
        let returned = self.returned();
        let times = returned.iter().filter(covers).map(|(at, _)| *at);
        times.max().unwrap_or(0).max(oldest)
    }

    /// Names as they were at one time since the last sync; files as they were at some time since they were
    /// synced, byte by byte.
    fn judge_synced(&self, found: &Tree) -> Result<(), String> {
        let synced = self.returned();
        let synced = synced
            .iter()
            .filter(|(_, operation)| **operation == Operation::Sync);
        let oldest = synced.map(|(at, _)| *at).max().unwrap_or(0);
        let names = |tree: &Tree| -> BTreeSet<(String, String, &'static str)> {
            let name = |(path, entry): (&String, &Entry)| {
                (path.clone(), entry.same_as.clone(), entry.kind.name())
            };
            tree.entries.iter().map(name).collect()
        };
        let found_names = names(found);
        let times = self.times(oldest);
        if !times.iter().any(|(_, tree)| names(tree) == found_names) {
            let lines = differences(self.tree(self.newest), found);
            return Err(format!(
                "the names are those of no time since the last sync; from the newest: {}",
                lines.join("; ")
            ));
        }
        let paths: BTreeSet<&String> = times
            .iter()
            .flat_map(|(_, tree)| tree.entries.keys())
            .collect();
        for path in paths {
            self.judge_path(path, found.entries.get(path))?;
        }
        Ok(())
    }

    fn judge_path(&self, path: &str, found: Option<&Entry>) -> Result<(), String> {
        let oldest = self.oldest(path);
        let times = self.times(oldest);
        let Some(found) = found else {
            let missing = |(_, tree): &(usize, &Tree)| !tree.entries.contains_key(path);
            return if times.iter().any(missing) {
                Ok(())
            } else {
                Err(format!(
                    "/{path}: is missing, and was there at all times since it was made durable"
                ))
            };
        };
        let entries: Vec<(usize, &Entry)> = times
            .iter()
            .filter_map(|(at, tree)| Some((*at, tree.entries.get(path)?)))
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

/// Whether all is as in one of the trees, but for the data of these files, each byte of which is that of any tree.
fn partly(may: &[&Tree], found: &Tree, paths: &BTreeSet<&str>) -> bool {
    let mut replaced = Vec::new();
    for path in paths {
        let Some(mixed) = found.file(path) else {
            return false;
        };
        let files: Vec<_> = may.iter().filter_map(|tree| tree.file(path)).collect();
        let lengths = files.iter().map(|bytes| bytes.0.len());
        let (Some(least), Some(most)) = (lengths.clone().min(), lengths.max()) else {
            return false;
        };
        // Where the file has grown, it has the new data.
        let one_of =
            |(at, value): (usize, &u8)| files.iter().any(|bytes| bytes.0.get(at) == Some(value));
        if !(least..=most).contains(&mixed.0.len()) || !mixed.0.iter().enumerate().all(one_of) {
            return false;
        }
        replaced.push(found.entries[*path].same_as.clone());
    }
    let one_file = |entry: &Entry| match found.entries.get(&entry.same_as) {
        Some(first) => !replaced.contains(&entry.same_as) || entry.kind == first.kind,
        None => false,
    };
    let same = |tree: &&Tree| {
        let mut rest = found.clone();
        for (name, entry) in &mut rest.entries {
            if replaced.contains(&entry.same_as) {
                match tree.entries.get(name) {
                    Some(other) => entry.kind = other.kind.clone(),
                    None => return false,
                }
            }
        }
        rest == **tree
    };
    found.entries.values().all(one_file) && may.iter().any(same)
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
            steps: Vec::new(),
            workload: parse(&text).expect("it is one").remove(0),
            log: Log::new(Image::zeroed(4096), Vec::new()),
            trees,
            other_order: None,
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
    fn of_two_at_once_each_is_done_or_not() {
        let trees = vec![
            tree(&[]),
            tree(&[("x", b"")]),
            tree(&[("x", b""), ("a", b"")]),
            tree(&[("x", b""), ("a", b""), ("b", b"")]),
        ];
        let mut case = case("create x\ncreate a | create b", trees.clone());
        let only_second = tree(&[("x", b""), ("b", b"")]);
        case.other_order = Some([only_second.clone(), trees[3].clone()]);
        let found = |done: &[u32], running: &[u32], durable| -> Vec<usize> {
            let point = Point {
                position: 0,
                done: done.to_vec(),
                running: running.to_vec(),
            };
            let expectation = Expectation::at(&case, &point, durable);
            let all = trees.iter().chain([&only_second]).enumerate();
            all.filter(|(_, tree)| expectation.judge(tree).is_ok())
                .map(|(at, _)| at)
                .collect()
        };
        assert_eq!(found(&[0], &[], true), [1]);
        assert_eq!(found(&[0], &[1], true), [1, 2]);
        assert_eq!(found(&[0], &[2], true), [1, 4]);
        assert_eq!(found(&[0], &[1, 2], true), [1, 2, 3, 4]);
        assert_eq!(found(&[0, 2], &[1], true), [3, 4]);
        assert_eq!(found(&[0, 1], &[2], true), [2, 3]);
        assert_eq!(found(&[0, 1, 2], &[], true), [3]);
        assert_eq!(found(&[0], &[2], false), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn bytes_of_two_writes_at_once_are_those_of_either() {
        let trees = vec![
            tree(&[("a", b"0000")]),
            tree(&[("a", b"1100")]),
            tree(&[("a", b"1220")]),
        ];
        let mut case = case("write a 0 2 1 | write a 1 2 2", trees);
        case.other_order = Some([tree(&[("a", b"0220")]), tree(&[("a", b"1120")])]);
        let found = |done: &[u32], running: &[u32], bytes: &[u8]| {
            let point = Point {
                position: 0,
                done: done.to_vec(),
                running: running.to_vec(),
            };
            Expectation::at(&case, &point, true)
                .judge(&tree(&[("a", bytes)]))
                .is_ok()
        };
        assert!(found(&[], &[0, 1], b"1020") && found(&[], &[0, 1], b"0100"));
        assert!(!found(&[], &[0, 1], b"3000") && !found(&[], &[0, 1], b"000"));
        assert!(found(&[0], &[1], b"1200") && !found(&[0], &[1], b"0220"));
        assert!(found(&[0, 1], &[], b"1120") && !found(&[0, 1], &[], b"1100"));
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
