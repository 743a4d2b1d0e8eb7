// SPDX-License-Identifier: GPL-2.0

//! What is mounted where: /proc/self/mountinfo, as proc_pid_mountinfo(5) describes it.

use crate::system::System;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The device's numbers, as `MAJOR:MINOR`.
    pub device: String,
    /// What of the file system is mounted.
    pub root: PathBuf,
    /// Where.
    pub mount_point: PathBuf,
    /// The type of the file system.
    pub file_system: String,
    /// What was mounted, such as /dev/rpmem0.
    pub source: String,
    /// The options of the mount and of the file system.
    pub options: Vec<String>,
}

impl Mount {
    /// The value of the last option of this name, `""` for one without a value.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find_map(|option| match option.split_once('=') {
                Some((key, value)) => (key == name).then_some(value),
                None => (option == name).then_some(""),
            })
    }
}

/// All mounts, in the order in which they were made.
///
/// # Errors
///
/// If they cannot be read.
pub fn mounts(system: &System) -> Result<Vec<Mount>> {
    let text = system.read("/proc/self/mountinfo")?;
    text.lines()
        .map(|line| {
            parse(line)
                .with_context(|| format!("/proc/self/mountinfo: {line:?} is of no known form"))
        })
        .collect()
}

/// A path without links, and the mount that it is on.
///
/// # Errors
///
/// If there is no such path, or nothing is mounted there that can be seen.
pub fn of_path<'a>(mounts: &'a [Mount], path: &Path) -> Result<(PathBuf, &'a Mount)> {
    let real = path
        .canonicalize()
        .with_context(|| path.display().to_string())?;
    let mount = holding(mounts, &real)
        .with_context(|| format!("{}: nothing is mounted there", path.display()))?;
    Ok((real, mount))
}

/// The mount that a path, absolute and without links, is on.
pub fn holding<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    // Of two on the same place, the later one hides the other.
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.mount_point))
        .max_by_key(|mount| mount.mount_point.components().count())
}

fn parse(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let device = left.next()?.to_owned();
    let root = PathBuf::from(unescaped(left.next()?));
    let mount_point = PathBuf::from(unescaped(left.next()?));
    let mut options: Vec<_> = left.next()?.split(',').map(str::to_owned).collect();
    let mut right = right.split(' ');
    let file_system = right.next()?.to_owned();
    let source = unescaped(right.next()?);
    options.extend(
        right
            .next()
            .unwrap_or_default()
            .split(',')
            .map(str::to_owned),
    );
    Some(Mount {
        device,
        root,
        mount_point,
        file_system,
        source,
        options,
    })
}

/// Blanks, tabs, newlines and backslashes are written as `\` and three octal digits.
fn unescaped(text: &str) -> String {
    let mut pieces = text.split('\\');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        match piece
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
        {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&piece.as_bytes()[3..]);
            }
            None => {
                bytes.push(b'\\');
                bytes.extend_from_slice(piece.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{holding, parse, unescaped};
    use std::path::Path;

    #[test]
    fn reads_a_line() {
        let line = r"46 45 259:0 / /mnt/a\040b rw,relatime shared:1 master:2 - xfs /dev/rpmem0 rw,dax=always,inode64";
        let mount = parse(line).unwrap();
        assert_eq!(mount.device, "259:0");
        assert_eq!(mount.mount_point, Path::new("/mnt/a b"));
        assert_eq!(mount.file_system, "xfs");
        assert_eq!(mount.option("dax"), Some("always"));
        assert_eq!(mount.option("relatime"), Some(""));
        assert_eq!(mount.option("noatime"), None);
        assert_eq!(parse("46 45"), None);
    }

    #[test]
    fn the_deepest_and_last_mount_holds() {
        let lines = [
            "1 0 1:1 / / rw - ext4 a rw",
            "2 1 1:2 / /mnt rw - ext4 b rw",
            "3 2 1:3 / /mnt rw - xfs c rw",
        ];
        let mounts = lines.map(|line| parse(line).unwrap());
        assert_eq!(holding(&mounts, Path::new("/mnt/x")).unwrap().source, "c");
        assert_eq!(holding(&mounts, Path::new("/mntx")).unwrap().source, "a");
    }

    #[test]
    fn unescapes_octal_only() {
        assert_eq!(unescaped(r"a\040\011b\134c"), "a \tb\\c");
        assert_eq!(unescaped(r"\9"), r"\9");
    }
}
