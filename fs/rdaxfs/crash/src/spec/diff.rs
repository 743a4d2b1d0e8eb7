// SPDX-License-Identifier: GPL-2.0

//! What separates two snapshots, to be read.

use std::collections::BTreeSet;
use std::fmt;

use super::{Attributes, Entry, Snapshot, View};
use crate::image::Image;

/// What separates a snapshot from the one that was expected: a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    lines: Vec<String>,
}

impl Difference {
    /// Compares; [`None`] if there is no difference.
    #[must_use]
    pub fn between(expected: &Snapshot, found: &Snapshot) -> Option<Self> {
        let mut lines = Vec::new();
        let paths: BTreeSet<_> = expected
            .entries
            .keys()
            .chain(found.entries.keys())
            .collect();
        for path in paths {
            let name = format!("/{}", String::from_utf8_lossy(path));
            match (expected.entries.get(path), found.entries.get(path)) {
                (Some(_), None) => lines.push(format!("{name}: is missing")),
                (None, Some(entry)) => {
                    lines.push(format!("{name}: should not be: {}", kind(&entry.view)))
                }
                (Some(expected), Some(found)) => compare(&name, expected, found, &mut lines),
                (None, None) => {}
            }
        }
        (!lines.is_empty()).then_some(Self { lines })
    }

    /// How many lines there are: of two differences the one with fewer says more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none, which never is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("; "))
    }
}

fn kind(view: &View) -> &'static str {
    match view {
        View::File(_) => "a file",
        View::Directory => "a directory",
        View::Symlink(_) => "a symbolic link",
        View::Fifo => "a fifo",
        View::Socket => "a socket",
        View::CharDevice(_) => "a character device",
        View::BlockDevice(_) => "a block device",
    }
}

fn compare(name: &str, expected: &Entry, found: &Entry, lines: &mut Vec<String>) {
    if expected.same_as != found.same_as {
        let of = |entry: &Entry| String::from_utf8_lossy(&entry.same_as).into_owned();
        lines.push(format!(
            "{name}: is the inode of /{}, not of /{}",
            of(found),
            of(expected)
        ));
    }
    compare_attributes(name, &expected.attributes, &found.attributes, lines);
    match (&expected.view, &found.view) {
        (View::File(expected), View::File(bytes)) => {
            if let Some(at) = expected.first_difference(bytes) {
                let word = |content: &super::Content| {
                    let first = at & !7;
                    u64::from_le_bytes(std::array::from_fn(|byte| {
                        content.byte(first + byte as u64)
                    }))
                };
                let foreign = if Image::is_foreign(word(bytes)) {
                    " (foreign data)"
                } else {
                    ""
                };
                let count = expected.differences(bytes).count();
                lines.push(format!(
                    "{name}: {count} bytes differ, the first at {at}: the word is {:#x}{foreign}, not {:#x}",
                    word(bytes),
                    word(expected)
                ));
            }
        }
        (expected, view) if expected != view => {
            lines.push(format!(
                "{name}: is {} ({view:?}), not {} ({expected:?})",
                kind(view),
                kind(expected)
            ));
        }
        _ => {}
    }
}

fn compare_attributes(
    name: &str,
    expected: &Attributes,
    found: &Attributes,
    lines: &mut Vec<String>,
) {
    let Attributes {
        mode,
        uid,
        gid,
        project,
        flags,
        links,
        size,
        times,
        xattrs,
    } = expected;
    let mut field = |field: &str, found: String, expected: String| {
        if found != expected {
            lines.push(format!("{name}: {field} is {found}, not {expected}"));
        }
    };
    field("mode", format!("{:o}", found.mode), format!("{mode:o}"));
    field("uid", found.uid.to_string(), uid.to_string());
    field("gid", found.gid.to_string(), gid.to_string());
    field("project", found.project.to_string(), project.to_string());
    field(
        "flags",
        format!("{:#x}", found.flags),
        format!("{flags:#x}"),
    );
    field("links", found.links.to_string(), links.to_string());
    field("size", found.size.to_string(), size.to_string());
    let (now, then) = (&found.times, times);
    field("atime", now.accessed.to_string(), then.accessed.to_string());
    field("mtime", now.modified.to_string(), then.modified.to_string());
    field("ctime", now.changed.to_string(), then.changed.to_string());
    field("btime", now.born.to_string(), then.born.to_string());
    let names: BTreeSet<_> = xattrs.keys().chain(found.xattrs.keys()).collect();
    for key in names {
        let value = |value: Option<&Vec<u8>>| {
            value.map_or("missing".into(), |value| {
                format!(
                    "{} bytes, {:x?}",
                    value.len(),
                    &value[..value.len().min(16)]
                )
            })
        };
        let (found, expected) = (found.xattrs.get(key), xattrs.get(key));
        if found != expected {
            let key = String::from_utf8_lossy(key);
            lines.push(format!(
                "{name}: attribute {key} is {}, not {}",
                value(found),
                value(expected)
            ));
        }
    }
}
