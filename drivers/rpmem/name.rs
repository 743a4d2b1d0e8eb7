// SPDX-License-Identifier: GPL-2.0

//! The names of disks.

use kernel::fmt;

/// A disk's name: `rpmem3` for a region that was named, `rpmem0.1` for namespace 1 of region 0 of
/// libnvdimm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    number: u32,
    namespace: Option<u32>,
}

impl Name {
    /// The disk of the region with that number.
    pub const fn of_region(number: u32) -> Self {
        Self {
            number,
            namespace: None,
        }
    }

    /// The disk of a namespace of a region.
    pub const fn of_namespace(region: u32, namespace: u32) -> Self {
        Self {
            number: region,
            namespace: Some(namespace),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rpmem{}", self.number)?;
        match self.namespace {
            Some(namespace) => write!(f, ".{namespace}"),
            None => Ok(()),
        }
    }
}
