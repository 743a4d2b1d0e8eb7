// SPDX-License-Identifier: GPL-2.0

//! Crashes of a recovery: some of the images that crashes have left are mounted in a traced guest, and what happens to
//! the medium there is explored as a workload's log is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::BufReader;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crashcheck_tree::Tree;
use crashcheck_workload::Workload;
use rdaxfs_crash::{Image, Point, Recorder};

use crate::case::{cases, Case, Traced};
use crate::guest::{put, region, Live};
use crate::judge::{found, key, Found};
use crate::record::{guest, with_trace};
use crate::run::{compare, Job};
use crate::symbols::Symbols;

/// What a crash has left, and where that was.
#[derive(Clone, Debug)]
pub struct Left {
    /// The number of the workload's case.
    pub case: usize,
    /// Where the crash was.
    pub point: Point,
    /// The memory.
    pub image: Image,
    /// A number for what is on it.
    pub key: u128,
}

/// Images that a workload's crashes left: of each point one of each amount of work that recovery has with it, by lot.
#[derive(Debug)]
pub(crate) struct Lots {
    case: usize,
    seed: u64,
    left: BTreeMap<(Reverse<usize>, usize), (u64, Left)>,
}

impl Lots {
    pub(crate) fn new(case: usize, seed: u64) -> Self {
        Self {
            case,
            seed,
            left: BTreeMap::new(),
        }
    }

    /// A medium that was recovered, here or elsewhere.
    pub(crate) fn add(&mut self, case: &Case, point: &Point, medium: &Recorder) {
        let log = medium.log();
        let image = log.base.settled();
        let key = key(case, image);
        let lot = ((key as u64) ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = (Reverse(log.events.len()), point.position);
        if self
            .left
            .get(&place)
            .is_some_and(|(other, _)| *other <= lot)
        {
            return;
        }
        let left = Left {
            case: self.case,
            point: point.clone(),
            image: image.clone(),
            key,
        };
        self.left.insert(place, (lot, left));
    }

    /// Not more than so many, in turn of each amount of work, the most first, of which each is another image.
    pub(crate) fn draw(self, most: usize) -> Vec<Left> {
        let mut by_work: BTreeMap<Reverse<usize>, Vec<(u64, Left)>> = BTreeMap::new();
        for ((work, _), left) in self.left {
            by_work.entry(work).or_default().push(left);
        }
        let mut groups: VecDeque<_> = by_work.into_values().collect();
        for group in &mut groups {
            // The last is taken first.
            group.sort_by_key(|(lot, _)| Reverse(*lot));
        }
        let mut drawn: Vec<Left> = Vec::new();
        while drawn.len() < most {
            let Some(mut group) = groups.pop_front() else {
                break;
            };
            let Some((_, left)) = group.pop() else {
                continue;
            };
            groups.push_back(group);
            if drawn.iter().all(|other| other.key != left.key) {
                drawn.push(left);
            }
        }
        drawn
    }
}

/// What the kernel has recovered.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// One case for each image.
    pub(crate) traced: Traced,
    /// What it saw: the tree, or why there is none.
    pub(crate) shown: Vec<Found>,
    /// How long the guest ran.
    pub(crate) time: Duration,
}

/// Has a traced guest recover images. One that has recovered the same in an earlier run is not started again.
pub(crate) fn recover(job: &Job, traced: &Traced, left: &[Left]) -> Result<Recovered> {
    let started = Instant::now();
    let folder = &job.folder;
    let (images, answers) = (
        folder.file("recovery-images"),
        folder.file("recovery-trees"),
    );
    let text: String = left
        .iter()
        .map(|one| format!("{:032x}\n", one.key))
        .collect();
    let had = fs::read_to_string(&images).unwrap_or_default();
    if !(job.again && had == text && answers.exists()) {
        fs::write(&images, &text)?;
        let _ = fs::remove_file(&answers);
        let said = trace(job, left)?;
        fs::write(&answers, said.join("\n"))?;
    }
    let shown: Vec<Found> = fs::read_to_string(&answers)?
        .lines()
        .map(found)
        .collect::<Result<_>>()?;
    let workloads: Vec<Workload> = left
        .iter()
        .map(|one| Workload {
            name: format!(
                "{}/recovery-{:08x}",
                traced.cases[one.case].workload.name, one.key as u32
            ),
            operations: Vec::new(),
            at_once: false,
            ..traced.cases[one.case].workload.clone()
        })
        .collect();
    let trees = shown.iter().map(|tree| tree.clone().unwrap_or_default());
    let images: Vec<Image> = left.iter().map(|one| one.image.clone()).collect();
    let traced = cases(
        BufReader::new(File::open(folder.file("recovery-trace")).context("'recovery-trace'")?),
        Image::zeroed(job.machine.bytes),
        &workloads,
        trees.collect(),
        &Symbols::parse(
            &fs::read_to_string(folder.file("recovery-kallsyms")).context("'recovery-kallsyms'")?,
        ),
        job.model,
        &images,
    )?;
    compare(&traced, &folder.file("recovery-region"))?;
    Ok(Recovered {
        traced,
        shown,
        time: started.elapsed(),
    })
}

