// SPDX-License-Identifier: GPL-2.0

//! A trace is read as it was written, and whatever else is in a file is an error.

use crashcheck_trace::{Error, FenceKind, FlushKind, Range, Reader, Record, Site, Writer};
use proptest::prelude::*;

const RANGE: Range = Range {
    start: 1 << 32,
    len: 1 << 26,
};

fn written(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, RANGE).expect("memory takes all");
    for record in records {
        writer.record(record).expect("memory takes all");
    }
    writer.flush().expect("memory takes all");
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Record>, Error> {
    Reader::new(bytes)?.collect()
}

fn records() -> impl Strategy<Value = Record> {
    let (cpu, site) = (any::<u32>(), any::<u32>());
    prop_oneof![
        (any::<u64>(), prop::collection::vec(any::<u64>(), 0..9)).prop_map(
            |(instruction, callers)| Record::Site(Site {
                instruction,
                callers
            })
        ),
        (
            cpu,
            site,
            any::<bool>(),
            any::<u64>(),
            1..=16_u8,
            any::<u128>()
        )
            .prop_map(|(cpu, site, streamed, offset, len, value)| Record::Store {
                cpu,
                site,
                streamed,
                offset,
                len,
                value: if len == 16 {
                    value
                } else {
                    value & ((1 << (len * 8)) - 1)
                },
            }),
        (any::<u32>(), any::<u32>(), 0..3_usize, any::<u64>()).prop_map(
            |(cpu, site, kind, offset)| Record::Flush {
                cpu,
                site,
                kind: [FlushKind::Clflush, FlushKind::Clflushopt, FlushKind::Clwb][kind],
                offset,
            }
        ),
        (any::<u32>(), any::<u32>(), 0..3_usize).prop_map(|(cpu, site, kind)| Record::Fence {
            cpu,
            site,
            kind: [FenceKind::Sfence, FenceKind::Mfence, FenceKind::Locked][kind],
        }),
        (any::<u32>(), ".*").prop_map(|(cpu, text)| Record::Marker { cpu, text }),
        (any::<u32>(), any::<u32>(), any::<u64>()).prop_map(|(cpu, site, address)| Record::Lost {
            cpu,
            site,
            address
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in prop::collection::vec(records(), 0..200)) {
        let bytes = written(&records);
        prop_assert_eq!(Reader::new(&bytes[..]).map(|reader| reader.range()).ok(), Some(RANGE));
        prop_assert_eq!(read(&bytes).ok(), Some(records));
    }

    #[test]
    fn a_trace_that_is_cut_gives_whole_records_only(records in prop::collection::vec(records(), 0..50), cut in any::<prop::sample::Index>()) {
        let bytes = written(&records);
        let part = &bytes[..cut.index(bytes.len())];
        if let Ok(reader) = Reader::new(part) {
            let found: Vec<Record> = reader.map_while(Result::ok).collect();
            prop_assert!(records.starts_with(&found));
        }
    }

    #[test]
    fn bytes_that_are_changed_are_no_panic(records in prop::collection::vec(records(), 1..50), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = written(&records);
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = read(&bytes);
    }
}

#[test]
fn large_traces_have_many_chunks() {
    let store = |offset| Record::Store {
        cpu: 0,
        site: 7,
        streamed: false,
        offset,
        len: 8,
        value: u128::from(offset) * 3,
    };
    let records: Vec<Record> = (0..300_000).map(|number| store(number * 8)).collect();
    let bytes = written(&records);
    assert!(bytes.len() < 300_000 * 14, "{} bytes", bytes.len());
    assert_eq!(read(&bytes).expect("it is whole"), records);
}

#[test]
fn a_site_is_written_once() {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, RANGE).expect("memory takes all");
    let site = |instruction| Site {
        instruction,
        callers: vec![1, 2],
    };
    let numbers = [5, 6, 5].map(|address| writer.site(site(address)).expect("memory takes all"));
    assert_eq!(numbers, [0, 1, 0]);
    writer.flush().expect("memory takes all");
    drop(writer);
    let found = read(&bytes).expect("it is whole");
    assert_eq!(found, [Record::Site(site(5)), Record::Site(site(6))]);
}

#[test]
fn other_files_are_refused_by_name() {
    assert!(matches!(read(b""), Err(Error::NotATrace)));
    assert!(matches!(read(&[7; 100]), Err(Error::NotATrace)));
    let mut other = written(&[]);
    other[7] = 9;
    assert!(matches!(read(&other), Err(Error::Version(9))));
}
