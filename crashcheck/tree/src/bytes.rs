// SPDX-License-Identifier: GPL-2.0

//! Bytes that take little room on a line.

use std::fmt::Write as _;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// No file of a workload is larger: a length beyond it is damage.
const MOST: usize = 1 << 26;

/// Bytes; on a line they are compressed, in hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let packed = lz4_flex::block::compress_prepend_size(&self.0);
        let mut text = String::with_capacity(packed.len() * 2);
        for byte in packed {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |at: usize| {
            text.as_bytes()
                .get(at)
                .and_then(|&c| char::from(c).to_digit(16))
        };
        let byte = |at| Some((digit(at)? << 4 | digit(at + 1)?) as u8);
        let packed: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
        let packed = packed.ok_or_else(|| {
            D::Error::custom("bytes: an odd number of digits, or others than hexadecimal ones")
        })?;
        let size = packed.get(..4).and_then(|size| size.try_into().ok());
        if size.is_none_or(|size| u32::from_le_bytes(size) as usize > MOST) {
            return Err(D::Error::custom("bytes: more than 64 MiB"));
        }
        let bytes = lz4_flex::block::decompress_size_prepended(&packed);
        bytes.map(Self).map_err(D::Error::custom)
    }
}
