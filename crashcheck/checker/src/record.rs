// SPDX-License-Identifier: GPL-2.0

//! Guests: the one that is traced, and the one that judges.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use crashcheck_tree::Tree;

use crate::subject::Subject;

/// The guest.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The project's folder.
    pub project: PathBuf,
    /// The length of its persistent memory.
    pub bytes: u64,
    /// Its processors.
    pub processors: u32,
    /// Decides where they take turns.
    pub turns: u64,
    /// Debian's packages that it wants beside those of every guest.
    pub packages: Vec<&'static str>,
    /// After so many seconds it is switched off; 0: never.
    pub seconds: u64,
}

/// The command that runs a guest with the program of crashcheck in it.
///
/// # Errors
///
/// If a path is not UTF-8.
pub fn guest(
    machine: &Machine,
    subject: &Subject,
    region: &Path,
    console: &Path,
    arguments: &[String],
) -> Result<Command> {
    let text = |path: &Path| {
        path.to_str()
            .map(String::from)
            .with_context(|| format!("'{}': it must be UTF-8", path.display()))
    };
    let mut command = Command::new(machine.project.join("qemu-nvdimm.sh"));
    command.args(["run", "--no-build", "--stdin", "--mem", "1G"]);
    command.args([
        "--smp",
        &machine.processors.to_string(),
        "--timeout",
        &machine.seconds.to_string(),
    ]);
    command.args([
        "--pmem",
        &format!("{}M", machine.bytes >> 20),
        "--pmem-file",
        &text(region)?,
    ]);
    command.args(["--console", &text(console)?]);
    if !machine.packages.is_empty() {
        command.args(["--packages", &machine.packages.join(",")]);
    }
    let folder = console.parent().context("a console in a folder")?;
    command.args(["--share", &text(folder)?]);
    Ok(command_with(command, machine, subject, arguments))
}

fn command_with(
    mut command: Command,
    machine: &Machine,
    subject: &Subject,
    arguments: &[String],
) -> Command {
    // The modules first; then the program, with its words as they are.
    let script = r#"modprobe -a $1 || exit; shift; exec "$@""#;
    command.args([
        "--",
        "bash",
        "-c",
        script,
        "crashcheck",
        &subject.modules.join(" "),
    ]);
    command.arg(machine.project.join("build/crashcheck/crashcheck_guest"));
    command.args(subject.arguments()).args(arguments);
    command
}

/// The same guest, traced.
#[must_use]
pub fn with_trace(command: &Command, trace: &Path) -> Command {
    // Options of the guest come before the words that it runs.
    let mut words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    words.splice(1..1, ["--trace".into(), trace.as_os_str().to_owned()]);
    let mut traced = Command::new(command.get_program());
    traced.args(words);
    traced
}

/// What a traced guest leaves.
#[derive(Debug)]
pub struct Recording {
    /// The trees that it has seen, for each workload one before and one behind each operation.
    pub trees: Vec<Tree>,
    /// How long it took.
    pub time: Duration,
}

/// Where everything is in the folder of a run.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// Does the workloads of the folder's file `workloads` in a traced guest. The memory was all zeros before.
///
/// # Errors
///
/// If the guest fails.
pub fn record(machine: &Machine, subject: &Subject, folder: &Folder) -> Result<Recording> {
    let started = Instant::now();
    let region = folder.file("region");
    let _ = fs::remove_file(&region);
    fs::File::create(&region)?.set_len(machine.bytes)?;
    let path = |name: &str| folder.file(name).display().to_string();
    let arguments = [
        "record".into(),
        path("workloads"),
        "--symbols".into(),
        path("kallsyms"),
        "--turns".into(),
        machine.turns.to_string(),
    ];
    let mut command = guest(
        machine,
        subject,
        &region,
        &folder.file("record-console"),
        &arguments,
    )?;
    command = with_trace(&command, &folder.file("trace"));
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    ensure!(
        output.status.success(),
        "the traced guest ends with {}: {}; its console is '{}'",
        output.status,
        last.into_iter().rev().collect::<Vec<_>>().join("; "),
        path("record-console")
    );
    let text = String::from_utf8(output.stdout).context("the guest's output")?;
    fs::write(folder.file("trees"), &text)?;
    Ok(Recording {
        trees: trees(&text)?,
        time: started.elapsed(),
    })
}

/// The trees that a traced guest has printed.
///
/// # Errors
///
/// If they are not.
pub fn trees(text: &str) -> Result<Vec<Tree>> {
    text.lines().map(Tree::from_line).collect()
}
