// SPDX-License-Identifier: GPL-2.0

//! How results are shown.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::{ErrorKind, Write};
use tabwriter::TabWriter;

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text.
    Text,
    /// JSON.
    Json,
}

/// What a command has to show, and what it makes the exit status.
#[derive(Debug)]
pub struct Outcome {
    /// For standard output.
    pub text: String,
    /// Whether there is a problem in what was looked at.
    pub problem: bool,
}

impl Outcome {
    /// `value` as JSON, or as what `text` makes of it.
    ///
    /// # Errors
    ///
    /// If the value has no form in JSON.
    pub fn new<T: Serialize>(
        format: Format,
        value: &T,
        problem: bool,
        text: impl FnOnce(&T) -> String,
    ) -> Result<Self> {
        let text = match format {
            Format::Text => text(value),
            Format::Json => serde_json::to_string_pretty(value).context("JSON")? + "\n",
        };
        Ok(Self { text, problem })
    }
}

/// Aligns the columns of lines whose cells end in tabs.
pub fn aligned(lines: &str) -> String {
    let mut writer = TabWriter::new(Vec::new()).padding(2);
    let written = writer
        .write_all(lines.as_bytes())
        .and_then(|()| writer.flush());
    match (written, writer.into_inner()) {
        (Ok(()), Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        // Memory does not fail to be written to.
        _ => lines.to_owned(),
    }
}

/// A name for people: what could change the terminal, or look like two lines, is escaped.
pub fn printable(name: &str) -> String {
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(escaped).collect()
}

/// Writes to standard output; a reader that has gone away is no error.
///
/// # Errors
///
/// If it cannot be written for another reason, such as a full disk.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("standard output cannot be written")
        }
        _ => Ok(()),
    }
}

/// Writes to standard error, as far as that goes.
pub fn complain(text: &str) {
    // There is nowhere to tell that it failed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{aligned, printable};

    #[test]
    fn names_cannot_write_to_the_terminal() {
        assert_eq!(printable("a\n\u{1b}[2Jb ü"), "a\\n\\u{1b}[2Jb ü");
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(aligned("A\tB\nlong\tb\n"), "A     B\nlong  b\n");
    }
}
