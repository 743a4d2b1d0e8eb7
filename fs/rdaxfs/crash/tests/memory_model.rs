// SPDX-License-Identifier: GPL-2.0

//! The memory model: small logs with the sets of states written out by hand.

mod common;

use common::{fence, flush, log, on, states, store, stream};
use rdaxfs_crash::EventKind;

/// The states after the events are these values of words 0, 1 and 8 (which is in another line).
#[track_caller]
fn expect(events: &[(u32, EventKind)], expected: &[[u64; 3]]) {
    let mut events = events.to_vec();
    // So that all three words are among those that are looked at; they change nothing.
    let mut all: Vec<_> = [0, 1, 8]
        .into_iter()
        .map(|word| on(7, stream(word, 0)))
        .collect();
    all.push(on(7, fence()));
    all.append(&mut events);
    let found: Vec<[u64; 3]> = states(&log(&all))
        .iter()
        .map(|state| [state[&0], state[&1], state[&8]])
        .collect();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_store_is_there_or_not() {
    expect(&[store(0, 1)], &[[0, 0, 0], [1, 0, 0]]);
}

#[test]
fn stores_of_one_line_arrive_in_order() {
    expect(
        &[store(0, 1), store(1, 2)],
        &[[0, 0, 0], [1, 0, 0], [1, 2, 0]],
    );
    expect(
        &[store(1, 2), store(0, 1)],
        &[[0, 0, 0], [0, 2, 0], [1, 2, 0]],
    );
    expect(
        &[store(0, 1), store(1, 2), store(0, 3)],
        &[[0, 0, 0], [1, 0, 0], [1, 2, 0], [3, 2, 0]],
    );
}

#[test]
fn lines_are_independent() {
    expect(
        &[store(0, 1), store(8, 2)],
        &[[0, 0, 0], [1, 0, 0], [0, 0, 2], [1, 0, 2]],
    );
}

#[test]
fn neither_a_flush_nor_a_fence_alone_decides() {
    expect(&[store(0, 1), flush(0)], &[[0, 0, 0], [1, 0, 0]]);
    expect(&[store(0, 1), fence()], &[[0, 0, 0], [1, 0, 0]]);
    // In the wrong order either.
    expect(&[store(0, 1), fence(), flush(0)], &[[0, 0, 0], [1, 0, 0]]);
}

#[test]
fn a_flush_and_then_a_fence_decide_what_the_line_held_at_the_flush() {
    expect(&[store(0, 1), flush(0), fence()], &[[1, 0, 0]]);
    expect(
        &[store(0, 1), flush(0), store(1, 2), fence()],
        &[[1, 0, 0], [1, 2, 0]],
    );
    expect(
        &[store(0, 1), flush(0), store(0, 2), fence()],
        &[[1, 0, 0], [2, 0, 0]],
    );
}

#[test]
fn a_line_that_was_not_flushed_stays_undecided() {
    let events = [
        store(0, 1),
        fence(),
        store(8, 2),
        flush(1),
        fence(),
        store(1, 3),
    ];
    expect(&events, &[[0, 0, 2], [1, 0, 2], [1, 3, 2]]);
}

#[test]
fn only_the_fence_of_the_cpu_that_flushed_counts() {
    expect(
        &[store(0, 1), flush(0), on(1, fence())],
        &[[0, 0, 0], [1, 0, 0]],
    );
    // Whoever flushes writes back what others stored.
    expect(
        &[store(0, 1), on(1, flush(0)), fence()],
        &[[0, 0, 0], [1, 0, 0]],
    );
    expect(
        &[store(0, 1), on(1, flush(0)), on(1, fence())],
        &[[1, 0, 0]],
    );
}

#[test]
fn streamed_words_arrive_in_any_order() {
    expect(
        &[stream(0, 1), stream(1, 2)],
        &[[0, 0, 0], [1, 0, 0], [0, 2, 0], [1, 2, 0]],
    );
    expect(
        &[stream(0, 1), stream(0, 2)],
        &[[0, 0, 0], [1, 0, 0], [2, 0, 0]],
    );
}

#[test]
fn a_fence_decides_what_its_cpu_streamed() {
    expect(&[stream(0, 1), fence()], &[[1, 0, 0]]);
    expect(&[stream(0, 1), on(1, fence())], &[[0, 0, 0], [1, 0, 0]]);
    expect(
        &[stream(0, 1), on(1, stream(8, 2)), on(1, fence())],
        &[[0, 0, 2], [1, 0, 2]],
    );
}

#[test]
fn a_flush_does_not_write_what_is_in_a_write_combining_buffer() {
    let events = [stream(0, 1), on(1, flush(0)), on(1, fence())];
    expect(&events, &[[0, 0, 0], [1, 0, 0]]);
}

#[test]
fn both_kinds_in_one_line() {
    // Different words: prefix and subset are independent.
    expect(
        &[store(0, 1), stream(1, 2)],
        &[[0, 0, 0], [1, 0, 0], [0, 2, 0], [1, 2, 0]],
    );
    // One word: in order.
    expect(
        &[store(0, 1), stream(0, 2)],
        &[[0, 0, 0], [1, 0, 0], [2, 0, 0]],
    );
    expect(
        &[stream(0, 1), store(0, 2)],
        &[[0, 0, 0], [1, 0, 0], [2, 0, 0]],
    );
    // What is durable does not go back to what was stored before it.
    expect(&[store(0, 1), stream(0, 2), fence()], &[[2, 0, 0]]);
    expect(
        &[stream(0, 1), store(0, 2), fence()],
        &[[1, 0, 0], [2, 0, 0]],
    );
    expect(
        &[stream(0, 1), store(0, 2), flush(0), fence()],
        &[[2, 0, 0]],
    );
}
