// SPDX-License-Identifier: GPL-2.0

//! Amounts as people write and read them.

use rpmem_regions::{parse_number, NumberError};
use std::fmt;
use std::str::FromStr;

/// Bytes of a sector, in sysfs and everywhere here.
pub const SECTOR: u64 = 512;

/// A size in the notation of `memmap=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match parse_number(without_ib(text).as_bytes()) {
            Ok(bytes) => Ok(Self(bytes)),
            Err(NumberError::Syntax) => Err("not a size; write it in decimal, 0x hex or 0 octal, \
                 with K, M, G, T, P or E behind it if need be, such as 1G"
                .to_owned()),
            Err(NumberError::TooLarge) => Err("not below 2^64 bytes".to_owned()),
        }
    }
}

impl fmt::Display for Bytes {
    /// As `memmap=` reads it, and people can: decimal, in the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
        let exact = |&(shift, _): &(u32, &str)| self.0 != 0 && self.0.trailing_zeros() >= shift;
        match units.into_iter().find(exact) {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

/// `4KiB` is what `4K` is. `4KB` stays as it is: to some it is 4,000 bytes.
fn without_ib(text: &str) -> &str {
    match text.strip_suffix("iB") {
        Some(number) if number.ends_with(['K', 'M', 'G', 'T', 'P', 'E']) => number,
        _ => text,
    }
}

/// A number of sectors of [`SECTOR`] bytes, as `inject` and `clear` take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sectors(pub u64);

impl FromStr for Sectors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = without_ib(text);
        let is_decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let hex = text.starts_with("0x") || text.starts_with("0X");
        let has_unit =
            text.ends_with(|c: char| c.is_ascii_alphabetic() && !(hex && c.is_ascii_hexdigit()));
        let bytes = text.strip_suffix(['B', 'b']).filter(|_| !hex);
        let number = match bytes {
            Some(digits) if is_decimal(digits) => digits.parse().ok(),
            // Decimal even after a 0, as in sysfs.
            _ if is_decimal(text) => text.parse().ok(),
            _ if hex || has_unit => parse_number(text.as_bytes()).ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| {
            "not an amount; write sectors of 512 bytes such as 8, or bytes with a unit, such as 4K or 512B"
                .to_owned()
        })?;
        if !has_unit {
            return Ok(Self(number));
        }
        if number % SECTOR != 0 {
            return Err(format!(
                "{number} bytes are not whole sectors of 512 bytes; write {} or {}",
                number / SECTOR,
                number / SECTOR + 1
            ));
        }
        Ok(Self(number / SECTOR))
    }
}

/// Bytes with a unit and a fraction, for people: `1 GiB`, `4.2 GiB`, `512 B`.
pub struct Human(pub u64);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        for (shift, unit) in units {
            let whole = self.0 >> shift;
            if whole == 0 {
                continue;
            }
            // Cut, not rounded: more than there is would be a promise.
            let tenth = ((u128::from(self.0) * 10) >> shift) % 10;
            return if tenth == 0 {
                write!(f, "{whole} {unit}")
            } else {
                write!(f, "{whole}.{tenth} {unit}")
            };
        }
        write!(f, "{} B", self.0)
    }
}

/// `1 sector`, `2 sectors`.
pub fn counted(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

#[cfg(test)]
mod tests {
    use super::{counted, Bytes, Human, Sectors};

    #[test]
    fn sectors_are_the_unit_unless_another_is_named() {
        for (text, sectors) in [
            ("0", 0),
            ("8", 8),
            ("010", 10),
            ("0x1B", 27),
            ("0x10", 16),
            ("4K", 8),
            ("1m", 2048),
            ("4KiB", 8),
            ("2MiB", 4096),
            ("1G", 2 << 20),
            ("0x2M", 4096),
            ("512B", 1),
            ("1024b", 2),
            ("0K", 0),
        ] {
            assert_eq!(text.parse(), Ok(Sectors(sectors)), "{text}");
        }
    }

    #[test]
    fn refuses_other_texts_and_parts_of_sectors() {
        for text in [
            "",
            "-1",
            "+1",
            "1.5K",
            "K",
            "B",
            "1KB",
            "4iB",
            "0x",
            "1 K",
            "0xG",
            "12x",
            "99999999999999999999",
        ] {
            let error = text.parse::<Sectors>().unwrap_err();
            assert!(error.starts_with("not an amount"), "{text}: {error}");
        }
        assert_eq!(
            "1000B".parse::<Sectors>(),
            Err("1000 bytes are not whole sectors of 512 bytes; write 1 or 2".to_owned())
        );
    }

    #[test]
    fn sizes_are_those_of_memmap() {
        assert_eq!("0x40000000".parse(), Ok(Bytes(1 << 30)));
        assert_eq!("1536m".parse(), Ok(Bytes(1536 << 20)));
        assert_eq!(Bytes(1536 << 20).to_string(), "1536M");
        assert_eq!("3GiB".parse(), Ok(Bytes(3 << 30)));
        // No hex: 0x128000000 is more than a person sees through.
        for (bytes, text) in [
            (0x1_2800_0000, "4736M"),
            (0x3_9860_0000, "14726M"),
            (1 << 40, "1T"),
            (5 << 10, "5K"),
            (1001, "1001"),
            (0, "0"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(Bytes(bytes)));
        }
        assert!("1GB".parse::<Bytes>().is_err());
        assert!("16E".parse::<Bytes>().unwrap_err().contains("2^64"));
    }

    #[test]
    fn people_read_units() {
        for (bytes, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (1536, "1.5 KiB"),
            (1 << 30, "1 GiB"),
            ((1 << 30) - 1, "1023.9 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(Human(bytes).to_string(), text);
        }
        assert_eq!(counted(1, "sector"), "1 sector");
        assert_eq!(counted(0, "sector"), "0 sectors");
    }
}
