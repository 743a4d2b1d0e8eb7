// SPDX-License-Identifier: GPL-2.0

//! What is mounted where: /proc/self/mountinfo, as proc_pid_mountinfo(5) describes it.

use crate::system::{self, System};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use terminal::{safe, safe_path};

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
    /// What was mounted, such as /dev/rpmem0, as it is shown.
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
    let bytes = system::read_bytes(&system.path("/proc/self/mountinfo"))?;
    bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            parse(line).with_context(|| {
                let line = safe(line);
                format!("/proc/self/mountinfo: \"{line}\" is of no known form")
            })
        })
        .collect()
}

/// A path without links, and the mount that it is on.
///
/// # Errors
///
/// If there is no such path, or nothing is mounted there that can be seen.
pub fn of_path<'a>(mounts: &'a [Mount], path: &Path) -> Result<(PathBuf, &'a Mount)> {
    let real = path.canonicalize().with_context(|| safe_path(path))?;
    let mount = holding(mounts, &real)
        .with_context(|| format!("{}: nothing is mounted there", safe_path(path)))?;
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

fn parse(line: &[u8]) -> Option<Mount> {
    let dash = line.windows(3).position(|three| three == b" - ")?;
    let mut left = line[..dash].split(|&byte| byte == b' ').skip(2);
    let device = safe(left.next()?);
    let root = PathBuf::from(OsString::from_vec(unescaped(left.next()?)));
    let mount_point = PathBuf::from(OsString::from_vec(unescaped(left.next()?)));
    let options = |field: &[u8]| -> Vec<String> {
        let options = field.split(|&byte| byte == b',');
        options
            .map(|option| String::from_utf8_lossy(option).into_owned())
            .collect()
    };
    let mut all_options = options(left.next()?);
    let mut right = line[dash + 3..].split(|&byte| byte == b' ');
    let file_system = safe(right.next()?);
    let source = safe(&unescaped(right.next()?));
    all_options.extend(options(right.next().unwrap_or_default()));
    Some(Mount {
        device,
        root,
        mount_point,
        file_system,
        source,
        options: all_options,
    })
}

/// Blanks, tabs, newlines and backslashes are written as `\` and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut pieces = text.split(|&byte| byte == b'\\');
    let mut bytes = pieces.next().unwrap_or_default().to_vec();
    for piece in pieces {
        let digits = piece.get(..3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match digits {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&piece[3..]);
            }
            None => {
                bytes.push(b'\\');
                bytes.extend_from_slice(piece);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{holding, parse, unescaped};
    use std::path::Path;

    #[test]
    fn reads_a_line() {
        let line = r"46 45 259:0 / /mnt/a\040b rw,relatime shared:1 master:2 - xfs /dev/rpmem0 rw,dax=always,inode64";
        let mount = parse(line.as_bytes()).unwrap();
        assert_eq!(mount.device, "259:0");
        assert_eq!(mount.mount_point, Path::new("/mnt/a b"));
        assert_eq!(mount.file_system, "xfs");
        assert_eq!(mount.option("dax"), Some("always"));
        assert_eq!(mount.option("relatime"), Some(""));
        assert_eq!(mount.option("noatime"), None);
        assert_eq!(parse(b"46 45"), None);
    }

    #[test]
    fn names_may_be_any_bytes() {
        let mount = parse(b"46 45 259:0 / /mnt/\x1b\xff rw - ext4 /dev/\xfe rw").unwrap();
        let place = std::os::unix::ffi::OsStrExt::as_bytes(mount.mount_point.as_os_str());
        assert_eq!(place, b"/mnt/\x1b\xff");
        assert_eq!(mount.source, r"/dev/\xfe");
    }

    #[test]
    fn the_deepest_and_last_mount_holds() {
        let lines = [
            "1 0 1:1 / / rw - ext4 a rw",
            "2 1 1:2 / /mnt rw - ext4 b rw",
            "3 2 1:3 / /mnt rw - xfs c rw",
        ];
        let mounts = lines.map(|line| parse(line.as_bytes()).unwrap());
        assert_eq!(holding(&mounts, Path::new("/mnt/x")).unwrap().source, "c");
        assert_eq!(holding(&mounts, Path::new("/mntx")).unwrap().source, "a");
    }

    #[test]
    fn unescapes_octal_only() {
        assert_eq!(unescaped(br"a\040\011b\134c"), b"a \tb\\c");
        assert_eq!(unescaped(br"\9"), br"\9");
    }
}
