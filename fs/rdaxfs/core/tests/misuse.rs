// SPDX-License-Identifier: GPL-2.0

//! The types carry the journal's rule: what breaks it does not compile, for the expected reason. See
//! `src/journal/misuse.rs`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The codes of the compiler's errors when the crate has that misuse in it.
fn codes(misuse: &str) -> BTreeSet<String> {
    let cfg = format!("misuse=\"{misuse}\"");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("misuse");
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "--lib", "--locked", "--offline", "--target-dir"])
        .arg(target)
        .args(["--", "--emit=metadata", "--cfg", "misuse", "--cfg", &cfg])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    let errors = said.lines().filter_map(|line| {
        let code = line.strip_prefix("error[")?.split(']').next()?;
        Some(code.to_owned())
    });
    let codes: BTreeSet<String> = errors.collect();
    assert_eq!(output.status.success(), codes.is_empty(), "{said}");
    codes
}

#[test]
fn what_is_right_compiles() {
    assert_eq!(codes("twins"), BTreeSet::new());
}

#[test]
fn what_is_wrong_does_not() {
    for (misuse, code) in [
        ("words before the record's fence", "E0599"),
        ("a mark before the words' fence", "E0599"),
        ("a word without what has to be before it", "E0599"),
        ("a word that is not fenced", "E0599"),
        ("a change after the commit", "E0382"),
        ("a lock let go of before the commit", "E0505"),
        ("a group after the commit", "E0505"),
    ] {
        assert_eq!(codes(misuse), BTreeSet::from([code.to_owned()]), "{misuse}");
    }
}
