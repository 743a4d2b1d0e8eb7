// SPDX-License-Identifier: GPL-2.0

//! What has been found on images, kept in a file: a run that was stopped goes on where it was.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result};
use crashcheck_tree::Tree;
use rdaxfs_crash::{Image, LINE_WORDS};

use super::Found;
use crate::case::Case;

/// What is known of images.
#[derive(Debug)]
pub struct Verdicts {
    known: HashMap<u128, Found>,
    file: File,
}

impl Verdicts {
    /// Those of a file, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// If it cannot be read or written.
    pub fn open(path: &Path) -> Result<Self> {
        let named = || format!("'{}'", path.display());
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .with_context(named)?;
        let mut known = HashMap::new();
        for line in BufReader::new(&file).lines() {
            // The last line may be cut, if the run was killed: that image is looked at again.
            known.extend(entry(&line.with_context(named)?));
        }
        // A line that was cut must not be joined by the next.
        let mut verdicts = Self { known, file };
        if !verdicts.known.is_empty() {
            writeln!(verdicts.file).with_context(named)?;
        }
        Ok(verdicts)
    }

    /// What was found on an image.
    #[must_use]
    pub fn get(&self, key: u128) -> Option<&Found> {
        self.known.get(&key)
    }

    /// Keeps what was found.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn put(&mut self, key: u128, found: Found) -> Result<()> {
        let (word, rest) = match &found {
            Ok(tree) => ("ok", tree.to_line()),
            Err(reason) => ("bad", reason.clone()),
        };
        writeln!(self.file, "{key:032x} {word} {rest}")?;
        self.known.insert(key, found);
        Ok(())
    }
}

fn entry(line: &str) -> Option<(u128, Found)> {
    let mut words = line.splitn(3, ' ');
    let key = words.next().filter(|key| key.len() == 32)?;
    let key = u128::from_str_radix(key, 16).ok()?;
    let found = match (words.next()?, words.next()?) {
        ("ok", rest) => Ok(Tree::from_line(rest).ok()?),
        ("bad", rest) => Err(rest.to_string()),
        _ => return None,
    };
    Some((key, found))
}

/// A number for what is on an image: of a case's images, other contents have other numbers.
#[must_use]
pub(crate) fn key(case: &Case, image: &Image) -> u128 {
    // FNV-1a of 128 bits: images are not made to collide.
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    let mut add = |value: u64| {
        hash ^= u128::from(value);
        hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    };
    for byte in case.workload.to_string().bytes() {
        add(byte.into());
    }
    for &line in &case.touched {
        add(line);
        let words: [u64; LINE_WORDS] = image.line(line);
        words.into_iter().for_each(&mut add);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_outlive_a_run_that_was_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("verdicts");
        let mut verdicts = Verdicts::open(&path).expect("made");
        verdicts.put(7, Ok(Tree::default())).expect("written");
        verdicts
            .put(8, Err("no mount; it says".into()))
            .expect("written");
        drop(verdicts);
        let mut file = OpenOptions::new().append(true).open(&path).expect("there");
        write!(file, "{:032x} ok {{\"entr", 9).expect("written");
        let mut verdicts = Verdicts::open(&path).expect("read");
        assert_eq!(verdicts.get(7), Some(&Ok(Tree::default())));
        assert_eq!(verdicts.get(8), Some(&Err("no mount; it says".into())));
        assert_eq!(verdicts.get(9), None);
        verdicts.put(9, Err("x".into())).expect("written");
        drop(verdicts);
        let verdicts = Verdicts::open(&path).expect("read");
        assert_eq!(verdicts.get(9), Some(&Err("x".into())));
    }
}
