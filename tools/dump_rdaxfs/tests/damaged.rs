// SPDX-License-Identifier: GPL-2.0

//! The program on damaged volumes: it ends, with what there is or an error.

use std::process::Command;

use rdaxfs_mutate::corpus::corpus;
use rdaxfs_mutate::trial::{damaged, seed};

const VOLUMES: u64 = 40;

#[test]
fn it_ends() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("volume");
    let bases = corpus();
    let (mut shown, mut failed) = (0, 0);
    for number in 0..VOLUMES {
        let volume = damaged(&bases, &seed(number)).expect("there are volumes");
        volume.save(&path).expect("a file can be written");
        let block = (number * 7 % 64).to_string();
        let inode = (number * 13 % 700 + 64).to_string();
        for what in [
            &[][..],
            &["/"],
            &["/sub/deep"],
            &[&inode],
            &["--block", &block],
        ] {
            for json in [&[][..], &["--json"]] {
                // timeout(1) exits with 124 if the program does not end.
                let output = Command::new("timeout")
                    .args(["120", env!("CARGO_BIN_EXE_dump_rdaxfs")])
                    .args(json)
                    .arg(&path)
                    .args(what)
                    .output()
                    .expect("the program can be run");
                match output.status.code() {
                    Some(0) => shown += 1,
                    Some(1) if !output.stderr.is_empty() => failed += 1,
                    _ => panic!("{number}, {what:?}: {output:?}"),
                }
            }
        }
    }
    println!("{shown} shown, {failed} errors");
    assert!(shown > failed / 2);
}
