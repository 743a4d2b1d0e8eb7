// SPDX-License-Identifier: GPL-2.0

//! A volume and the model of it, side by side.

use std::sync::{Mutex, PoisonError};

use rdaxfs_core::format::Time;
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::Error;
use rdaxfs_crash::spec::{Difference, Errno, Op, Snapshot, Tree};
use rdaxfs_crash::{Image, Recorder};
use rdaxfs_crash_medium::fsck;

use crate::mounted::Mounted;
use crate::platform::Pmem;

/// The time of the n-th operation.
pub(crate) fn time(operation: usize) -> u64 {
    Time::new(1_700_000_000 + operation as i64, 5).0
}

/// A medium's contents before a volume is made, which for a large one take a while to think up.
fn foreign(blocks: u64) -> Image {
    static LAST: Mutex<Option<Image>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some(image) if image.len() == blocks * 4096 => image.clone(),
        _ => last.insert(Image::foreign(blocks * 4096)).clone(),
    }
}

/// A medium with an empty volume of so many blocks; all else is foreign data.
pub(crate) fn made(blocks: u64) -> Recorder {
    let medium = Recorder::new(foreign(blocks));
    make_on(&medium, blocks);
    medium
}

/// Makes an empty volume of so many blocks.
pub(crate) fn make_on(medium: &Recorder, blocks: u64) {
    let options = Options {
        slots: 2,
        uuid: *b"a crashed volume",
        hash_key: [0x0123_4567, 0x89ab_cdef],
        now: Time(time(0)),
        ..Options::new(blocks)
    };
    make(&Pmem(medium), &options).expect("a volume can be made");
}

/// The model of an empty volume.
pub(crate) fn tree() -> Tree {
    Tree::new(0o755, time(0))
}

/// Does operations on both, which have to agree.
pub(crate) fn do_both(mounted: &Mounted<'_>, tree: &mut Tree, ops: &[Op], first: usize) {
    for (number, op) in (first..).zip(ops) {
        let done = do_one(mounted, tree, op, number).unwrap_or_else(|said| panic!("{said}"));
        done.unwrap_or_else(|errno| panic!("{op:?}: {errno:?}"));
    }
}

/// Does an operation on both.
pub(crate) fn do_one(
    mounted: &Mounted<'_>,
    tree: &mut Tree,
    op: &Op,
    number: usize,
) -> Result<Result<(), Errno>, String> {
    let wanted = tree.apply(op, time(number));
    let found = mounted.apply(op, time(number));
    if alike(wanted, found) {
        Ok(wanted)
    } else {
        Err(format!("{op:?}: {found:?}, not {wanted:?}"))
    }
}

/// Whether two results are the same, as far as the core has a say in it.
pub(crate) fn alike(wanted: Result<(), Errno>, found: Result<(), Errno>) -> bool {
    match (wanted, found) {
        // For a directory link(2) says EPERM before the file system is asked.
        (Err(Errno::EPERM), Err(errno)) => errno == Errno::EISDIR,
        _ => wanted == found,
    }
}

/// Compares what can be seen.
pub(crate) fn compare(mounted: &Mounted<'_>, tree: &Tree) -> Result<(), String> {
    let found = mounted
        .snapshot()
        .map_err(|error| format!("the walk fails: {error}"))?;
    match Difference::between(&Snapshot::of(tree), &found) {
        None => Ok(()),
        Some(difference) => Err(difference.to_string()),
    }
}

/// What is done after a crash: recovery, and a look at everything; nothing if another run has seen
/// the same already.
pub(crate) fn recover(medium: &Recorder) -> Result<Option<Snapshot>, String> {
    drop(Mounted::mount(medium, time(1000)).map_err(failed("the mount fails"))?);
    if medium.explored() {
        return Ok(None);
    }
    // From here on it is another mount, of which what was in DRAM before is no part.
    fsck(medium)?;
    let found = tidy(medium)?;
    fsck(medium)?;
    Ok(Some(found))
}

/// A mount that finishes what was left to do.
pub(crate) fn tidy(medium: &Recorder) -> Result<Snapshot, String> {
    let mounted = Mounted::mount(medium, time(1001)).map_err(failed("the second mount fails"))?;
    let found = mounted.snapshot().map_err(failed("the walk fails"))?;
    mounted
        .finish_all()
        .map_err(failed("what was left to do fails"))?;
    // What was left to do was read as done.
    let finished = mounted.snapshot().map_err(failed("the walk fails"))?;
    if let Some(difference) = Difference::between(&found, &finished) {
        return Err(format!(
            "what was left to do is not read as done: {difference}"
        ));
    }
    mounted.unmount().map_err(failed("the unmount fails"))?;
    Ok(found)
}

fn failed(what: &'static str) -> impl Fn(Error) -> String {
    move |error| format!("{what}: {error}")
}
