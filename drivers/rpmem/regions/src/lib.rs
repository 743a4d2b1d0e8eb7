// SPDX-License-Identifier: GPL-2.0

//! What `regions=` says, and whether a region of physical memory may be driven.
//!
//! Pure decisions: nothing here maps, claims or reads memory. The driver asks, and acts.
//!
//! - [`Regions::parse`] reads `SIZE@ADDR[:ro][,SIZE@ADDR[:ro]...]`, numbers as in the kernel's `memmap=`;
//! - [`Region::check_alignment`] and [`Region::trim_end`] judge where a region starts and ends;
//! - [`presence`] tells memory from addresses that nothing is behind;
//! - [`infoblock`] recognises memory that another driver has formatted;
//! - [`span`] turns sectors and pages into bytes of a region, never past its end;
//! - [`windows`] asks for all of a region one who answers with a short list.
//!
//! No function allocates, sleeps, locks or panics; each may be called from any context. Errors
//! borrow the text that they are about, and display as the offending text, the rule that it breaks
//! and what to write instead.
//!
//! # Examples
//!
//! ```
//! use rpmem_regions::Regions;
//!
//! let regions = Regions::parse(b"1G@4G,0x200000@0x180000000\n").unwrap();
//! assert_eq!(regions.len(), 2);
//! assert_eq!(regions[1].to_string(), "2M@6G");
//! assert!(regions[1].check_alignment(2 << 20).is_ok());
//!
//! assert_eq!(
//!     Regions::parse(b"1G!4G").unwrap_err().to_string(),
//!     "\"1G!4G\": there is no @; write SIZE@ADDR, such as 1G@4G",
//! );
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod align;
mod error;
pub mod infoblock;
mod list;
mod number;
pub mod presence;
mod region;
pub mod span;
pub mod windows;

pub use align::Misaligned;
pub use error::{ParseError, Rule};
pub use list::{PushError, Regions, MAX_REGIONS};
pub use number::{parse as parse_number, NumberError};
pub use region::{PhysAddr, Region, RegionError, END_OF_MEMORY};
