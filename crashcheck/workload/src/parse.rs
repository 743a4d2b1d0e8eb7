// SPDX-License-Identifier: GPL-2.0

//! From lines to workloads.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{bail, ensure, Context, Result};

use crate::{database_of, Operation};

/// What is done, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Workload {
    /// A word.
    pub name: String,
    /// What is there before.
    pub before: Vec<Operation>,
    /// What a crash may interrupt.
    pub operations: Vec<Operation>,
    /// The last two operations are done at once, each by a thread on a processor of its own.
    pub at_once: bool,
}

impl Workload {
    /// Operations that are done one after the other.
    #[must_use]
    pub fn in_turn(&self) -> &[Operation] {
        let at_once = if self.at_once { 2 } else { 0 };
        &self.operations[..self.operations.len().saturating_sub(at_once)]
    }

    /// Whether a database commits.
    #[must_use]
    pub fn has_databases(&self) -> bool {
        let mut all = self.before.iter().chain(&self.operations);
        all.any(|operation| matches!(operation, Operation::Commit { .. }))
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "workload {}", self.name)?;
        for operation in &self.before {
            writeln!(f, "{operation}")?;
        }
        writeln!(f, "crash")?;
        for operation in self.in_turn() {
            writeln!(f, "{operation}")?;
        }
        match &self.operations[self.in_turn().len()..] {
            [first, second] => writeln!(f, "{first} | {second}"),
            _ => Ok(()),
        }
    }
}

/// Reads a file's workloads.
///
/// # Errors
///
/// Which line is wrong, and what may be there.
pub fn parse(text: &str) -> Result<Vec<Workload>> {
    let mut workloads: Vec<Workload> = Vec::new();
    let mut names = BTreeSet::new();
    let mut crash = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let context = || format!("line {number}: '{}'", line.trim());
        match words[..] {
            [] => {}
            ["workload", name] => {
                ensure!(
                    names.insert(name.to_string()),
                    "line {number}: there are two workloads '{name}'; each must have its own name"
                );
                crash = false;
                workloads.push(Workload {
                    name: name.into(),
                    before: Vec::new(),
                    operations: Vec::new(),
                    at_once: false,
                });
            }
            ["crash"] => {
                ensure!(
                    !workloads.is_empty() && !crash,
                    "line {number}: 'crash' must stand once in each workload"
                );
                crash = true;
            }
            _ => {
                let parsed: Result<Vec<Operation>> =
                    words.split(|word| *word == "|").map(operation).collect();
                let operations = parsed.with_context(context)?;
                let Some(workload) = workloads.last_mut() else {
                    bail!("line {number}: the first line must be 'workload NAME'");
                };
                let at_once = operations.len() > 1;
                ensure!(
                    !workload.at_once && (!at_once || (crash && operations.len() == 2)),
                    "line {number}: two operations at once, with | between them, must be a workload's last line"
                );
                workload.at_once = at_once;
                if crash {
                    workload.operations.extend(operations);
                } else {
                    workload.before.extend(operations);
                }
            }
        }
    }
    ensure!(!workloads.is_empty(), "there is no line 'workload NAME'");
    for workload in &workloads {
        ensure!(
            !workload.operations.is_empty(),
            "workload '{}' has no operation behind a line 'crash'",
            workload.name
        );
    }
    Ok(workloads)
}

