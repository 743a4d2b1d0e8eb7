// SPDX-License-Identifier: GPL-2.0

//! Whose memory it is.

use rpmem_regions::infoblock::{recognise, InfoBlock, PROBES, SIGNATURE_LEN};

const PFN: &[u8; 16] = b"NVDIMM_PFN_INFO\0";
const DAX: &[u8; 16] = b"NVDIMM_DAX_INFO\0";
const BTT: &[u8; 16] = b"BTT_ARENA_INFO\0\0";

#[test]
fn each_at_its_place() {
    assert_eq!(PROBES, [0, 4096]);
    for (offset, bytes, found) in [
        (4096, PFN, Some(InfoBlock::Pfn)),
        (4096, DAX, Some(InfoBlock::Dax)),
        (4096, BTT, Some(InfoBlock::Btt)),
        (0, BTT, Some(InfoBlock::Btt)),
        (0, PFN, None),
        (0, DAX, None),
        (8192, PFN, None),
        (512, BTT, None),
        (4096, &[0; 16], None),
    ] {
        assert_eq!(recognise(offset, bytes), found);
    }
}

#[test]
fn all_of_the_signature_and_nothing_but() {
    for signature in [PFN, DAX, BTT] {
        for at in 0..SIGNATURE_LEN {
            let mut bytes = *signature;
            bytes[at] ^= 1;
            assert_eq!(recognise(4096, &bytes), None, "byte {at}");
            assert_eq!(recognise(4096, &signature[..at]), None, "{at} bytes");
        }
        let block: Vec<u8> = signature.iter().copied().chain([0xff; 4080]).collect();
        assert!(
            recognise(4096, &block).is_some(),
            "the rest is not looked at"
        );
    }
}

#[test]
fn names() {
    assert_eq!(InfoBlock::Pfn.to_string(), "pfn");
    assert_eq!(InfoBlock::Dax.to_string(), "dax");
    assert_eq!(InfoBlock::Btt.to_string(), "btt");
}
