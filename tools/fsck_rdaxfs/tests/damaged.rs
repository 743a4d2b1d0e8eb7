// SPDX-License-Identifier: GPL-2.0

//! The program on damaged volumes: it ends, says what fsck(8) says, and what it has repaired stays repaired.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rdaxfs_mutate::corpus::corpus;
use rdaxfs_mutate::trial::{damaged, seed};

const VOLUMES: u64 = 60;

/// timeout(1) exits with 124 if the program does not end.
fn fsck(how: &str, path: &Path) -> (i32, Output) {
    let program = env!("CARGO_BIN_EXE_fsck_rdaxfs");
    let output = Command::new("timeout")
        .args(["120", program, "-f", how])
        .arg(path)
        .output()
        .expect("the program can be run");
    let code = output.status.code().expect("it was not killed");
    (code, output)
}

#[test]
fn it_ends_with_a_good_volume_or_says_why_not() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("volume");
    let bases = corpus();
    let (mut repaired, mut failed) = (0, 0);
    for number in 0..VOLUMES {
        let volume = damaged(&bases, &seed(number)).expect("there are volumes");
        volume.save(&path).expect("a file can be written");
        let before = fs::read(&path).unwrap();
        let (code, output) = fsck("-n", &path);
        assert!([0, 4, 8].contains(&code), "{number}, -n: {output:?}");
        assert!(fs::read(&path).unwrap() == before, "-n changes nothing");

        let (code, output) = fsck("-y", &path);
        assert!([0, 1, 8].contains(&code), "{number}, -y: {output:?}");
        repaired += u64::from(code == 1);
        if code == 8 {
            assert!(!output.stderr.is_empty());
            failed += 1;
            continue;
        }
        let (code, output) = fsck("-n", &path);
        assert_eq!(code, 0, "{number}, the second time: {output:?}");
    }
    println!("{VOLUMES} volumes, {repaired} repaired, {failed} beyond that");
    assert!(repaired > VOLUMES / 2 && failed < VOLUMES / 10);
}
