// SPDX-License-Identifier: GPL-2.0

//! Standard output and standard error, when they cannot be written too.
//!
//! `println!` panics if nobody reads on (`| head -1`) or the disk is full. A repair must not stop for that: here
//! the first error is kept, nothing more is written, and [`finish`] returns it at the end.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

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

/// Writes to standard output. After the first error nothing is written.
pub fn write(text: fmt::Arguments<'_>) {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        *failed = io::stdout().lock().write_fmt(text).err();
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
    let _ = io::stderr().lock().write_fmt(text);
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
