// SPDX-License-Identifier: GPL-2.0

//! What blkid(8) says is on a device.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};

/// The exit status by which blkid says that it found nothing.
const NOTHING_FOUND: i32 = 2;
/// The exit status by which it says that it found several things.
const AMBIVALENT: i32 = 8;

/// What blkid finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Nothing that it knows.
    Nothing,
    /// These types, such as "ext4".
    Found(Vec<String>),
    /// There is no blkid on this machine.
    Missing,
}

/// Asks blkid, of the device or file itself and not of its cache.
///
/// # Errors
///
/// If blkid fails.
pub fn look(path: &Path) -> Result<View> {
    let output = Command::new("blkid")
        .args(["--probe", "--output", "value"])
        .args(["--match-tag", "TYPE", "--match-tag", "PTTYPE", "--"])
        .arg(path)
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(View::Missing),
        output => output.context("blkid (of util-linux) cannot be run")?,
    };
    match output.status.code() {
        Some(0) => {
            let found = String::from_utf8_lossy(&output.stdout);
            // A libblkid that knows rdaxfs finds it, which is not something else.
            let kinds = found.split_whitespace().filter(|&kind| kind != "rdaxfs");
            let kinds: Vec<String> = kinds.map(terminal::safe_str).collect();
            Ok(if kinds.is_empty() {
                View::Nothing
            } else {
                View::Found(kinds)
            })
        }
        Some(NOTHING_FOUND) => Ok(View::Nothing),
        Some(AMBIVALENT) => Ok(View::Found(vec!["several file systems at once".into()])),
        _ => {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!("blkid fails: {}", terminal::safe_str(why.trim()))
        }
    }
}
