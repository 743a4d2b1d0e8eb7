// SPDX-License-Identifier: GPL-2.0

//! The scenarios by their names, as they run under callgrind.

use std::path::Path;

use anyhow::{bail, Context, Result};

use crate::memory::Memory;
use crate::meter::InstructionMeter;
use crate::{directories, extents, filling, operations};

/// Runs a scenario for callgrind: `operations`, or `directory FILE ENTRIES`, `extents FILE EXTENTS`,
/// `filling FILE` on the volume in a file.
///
/// # Errors
///
/// If there is no such scenario, or its file cannot be read.
pub fn run(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let meter = &mut InstructionMeter;
    match words[..] {
        ["operations"] => operations::run(Memory::new(operations::BLOCKS), meter),
        ["directory", file, entries] => directories::run(load(file)?, entries.parse()?, meter),
        ["extents", file, count] => extents::run(load(file)?, count.parse()?, meter),
        ["filling", file] => filling::run(load(file)?, meter),
        _ => bail!("there is no scenario {words:?}"),
    }
    Ok(())
}

fn load(file: &str) -> Result<Memory> {
    Memory::load(Path::new(file)).with_context(|| file.to_string())
}
