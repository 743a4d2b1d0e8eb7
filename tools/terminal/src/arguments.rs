// SPDX-License-Identifier: GPL-2.0

//! What a program was called with, and what it says if that is wrong.

use std::process::ExitCode;

use clap::error::ContextKind;
use clap::Parser;

use crate::{complain, finish, say};

/// The exit status for wrong arguments, unless a program has another by tradition.
pub const USAGE: u8 = 2;

/// The exit status for output that cannot be written, unless a program has another by tradition.
pub const FAILED: u8 = 1;

/// Does what a program is for, with the arguments that it was called with; or says what is wrong with them, with the
/// exit status `usage`. If the help cannot be written, the status is `failed`.
pub fn run<A: Parser>(usage: u8, failed: u8, program: impl FnOnce(&A) -> ExitCode) -> ExitCode {
    match arguments(usage, failed) {
        Ok(arguments) => program(&arguments),
        Err(status) => ExitCode::from(status),
    }
}

/// The program's arguments. If there are none to go on with, the help, the version or the error has been written, and
/// this is the exit status: 0, `failed` if standard output cannot be written, or `usage`.
///
/// # Errors
///
/// The exit status.
fn arguments<A: Parser>(usage: u8, failed: u8) -> Result<A, u8> {
    let mut error = match A::try_parse() {
        Ok(arguments) => return Ok(arguments),
        Err(error) => error,
    };
    // "To pass '-x' as a value, use '-- -x'": no value of ours begins with a dash.
    error.remove(ContextKind::Suggested);
    let text = error.render().to_string();
    if error.use_stderr() {
        complain!("{}", text.trim_end());
        return Err(usage);
    }
    say!("{}", text.trim_end());
    match finish() {
        Ok(()) => Err(0),
        Err(error) => {
            let program = A::command().get_name().to_owned();
            complain!("{program}: standard output cannot be written: {error}");
            Err(failed)
        }
    }
}
