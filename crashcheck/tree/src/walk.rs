// SPDX-License-Identifier: GPL-2.0

//! Reads a tree from a mounted file system, or from a device without one.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{lgetxattr, llistxattr};

use crate::{Bytes, Entry, Kind, Tree};

/// Longer extended attributes are a fault of the file system: none has them.
const LONGEST_XATTR: usize = 1 << 16;

/// Everything below a folder, in order.
///
/// # Errors
///
/// Those of reading: a file system after a crash has none.
pub fn walk(root: &Path) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut inodes = HashMap::new();
    below(root, String::new(), &mut inodes, &mut tree)?;
    Ok(tree)
}

/// A device's beginning, as the file `device`.
///
/// # Errors
///
/// Those of reading.
pub fn read_device(path: &Path, len: usize) -> Result<Tree> {
    let mut bytes = vec![0; len];
    let mut file = fs::File::open(path).with_context(|| format!("'{}'", path.display()))?;
    file.read_exact(&mut bytes)
        .with_context(|| format!("'{}'", path.display()))?;
    Ok(device_tree(bytes))
}

/// The tree of a device with these bytes.
fn device_tree(bytes: Vec<u8>) -> Tree {
    let entry = Entry {
        same_as: "device".into(),
        mode: 0,
        links: 1,
        kind: Kind::File(Bytes(bytes)),
        xattrs: BTreeMap::new(),
    };
    Tree {
        entries: BTreeMap::from([("device".into(), entry)]),
    }
}

impl Tree {
    /// The tree of a device that begins with these bytes.
    #[must_use]
    pub fn of_device(bytes: Vec<u8>) -> Self {
        device_tree(bytes)
    }
}

fn below(
    path: &Path,
    name: String,
    inodes: &mut HashMap<u64, String>,
    tree: &mut Tree,
) -> Result<()> {
    let at = || format!("/{name}");
    let found = fs::symlink_metadata(path).with_context(at)?;
    let file_type = found.file_type();
    let mut children = Vec::new();
    let kind = if file_type.is_dir() {
        for entry in fs::read_dir(path).with_context(at)? {
            children.push(entry.with_context(at)?.file_name());
        }
        children.sort();
        Kind::Directory
    } else if file_type.is_file() {
        Kind::File(Bytes(fs::read(path).with_context(at)?))
    } else if file_type.is_symlink() {
        let target = fs::read_link(path).with_context(at)?;
        Kind::Symlink(target.to_string_lossy().into_owned())
    } else {
        debug_assert!(!file_type.is_block_device() || found.rdev() != 0);
        Kind::Special
    };
    let same_as = inodes
        .entry(found.ino())
        .or_insert_with(|| name.clone())
        .clone();
    let entry = Entry {
        same_as,
        mode: found.mode() & 0o7777,
        links: found.nlink(),
        kind,
        xattrs: xattrs(path).with_context(at)?,
    };
    tree.entries.insert(name.clone(), entry);
    for child in children {
        // ext4 makes it when it is made itself, and fsck puts there what it finds.
        if name.is_empty() && child == "lost+found" {
            continue;
        }
        let child_path = path.join(&child);
        let child = child.to_string_lossy();
        let child = if name.is_empty() {
            child.into_owned()
        } else {
            format!("{name}/{child}")
        };
        below(&child_path, child, inodes, tree)?;
    }
    Ok(())
}

fn xattrs(path: &Path) -> Result<BTreeMap<String, Bytes>> {
    let mut names = vec![0; LONGEST_XATTR];
    let len = match llistxattr(path, &mut names) {
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut found = BTreeMap::new();
    for name in names[..len].split(|&byte| byte == 0) {
        if !name.starts_with(b"user.") {
            continue;
        }
        let mut value = vec![0; LONGEST_XATTR];
        let len = lgetxattr(path, name, &mut value)?;
        value.truncate(len);
        found.insert(String::from_utf8_lossy(name).into_owned(), Bytes(value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_comes_back_from_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("d")).expect("made");
        fs::write(at("d/f"), [7; 5000]).expect("made");
        fs::hard_link(at("d/f"), at("g")).expect("made");
        std::os::unix::fs::symlink("d/f", at("s")).expect("made");
        let tree = walk(folder.path()).expect("read");
        let names: Vec<&str> = tree.entries.keys().map(String::as_str).collect();
        assert_eq!(names, ["", "d", "d/f", "g", "s"]);
        assert_eq!(tree.entries["g"].same_as, "d/f");
        assert_eq!(tree.entries["g"].links, 2);
        assert_eq!(tree.file("g").map(|bytes| bytes.0.len()), Some(5000));
        let line = tree.to_line();
        assert!(!line.contains('\n') && line.len() < 1000, "{line}");
        assert_eq!(Tree::from_line(&line).expect("it is one"), tree);
    }

    #[test]
    fn lines_that_are_not_trees_are_errors() {
        for line in [
            "",
            "{}x",
            r#"{"entries":{"f":{"same_as":"f","mode":0,"links":1,"kind":{"file":"ffffffff00"}}}}"#,
        ] {
            assert!(Tree::from_line(line).is_err(), "{line}");
        }
    }
}
