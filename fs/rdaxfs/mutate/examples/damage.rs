// SPDX-License-Identifier: GPL-2.0

//! Writes damaged volumes to a device: `damage DEVICE`, with a number in each line of the standard input.
//!
//! A line of the standard output says when the volume of that number is written, and what it was before. The
//! kernel's tests mount them: see `tests/harness/damaged.py`.

use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};

use rdaxfs_mutate::corpus::corpus;
use rdaxfs_mutate::trial::{damaged_base, seed};

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).expect("a device is given");
    let device = OpenOptions::new().write(true).open(path)?;
    let bases = corpus();
    let mut out = io::stdout();
    for line in io::stdin().lock().lines() {
        let number = line?.trim().parse().expect("it is a number");
        let base = damaged_base(&bases, &seed(number)).expect("there are volumes");
        base.medium().write_to(&device)?;
        device.sync_data()?;
        writeln!(out, "{}", base.name)?;
        out.flush()?;
    }
    Ok(())
}
