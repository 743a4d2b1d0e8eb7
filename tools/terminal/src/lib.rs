// SPDX-License-Identifier: GPL-2.0

//! What the programs write.
//!
//! - [`safe`] and its like make text that was found somewhere fit for a terminal, a log and JSON;
//! - [`say!`] and [`complain!`] write to standard output and standard error, and never panic.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod output;
mod text;

pub use output::finish;
pub use text::{hex_unless_utf8, original, safe, safe_path, safe_str, BadEscape};
