// SPDX-License-Identifier: GPL-2.0

//! Numbers as the kernel's command line has them.
//!
//! Facts from `lib/cmdline.c` (`memparse`) and `lib/kstrtox.c`: decimal, octal after `0`, hex after
//! `0x`, then at most one of `K M G T P E` in either case. Where `memparse` saturates, this refuses.

use core::fmt;

/// Why a text is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// It is none, or something follows it.
    Syntax,
    /// It is 2^64 or more.
    TooLarge,
}

/// Reads all of `text` as one number.
pub fn parse(text: &[u8]) -> Result<u64, NumberError> {
    let (base, digits) = match text {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        // The 0 is a digit too, so that a lone one is a number.
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let (digits, shift) = match digits.split_last() {
        // In hex, E is a digit, as it is for memparse.
        Some((b'E' | b'e', _)) if base == 16 => (digits, 0),
        Some((suffix, rest)) => match shift_of(*suffix) {
            Some(shift) => (rest, shift),
            None => (digits, 0),
        },
        None => (digits, 0),
    };
    if digits.is_empty() {
        return Err(NumberError::Syntax);
    }
    let mut value = Some(0u64);
    for byte in digits {
        let digit = char::from(*byte).to_digit(base);
        let digit = u64::from(digit.ok_or(NumberError::Syntax)?);
        // Goes on after an overflow: what is not a number at all is called that first.
        value = value
            .and_then(|value| value.checked_mul(u64::from(base)))
            .and_then(|value| value.checked_add(digit));
    }
    value
        .and_then(|value| value.checked_mul(1 << shift))
        .ok_or(NumberError::TooLarge)
}

/// The power of two that a suffix stands for.
fn shift_of(suffix: u8) -> Option<u32> {
    match suffix.to_ascii_uppercase() {
        b'K' => Some(10),
        b'M' => Some(20),
        b'G' => Some(30),
        b'T' => Some(40),
        b'P' => Some(50),
        b'E' => Some(60),
        _ => None,
    }
}

/// Writes a number so that [`parse`] reads it back, as short as a person would.
///
/// With the largest suffix that is exact, as long as few digits stand before it; in hex otherwise,
/// the form of /proc/iomem.
pub(crate) struct Notation(pub(crate) u64);

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        let units = [
            (60, 'E', 16),
            (50, 'P', 10_000),
            (40, 'T', 10_000),
            (30, 'G', 10_000),
            (20, 'M', 10_000),
            (10, 'K', 1024),
        ];
        for (shift, suffix, below) in units {
            let count = n >> shift;
            if n != 0 && count << shift == n && count < below {
                return write!(f, "{count}{suffix}");
            }
        }
        if n < 10 {
            write!(f, "{n}")
        } else {
            write!(f, "{n:#x}")
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{parse, Notation, NumberError};
    use std::string::ToString;

    #[test]
    fn reads_what_memparse_reads() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("010", 8),
            ("0x10", 16),
            ("0XfF", 255),
            ("1k", 1 << 10),
            ("1K", 1 << 10),
            ("2m", 2 << 20),
            ("0x2M", 2 << 20),
            ("010M", 8 << 20),
            ("1G", 1 << 30),
            ("3t", 3 << 40),
            ("1P", 1 << 50),
            ("15E", 15 << 60),
            ("0x1E", 0x1e),
            ("0x1EK", 0x1e << 10),
            ("0E", 0),
            ("18446744073709551615", u64::MAX),
            ("0xffffffffffffffff", u64::MAX),
            ("01777777777777777777777", u64::MAX),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(value), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in [
            "", "K", "x", "0x", "0xg", "08", "1KB", "1 K", " 1", "-1", "+1", "1.5G", "1_000",
            "\u{ff11}",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(NumberError::Syntax), "{text}");
        }
    }

    #[test]
    fn refuses_what_memparse_saturates() {
        for text in [
            "18446744073709551616",
            "16E",
            "0x10000000000000000",
            "0xffffffffffffffffK",
            "02000000000000000000000",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(NumberError::TooLarge), "{text}");
        }
        // What is not a number is called that, however large its beginning.
        assert_eq!(parse(b"18446744073709551616x"), Err(NumberError::Syntax));
    }

    #[test]
    fn writes_as_a_person_would() {
        for (value, text) in [
            (0, "0"),
            (1, "1"),
            (9, "9"),
            (10, "0xa"),
            (512, "0x200"),
            (4096, "4K"),
            (0x1ff000, "0x1ff000"),
            (1 << 20, "1M"),
            (1022 << 20, "1022M"),
            (1536 << 20, "1536M"),
            (1 << 30, "1G"),
            (4 << 30, "4G"),
            (0x1_0000_1000, "0x100001000"),
            (1 << 40, "1T"),
            (15 << 60, "15E"),
            (u64::MAX, "0xffffffffffffffff"),
        ] {
            assert_eq!(Notation(value).to_string(), text);
            assert_eq!(parse(text.as_bytes()), Ok(value));
        }
    }
}
