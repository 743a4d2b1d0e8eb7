// SPDX-License-Identifier: GPL-2.0

//! An operation on a volume that others have made what it is: its log, and what a crash of it may show.

use rdaxfs_crash::spec::{Errno, Expectation, Op, Prepared, Snapshot, Tree};
use rdaxfs_crash::{explore, on_cpu, Budget, Log, Point, Recorder, Step, Tally};

use crate::mounted::Mounted;
use crate::subject::{compare, do_both, do_one, made, recover, time, tree};

/// The blocks of a volume.
pub(crate) const BLOCKS: u64 = 512;
/// The blocks of a volume that is to be full.
const FEW_BLOCKS: u64 = 128;
/// The blocks of a volume with a chunk that is free as a whole.
const MANY_BLOCKS: u64 = 1536;

/// What comes before the operation.
#[derive(Clone, Copy, Default)]
pub(crate) struct Setting<'a> {
    pub(crate) name: &'a str,
    /// Those that make the tree.
    pub(crate) ops: &'a [Op],
    /// More, each with its CPU; they may fail.
    pub(crate) then: &'a [(u32, &'a Op)],
    /// Whether all inodes leave the cache then.
    pub(crate) evicted: bool,
    /// Whether all space is used up then.
    pub(crate) full: bool,
    /// Whether there is room for a huge page.
    pub(crate) huge: bool,
}

impl<'a> Setting<'a> {
    /// Nothing but a tree.
    pub(crate) fn of(state: &'a Prepared) -> Self {
        Self {
            name: state.name,
            ops: &state.ops,
            ..Self::default()
        }
    }
}

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) log: Log,
    before: Expectation,
    during: Expectation,
    after: Expectation,
}

impl Case {
    /// Does the operation, and compares the volume with the model.
    ///
    /// # Errors
    ///
    /// What separates them.
    pub(crate) fn record(setting: &Setting<'_>, op: &Op) -> Result<Self, String> {
        let name = format!("{} {:?} {op:?}", setting.name, setting.then);
        Self::try_record(setting, op, name.clone()).map_err(|said| format!("{name}: {said}"))
    }

    fn try_record(setting: &Setting<'_>, op: &Op, name: String) -> Result<Self, String> {
        let medium = made(match setting {
            Setting { full: true, .. } => FEW_BLOCKS,
            Setting { huge: true, .. } => MANY_BLOCKS,
            _ => BLOCKS,
        });
        let mounted = Mounted::mount(&medium, time(0)).map_err(|error| error.to_string())?;
        let mut tree = tree();
        do_both(&mounted, &mut tree, setting.ops, 1);
        if setting.full {
            fill(&mounted, &mut tree)?;
        }
        for (number, &(cpu, op)) in (400..).zip(setting.then) {
            on_cpu(cpu, || do_one(&mounted, &mut tree, op, number))?.ok();
        }
        if setting.evicted {
            mounted.evict();
        }
        medium.forget();
        let before = Snapshot::of(&tree.crashed());
        medium.step(Step::Begin(0));
        let full = setting.full && ends_for_lack_of_space(&mounted, &mut tree, op)?;
        if !setting.full {
            do_one(&mounted, &mut tree, op, 500)?.ok();
        }
        medium.step(Step::End(0));
        let log = medium.log();
        let after = Snapshot::of(&tree.crashed());
        let during = if full {
            let mut wanted = tree.clone();
            wanted.apply(op, time(500)).ok();
            Expectation::of(before.clone(), Snapshot::of(&wanted.crashed()), op)
        } else {
            compare(&mounted, &tree)?;
            Expectation::of(before.clone(), after.clone(), op)
        };
        if let Some(fault) = medium.faults().first() {
            return Err(fault.clone());
        }
        Ok(Self {
            name,
            log,
            before: Expectation::exactly(before),
            after: if full {
                during.clone()
            } else {
                Expectation::exactly(after)
            },
            during,
        })
    }

    /// What a crash there may show.
    pub(crate) fn expected(&self, point: &Point) -> &Expectation {
        match (&point.running[..], &point.done[..]) {
            ([_], _) => &self.during,
            (_, [_]) => &self.after,
            _ => &self.before,
        }
    }

    /// All crashes of a log of this operation.
    pub(crate) fn explore(&self, log: &Log, budget: &Budget) -> Result<Tally, String> {
        let check = |medium: &Recorder, point: &Point| self.check(medium, point);
        let found = explore(log, budget, &check);
        found.map_err(|failure| format!("{}: {failure}", self.name))
    }

    pub(crate) fn check(&self, medium: &Recorder, point: &Point) -> Result<(), String> {
        match recover(medium)? {
            Some(found) => self.expected(point).judge(&found),
            None => Ok(()),
        }
    }
}

/// Uses up all space.
fn fill(mounted: &Mounted<'_>, tree: &mut Tree) -> Result<(), String> {
    let filler = Op::Create {
        path: "fill".into(),
        mode: 0o600,
    };
    do_both(mounted, tree, &[filler], 300);
    for page in 0.. {
        let op = Op::Write {
            path: "fill".into(),
            offset: page * 4096,
            len: 4096,
            seed: 99,
        };
        match mounted.apply(&op, time(301)) {
            Ok(()) => tree
                .apply(&op, time(301))
                .map_err(|errno| format!("{errno:?}"))?,
            Err(Errno::ENOSPC) if page > 0 => break,
            Err(errno) => return Err(format!("filling ends with {errno:?} at page {page}")),
        }
    }
    compare(mounted, tree)
}

/// Does an operation on a full volume; whether that ended with ENOSPC.
fn ends_for_lack_of_space(mounted: &Mounted<'_>, tree: &mut Tree, op: &Op) -> Result<bool, String> {
    let mut wanted = tree.clone();
    let (wants, found) = (wanted.apply(op, time(500)), mounted.apply(op, time(500)));
    match found {
        Err(Errno::ENOSPC) if wants.is_ok() && !op.frees() => Ok(true),
        Err(Errno::EISDIR) if wants == Err(Errno::EPERM) => Ok(false),
        _ if wants == found => {
            *tree = wanted;
            Ok(false)
        }
        _ => Err(format!("on a full volume: {found:?}, not {wants:?}")),
    }
}

/// How much to try, and how many of the cases: more if the environment's `RPMEM_CRASH` is `long`.
pub(crate) fn budget() -> (Budget, bool) {
    let long = std::env::var("RPMEM_CRASH").is_ok_and(|value| value == "long");
    let seed = std::env::var("RPMEM_CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let (exhaustive, samples) = if long { (512, 32) } else { (128, 16) };
    (
        Budget {
            exhaustive,
            samples,
            seed,
            kinds: false,
        },
        long,
    )
}

/// Explores many cases, and reports all that fail.
pub(crate) fn explore_all(what: &str, cases: impl IntoIterator<Item = Result<Case, String>>) {
    let (budget, _) = budget();
    let (mut tally, mut failures, mut count) = (Tally::default(), Vec::new(), 0);
    for case in cases {
        count += 1;
        match case.and_then(|case| case.explore(&case.log, &budget)) {
            Ok(more) => tally += more,
            Err(said) => failures.push(said),
        }
    }
    println!("{what}: {count} cases, {tally} (seed {})", budget.seed);
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
