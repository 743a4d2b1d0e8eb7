// SPDX-License-Identifier: GPL-2.0

//! Names of attributes, as system calls have them.

use rdaxfs_core::format::XattrSpace;
use rdaxfs_core::xattr::XattrName;
use rdaxfs_core::{Error, Result};

const SPACES: [(XattrSpace, &str); 4] = [
    (XattrSpace::User, "user."),
    (XattrSpace::Trusted, "trusted."),
    (XattrSpace::Security, "security."),
    (XattrSpace::System, "system."),
];

pub(crate) fn xattr_name(name: &str) -> Result<XattrName<'_>> {
    let found = SPACES
        .iter()
        .find_map(|&(space, prefix)| Some((space, name.strip_prefix(prefix)?)));
    let (space, rest) = found.ok_or(Error::NotSupported)?;
    XattrName::new(space, rest.as_bytes())
}

pub(crate) fn full_name(name: XattrName<'_>) -> Vec<u8> {
    let prefix = SPACES.iter().find(|(space, _)| *space == name.space());
    let mut full = prefix.map_or("", |(_, prefix)| prefix).as_bytes().to_vec();
    full.extend_from_slice(name.rest());
    full
}
