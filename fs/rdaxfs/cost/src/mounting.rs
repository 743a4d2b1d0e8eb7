// SPDX-License-Identifier: GPL-2.0

//! What a mount reads.

use std::fs::{self, File};
use std::path::Path;

use anyhow::Result;
use rdaxfs_host::FileMedium;

use crate::counting::{Counting, Counts};
use crate::session::{format, Session};

/// The lengths of the volumes, in bytes.
pub const LENGTHS: [(&str, u64); 3] = [
    ("128 MiB", 128 << 20),
    ("1 GiB", 1 << 30),
    ("1 TiB", 1 << 40),
];

/// What the mount of a volume of so many bytes does, which has been used and unmounted.
///
/// # Errors
///
/// Those of the file, which is made and removed.
pub fn mount(path: &Path, len: u64) -> Result<Counts> {
    File::create(path)?.set_len(len)?;
    let medium = FileMedium::open(path, true)?;
    format(&medium)?;
    let mut session = Session::mount(medium);
    let mut dir = session.mkdir(b"dir");
    for number in 0..1000 {
        session.create(&mut dir, format!("entry-{number}").as_bytes());
    }
    session.unmount();

    let (medium, counters) = Counting::new(FileMedium::open(path, true)?);
    let session = Session::mount(medium);
    let counts = counters.read();
    session.unmount();
    fs::remove_file(path)?;
    Ok(counts)
}
