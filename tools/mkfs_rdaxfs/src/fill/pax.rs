// SPDX-License-Identifier: GPL-2.0

//! What an extended (pax) header says of a file.

use anyhow::{bail, Context, Result};
use terminal::safe;

use super::when::When;
use super::{acl, filler::has_place_for, Node};

/// Takes a record of an extended header into account.
///
/// # Errors
///
/// If it makes no sense, or says that the contents are not what they seem.
pub fn apply(path: &[u8], key: &[u8], value: &[u8], node: &mut Node) -> Result<()> {
    let text = || std::str::from_utf8(value).context("not text");
    let number = || -> Result<u32> { text()?.parse().context("not a number below 2^32") };
    match key {
        b"uid" => node.uid = number()?,
        b"gid" => node.gid = number()?,
        b"mtime" => node.mtime = time(text()?)?,
        b"SCHILY.acl.access" => set(node, b"system.posix_acl_access", acl::from_text(text()?)?),
        b"SCHILY.acl.default" => set(node, b"system.posix_acl_default", acl::from_text(text()?)?),
        key if key.starts_with(b"GNU.sparse.") => {
            bail!("a sparse file in the pax format, which is not supported; make the archive with tar --format=gnu")
        }
        key => {
            let xattr = key.strip_prefix(b"SCHILY.xattr.");
            if let Some(name) = xattr.filter(|name| has_place_for(&safe(path), name)) {
                set(node, name, value.to_vec());
            }
        }
    }
    Ok(())
}

/// The later record of a name counts.
fn set(node: &mut Node, name: &[u8], value: Vec<u8>) {
    node.xattrs.retain(|(other, _)| other != name);
    node.xattrs.push((name.to_vec(), value));
}

/// Seconds since 1970, with a fraction.
fn time(text: &str) -> Result<When> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(fraction) {
        bail!("\"{}\" is not a time", terminal::safe_str(text));
    }
    let seconds: i64 = whole
        .parse()
        .with_context(|| format!("\"{}\" is not a time", terminal::safe_str(text)))?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds: u32 = digits.parse().context("a fraction of a second")?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Ok(When::new(
            seconds.saturating_sub(1),
            1_000_000_000 - nanoseconds,
        ));
    }
    Ok(When::new(seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions() {
        for (text, seconds, nanoseconds) in [
            ("1700000000.5", 1_700_000_000, 500_000_000),
            ("12", 12, 0),
            ("-1.25", -2, 750_000_000),
            ("3.1234567899", 3, 123_456_789),
        ] {
            assert_eq!(
                time(text).unwrap(),
                When::new(seconds, nanoseconds),
                "{text}"
            );
        }
        for bad in ["", "x", "1.x", "99999999999999999999", "1.-5"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
