// SPDX-License-Identifier: GPL-2.0

//! One trial: `one quick|full BYTE,BYTE…`.

use rdaxfs_mutate::corpus::corpus;
use rdaxfs_mutate::trial::{run, Kind, Tally};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kind = match arguments.next().as_deref() {
        Some("full") => Kind::Full,
        _ => Kind::Quick,
    };
    let data = arguments.next().expect("bytes are given");
    let data: Vec<u8> = data
        .split(',')
        .map(|byte| byte.trim().parse().expect("it is a byte"))
        .collect();
    let mut tally = Tally::default();
    run(&corpus(), kind, &data, &mut tally);
    println!("{tally:?}");
}
