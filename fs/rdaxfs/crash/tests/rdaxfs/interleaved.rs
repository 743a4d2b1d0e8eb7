// SPDX-License-Identifier: GPL-2.0

//! Two operations at once, each on a CPU of its own, in each order of their steps; and crashes of that.

use std::collections::hash_map::DefaultHasher;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use rdaxfs_core::format::GROUP_BLOCKS;
use rdaxfs_crash::spec::{
    operations, prepared, Difference, Errno, Expectation, FallocateMode, Op, Snapshot, Tree,
};
use rdaxfs_crash::{explore, Body, Bounds, Budget, Point, Recorder, Schedules, Step, Tally};

use crate::case::{budget, BLOCKS};
use crate::mounted::Mounted;
use crate::subject::{alike, do_both, made, recover, time, tree};

type Outcome = Result<(), Errno>;

/// One order in which both happen.
struct Order {
    /// Which is first.
    first: usize,
    outcomes: [Outcome; 2],
    trees: [Snapshot; 3],
    /// From each tree to the next.
    steps: [Expectation; 2],
}

impl Order {
    /// With `early` the second has looked its path up before the first one begins, and means the inode
    /// that the path had then; [`None`] if it has none any more.
    fn new(tree: &Tree, ops: [&Op; 2], first: usize, early: bool) -> Option<Self> {
        let order = [first, 1 - first];
        let mut outcomes = [Ok(()); 2];
        let mut after_one = tree.clone();
        outcomes[first] = after_one.apply(ops[first], time(500 + first));
        let second = if early {
            looked_up(tree, &after_one, ops[1 - first])?
        } else {
            ops[1 - first].clone()
        };
        let mut after_both = after_one.clone();
        outcomes[1 - first] = after_both.apply(&second, time(500 + order[1]));
        let trees = [tree, &after_one, &after_both].map(|tree| Snapshot::of(&tree.crashed()));
        let done = [ops[first], &second];
        let step = |at: usize| Expectation::of(trees[at].clone(), trees[at + 1].clone(), done[at]);
        let steps = [step(0), step(1)];
        Some(Self {
            first,
            outcomes,
            trees,
            steps,
        })
    }

    /// Whether a crash at the point may show a tree, if both happen in this order.
    fn admits(&self, point: &Point, found: &Snapshot) -> bool {
        let order = [self.first, 1 - self.first];
        let done = order.map(|number| point.done.contains(&(number as u32)));
        let running = order.map(|number| point.running.contains(&(number as u32)));
        // The first has to be there if the second is.
        let least = if done[1] { 2 } else { usize::from(done[0]) };
        let most = match (done, running) {
            ([true, true], _) | ([true, _], [_, true]) | ([_, true], [true, _]) => 2,
            (_, [true, true]) => 2,
            ([true, _], _) | (_, [true, _]) => 1,
            _ => 0,
        };
        let trees = least..=most;
        let whole = |at: usize| Difference::between(&self.trees[at], found).is_none();
        let partly = |at: usize| running[at] && self.steps[at].judge(found).is_ok();
        trees.clone().any(whole) || (least..most).any(partly)
    }
}

/// The operation on the inode that its path had in `before`, by a path that it has in `now`.
fn looked_up(before: &Tree, now: &Tree, op: &Op) -> Option<Op> {
    let mut op = op.clone();
    let (Op::Truncate { path, .. }
    | Op::Fallocate { path, .. }
    | Op::Write { path, .. }
    | Op::ShortWrite { path, .. }
    | Op::SetAttributes { path, .. }
    | Op::SetXattr { path, .. }
    | Op::RemoveXattr { path, .. }
    | Op::SetFlags { path, .. }
    | Op::SetProject { path, .. }
    | Op::Link { from: path, .. }) = &mut op
    else {
        return None;
    };
    let inode = before.find(path).ok()?;
    let paths = Snapshot::of(now).entries.into_keys();
    let mut paths = paths.filter_map(|path| String::from_utf8(path).ok());
    *path = paths.find(|path| now.find(path) == Ok(inode))?;
    Some(op)
}

