// SPDX-License-Identifier: GPL-2.0

//! Where device-mapper's devices have their sectors: tables, as `dmsetup table` prints them.
//!
//! Formats: `Documentation/admin-guide/device-mapper/linear.rst` and `striped.rst`.

use anyhow::{bail, ensure, Context, Result};
use std::process::Command;

/// A line of a table: consecutive sectors of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The first sector.
    pub start: u64,
    /// How many.
    pub length: u64,
    /// Where they are.
    pub target: Target,
}

/// Where sectors are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// In chunks on each of the legs in turn; a linear target is one leg.
    Striped {
        /// Sectors of a chunk.
        chunk: u64,
        /// The legs.
        legs: Vec<Leg>,
    },
    /// Somewhere else; the name of the target.
    Other(String),
}

/// A device of a table, and from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// `MAJOR:MINOR`.
    pub device: String,
    /// The sector.
    pub start: u64,
}

/// The table of a device, by device-mapper's name for it.
///
/// # Errors
///
/// If dmsetup cannot be run or fails, or prints what is of no known form.
pub fn table(name: &str) -> Result<Vec<Line>> {
    let done = Command::new("dmsetup")
        .args(["table", "--", name])
        .output()
        .context(
            "dmsetup cannot be run; install it (package dmsetup) to look through device-mapper",
        )?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        bail!("dmsetup table {name}: {}", why.trim());
    }
    parse(&String::from_utf8_lossy(&done.stdout)).with_context(|| format!("dmsetup table {name}"))
}

/// Understands a table.
///
/// # Errors
///
/// If a line is of no known form.
pub fn parse(text: &str) -> Result<Vec<Line>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| parse_line(line).with_context(|| format!("{line:?}")))
        .collect()
}

fn parse_line(line: &str) -> Result<Line> {
    let mut words = line.split_ascii_whitespace();
    let mut word = || words.next().context("the line is too short");
    let start = word()?.parse()?;
    let length = word()?.parse()?;
    let target = match word()? {
        "linear" => Target::Striped {
            // As long as the line: then there is no second chunk.
            chunk: length,
            legs: vec![Leg {
                device: word()?.to_owned(),
                start: word()?.parse()?,
            }],
        },
        "striped" => {
            let count: usize = word()?.parse()?;
            let chunk: u64 = word()?.parse()?;
            ensure!(count > 0 && chunk > 0, "no stripes");
            let legs = (0..count).map(|_| {
                let device = word()?.to_owned();
                let start = word()?.parse()?;
                Ok(Leg { device, start })
            });
            Target::Striped {
                chunk,
                legs: legs.collect::<Result<_>>()?,
            }
        }
        other => Target::Other(other.to_owned()),
    };
    Ok(Line {
        start,
        length,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::{parse, Leg, Line, Target};

    #[test]
    fn reads_the_targets_that_only_move_sectors() {
        let text = "0 100 linear 259:0 2048\n100 64 striped 2 16 259:0 0 259:1 8\n164 8 error\n";
        let leg = |device: &str, start| Leg {
            device: device.to_owned(),
            start,
        };
        let lines = [
            (
                0,
                100,
                Target::Striped {
                    chunk: 100,
                    legs: vec![leg("259:0", 2048)],
                },
            ),
            (
                100,
                64,
                Target::Striped {
                    chunk: 16,
                    legs: vec![leg("259:0", 0), leg("259:1", 8)],
                },
            ),
            (164, 8, Target::Other("error".to_owned())),
        ];
        let lines = lines.map(|(start, length, target)| Line {
            start,
            length,
            target,
        });
        assert_eq!(parse(text).unwrap(), lines);
        for text in [
            "0",
            "0 1",
            "x 1 linear 1:1 0",
            "0 1 linear 1:1",
            "0 8 striped 0 8",
            "0 8 striped 1 0 1:1 0",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
