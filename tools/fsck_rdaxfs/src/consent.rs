// SPDX-License-Identifier: GPL-2.0

//! Whether something may be mended.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{bail, Result};
use rdaxfs_check::Problem;
use terminal::output;

use crate::cli::Arguments;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Nothing may be changed.
    No,
    /// What loses nothing may be mended.
    Harmless,
    /// Everything may be mended.
    Yes,
    /// Somebody at the terminal.
    Ask,
}

impl Consent {
    /// As the arguments say.
    pub(crate) fn of(arguments: &Arguments) -> Result<Self> {
        Ok(match arguments {
            Arguments { no: true, .. } => Self::No,
            Arguments { preen: true, .. } => Self::Harmless,
            Arguments { yes: true, .. } => Self::Yes,
            _ if io::stdin().is_terminal() => Self::Ask,
            _ => bail!("there is no terminal to ask at; give -n, -p or -y"),
        })
    }

    /// Whether a problem may be mended; it has been shown.
    pub(crate) fn to(self, problem: &Problem) -> bool {
        match self {
            Self::No => false,
            Self::Harmless => problem.is_harmless(),
            Self::Yes => true,
            Self::Ask => ask("Repair"),
        }
    }
}

/// Asks at the terminal; no answer is a no.
pub(crate) fn ask(what: &str) -> bool {
    let mut answer = String::new();
    if !output::prompt(format_args!("{what}? [y/n] "))
        || io::stdin().lock().read_line(&mut answer).is_err()
    {
        return false;
    }
    matches!(answer.trim(), "y" | "Y" | "yes")
}
