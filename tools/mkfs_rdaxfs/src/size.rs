// SPDX-License-Identifier: GPL-2.0

//! How large a volume is to be.

use std::str::FromStr;

use rdaxfs_core::format::{BLOCK_SIZE, MAX_BLOCKS, MIN_BLOCKS};

/// How large a volume is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many blocks.
    Blocks(u64),
    /// As large as what it is filled with needs.
    Auto,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match &text[digits.len()..] {
            "" => BLOCK_SIZE.trailing_zeros(),
            "K" | "k" | "KiB" => 10,
            "M" | "m" | "MiB" => 20,
            "G" | "g" | "GiB" => 30,
            "T" | "t" | "TiB" => 40,
            _ => return Err(UNKNOWN.into()),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(UNKNOWN.into());
        }
        let number = digits.parse().unwrap_or(u64::MAX);
        let blocks = number.saturating_mul(1 << shift) / BLOCK_SIZE;
        // What does not fit 64 bits is too large in any case.
        if blocks > MAX_BLOCKS || number > u64::MAX >> shift {
            return Err("a volume has at most 16 TiB".into());
        }
        if blocks < MIN_BLOCKS {
            return Err(format!(
                "a volume has at least {} KiB",
                (MIN_BLOCKS * BLOCK_SIZE) >> 10
            ));
        }
        Ok(Self::Blocks(blocks))
    }
}

const UNKNOWN: &str =
    "not a size; write it with a unit, such as 512M or 2G, in blocks of 4096 bytes, or auto";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_are_blocks() {
        for (text, blocks) in [
            ("64", 64),
            ("256K", 64),
            ("1m", 256),
            ("1GiB", 1 << 18),
            ("16T", 1 << 32),
            ("257K", 64),
        ] {
            assert_eq!(text.parse(), Ok(Size::Blocks(blocks)), "{text}");
        }
        assert_eq!("auto".parse(), Ok(Size::Auto));
        for (text, message) in [
            ("", "not a size"),
            ("M", "not a size"),
            ("1.5G", "not a size"),
            ("-1", "not a size"),
            ("1GB", "not a size"),
            ("4K", "at least 256 KiB"),
            ("17T", "at most 16 TiB"),
            ("99999999999999999999", "at most 16 TiB"),
            ("18446744073709551615T", "at most 16 TiB"),
        ] {
            let error = text.parse::<Size>().unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
