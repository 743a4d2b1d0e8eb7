// SPDX-License-Identifier: GPL-2.0

//! Says what crash images are.

use std::io::{self, BufRead, Write};

use anyhow::{Context, Result};
use crashcheck_tree::Tree;

use crate::databases::Databases;
use crate::subject::Subject;

/// For each line of standard input: mounts what is on the device now, and prints `ok TREE` or `bad REASON`.
pub(crate) fn judge(subject: &Subject) -> Result<()> {
    let databases = subject.databases();
    say("ready")?;
    for line in io::stdin().lock().lines() {
        line?;
        let found = look(subject, &databases);
        if found.is_err() {
            // What is left open, or mounted, would be in the way of the next image.
            let _ = databases.close();
            let _ = subject.unmount();
        }
        answer(found)?;
    }
    Ok(())
}

fn look(subject: &Subject, databases: &Databases) -> Result<Tree> {
    subject.mount()?;
    let tree = subject.tree(databases);
    let tree = tree.context("what is there cannot be read")?;
    databases.close()?;
    subject.try_out()?;
    subject.unmount()?;
    subject.check().context("after recovery")?;
    Ok(tree)
}

/// Prints what an image is: `ok TREE` or `bad REASON`.
pub(crate) fn answer(found: Result<Tree>) -> Result<()> {
    match found {
        Ok(tree) => say(&format!("ok {}", tree.to_line())),
        Err(error) => say(&format!("bad {}", format!("{error:#}").replace('\n', "; "))),
    }
}

pub(crate) fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
