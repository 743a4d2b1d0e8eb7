// SPDX-License-Identifier: GPL-2.0

//! Every operation alone, and after every other one.

use rdaxfs_crash::spec::{operations, prepared};

use crate::case::{budget, explore_all, Case, Setting};

#[test]
fn a_crash_of_any_operation_shows_the_tree_before_or_after() {
    let states = prepared();
    let ops = operations(false);
    explore_all(
        "each operation alone",
        states.iter().flat_map(|state| {
            let setting = Setting {
                name: state.name,
                ops: &state.ops,
                then: &[],
                full: false,
            };
            ops.iter().map(move |op| Case::record(&setting, op))
        }),
    );
}

#[test]
fn a_crash_on_a_full_volume_does_too() {
    let states = prepared();
    let ops = operations(false);
    let setting = Setting {
        name: "full",
        ops: &states[0].ops,
        then: &[],
        full: true,
    };
    explore_all(
        "on a full volume",
        ops.iter().map(|op| Case::record(&setting, op)),
    );
}

#[test]
fn a_crash_of_any_operation_after_any_other_does_too() {
    let states = prepared();
    // Without the time for all: each as the first and as the second, with some others.
    let (_, long) = budget();
    let ops = operations(!long);
    let pairs = (0..ops.len()).flat_map(|first| (0..ops.len()).map(move |second| (first, second)));
    let pairs = pairs.filter(|(first, second)| long || (first + 3 * second) % 8 == 0);
    explore_all(
        "each pair in sequence",
        pairs.map(|(first, second)| {
            let setting = Setting {
                name: "small",
                ops: &states[0].ops,
                // On the same CPU or another one, whose journal slot is another.
                then: &[(second as u32 % 2, &ops[first])],
                full: false,
            };
            Case::record(&setting, &ops[second])
        }),
    );
}
