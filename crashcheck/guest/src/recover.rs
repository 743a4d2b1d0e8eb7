// SPDX-License-Identifier: GPL-2.0

//! Recovers crash images, traced.

use std::fs;
use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Context, Result};
use crashcheck_marker::marker;
use crashcheck_tree::Tree;

use crate::databases::Databases;
use crate::judge::{answer, say};
use crate::subject::Subject;

/// For each line of standard input: mounts what is on the device now, reads all of it, and prints `ok TREE` or
/// `bad REASON`.
pub(crate) fn recover(subject: &Subject, symbols: &Path) -> Result<()> {
    let databases = subject.databases();
    say("ready")?;
    for (number, line) in io::stdin().lock().lines().enumerate() {
        line?;
        marker(&format!("image {number}"));
        marker("start");
        let found = look(subject, &databases);
        marker("unmount");
        let _ = databases.close();
        let _ = subject.unmount();
        marker("stop");
        if number == 0 {
            // With all modules: mounting has loaded them.
            fs::copy("/proc/kallsyms", symbols)
                .with_context(|| format!("'{}'", symbols.display()))?;
        }
        answer(found)?;
    }
    marker("end");
    Ok(())
}

fn look(subject: &Subject, databases: &Databases) -> Result<Tree> {
    marker("begin 0");
    subject.mount()?;
    marker("done 0");
    marker("begin 1");
    let tree = subject.tree(databases);
    let tree = tree.context("what is there cannot be read")?;
    marker("done 1");
    Ok(tree)
}
