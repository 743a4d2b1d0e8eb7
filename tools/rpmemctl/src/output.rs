// SPDX-License-Identifier: GPL-2.0

//! How results are shown.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::Write;
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
    /// What the text is.
    pub format: Format,
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
        Ok(Self {
            text,
            format,
            problem,
        })
    }
}

impl Outcome {
    /// Writes it to standard output. A reader that has gone away is not an error.
    ///
    /// # Errors
    ///
    /// If it cannot be written for another reason, such as a full disk.
    pub fn print(&self) -> Result<()> {
        match self.format {
            Format::Text => terminal::output::write(format_args!("{}", self.text)),
            Format::Json => terminal::output::write_json(&self.text),
        }
        terminal::finish().context("standard output cannot be written")
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

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn columns_are_aligned() {
        assert_eq!(aligned("A\tB\nlong\tb\n"), "A     B\nlong  b\n");
    }
}
