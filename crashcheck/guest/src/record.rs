// SPDX-License-Identifier: GPL-2.0

//! Does workloads, traced.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Barrier;

use anyhow::{anyhow, ensure, Context, Result};
use crashcheck_marker::{marker, store_mapped};
use crashcheck_workload::{apply, parse, Operation, Workload};
use rustix::thread::{sched_setaffinity, CpuSet};

use crate::databases::Databases;
use crate::subject::Subject;

/// Does all workloads of a file. Each line of standard output is a tree: for each workload the one before its
/// operations, and one behind each; where two are done at once, those behind the second without the first, and
/// behind the first after it. `turns` decides where the processors take turns then.
pub(crate) fn record(subject: &Subject, file: &Path, symbols: &Path, turns: u64) -> Result<()> {
    let named = || format!("'{}'", file.display());
    let text = fs::read_to_string(file).with_context(named)?;
    let workloads = parse(&text).with_context(named)?;
    // With all modules that the workloads need: mounting has loaded them.
    for (number, workload) in workloads.iter().enumerate() {
        one(subject, number, workload, turns)
            .with_context(|| format!("workload '{}'", workload.name))?;
        if number == 0 {
            fs::copy("/proc/kallsyms", symbols)
                .with_context(|| format!("'{}'", symbols.display()))?;
        }
    }
    marker("end");
    Ok(())
}

fn act(subject: &Subject, databases: &Databases, operation: &Operation) -> Result<()> {
    if let Operation::Commit { path, number } = operation {
        return databases.commit(&subject.root().join(path), *number);
    }
    let map = |file: &fs::File, offset, bytes: &[u8], flush| {
        Ok(store_mapped(file, offset, bytes, flush)?)
    };
    apply(subject.root(), operation, &map).with_context(|| format!("'{operation}'"))
}

/// A new volume with what a workload wants there.
fn prepare(subject: &Subject, databases: &Databases, workload: &Workload) -> Result<()> {
    subject.make()?;
    subject.mount()?;
    let mut before = workload.before.iter();
    before.try_for_each(|operation| act(subject, databases, operation))
}

fn one(subject: &Subject, number: usize, workload: &Workload, turns: u64) -> Result<()> {
    let both = match &workload.operations[workload.in_turn().len()..] {
        [first, second] => Some((first, second)),
        _ => None,
    };
    let databases = subject.databases();
    let mut ends = Vec::new();
    if let Some((first, second)) = both {
        prepare(subject, &databases, workload)?;
        print(subject, &databases)?;
        for operation in &workload.operations {
            act(subject, &databases, operation)?;
            print(subject, &databases)?;
        }
        ends.push(subject.tree(&databases)?);
        databases.close()?;
        subject.unmount()?;
        prepare(subject, &databases, workload)?;
        for operation in workload.in_turn().iter().chain([second, first]) {
            act(subject, &databases, operation)?;
            if operation == second {
                print(subject, &databases)?;
            }
        }
        print(subject, &databases)?;
        ends.push(subject.tree(&databases)?);
        databases.close()?;
        subject.unmount()?;
    }
    // For the page cache of the disk: mkfs is not what is looked at.
    marker(&format!("workload {number}"));
    prepare(subject, &databases, workload)?;
    if both.is_none() {
        print(subject, &databases)?;
    }
    marker("start");
    let step = |step: usize, operation: &Operation| -> Result<()> {
        marker(&format!("begin {step}"));
        act(subject, &databases, operation)?;
        marker(&format!("done {step}"));
        Ok(())
    };
    for (number, operation) in workload.in_turn().iter().enumerate() {
        step(number, operation)?;
        if both.is_none() {
            print(subject, &databases)?;
        }
    }
    if let Some((first, second)) = both {
        let done = workload.in_turn().len();
        marker(&format!("together {turns}"));
        at_once(|| step(done, first), || step(done + 1, second))?;
        marker("apart");
        ensure!(
            ends.contains(&subject.tree(&databases)?),
            "the two at once leave another tree than one after the other, in whichever order"
        );
    }
    marker("unmount");
    databases.close()?;
    subject.unmount()?;
    marker("stop");
    Ok(())
}

/// Does both, each on a processor of its own.
fn at_once(
    first: impl Fn() -> Result<()> + Sync,
    second: impl Fn() -> Result<()> + Sync,
) -> Result<()> {
    let together = Barrier::new(2);
    let on = |cpu: usize, act: &(dyn Fn() -> Result<()> + Sync)| -> Result<()> {
        let mut set = CpuSet::new();
        set.set(cpu);
        let bound = sched_setaffinity(None, &set);
        // Whoever does not come would be waited for.
        together.wait();
        bound.with_context(|| format!("processor {cpu}: two operations at once want --smp 2"))?;
        act()
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| on(1, &second));
        // A thread of its own: this one is to stay where it likes.
        let one = scope.spawn(|| on(0, &first));
        for thread in [one, other] {
            thread.join().map_err(|_| anyhow!("a thread panics"))??;
        }
        Ok(())
    })
}

fn print(subject: &Subject, databases: &Databases) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", subject.tree(databases)?.to_line())?;
    Ok(out.flush()?)
}
