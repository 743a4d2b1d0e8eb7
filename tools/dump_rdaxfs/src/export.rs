// SPDX-License-Identifier: GPL-2.0

//! What udev keeps of a file system, as its builtin blkid writes it for those that libblkid knows.

use std::fmt::Write;
use std::path::Path;

use rdaxfs_core::format::BLOCK_SIZE;
use rdaxfs_core::superblock::read_superblock;
use rdaxfs_host::FileMedium;
use uuid::Uuid;

use crate::text::label;

/// The lines for a device; [`None`] if block 0 has no superblock of rdaxfs, or a damaged one. The copy in the last block
/// does not count: something else may have taken the volume's place.
#[must_use]
pub fn lines(path: &Path) -> Option<String> {
    let medium = FileMedium::open(path, false).ok()?;
    let superblock = read_superblock(&medium, 0).ok()?;
    let uuid = Uuid::from_bytes(superblock.uuid);
    let label = label(&superblock);
    let mut lines = String::new();
    lines.push_str("ID_FS_TYPE=rdaxfs\nID_FS_USAGE=filesystem\n");
    // Writing to a String does not fail. All volumes whose UUID was cleared have the same, which leads to none of them;
    // libblkid leaves it out, too.
    if !uuid.is_nil() {
        let _ = write!(lines, "ID_FS_UUID={uuid}\nID_FS_UUID_ENC={uuid}\n");
    }
    let _ = write!(
        lines,
        "ID_FS_BLOCKSIZE={BLOCK_SIZE}\nID_FS_SIZE={}\n",
        superblock.blocks.get() * BLOCK_SIZE
    );
    if !label.is_empty() {
        let _ = write!(
            lines,
            "ID_FS_LABEL={}\nID_FS_LABEL_ENC={}\n",
            replaced(label),
            encoded(label)
        );
    }
    Some(lines)
}

/// A label with what may do harm replaced, as udev's `ID_FS_LABEL`.
fn replaced(label: &[u8]) -> String {
    let text = String::from_utf8_lossy(label);
    let safe = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_/".contains(c) || !c.is_ascii();
    text.chars()
        .map(|c| if safe(c) && !c.is_control() { c } else { '_' })
        .collect()
}

/// A label as the name of a link, as udev's `ID_FS_LABEL_ENC`: other bytes than these are `\xHH`.
fn encoded(label: &[u8]) -> String {
    let mut text = String::new();
    for chunk in label.utf8_chunks() {
        for c in chunk.valid().chars() {
            let is_plain = c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c);
            if is_plain || !c.is_ascii() && !c.is_control() {
                text.push(c);
            } else {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    text.push_str(&format!("\\x{byte:02x}"));
                }
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_names_of_links() {
        assert_eq!(encoded(b"one label"), "one\\x20label");
        assert_eq!(encoded(b"../../etc\n"), "..\\x2f..\\x2fetc\\x0a");
        assert_eq!(encoded("h\u{e4}rd".as_bytes()), "h\u{e4}rd");
        assert_eq!(encoded(b"\xff\\"), "\\xff\\x5c");
        assert_eq!(replaced(b"a b\n$c"), "a_b__c");
    }
}
