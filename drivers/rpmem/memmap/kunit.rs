// SPDX-License-Identifier: GPL-2.0

//! The KUnit suites: see kunit/README.md.
//!
//! | module | suite | what must hold |
//! |---|---|---|
//! | `regions` | `rpmem_regions` | which texts are regions, and where regions may lie |
//! | `translation` | `rpmem_translation` | sectors and pages become bytes and frames of the region, never others |
//! | `badblocks` | `rpmem_badblocks` | the list: injecting, clearing, its text, its users' mistakes |
//! | `bio` | `rpmem_bio` | every bio moves its bytes, however it is cut, and ends once |
//! | `poison` | `rpmem_poison` | who meets a bad sector, and who repairs it |
//! | `dax` | `rpmem_dax` | what file systems get for pages, poisoned or not |
//! | `order` | `rpmem_order` | store, fence, clear |
//! | `lifecycle` | `rpmem_lifecycle` | probe: every way that it fails, and nothing is left |
//!
//! `rig` gives the suites a disk on a spare piece of persistent memory.

mod badblocks;
mod bio;
mod dax;
mod lifecycle;
mod order;
mod poison;
mod regions;
pub(crate) mod rig;
mod translation;
