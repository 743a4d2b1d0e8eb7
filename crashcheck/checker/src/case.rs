// SPDX-License-Identifier: GPL-2.0

//! From a trace to what can be explored.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;

use anyhow::{bail, ensure, Context, Result};
use crashcheck_trace::{FenceKind, Reader, Record, Site as TraceSite};
use crashcheck_tree::Tree;
use crashcheck_workload::Workload;
use rdaxfs_crash::{Event, EventKind, Image, Log, Persistence, Site, Step, LINE_BYTES, WORD_BYTES};

use crate::symbols::Symbols;

/// What counts as a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// What the manual says: locked instructions order flushes too, and empty the write-combining buffers.
    X86,
    /// `sfence` and `mfence` only: what comes later by a lock that happens to be taken is not relied upon.
    Strict,
}

/// A workload with what happened to the medium in it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What was done.
    pub workload: Workload,
    /// What happened from before the first operation until the file system was unmounted.
    pub log: Log,
    /// The tree before the operations, and behind each.
    pub trees: Vec<Tree>,
    /// Where the last two are done at once: the tree behind the second without the first, and behind the first after
    /// it.
    pub other_order: Option<[Tree; 2]>,
    /// What its steps are called.
    pub steps: Vec<String>,
    /// Lines that were stored to.
    pub touched: BTreeSet<u64>,
}

/// All that is in a trace.
#[derive(Debug)]
pub struct Traced {
    /// Its workloads.
    pub cases: Vec<Case>,
    /// The memory at its end.
    pub image: Image,
    /// How many records there are, of all kinds.
    pub records: u64,
    /// Flushes whose address could not be found out.
    pub lost: u64,
}

/// Reads a trace.
struct Replay<'a> {
    symbols: &'a Symbols,
    model: Model,
    /// What the CPUs see.
    image: Image,
    persistence: Persistence,
    sites: Vec<Site>,
    names: HashMap<String, &'static str>,
    /// The last store, as long as nothing has followed it.
    last: Option<Event>,
    /// What is recorded of a workload: from its `start` on.
    recording: Option<(Workload, Log)>,
    traced: Traced,
    /// What the memory was made from outside, by number.
    images: &'a [Image],
}

/// What a recovery consists of.
pub const RECOVERY: [&str; 2] = ["mount", "what is there is read"];

/// Makes cases of a trace. `before` is the memory before the machine was switched on, `trees` has for each
/// workload the tree before it and one behind each of its operations. `images` are what the memory is made from outside
/// before each workload, which is a recovery then, with one tree; none: nothing is.
///
/// # Errors
///
/// If the trace is damaged, or is not one of these workloads.
pub fn cases(
    trace: impl Read,
    before: Image,
    workloads: &[Workload],
    trees: Vec<Tree>,
    symbols: &Symbols,
    model: Model,
    images: &[Image],
) -> Result<Traced> {
    let reader = Reader::new(trace)?;
    let len = reader.range().len;
    ensure!(
        len == before.len(),
        "the trace is of {len} bytes of memory, the image has {}",
        before.len()
    );
    let mut replay = Replay {
        symbols,
        model,
        persistence: Persistence::new(before.clone()),
        image: before,
        sites: Vec::new(),
        names: HashMap::new(),
        last: None,
        recording: None,
        traced: Traced {
            cases: Vec::new(),
            image: Image::zeroed(0),
            records: 0,
            lost: 0,
        },
        images,
    };
    let mut trees = trees.into_iter();
    let mut ended = false;
    for record in reader {
        replay.traced.records += 1;
        match record? {
            Record::Marker { text, .. } if text == "end" => ended = true,
            Record::Marker { text, cpu } => replay.marker(cpu, &text, workloads, &mut trees)?,
            record => replay.record(record)?,
        }
    }
    ensure!(
        ended,
        "the trace ends before the workloads do, after {} of {}: the guest has failed, see its output",
        replay.traced.cases.len(),
        workloads.len()
    );
    replay.settle_last();
    replay.traced.image = replay.image;
    Ok(replay.traced)
}

