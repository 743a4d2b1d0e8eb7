// SPDX-License-Identifier: GPL-2.0

//! Says what crash images are.

use std::io::{self, BufRead, Write};

use anyhow::{Context, Result};
use crashcheck_tree::Tree;

use crate::subject::Subject;

/// For each line of standard input: mounts what is on the device now, and prints `ok TREE` or `bad REASON`.
pub(crate) fn judge(subject: &Subject) -> Result<()> {
    say("ready")?;
    for line in io::stdin().lock().lines() {
        line?;
        match look(subject) {
            Ok(tree) => say(&format!("ok {}", tree.to_line()))?,
            Err(error) => {
                // A mount that is left would be in the way of the next image.
                let _ = subject.unmount();
                say(&format!("bad {}", format!("{error:#}").replace('\n', "; ")))?;
            }
        }
    }
    Ok(())
}

fn look(subject: &Subject) -> Result<Tree> {
    subject.mount()?;
    let tree = subject.tree().context("what is there cannot be read")?;
    subject.try_out()?;
    subject.unmount()?;
    subject.check().context("after recovery")?;
    Ok(tree)
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
