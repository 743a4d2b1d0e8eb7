// SPDX-License-Identifier: GPL-2.0

//! What the programs are called with, and what they write.
//!
//! - [`run`] has a program do its work with its arguments, or says what is wrong with them;
//! - [`safe`] and its like make text that was found somewhere fit for a terminal, a log and JSON;
//! - [`number`] keeps large numbers exact in JSON;
//! - [`say!`] and [`complain!`] write to standard output and standard error, and never panic.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod arguments;
mod number;
pub mod output;
mod text;

pub use arguments::{run, FAILED, USAGE};
pub use number::number;
pub use output::finish;
pub use text::{hex_unless_utf8, original, safe, safe_path, safe_str, BadEscape};