impl Replay<'_> {
    fn marker(
        &mut self,
        cpu: u32,
        text: &str,
        workloads: &[Workload],
        trees: &mut impl Iterator<Item = Tree>,
    ) -> Result<()> {
        self.settle_last();
        let (word, number) = text.split_once(' ').unwrap_or((text, ""));
        let site = Site {
            file: "the workload",
            line: 0,
            column: 0,
        };
        let mut step = |step| {
            let kind = EventKind::Step(step);
            self.push(Event { cpu, site, kind });
        };
        match word {
            "workload" | "image" => {
                let number: usize = number.parse().with_context(|| format!("marker '{text}'"))?;
                if word == "image" {
                    let image = self.images.get(number);
                    let image = image.with_context(|| {
                        format!("marker '{text}': there are {} images", self.images.len())
                    })?;
                    // It is what a crash has left: all of it is durable.
                    self.image = image.clone();
                    self.persistence = Persistence::new(image.clone());
                }
                let workload = workloads.get(number).cloned();
                let workload = workload.with_context(|| {
                    format!("marker '{text}': there are {} workloads", workloads.len())
                })?;
                self.recording = Some((workload, Log::new(Image::zeroed(0), Vec::new())));
            }
            "start" => {
                let base = self.persistence.clone();
                let recording = self.recording.as_mut();
                let (_, log) = recording.context("marker 'start' without a workload")?;
                log.base = base;
            }
            "begin" => step(Step::Begin(number.parse()?)),
            "done" => step(Step::End(number.parse()?)),
            "unmount" | "together" | "apart" => {}
            "stop" => {
                let recording = self.recording.take();
                let (workload, log) = recording.context("marker 'stop' without a workload")?;
                let more = if workload.at_once { 2 } else { 0 };
                let count = workload.operations.len() + 1 + more;
                let mut trees: Vec<Tree> = trees.take(count).collect();
                ensure!(
                    trees.len() == count,
                    "workload '{}': there are {} trees, not {count}",
                    workload.name,
                    trees.len()
                );
                let other_order = <[Tree; 2]>::try_from(trees.split_off(count - more)).ok();
                let words = log.events.iter().filter_map(|event| event.kind.change());
                let lines = words.map(|(word, _)| word * WORD_BYTES / LINE_BYTES);
                let mut touched: BTreeSet<u64> = lines.collect();
                touched.extend(log.base.undecided().lines.keys());
                let steps = match self.images {
                    [] => workload
                        .operations
                        .iter()
                        .map(ToString::to_string)
                        .collect(),
                    _ => RECOVERY.map(String::from).to_vec(),
                };
                self.traced.cases.push(Case {
                    steps,
                    workload,
                    log,
                    trees,
                    other_order,
                    touched,
                });
            }
            _ => bail!("marker '{text}': the guest's program is another version"),
        }
        Ok(())
    }

    fn record(&mut self, record: Record) -> Result<()> {
        let site = |replay: &Self, site: u32| {
            let found = replay.sites.get(site as usize).copied();
            found
                .with_context(|| format!("the trace names site {site} before it says what that is"))
        };
        match record {
            Record::Site(site) => {
                let name = self.name(&site);
                self.sites.push(Site {
                    file: name,
                    line: 0,
                    column: 0,
                });
            }
            Record::Store {
                cpu,
                site: number,
                streamed,
                offset,
                len,
                value,
            } => {
                ensure!(
                    offset + u64::from(len) <= self.image.len(),
                    "a store of {len} bytes at {offset:#x} is beyond the end"
                );
                self.store((cpu, site(self, number)?), streamed, offset, len, value);
            }
            Record::Flush {
                cpu,
                site: number,
                offset,
                ..
            } => {
                let site = site(self, number)?;
                let kind = EventKind::Flush {
                    line: offset / LINE_BYTES,
                };
                self.settle_last();
                self.push(Event { cpu, site, kind });
            }
            Record::Fence {
                kind: FenceKind::Locked,
                ..
            } if self.model == Model::Strict => {}
            Record::Fence {
                cpu, site: number, ..
            } => {
                let site = site(self, number)?;
                self.settle_last();
                self.push(Event {
                    cpu,
                    site,
                    kind: EventKind::Fence,
                });
            }
            Record::Lost { .. } => self.traced.lost += 1,
            Record::Marker { .. } => {}
        }
        Ok(())
    }

    /// A store of any size as stores of words. What one instruction stores into one word, one piece after the
    /// other, is one store: string instructions do that here, where a processor stores whole words.
    fn store(
        &mut self,
        (cpu, site): (u32, Site),
        streamed: bool,
        offset: u64,
        len: u8,
        value: u128,
    ) {
        let mut done = 0;
        while done < u64::from(len) {
            let at = offset + done;
            let (word, skip) = (at / WORD_BYTES, at % WORD_BYTES);
            let count = (WORD_BYTES - skip).min(u64::from(len) - done);
            let mask = if count == 8 {
                u64::MAX
            } else {
                (1 << (count * 8)) - 1
            };
            let part = (value >> (done * 8)) as u64 & mask;
            let value = self.image.word(word) & !(mask << (skip * 8)) | part << (skip * 8);
            self.image.set_word(word, value);
            let kind = if streamed {
                EventKind::Stream { word, value }
            } else {
                EventKind::Store { word, value }
            };
            let event = Event { cpu, site, kind };
            let same = |last: &Event| {
                let change = last.kind.change().map(|(word, _)| word);
                (last.cpu, last.site, change) == (cpu, site, Some(word))
            };
            if count == 8 || !self.last.as_ref().is_some_and(same) {
                self.settle_last();
            }
            self.last = Some(event);
            done += count;
        }
    }

    /// The last store is complete.
    fn settle_last(&mut self) {
        if let Some(event) = self.last.take() {
            self.push(event);
        }
    }

    fn push(&mut self, event: Event) {
        self.persistence.apply(&event);
        if let Some((_, log)) = &mut self.recording {
            if !log.base.settled().is_empty() {
                log.events.push(event);
            }
        }
    }

    /// The name of a place, which stays for as long as the program runs: there are few.
    fn name(&mut self, site: &TraceSite) -> &'static str {
        let name = self.symbols.describe(site);
        self.names
            .entry(name)
            .or_insert_with_key(|name| Box::leak(name.clone().into_boxed_str()))
    }
}

