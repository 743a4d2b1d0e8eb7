// SPDX-License-Identifier: GPL-2.0

//! What a program was called with, and what it says if that is wrong.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::Parser;

use crate::{complain, finish, safe_str, say};

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
    on_one_line(&mut error);
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

/// Escapes what was called wrong, which may be a file's name that the shell put there: a line end in it would begin a line
/// that looks like one of ours.
fn on_one_line(error: &mut clap::Error) {
    let escaped: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) if text.chars().any(char::is_control) => {
                Some((kind, safe_str(text)))
            }
            _ => None,
        })
        .collect();
    for (kind, text) in escaped {
        error.insert(kind, ContextValue::String(text));
    }
}

#[cfg(test)]
mod tests {
    use clap::{value_parser, Arg, Command};

    use super::on_one_line;

    #[test]
    fn wrong_arguments_take_one_line() {
        let command =
            || Command::new("program").arg(Arg::new("number").value_parser(value_parser!(u64)));
        for (arguments, shown) in [
            (&["1\nerror: 2\u{1b}[m"][..], r"'1\nerror: 2\u{1b}[m'"),
            (&["--no\nsuch"], r"'--no\nsuch'"),
            (&["1", "2\t"], r"'2\t'"),
            (&["a\\b"], r"'a\b'"),
        ] {
            let all = ["program"].iter().chain(arguments);
            let mut error = command().try_get_matches_from(all).unwrap_err();
            on_one_line(&mut error);
            let text = error.render().to_string();
            let first = text.lines().next().unwrap();
            assert!(first.contains(shown), "{text}");
        }
    }
}
