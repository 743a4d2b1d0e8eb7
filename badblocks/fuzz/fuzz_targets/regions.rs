// SPDX-License-Identifier: GPL-2.0

//! What users write as regions=: parsed, printed and parsed again it is the same list, and so is
//! the advice about alignment.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rpmem_regions::{Region, Regions};

fuzz_target!(|text: &[u8]| {
    let regions = match Regions::parse(text) {
        Ok(regions) => regions,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return;
        }
    };
    let shown: Vec<_> = regions.iter().map(Region::to_string).collect();
    let again = shown.join(",");
    assert_eq!(*Regions::parse(again.as_bytes()).unwrap(), *regions);

    for (i, region) in regions.iter().enumerate() {
        assert!(regions[..i].iter().all(|other| !other.overlaps(*region)));
        if let Err(error) = region.check_alignment(2 << 20) {
            let message = error.to_string();
            if let Some((_, advice)) = message.split_once("write regions=") {
                let advice = Regions::parse(advice.as_bytes()).unwrap();
                assert_eq!(advice.first().copied(), error.instead);
                assert!(advice[0].check_alignment(2 << 20).is_ok());
            }
        }
    }
});
