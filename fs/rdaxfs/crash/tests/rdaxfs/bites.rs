// SPDX-License-Identifier: GPL-2.0

//! Each flush and each fence of the core is needed: without it a test fails.

use rdaxfs_crash::spec::{operations, prepared, FallocateMode, Op};

use crate::bite::{each_is_needed, Trial, BUDGET};
use crate::case::{Case, Setting};

/// The operations of which each flush and fence is taken away in turn. First those that show what few
/// others do: what an operation leaves behind that another CPU has to know of, and a word that is stored
/// without a record.
fn cases() -> Vec<Case> {
    use FallocateMode::ZeroRange;
    let states = prepared();
    let small = Setting::of(&states[0]);
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
        let setting = Setting::of(state);
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
    let trials: Vec<Trial<'_>> = cases
        .iter()
        .map(|case| Trial::new(case.log.clone(), |log| case.explore(log, &BUDGET)))
        .collect();
    let sites = each_is_needed(&trials, |_| true);
    assert!(sites >= 5, "{sites} sites");
}
