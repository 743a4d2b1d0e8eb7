// SPDX-License-Identifier: GPL-2.0

//! Does workloads, traced.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use crashcheck_marker::{marker, store_mapped};
use crashcheck_workload::{apply, parse, Operation, Workload};

use crate::subject::Subject;

/// Does all workloads of a file. Each line of standard output is a tree: for each workload the one before its
/// operations, and one behind each.
pub(crate) fn record(subject: &Subject, file: &Path, symbols: &Path) -> Result<()> {
    let named = || format!("'{}'", file.display());
    let text = fs::read_to_string(file).with_context(named)?;
    let workloads = parse(&text).with_context(named)?;
    // With all modules that the workloads need: mounting has loaded them.
    for (number, workload) in workloads.iter().enumerate() {
        one(subject, number, workload).with_context(|| format!("workload '{}'", workload.name))?;
        if number == 0 {
            fs::copy("/proc/kallsyms", symbols)
                .with_context(|| format!("'{}'", symbols.display()))?;
        }
    }
    marker("end");
    Ok(())
}

fn one(subject: &Subject, number: usize, workload: &Workload) -> Result<()> {
    // For the page cache of the disk: mkfs is not what is looked at.
    marker(&format!("workload {number}"));
    subject.make()?;
    subject.mount()?;
    let act = |operation: &Operation| {
        let map = |file: &fs::File, offset, bytes: &[u8]| Ok(store_mapped(file, offset, bytes)?);
        apply(subject.root(), operation, &map).with_context(|| format!("'{operation}'"))
    };
    for operation in &workload.before {
        act(operation)?;
    }
    print(subject)?;
    marker("start");
    for (step, operation) in workload.operations.iter().enumerate() {
        marker(&format!("begin {step}"));
        act(operation)?;
        marker(&format!("done {step}"));
        print(subject)?;
    }
    marker("unmount");
    subject.unmount()?;
    marker("stop");
    Ok(())
}

fn print(subject: &Subject) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", subject.tree()?.to_line())?;
    Ok(out.flush()?)
}
