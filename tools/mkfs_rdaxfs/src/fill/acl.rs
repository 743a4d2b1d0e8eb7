// SPDX-License-Identifier: GPL-2.0

//! Access control lists as text, as GNU tar writes them: `user::rwx,user:1000:r-x,group::r--,mask::rwx,other::---`.
//!
//! As a value of an attribute (`include/uapi/linux/posix_acl_xattr.h`): the version, and for each entry what it is for,
//! its permissions and a number, all little-endian.

use anyhow::{bail, Context, Result};

const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The number of entries that have none.
const NO_ID: u32 = u32::MAX;

/// The value for a text.
///
/// # Errors
///
/// If the text makes no sense, or has users or groups by name.
pub fn from_text(text: &str) -> Result<Vec<u8>> {
    let mut entries = Vec::new();
    let lines = text.split([',', '\n']).map(|line| {
        // A comment says what the mask leaves of it.
        line.split('#').next().unwrap_or(line).trim()
    });
    for line in lines.filter(|line| !line.is_empty()) {
        entries.push(entry(line).with_context(|| format!("\"{}\"", terminal::safe_str(line)))?);
    }
    entries.sort_unstable();
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Ok(value)
}

fn entry(line: &str) -> Result<(u16, u32, u16)> {
    let mut fields = line.split(':');
    let (Some(kind), Some(who), Some(permissions)) = (fields.next(), fields.next(), fields.next())
    else {
        bail!("not an entry of an access control list");
    };
    // A number may stand behind the permissions, beside a name.
    let who = match fields.next() {
        Some(number) if !who.is_empty() => number,
        _ => who,
    };
    let tag = match (kind, who.is_empty()) {
        ("user" | "u", true) => USER_OBJ,
        ("user" | "u", false) => USER,
        ("group" | "g", true) => GROUP_OBJ,
        ("group" | "g", false) => GROUP,
        ("mask" | "m", true) => MASK,
        ("other" | "o", true) => OTHER,
        _ => bail!("not an entry of an access control list"),
    };
    let id = if who.is_empty() {
        NO_ID
    } else {
        who.parse().context(
            "a user or group by name; make the archive with numbers (tar --numeric-owner)",
        )?
    };
    let mut bits = 0;
    for letter in permissions.chars() {
        bits |= match letter {
            'r' => 4,
            'w' => 2,
            'x' => 1,
            '-' => 0,
            _ => bail!("not an entry of an access control list"),
        };
    }
    Ok((tag, id, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_a_value() {
        let text = "user::rwx,user:1000:r-x,group::r--\nmask::r-x\t#effective\nother::---\n";
        let value = from_text(text).unwrap();
        assert_eq!(value.len(), 4 + 5 * 8);
        assert_eq!(value[..12], [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255]);
        assert_eq!(value[12..20], [2, 0, 5, 0, 0xe8, 3, 0, 0]);
        assert_eq!(
            from_text("user:joe:r--:7").unwrap()[4..],
            [2, 0, 4, 0, 7, 0, 0, 0]
        );
        for (bad, message) in [
            ("user:joe:r--", "--numeric-owner"),
            ("user", "not an entry"),
            ("mask:3:rwx", "not an entry"),
            ("other::q", "not an entry"),
        ] {
            let error = format!("{:#}", from_text(bad).unwrap_err());
            assert!(error.contains(message), "{bad}: {error}");
        }
    }
}