struct Pair<'a> {
    ops: [&'a Op; 2],
    setup: &'a [Op],
    blocks: u64,
    /// Crash only in orders in which one wanted a group that the other held.
    contended: bool,
}

/// What the orders of a pair came to.
#[derive(Default)]
struct Seen {
    /// Orders that differed.
    orders: usize,
    tally: Tally,
}

impl Pair<'_> {
    /// Both in all orders.
    fn check(&self, bounds: Bounds, budget: &Budget) -> Result<Seen, String> {
        let mut model = tree();
        for (number, op) in (1..).zip(self.setup) {
            model
                .apply(op, time(number))
                .map_err(|errno| format!("{errno:?}"))?;
        }
        let orders = [(0, false), (1, false), (0, true), (1, true)];
        let orders = orders.into_iter();
        let orders: Vec<Order> = orders
            .filter_map(|(first, early)| Order::new(&model, self.ops, first, early))
            .collect();
        let mut schedules = Schedules::new(bounds);
        let (mut known, mut seen) = (HashSet::new(), Seen::default());
        while let Some(schedule) = schedules.next_schedule() {
            let medium = made(self.blocks);
            let mounted = Mounted::mount(&medium, time(0)).map_err(|error| error.to_string())?;
            do_both(&mounted, &mut tree(), self.setup, 1);
            medium.forget();
            let mut outcomes = [Ok(()); 2];
            let (first, second) = outcomes.split_at_mut(1);
            let bodies = [(0, &mut first[0]), (1, &mut second[0])].map(|(number, outcome)| {
                let (medium, mounted, op) = (&medium, &mounted, self.ops[number]);
                Box::new(move || {
                    medium.step(Step::Begin(number as u32));
                    *outcome = mounted.apply(op, time(500 + number));
                    medium.step(Step::End(number as u32));
                }) as Body<'_>
            });
            let run = schedule.run(bodies.into());
            schedules.advance(&run);
            if let Some(failure) = run.failure {
                return Err(failure);
            }
            if let Some(fault) = medium.faults().first() {
                return Err(fault.clone());
            }
            let log = medium.log();
            let mut hasher = DefaultHasher::new();
            log.events
                .iter()
                .for_each(|event| (event.cpu, event.kind).hash(&mut hasher));
            let contended = mounted.volume.platform().contended();
            if (contended > 0 || !self.contended) && known.insert(hasher.finish()) {
                seen.tally += self.crash(&log, &orders, outcomes, budget)?;
            }
        }
        seen.orders = known.len();
        Ok(seen)
    }

    fn crash(
        &self,
        log: &rdaxfs_crash::Log,
        orders: &[Order],
        outcomes: [Outcome; 2],
        budget: &Budget,
    ) -> Result<Tally, String> {
        let fits = |order: &&Order| {
            order
                .outcomes
                .iter()
                .zip(outcomes)
                .all(|(&wanted, found)| alike(wanted, found))
        };
        let orders: Vec<&Order> = orders.iter().filter(fits).collect();
        if orders.is_empty() {
            return Err(format!("in no order {outcomes:?}"));
        }
        let check = |medium: &Recorder, point: &Point| {
            let Some(found) = recover(medium)? else {
                return Ok(());
            };
            if orders.iter().any(|order| order.admits(point, &found)) {
                return Ok(());
            }
            let differences = orders.iter().flat_map(|order| &order.trees);
            let differences = differences.filter_map(|tree| Difference::between(tree, &found));
            let nearest = differences.min_by_key(Difference::len);
            Err(nearest.map_or(
                "a tree that it must not be any more, or not yet".into(),
                |nearest| format!("none of the trees; from the nearest: {nearest}"),
            ))
        };
        explore(log, budget, &check).map_err(|failure| failure.to_string())
    }
}

