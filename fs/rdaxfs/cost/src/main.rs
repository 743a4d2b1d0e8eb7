// SPDX-License-Identifier: GPL-2.0

//! Measures what operations of rdaxfs cost.

#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use rdaxfs_cost::measure::{Measure, Section};
use rdaxfs_cost::scenario;

/// Measures what operations of rdaxfs cost, and says whether that is little enough.
///
/// Exit status: 0 when all limits are kept, 10 when not, 1 when something could not be measured.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Measures, prints the numbers and the verdict.
    Measure {
        /// The folder for files that are only needed meanwhile.
        #[arg(long)]
        work: PathBuf,
        /// The program mkfs.rdaxfs.
        #[arg(long)]
        mkfs: PathBuf,
        /// The program rdaxfs_kernel_cost.
        #[arg(long)]
        kernel_cost: PathBuf,
        /// The folder for results.txt and results.json.
        #[arg(long)]
        results: Option<PathBuf>,
        /// What was measured, for the head of the results.
        #[arg(long, default_value = "")]
        title: String,
        /// Only these.
        #[arg(long, value_delimiter = ',')]
        only: Vec<Section>,
    },
    /// Runs a scenario, for callgrind.
    #[command(hide = true)]
    Scenario {
        /// The scenario and its arguments.
        words: Vec<String>,
    },
}

/// A limit is not kept.
const UNMET: u8 = 10;

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(UNMET),
        Err(error) => {
            eprintln!("rdaxfs_cost: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all limits are kept.
fn run(command: Command) -> Result<bool> {
    let (work, mkfs, kernel_cost, results, title, only) = match command {
        Command::Scenario { words } => return scenario::run(&words).map(|()| true),
        Command::Measure {
            work,
            mkfs,
            kernel_cost,
            results,
            title,
            only,
        } => (work, mkfs, kernel_cost, results, title, only),
    };
    let mut measure = Measure::new(&work, &mkfs, &kernel_cost)?;
    for section in Section::value_variants() {
        if only.is_empty() || only.contains(section) {
            eprintln!("rdaxfs_cost: {section:?}");
            measure.section(*section)?;
        }
    }
    let report = measure.report;
    let text = format!("SPDX-License-Identifier: GPL-2.0\n\n{title}\n\n{report}");
    print!("{text}");
    if let Some(folder) = results {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        fs::write(folder.join("results.txt"), &text)?;
        let json = serde_json::json!({ "title": title, "report": report });
        let json = serde_json::to_string_pretty(&json)?;
        fs::write(folder.join("results.json"), json + "\n")?;
    }
    Ok(report.is_met())
}
