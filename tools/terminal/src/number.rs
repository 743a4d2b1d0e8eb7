// SPDX-License-Identifier: GPL-2.0

//! Numbers in JSON.

use serde::Serializer;

/// A number that a double cannot hold, as JavaScript has them, is a string in JSON. For serde's `serialize_with`.
///
/// # Errors
///
/// Those of the serializer.
pub fn number<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    if *number > 1 << 53 {
        return serializer.collect_str(number);
    }
    serializer.serialize_u64(*number)
}

#[cfg(test)]
mod tests {
    #[test]
    fn large_numbers_are_strings_in_json() {
        for (number, shown) in [
            (0, "0"),
            (1 << 53, "9007199254740992"),
            ((1 << 53) + 1, "\"9007199254740993\""),
            (u64::MAX, "\"18446744073709551615\""),
        ] {
            let mut json = Vec::new();
            super::number(&number, &mut serde_json::Serializer::new(&mut json)).unwrap();
            assert_eq!(String::from_utf8(json).unwrap(), shown);
        }
    }
}