fn operation(words: &[&str]) -> Result<Operation> {
    let path = |text: &str| {
        let name = |name: &str| !name.is_empty() && name != "." && name != ".." && name.len() < 256;
        ensure!(
            text.split('/').all(name),
            "'{text}': a path is names with / between them, below the root"
        );
        Ok(text.to_string())
    };
    let number = |text: &str| -> Result<u64> {
        let number = text
            .parse()
            .with_context(|| format!("'{text}': it must be a whole number"))?;
        ensure!(number <= 1 << 40, "'{text}': no more than 1 TiB");
        Ok(number)
    };
    let few = |text: &str| {
        let number = number(text)?;
        ensure!(
            (1..=1 << 24).contains(&number),
            "'{text}': a length must be from 1 to 16 MiB"
        );
        Ok(number)
    };
    let seed = |text: &str| {
        text.parse()
            .with_context(|| format!("'{text}': a seed must be from 0 to 255"))
    };
    let octal = |text: &str| {
        u32::from_str_radix(text, 8)
            .with_context(|| format!("'{text}': it must be in octal digits"))
    };
    Ok(match *words {
        ["create", a] => Operation::Create { path: path(a)? },
        ["mkdir", a] => Operation::Mkdir { path: path(a)? },
        ["write", a, o, l, s] => Operation::Write { path: path(a)?, offset: number(o)?, len: few(l)?, seed: seed(s)? },
        ["append", a, l, s] => Operation::Append { path: path(a)?, len: few(l)?, seed: seed(s)? },
        ["dsync", a, o, l, s] => Operation::Dsync { path: path(a)?, offset: number(o)?, len: few(l)?, seed: seed(s)? },
        ["map", a, o, l, s] => Operation::Map { path: path(a)?, offset: number(o)?, len: few(l)?, seed: seed(s)? },
        ["msync", a, o, l, s] => Operation::Msync { path: path(a)?, offset: number(o)?, len: few(l)?, seed: seed(s)? },
        ["truncate", a, n] => Operation::Truncate { path: path(a)?, size: number(n)? },
        ["fallocate", a, o, l] => Operation::Fallocate { path: path(a)?, offset: number(o)?, len: few(l)? },
        ["punch", a, o, l] => Operation::Punch { path: path(a)?, offset: number(o)?, len: few(l)? },
        ["zero", a, o, l] => Operation::Zero { path: path(a)?, offset: number(o)?, len: few(l)? },
        ["link", a, b] => Operation::Link { path: path(a)?, new: path(b)? },
        ["symlink", t, a] => Operation::Symlink { target: t.into(), path: path(a)? },
        ["rename", a, b] => Operation::Rename { path: path(a)?, new: path(b)? },
        ["exchange", a, b] => Operation::Exchange { path: path(a)?, new: path(b)? },
        ["unlink", a] => Operation::Unlink { path: path(a)? },
        ["rmdir", a] => Operation::Rmdir { path: path(a)? },
        ["chmod", a, m] => Operation::Chmod { path: path(a)?, mode: octal(m)? },
        ["setxattr", a, n, l, s] => Operation::Setxattr { path: path(a)?, name: n.into(), len: few(l)?, seed: seed(s)? },
        ["removexattr", a, n] => Operation::Removexattr { path: path(a)?, name: n.into() },
        ["commit", a, n] => {
            ensure!(
                database_of(a) == Some(a),
                "'{a}': a database's name must end in .sqlite, .wal.sqlite or .lmdb"
            );
            Operation::Commit { path: path(a)?, number: few(n)? }
        }
        ["fsync", a] => Operation::Fsync { path: path(a)? },
        ["sync"] => Operation::Sync,
        [word, ..] => bail!(
            "'{word}' with {} words behind it: it must be workload, crash, create, mkdir, write, append, dsync, map, msync, truncate, fallocate, punch, zero, link, symlink, rename, exchange, unlink, rmdir, chmod, setxattr, removexattr, commit, fsync or sync, with what Documentation/dev-tools/crashcheck.rst says",
            words.len() - 1
        ),
        [] => bail!("an empty operation"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{at_once, databases, pairs, raw, singles};

    #[test]
    fn what_is_written_out_is_read_again() {
        for workload in singles()
            .into_iter()
            .chain(pairs())
            .chain(at_once())
            .chain(databases())
            .chain(raw())
        {
            let again = parse(&workload.to_string()).expect("it is the language");
            assert_eq!(again, [workload]);
        }
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, words) in [
            ("", "no line 'workload NAME'"),
            ("create a", "first line must be"),
            ("workload a\ncreate x", "no operation behind"),
            (
                "workload a\ncrash\ncreate x\nworkload a\ncrash\nsync",
                "two workloads",
            ),
            ("workload a\ncrash\ncreate ../x", "line 3"),
            ("workload a\ncrash\nwrite x 0 0 1", "from 1 to"),
            ("workload a\ncrash\nwrite x 0 1 256", "0 to 255"),
            ("workload a\ncrash\nwrite x 0", "'write' with 2 words"),
            ("workload a\ncrash\nfly x", "'fly'"),
            ("workload a\ncreate x | create y\ncrash\nsync", "last line"),
            ("workload a\ncrash\ncreate x | create y\nsync", "last line"),
            ("workload a\ncrash\nsync | sync | sync", "last line"),
            ("workload a\ncrash\nsync |", "an empty"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
    }
}
