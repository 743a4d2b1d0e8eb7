// SPDX-License-Identifier: GPL-2.0

//! Whether something may be repaired.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{bail, Result};
use rdaxfs_check::Problem;
use terminal::{output, say};

use crate::cli::Arguments;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Nothing may be changed.
    No,
    /// What loses nothing may be repaired.
    Harmless,
    /// Everything may be repaired.
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

    /// Whether a problem may be repaired; it has been shown.
    pub(crate) fn to(&mut self, problem: &Problem) -> bool {
        match self {
            Self::No => false,
            Self::Harmless => problem.is_harmless(),
            Self::Yes => true,
            Self::Ask => self.ask(),
        }
    }

    /// Asks whether to repair what has been shown.
    pub(crate) fn ask(&mut self) -> bool {
        let answer = ask("Repair");
        if answer == Answer::All {
            *self = Self::Yes;
        }
        answer != Answer::No
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    /// Yes, and to all questions that follow.
    All,
}

/// Asks at the terminal until there is an answer. The end of the input is a no, and is said.
fn ask(what: &str) -> Answer {
    ask_of(what, &mut io::stdin().lock())
}

fn ask_of(what: &str, input: &mut impl BufRead) -> Answer {
    loop {
        let mut answer = String::new();
        if !output::prompt(format_args!("{what}? [y/n/a(ll)] ")) {
            return Answer::No;
        }
        match input.read_line(&mut answer) {
            Ok(0) | Err(_) => {
                say!("no (end of input)");
                return Answer::No;
            }
            Ok(_) => {}
        }
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => return Answer::Yes,
            "n" | "no" => return Answer::No,
            "a" | "all" => return Answer::All,
            _ => say!("answer y (yes), n (no) or a (yes to all)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_are_answers() {
        for (input, answer) in [
            ("y\n", Answer::Yes),
            ("YES\n", Answer::Yes),
            ("n\n", Answer::No),
            ("a\n", Answer::All),
            ("\nj\nyy\ny\n", Answer::Yes),
            ("what\n", Answer::No),
            ("", Answer::No),
        ] {
            assert_eq!(ask_of("Repair", &mut input.as_bytes()), answer, "{input:?}");
        }
    }
}
