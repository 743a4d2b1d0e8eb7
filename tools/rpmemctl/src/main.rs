// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`rpmemctl::cli`], what is done in the modules beside it.

#![forbid(unsafe_code)]

use rpmemctl::cli::{Arguments, Command};
use rpmemctl::output::Outcome;
use rpmemctl::system::System;
use rpmemctl::{damage, doctor, inject, list, suggest};
use std::process::ExitCode;
use terminal::complain;

fn main() -> ExitCode {
    terminal::run(terminal::USAGE, terminal::FAILED, carry_out)
}

fn carry_out(arguments: &Arguments) -> ExitCode {
    let result = run(arguments).and_then(|outcome| {
        outcome.print()?;
        Ok(outcome.problem)
    });
    match result {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            complain!("rpmemctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let system = System::new(&arguments.sysroot);
    let format = arguments.format();
    match &arguments.command {
        Command::List { devices } => list::run(&system, devices, format),
        Command::Inject(range) => inject::run(&system, inject::Edit::Inject, range, format),
        Command::Clear(range) => inject::run(&system, inject::Edit::Clear, range, format),
        Command::Damage { mount_point } => damage::run(&system, mount_point, format),
        Command::Suggest(wish) => suggest::run(&system, wish, format),
        Command::Doctor { target } => doctor::run(&system, target.as_deref(), format),
    }
}
