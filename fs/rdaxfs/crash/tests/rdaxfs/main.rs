// SPDX-License-Identifier: GPL-2.0

//! The file system itself: every operation, and every crash of it.

mod bite;
mod bites;
mod case;
mod inodes;
mod interleaved;
mod mounted;
mod names;
mod platform;
mod recovery;
mod recovery_bites;
mod singles;
mod subject;
mod walk;
mod xattrs;
