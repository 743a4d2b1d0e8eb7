// SPDX-License-Identifier: GPL-2.0

//! crashcheck, the program.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use crashcheck::cli::{Arguments, Request};
use crashcheck::report::Report;
use crashcheck::run::{run, Progress};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = arguments.request().and_then(|request| match request {
        Request::List(text) => {
            print!("{text}");
            Ok(None)
        }
        Request::Run(job) => run(&job, &progress).map(|report| Some((report, job.folder))),
    });
    match done {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some((report, folder))) => {
            if arguments.json {
                println!(
                    "{}",
                    serde_json::to_string_pretty(&report).unwrap_or_default()
                );
            } else {
                tell(&report);
                println!("report: {}", folder.file("report.html").display());
            }
            ExitCode::from(u8::from(report.failures() > 0))
        }
        Err(error) => {
            eprintln!("crashcheck: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn progress(now: &Progress<'_>) {
    let seconds = now.time.as_secs();
    let left = match now.done {
        0 => "unknown".into(),
        done => format!("{} s", seconds * (now.of - done) as u64 / done as u64),
    };
    eprintln!(
        "crashcheck: {} of {}: {} ({} states, {} failures, {seconds} s, left: {left})",
        now.done + 1,
        now.of,
        now.name,
        now.states,
        now.failures
    );
}

fn tell(report: &Report) {
    for case in &report.cases {
        if let Some(story) = &case.failure {
            println!(
                "FAIL {}: a crash {}, before {}: {}",
                case.name, story.during, story.next, story.reason
            );
            for lost in story.lost.iter().take(8) {
                println!("     {lost}");
            }
        }
    }
    for bite in &report.bites {
        let noticed = bite.noticed_by.as_deref().unwrap_or("NOBODY");
        println!("without {}: noticed by {noticed}", bite.site);
    }
    println!(
        "{} on {}: {} workloads, {} recoveries crashed again, {} states tried, {} images recovered ({:.0} an hour), {} failures, {} states with a known one",
        report.subject.name,
        report.subject.driver,
        report.cases.len() - report.recoveries,
        report.recoveries,
        report.states(),
        report.looked,
        report.images_an_hour(),
        report.failures(),
        report.known()
    );
}
