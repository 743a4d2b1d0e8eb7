// SPDX-License-Identifier: GPL-2.0

//! Workloads by rule: each operation alone, and each pair of two.

use crate::{parse, Operation, Workload};

/// What is there before: a file with data, one in a directory, an empty directory, a second name.
const BEFORE: &str = "create f
write f 0 6000 1
create g
write g 0 100 2
mkdir d
create d/h
write d/h 0 4096 3
mkdir e
link g l
sync";

/// One operation of each kind, on what is there before.
const KINDS: &[(&str, &str)] = &[
    ("create", "create n"),
    ("create-below", "create d/n"),
    ("mkdir", "mkdir m"),
    ("overwrite", "write f 1000 200 9"),
    ("overwrite-page", "write f 0 4096 9"),
    ("extend", "write f 6000 3000 9"),
    ("append", "append d/h 100 9"),
    ("write-hole", "write g 9000 100 9"),
    ("dsync", "dsync f 0 4096 9"),
    ("map", "map f 512 128 9"),
    ("shorten", "truncate f 4097"),
    ("empty", "truncate d/h 0"),
    ("lengthen", "truncate g 10000"),
    ("fallocate", "fallocate g 0 12288"),
    ("punch", "punch f 0 4096"),
    ("zero", "zero f 100 5000"),
    ("link", "link f d/k"),
    ("symlink", "symlink d/h s"),
    ("rename", "rename f d/r"),
    ("rename-over", "rename f g"),
    ("rename-dir", "rename d e/d"),
    ("exchange", "exchange f d/h"),
    ("unlink", "unlink f"),
    ("unlink-name", "unlink g"),
    ("rmdir", "rmdir e"),
    ("chmod", "chmod f 600"),
    ("setxattr", "setxattr f a 40 9"),
    ("setxattr-long", "setxattr d b 900 9"),
    ("fsync", "fsync f"),
    ("sync", "sync"),
];

fn workload(name: &str, operations: &[&str]) -> Option<Workload> {
    let text = format!(
        "workload {name}\n{BEFORE}\ncrash\n{}\n",
        operations.join("\n")
    );
    parse(&text).ok()?.into_iter().next()
}

/// Operations that do what one above does too, alone only: with a length in bytes that are no words, without the
/// program's flush, and where a mapping has stored behind the file's end, which nobody may see when it grows.
const ALONE: &[(&str, &[&str], &str)] = &[
    ("append-odd", &[], "append d/h 101 9"),
    ("overwrite-odd", &[], "write f 1001 202 9"),
    ("msync", &[], "msync f 512 128 9"),
    (
        "write-hole-behind",
        &["map g 100 100 7"],
        "write g 9000 100 9",
    ),
    ("lengthen-behind", &["map g 100 100 7"], "truncate g 10000"),
    (
        "fallocate-behind",
        &["map g 100 100 7"],
        "fallocate g 0 12288",
    ),
    ("extend-behind", &["map g 100 100 7"], "write g 150 50 9"),
    (
        "overlapping-records",
        &["append g 11 3"],
        "chmod g 600\nchmod g 640\nlink g g2\nchmod g 644",
    ),
];

/// Each operation alone.
#[must_use]
pub fn singles() -> Vec<Workload> {
    let singles = KINDS.iter();
    let singles = singles.filter_map(|(name, line)| workload(name, &[line]));
    let alone = ALONE.iter().filter_map(|(name, before, line)| {
        let mut alone = workload(name, &[line])?;
        let more = parse(&format!("workload m\n{}\ncrash\nsync", before.join("\n"))).ok()?;
        alone.before.extend(more.into_iter().next()?.before);
        Some(alone)
    });
    singles.chain(alone).collect()
}

