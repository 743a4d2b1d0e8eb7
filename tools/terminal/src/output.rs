// SPDX-License-Identifier: GPL-2.0

//! Standard output and standard error, when they cannot be written too.
//!
//! `println!` panics if nobody reads on (`| head -1`) or the disk is full. A repair must not stop for that: here
//! the first error is kept, nothing more is written, and [`finish`] returns it at the end.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

use crate::text::harmless;

/// The first error of standard output. There is one standard output in a process, so there is one of this.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line to standard output: `println!` that does not panic.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {
        $crate::output::write(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Writes a line to standard error: `eprintln!` that does not panic.
#[macro_export]
macro_rules! complain {
    ($($text:tt)*) => {
        $crate::output::write_error(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Writes to standard output, without what steers a terminal. After the first error nothing is written.
pub fn write(text: fmt::Arguments<'_>) {
    write_all(&harmless(&text.to_string(), rust_escape));
}

/// As [`write()`], for JSON.
pub fn write_json(text: &str) {
    write_all(&harmless(text, json_escape));
}

fn rust_escape(character: char) -> String {
    character.escape_default().to_string()
}

fn json_escape(character: char) -> String {
    let mut units = [0; 2];
    let units = character.encode_utf16(&mut units).iter();
    units.map(|unit| format!("\\u{unit:04x}")).collect()
}

fn write_all(text: &str) {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        *failed = io::stdout().lock().write_all(text.as_bytes()).err();
    }
}

/// Writes a prompt to standard output, at once. Returns whether it was written.
pub fn prompt(text: fmt::Arguments<'_>) -> bool {
    write(text);
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        *failed = io::stdout().lock().flush().err();
    }
    failed.is_none()
}

/// Writes to standard error, as far as that goes.
pub fn write_error(text: fmt::Arguments<'_>) {
    // There is nowhere to tell that it failed.
    let text = harmless(&text.to_string(), rust_escape);
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Ends standard output. A reader that has gone away is not an error.
///
/// # Errors
///
/// The first error of all that was written.
pub fn finish() -> io::Result<()> {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    let result = match failed.take() {
        Some(error) => Err(error),
        None => io::stdout().lock().flush(),
    };
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_steers_no_terminal() {
        let text = "a\u{1b}[2J\tb\n\u{202e}\\";
        assert_eq!(harmless(text, rust_escape), "a\\u{1b}[2J\tb\n\\u{202e}\\");
        assert_eq!(
            harmless("\u{e0001}\u{9b}", json_escape),
            r"\udb40\udc01\u009b"
        );
    }
}