#[test]
fn two_operations_at_once_are_one_after_the_other() {
    let states = prepared();
    let (Budget { seed, .. }, long) = budget();
    let ops = operations(true);
    let budget = Budget {
        exhaustive: if long { 64 } else { 32 },
        samples: if long { 8 } else { 6 },
        seed,
        kinds: false,
    };
    // One CPU goes on at each of the other's fences and locks, once.
    let bounds = Bounds {
        preemptions: 1,
        schedules: if long { 2000 } else { 60 },
    };
    let mut pairs = Vec::new();
    for (first, one) in ops.iter().enumerate() {
        for (second, other) in ops.iter().enumerate().skip(first) {
            if !long && (first * 7 + second) % 23 != 0 {
                continue;
            }
            pairs.push(Pair {
                ops: [one, other],
                setup: &states[0].ops,
                blocks: BLOCKS,
                contended: false,
            });
        }
    }
    check_all("two at once", &pairs, bounds, &budget);
}

fn check_all(what: &str, pairs: &[Pair<'_>], bounds: Bounds, budget: &Budget) -> Seen {
    let (mut all, mut failures) = (Seen::default(), Vec::new());
    for pair in pairs {
        match pair.check(bounds, budget) {
            Ok(seen) => {
                all.orders += seen.orders;
                all.tally += seen.tally;
            }
            Err(said) => failures.push(format!("{:?}: {said}", pair.ops)),
        }
    }
    let Seen { orders, tally, .. } = &all;
    println!("{what}: {} pairs, {orders} orders, {tally}", pairs.len());
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    all
}

/// Two operations of which one needs two groups, and the other the second of these: whoever has to wait
/// with a group in hand gives it back and starts again.
#[test]
fn two_operations_that_want_the_same_groups_are_one_after_the_other() {
    const TWO_GROUPS: u64 = GROUP_BLOCKS + 256;
    const PAGE: u64 = 4096;
    let fallocate = |mode, page: u64, pages: u64| Op::Fallocate {
        path: "fill".into(),
        mode,
        offset: page * PAGE,
        len: pages * PAGE,
    };
    let write = |path: &str, page: u64, pages: u64| Op::Write {
        path: path.into(),
        offset: page * PAGE,
        len: pages * PAGE,
        seed: 7,
    };
    let truncate = |path: &str| Op::Truncate {
        path: path.into(),
        size: 100,
    };
    let unlink = |path: &str| Op::Unlink { path: path.into() };
    let mut setup = prepared()[0].ops.clone();
    setup.push(Op::Create {
        path: "fill".into(),
        mode: 0o600,
    });
    let room = free_after(&setup, TWO_GROUPS) - 160;
    setup.extend([
        fallocate(FallocateMode::KeepSize, 0, room),
        // The first group is full, so that this is in the second.
        write("A/bar", 0, 4),
        // And this in what is free in the first then, and in the second.
        fallocate(FallocateMode::PunchHole, 0, 8),
        write("foo", 4, 24),
    ]);

    let (one, other, third) = (truncate("foo"), truncate("A/bar"), write("A/bar", 4, 3));
    let (gone, last) = (unlink("foo"), write("foo", 28, 2));
    let ops = [
        [&one, &other],
        [&one, &third],
        [&gone, &other],
        [&gone, &third],
        [&last, &one],
    ];
    let pairs = ops.map(|ops| Pair {
        ops,
        setup: &setup,
        blocks: TWO_GROUPS,
        contended: true,
    });
    let bounds = Bounds {
        preemptions: 1,
        schedules: 60,
    };
    let budget = Budget {
        exhaustive: 16,
        samples: 4,
        seed: 1,
        kinds: false,
    };
    let seen = check_all("two at once in two groups", &pairs, bounds, &budget);
    assert!(seen.orders > 0, "nobody had to wait for a group");
}

/// The free blocks when those operations have been done.
fn free_after(ops: &[Op], blocks: u64) -> u64 {
    let medium = made(blocks);
    let mounted = Mounted::mount(&medium, time(0)).unwrap();
    do_both(&mounted, &mut tree(), ops, 1);
    mounted.volume.space().totals().unwrap().0
}
