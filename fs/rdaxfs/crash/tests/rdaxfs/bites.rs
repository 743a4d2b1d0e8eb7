// SPDX-License-Identifier: GPL-2.0

//! Each flush and each fence of the core is needed: without it a test fails.

use std::collections::BTreeMap;

use rdaxfs_crash::spec::{operations, prepared, FallocateMode, Op};
use rdaxfs_crash::{Budget, Site};

use crate::case::{Case, Setting};

const BUDGET: Budget = Budget {
    exhaustive: 512,
    samples: 64,
    seed: 1,
};

/// The operations of which each flush and fence is taken away in turn. First those that show what few
/// others do: what an operation leaves behind that another CPU has to know of, and a word that is stored
/// without a record.
fn cases() -> Vec<Case> {
    use FallocateMode::ZeroRange;
    let states = prepared();
    let small = Setting {
        name: "small",
        ops: &states[0].ops,
        then: &[],
        full: false,
        huge: false,
    };
    let unlink = |path: &str| Op::Unlink { path: path.into() };
    let (one, other) = (unlink("foo"), unlink("A/bar"));
    let create = Op::Create {
        path: "A/new".into(),
        mode: 0o644,
    };
    let zero = Op::Fallocate {
        path: "foo".into(),
        mode: ZeroRange,
        offset: 4096,
        len: 16384,
    };
    let write = Op::Write {
        path: "foo".into(),
        offset: 12388,
        len: 5000,
        seed: 12,
    };
    let mut cases = vec![
        Case::record(
            &Setting {
                then: &[(1, &one), (0, &other)],
                ..small
            },
            &create,
        ),
        Case::record(
            &Setting {
                then: &[(0, &zero)],
                ..small
            },
            &write,
        ),
    ];
    for state in [&states[0], &states[2]] {
        let setting = Setting {
            name: state.name,
            ops: &state.ops,
            ..small
        };
        cases.extend(operations(true).iter().map(|op| Case::record(&setting, op)));
    }
    cases
        .into_iter()
        .map(|case| case.unwrap_or_else(|said| panic!("{said}")))
        .collect()
}

#[test]
fn each_flush_and_each_fence_of_an_operation_is_needed() {
    let cases = cases();
    let mut sites: BTreeMap<Site, Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        for site in case.log.ordering_sites() {
            sites.entry(site).or_default().push(case);
        }
    }
    let mut needless = Vec::new();
    for (site, cases) in &sites {
        let bite = cases
            .iter()
            .find_map(|case| case.explore(&case.log.without(*site), &BUDGET).err());
        match bite {
            Some(said) => println!("without {site}: {}", said.lines().next().unwrap_or("")),
            None => needless.push(format!("{site} ({} cases)", cases.len())),
        }
    }
    assert!(sites.len() >= 5, "{sites:?}", sites = sites.keys());
    assert!(
        needless.is_empty(),
        "nothing fails without: {}",
        needless.join(", ")
    );
}