/// The paths that an operation needs, and those that it takes away or makes.
fn paths(operation: &Operation) -> (Vec<&str>, Vec<&str>) {
    use Operation as O;
    match operation {
        O::Create { path } | O::Mkdir { path } | O::Symlink { path, .. } => (vec![], vec![path]),
        O::Link { path, new } => (vec![path], vec![new]),
        O::Rename { path, new } => (vec![path], vec![path, new]),
        O::Unlink { path } | O::Rmdir { path } => (vec![path], vec![path]),
        O::Exchange { path, new } => (vec![path, new], vec![]),
        O::Write { path, .. }
        | O::Append { path, .. }
        | O::Dsync { path, .. }
        | O::Map { path, .. }
        | O::Msync { path, .. }
        | O::Truncate { path, .. }
        | O::Fallocate { path, .. }
        | O::Punch { path, .. }
        | O::Zero { path, .. }
        | O::Chmod { path, .. }
        | O::Setxattr { path, .. }
        | O::Removexattr { path, .. }
        | O::Commit { path, .. }
        | O::Fsync { path } => (vec![path], vec![]),
        O::Sync => (vec![], vec![]),
    }
}

/// Whether the second can be done after the first.
fn goes_with(first: &Operation, second: &Operation) -> bool {
    let ((_, changed), (needed, made)) = (paths(first), paths(second));
    let touches = |a: &str, b: &str| {
        a == b
            || b.strip_prefix(a).is_some_and(|rest| rest.starts_with('/'))
            || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'))
    };
    let apart = |path: &&str| !changed.iter().any(|other| touches(other, path));
    // A mapped store needs the pages to be there still.
    let pages = !matches!((first, second), (Operation::Truncate { path: a, .. }, Operation::Map { path: b, .. }) if a == b)
        && !matches!((first, second), (Operation::Punch { path: a, .. } | Operation::Exchange { path: a, .. }, Operation::Map { path: b, .. }) if a == b);
    needed.iter().all(apart) && made.iter().all(apart) && pages
}

/// Each kind with its name, its line and what that is.
fn kinds() -> Vec<(&'static str, &'static str, Operation)> {
    let kinds = KINDS.iter();
    kinds
        .filter_map(|(name, line)| Some((*name, *line, workload(name, &[line])?.operations.pop()?)))
        .collect()
}

/// Each pair of operations of which the second can be done after the first, the first fsync'ed or not by what
/// follows.
#[must_use]
pub fn pairs() -> Vec<Workload> {
    let kinds = kinds();
    let mut pairs = Vec::new();
    for (first, first_line, a) in &kinds {
        for (second, second_line, b) in &kinds {
            if goes_with(a, b) {
                pairs.extend(workload(
                    &format!("{first}+{second}"),
                    &[first_line, second_line],
                ));
            }
        }
    }
    pairs
}

/// Whether the first appends to a file that the second uses: what it writes depends on the size that it finds.
fn depends_on(first: &Operation, second: &Operation) -> bool {
    matches!(first, Operation::Append { path, .. } if paths(second).0.contains(&path.as_str()))
}

/// Each pair of operations at once that can be done in both orders.
#[must_use]
pub fn at_once() -> Vec<Workload> {
    let kinds = kinds();
    let mut pairs = Vec::new();
    for (number, (first, first_line, a)) in kinds.iter().enumerate() {
        for (second, second_line, b) in &kinds[number..] {
            let apart = !depends_on(a, b) && !depends_on(b, a);
            if apart && goes_with(a, b) && goes_with(b, a) {
                pairs.extend(workload(
                    &format!("{first}|{second}"),
                    &[&format!("{first_line} | {second_line}")],
                ));
            }
        }
    }
    pairs
}

/// A database of each kind commits two transactions.
#[must_use]
pub fn databases() -> Vec<Workload> {
    let one = |(name, path): &(&str, &str)| {
        parse(&format!(
            "workload {name}\ncommit {path} 1\nsync\ncrash\ncommit {path} 2\ncommit {path} 3\n"
        ))
    };
    let kinds = [
        ("sqlite", "a.sqlite"),
        ("sqlite-wal", "a.wal.sqlite"),
        ("lmdb", "a.lmdb"),
    ];
    kinds
        .iter()
        .filter_map(|kind| one(kind).ok())
        .flatten()
        .collect()
}

/// What a disk without a file system does.
#[must_use]
pub fn raw() -> Vec<Workload> {
    let text = "workload fua
write device 0 65536 1
sync
crash
dsync device 4096 4096 9
dsync device 0 512 8

workload flush
write device 0 65536 1
sync
crash
write device 8192 4096 9
sync

workload zero
write device 0 65536 1
sync
crash
zero device 4096 8192
sync
";
    parse(text).unwrap_or_default()
}