#[cfg(test)]
mod tests {
    use crashcheck_trace::{FlushKind, Range, Writer};
    use crashcheck_workload::parse;

    use super::*;

    const LEN: u64 = 4096;

    fn marker(text: &str) -> Record {
        Record::Marker {
            cpu: 0,
            text: text.into(),
        }
    }

    fn store(offset: u64, len: u8, value: u128) -> Record {
        Record::Store {
            cpu: 0,
            site: 0,
            streamed: false,
            offset,
            len,
            value,
        }
    }

    fn traced(records: &[Record], model: Model) -> Result<Traced> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Range { start: 0, len: LEN })?;
        writer.site(TraceSite::default())?;
        for record in records {
            writer.record(record)?;
        }
        writer.flush()?;
        drop(writer);
        let workloads = parse("workload w\ncrash\nsync")?;
        let trees = vec![Tree::default(); 2];
        cases(
            &bytes[..],
            Image::zeroed(LEN),
            &workloads,
            trees,
            &Symbols::default(),
            model,
            &[],
        )
    }

    fn within(records: Vec<Record>) -> Vec<Record> {
        let before = ["workload 0", "start", "begin 0"].map(marker);
        let after = ["done 0", "unmount", "stop", "end"].map(marker);
        before.into_iter().chain(records).chain(after).collect()
    }

    /// What the first case's stores change.
    fn words(traced: &Traced) -> Vec<(u64, u64)> {
        let events = traced.cases[0].log.events.iter();
        events.filter_map(|event| event.kind.change()).collect()
    }

    #[test]
    fn stores_of_all_sizes_are_stores_of_words() {
        let value = 0x1111_2222_3333_4444_5555_6666_7777_8888;
        let records = vec![store(0, 16, value), store(20, 8, 0xaaaa_bbbb_cccc_dddd)];
        let traced = traced(&within(records), Model::X86).expect("it is whole");
        let words = words(&traced);
        assert_eq!(
            words,
            [
                (0, 0x5555_6666_7777_8888),
                (1, 0x1111_2222_3333_4444),
                (2, 0xcccc_dddd_0000_0000),
                (3, 0xaaaa_bbbb)
            ]
        );
        assert_eq!(traced.image.word(3), 0xaaaa_bbbb);
    }

    #[test]
    fn a_string_instruction_stores_words() {
        let bytes = (0..16).map(|at| store(at, 1, 7)).collect();
        let traced = traced(&within(bytes), Model::X86).expect("it is whole");
        let words = words(&traced);
        let sevens = 0x0707_0707_0707_0707;
        assert_eq!(words, [(0, sevens), (1, sevens)]);
    }

    #[test]
    fn a_locked_instruction_is_a_fence_unless_the_model_is_strict() {
        let records = || {
            within(vec![
                store(0, 8, 1),
                Record::Flush {
                    cpu: 0,
                    site: 0,
                    kind: FlushKind::Clwb,
                    offset: 0,
                },
                Record::Fence {
                    cpu: 0,
                    site: 0,
                    kind: FenceKind::Locked,
                },
            ])
        };
        let fences = |model| {
            let traced = traced(&records(), model).expect("it is whole");
            let events = traced.cases[0].log.events.iter();
            events
                .filter(|event| event.kind == EventKind::Fence)
                .count()
        };
        assert_eq!((fences(Model::X86), fences(Model::Strict)), (1, 0));
    }

    #[test]
    fn a_fence_is_for_what_its_own_processor_has_flushed() {
        let on = |cpu, kind| match kind {
            0 => Record::Store {
                cpu,
                site: 0,
                streamed: true,
                offset: 64 * u64::from(cpu),
                len: 8,
                value: 1,
            },
            1 => Record::Flush {
                cpu,
                site: 0,
                kind: FlushKind::Clwb,
                offset: 128,
            },
            _ => Record::Fence {
                cpu,
                site: 0,
                kind: FenceKind::Sfence,
            },
        };
        // Both stream, one of them flushes a line that has been stored to, the other one fences.
        let undecided = |fences: &[u32]| {
            let mut records = vec![on(0, 0), on(1, 0), store(128, 8, 1), on(0, 1)];
            records.extend(fences.iter().map(|&cpu| on(cpu, 2)));
            let traced = traced(&within(records), Model::X86).expect("it is whole");
            let log = &traced.cases[0].log;
            let mut persistence = log.base.clone();
            log.events.iter().for_each(|event| persistence.apply(event));
            let mut lines: Vec<u64> = persistence.undecided().lines.keys().copied().collect();
            lines.sort_unstable();
            lines
        };
        assert_eq!(undecided(&[]), [0, 1, 2]);
        assert_eq!(undecided(&[1]), [0, 2]);
        assert_eq!(undecided(&[0]), [1]);
        assert_eq!(undecided(&[1, 0]), Vec::<u64>::new());
    }

    #[test]
    fn what_is_before_is_the_base_and_may_be_undecided_still() {
        let mut records = vec![store(64, 8, 5)];
        records.extend(within(vec![store(0, 8, 1)]));
        let traced = traced(&records, Model::X86).expect("it is whole");
        let case = &traced.cases[0];
        assert_eq!(case.log.base.settled().word(8), 0);
        assert_eq!(case.touched, BTreeSet::from([0, 1]));
        assert_eq!(case.log.base.undecided().lines.len(), 1);
    }

    #[test]
    fn a_recovery_begins_with_an_image_that_is_durable() {
        let mut bytes = Vec::new();
        let range = Range { start: 0, len: LEN };
        let mut writer = Writer::new(&mut bytes, range).expect("memory takes all");
        writer.site(TraceSite::default()).expect("memory takes all");
        let mut records = vec![store(0, 8, 9)];
        for image in ["image 0", "image 1"] {
            records.extend([image, "start", "begin 0"].map(marker));
            records.push(store(64, 8, 1));
            records.extend(["done 0", "unmount", "stop"].map(marker));
        }
        records.push(marker("end"));
        for record in &records {
            writer.record(record).expect("memory takes all");
        }
        writer.flush().expect("memory takes all");
        drop(writer);
        let workloads = parse("workload w\ncrash\nsync").expect("it is one");
        let workload = Workload {
            operations: Vec::new(),
            ..workloads[0].clone()
        };
        let image = |value| {
            let mut image = Image::zeroed(LEN);
            image.set_word(16, value);
            image
        };
        let images = [image(3), image(4)];
        let read = |images: &[Image]| {
            cases(
                &bytes[..],
                Image::zeroed(LEN),
                &vec![workload.clone(); 2],
                vec![Tree::default(); 2],
                &Symbols::default(),
                Model::X86,
                images,
            )
        };
        let traced = read(&images).expect("it is whole");
        for (case, image) in traced.cases.iter().zip(&images) {
            assert_eq!(case.log.base.settled(), image);
            assert_eq!(case.log.base.undecided().lines.len(), 0);
            assert_eq!(case.touched, BTreeSet::from([1]));
            assert_eq!(case.steps, RECOVERY);
        }
        assert_eq!((traced.image.word(16), traced.image.word(8)), (4, 1));
        assert!(read(&images[..1]).is_err(), "an image is missing");
    }

    #[test]
    fn traces_that_are_not_whole_are_refused() {
        for records in [
            vec![],
            vec![marker("start")],
            vec![marker("workload 1"), marker("end")],
            vec![marker("workload 0"), marker("start")],
            vec![marker("fly"), marker("end")],
            within(vec![store(LEN - 4, 8, 1)]),
        ] {
            assert!(traced(&records, Model::X86).is_err(), "{records:?}");
        }
    }
}