/// What the traced guest says of each image.
fn trace(job: &Job, left: &[Left]) -> Result<Vec<String>> {
    let folder = &job.folder;
    let memory = folder.file("recovery-region");
    // All zeros first, as the guest finds it.
    let _ = fs::remove_file(&memory);
    let file = region(&memory, job.machine.bytes)?;
    let arguments = [
        "recover".into(),
        "--symbols".into(),
        folder.file("recovery-kallsyms").display().to_string(),
    ];
    let console = folder.file("recovery-console");
    let command = guest(&job.machine, &job.subject, &memory, &console, &arguments)?;
    let mut live = Live::start(with_trace(&command, &folder.file("recovery-trace")))?;
    let mut said = Vec::new();
    for one in left {
        put(&file, &one.image)?;
        let answer = live.ask();
        said.push(answer.context("the traced guest dies or hangs: see recovery-console")?);
    }
    live.finish()?;
    Ok(said)
}

/// What a crash of a recovery may leave: what the first crash may, and once it has been seen that.
pub(crate) fn stays(
    shown: &Tree,
    point: &Point,
    durable: bool,
    tree: &Tree,
) -> std::result::Result<(), String> {
    let seen = crate::case::RECOVERY.len() as u32 - 1;
    if durable && point.done.contains(&seen) && tree != shown {
        return Err("is not what the first recovery has shown".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use crashcheck_workload::parse;
    use rdaxfs_crash::{explore, Budget, Event, EventKind, Log, Site, Step};

    use super::*;

    /// Two words of two lines, flushed by nobody, while the only operation runs.
    fn case() -> Case {
        let site = Site {
            file: "here",
            line: 0,
            column: 0,
        };
        let kinds = [
            EventKind::Step(Step::Begin(0)),
            EventKind::Store { word: 0, value: 1 },
            EventKind::Fence,
            EventKind::Store { word: 8, value: 2 },
            EventKind::Step(Step::End(0)),
        ];
        let events = kinds.map(|kind| Event { cpu: 0, site, kind });
        let workload = parse("workload w\ncrash\nsync")
            .expect("it is one")
            .remove(0);
        Case {
            workload,
            log: Log::new(Image::zeroed(4096), events.to_vec()),
            trees: vec![Tree::default(); 2],
            other_order: None,
            steps: vec!["sync".into()],
            touched: BTreeSet::from([0, 1]),
        }
    }

    fn drawn(seed: u64, most: usize) -> Vec<Left> {
        let case = case();
        let lots = RefCell::new(Lots::new(3, seed));
        let budget = Budget::default();
        explore(&case.log, &budget, &|medium, point| {
            let mut word = [0; 8];
            medium.read(0, &mut word);
            medium.read(64, &mut word);
            // Whoever finds the second word has more to do.
            if word[0] == 2 {
                medium.store(128, 5);
            }
            lots.borrow_mut().add(&case, point, medium);
            Ok(())
        })
        .expect("nothing fails");
        lots.into_inner().draw(most)
    }

    #[test]
    fn images_that_are_drawn_are_of_different_work_and_as_the_crash_left_them() {
        for seed in 0..20 {
            let left = drawn(seed, 10);
            let keys: BTreeSet<u128> = left.iter().map(|one| one.key).collect();
            assert_eq!(keys.len(), left.len(), "no image twice");
            let first = &left[0].image;
            assert_eq!(first.word(8), 2, "the most work first");
            for one in &left {
                assert_eq!(one.case, 3);
                assert!([0, 1].contains(&one.image.word(0)));
                assert_eq!(one.image.word(16), 0, "what recovery stores is not on it");
            }
            assert!(left.iter().any(|one| one.image.word(8) == 0));
            assert_eq!(drawn(seed, 1).len(), 1);
        }
    }

    #[test]
    fn what_a_recovery_has_shown_stays() {
        let shown = Tree::default();
        let other = Tree::of_device(vec![1]);
        let mounted = |done: &[u32]| Point {
            done: done.to_vec(),
            ..Point::default()
        };
        assert!(stays(&shown, &mounted(&[]), true, &other).is_ok());
        assert!(stays(&shown, &mounted(&[0]), true, &other).is_ok());
        assert!(stays(&shown, &mounted(&[0, 1]), true, &other).is_err());
        assert!(stays(&shown, &mounted(&[0, 1]), true, &shown).is_ok());
        assert!(stays(&shown, &mounted(&[0, 1]), false, &other).is_ok());
    }
}
