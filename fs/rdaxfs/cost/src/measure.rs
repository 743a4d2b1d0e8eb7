// SPDX-License-Identifier: GPL-2.0

//! Measures everything that there is a limit for.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use clap::ValueEnum;

use crate::callgrind::Callgrind;
use crate::counting::Counting;
use crate::memory::Memory;
use crate::meter::{MediumMeter, Part};
use crate::report::{Criterion, Report, Row};
use crate::{ageing, directories, extents, filling, mounting, operations};

/// The seconds of processor time that the programs have used which this one has started and waited for.
fn time_of_children() -> Result<f64> {
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the program's name, which may have blanks.
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks: Vec<f64> = fields
        .skip(13)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// How many instructions operations may cost in the kernel, the core's alone.
const KERNEL_LIMITS: &[(&str, f64)] = &[
    ("create", 4800.0),
    ("symlink of 40 bytes", 4800.0),
    ("create with a security label", 6500.0),
    ("mkdir", 5000.0),
    ("unlink that frees an empty file", 3500.0),
    ("rename in a directory", 5000.0),
    ("rename that frees an empty file", 7000.0),
    ("link", 3900.0),
    ("rmdir that frees it", 4000.0),
    ("lookup", 1600.0),
    ("setxattr, the first", 4500.0),
    ("first write of 4 KiB", 6500.0),
    // Without the copy of the data.
    ("extending write of 4 KiB", 5500.0 + 1741.0),
];

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// Every operation.
    Operations,
    /// Large directories.
    Directories,
    /// Many extents.
    Extents,
    /// Full volumes.
    Filling,
    /// The reads of a mount.
    Mount,
    /// mkfs of a large volume.
    Mkfs,
    /// Alignment after years.
    Ageing,
}

/// Measures, with files in a folder of its own.
pub struct Measure {
    work: PathBuf,
    mkfs: PathBuf,
    kernel_cost: PathBuf,
    callgrind: Callgrind,
    /// What has been found.
    pub report: Report,
}

impl Measure {
    /// Its files go to `work`; `mkfs` and `kernel_cost` are the programs.
    ///
    /// # Errors
    ///
    /// Those of [`Callgrind::new`].
    pub fn new(work: &Path, mkfs: &Path, kernel_cost: &Path) -> Result<Self> {
        Ok(Self {
            work: work.to_path_buf(),
            mkfs: mkfs.to_path_buf(),
            kernel_cost: kernel_cost.to_path_buf(),
            callgrind: Callgrind::new(&work.join("callgrind"))?,
            report: Report::default(),
        })
    }

    /// Measures a section.
    ///
    /// # Errors
    ///
    /// If it cannot be measured; not if a limit is not kept.
    pub fn section(&mut self, section: Section) -> Result<()> {
        match section {
            Section::Operations => self.operations(),
            Section::Directories => self.directories(),
            Section::Extents => self.extents(),
            Section::Filling => self.filling(),
            Section::Mount => self.mount(),
            Section::Mkfs => self.make_large(),
            Section::Ageing => self.ageing(),
        }
    }

    fn operations(&mut self) -> Result<()> {
        let (medium, counters) = Counting::new(Memory::new(operations::BLOCKS));
        let mut meter = MediumMeter::new(counters);
        operations::run(medium, &mut meter);
        let instructions = self.callgrind.parts(&["operations"])?;
        let kernel = self.callgrind.parts_of(&self.kernel_cost, &[])?;
        for found in [&instructions, &kernel] {
            let parts = found.iter().map(|(part, _)| part);
            let same = meter.found.iter().map(|(part, _)| part).eq(parts);
            ensure!(same, "{found:?} are other parts");
        }
        let found = meter.found.into_iter().zip(instructions).zip(kernel);
        for (((part, counts), (_, instructions)), (_, kernel)) in found {
            for (name, limit) in KERNEL_LIMITS {
                if *name == part.name {
                    let what = format!("instructions in the kernel, {name}");
                    let each = kernel as f64 / part.times as f64;
                    self.report
                        .criteria
                        .push(Criterion::at_most(&what, each, *limit, ""));
                }
            }
            self.report.operations.push(Row {
                name: part.name,
                times: part.times,
                counts,
                instructions,
                kernel,
            });
        }
        Ok(())
    }

    /// Runs a scenario on a prepared volume; returns the instructions of an operation of each part.
    fn on_volume(
        &self,
        scenario: &str,
        memory: &Memory,
        arguments: &[&str],
    ) -> Result<Vec<(String, f64)>> {
        let file = self.work.join("volume");
        memory.save(&file)?;
        let path = file.to_str().context("the folder's name is UTF-8")?;
        let words: Vec<&str> = [scenario, path].iter().chain(arguments).copied().collect();
        let parts = self.callgrind.parts(&words)?;
        fs::remove_file(&file)?;
        let each = |(Part { name, times }, total): (Part, u64)| (name, total as f64 / times as f64);
        Ok(parts.into_iter().map(each).collect())
    }

    fn directories(&mut self) -> Result<()> {
        let [small, large] = [1000_u64, 1_000_000].map(|entries| {
            let memory = directories::prepare(entries);
            self.on_volume("directory", &memory, &[&entries.to_string()])
        });
        for ((what, small), (_, large)) in small?.into_iter().zip(large?) {
            for (entries, found) in [("1,000", small), ("1,000,000", large)] {
                let name = format!("instructions of a {what} among {entries} entries");
                self.report.figure(name, found);
            }
            let text = format!("{what} among 1,000,000 entries, to 1,000");
            let criterion = Criterion::at_most(&text, large / small, 1.4, "");
            self.report.criteria.push(criterion);
        }
        Ok(())
    }

    fn extents(&mut self) -> Result<()> {
        let [few, many] = [100_u64, 1_000_000].map(|count| {
            let memory = extents::prepare(count);
            self.on_volume("extents", &memory, &[&count.to_string()])
        });
        for ((what, few), (_, many)) in few?.into_iter().zip(many?) {
            for (count, found) in [("100", few), ("1,000,000", many)] {
                let name = format!("instructions of a {what} among {count} extents");
                self.report.figure(name, found);
            }
            let text = format!("{what} among 1,000,000 extents, to 100");
            let criterion = Criterion::at_most(&text, many / few, 3.0, "");
            self.report.criteria.push(criterion);
        }
        Ok(())
    }

    fn filling(&mut self) -> Result<()> {
        let mut empty: Vec<(String, f64)> = Vec::new();
        for state in filling::STATES {
            let found = self.on_volume("filling", &filling::prepare(state), &[])?;
            for (what, instructions) in &found {
                let name = format!("instructions of an allocation of {what}, {state}");
                self.report.figure(name, *instructions);
            }
            for ((what, before), (_, now)) in empty.iter().zip(&found) {
                let text = format!("allocation of {what} at 95 % ({state}), to empty");
                let criterion = Criterion::at_most(&text, now / before, 2.0, "");
                self.report.criteria.push(criterion);
            }
            if empty.is_empty() {
                empty = found;
            }
        }
        Ok(())
    }

    fn mount(&mut self) -> Result<()> {
        let mut all = Vec::new();
        for (what, len) in mounting::LENGTHS {
            let counts = mounting::mount(&self.work.join("volume"), len)?;
            let name = format!("bytes read by a mount of {what}");
            self.report.figure(name, counts.read_bytes as f64);
            all.push(counts.read_bytes);
        }
        self.report.criteria.push(Criterion {
            what: "bytes read by a mount after a clean unmount".to_string(),
            found: format!("{all:?}"),
            limit: "the same for all lengths".to_string(),
            met: all.windows(2).all(|pair| pair[0] == pair[1]),
        });
        Ok(())
    }

    fn make_large(&mut self) -> Result<()> {
        let path = self.work.join("volume");
        let (mut least, mut processor) = (f64::MAX, f64::MAX);
        for _ in 0..3 {
            File::create(&path)?.set_len(1 << 40)?;
            let (begun, used) = (Instant::now(), time_of_children()?);
            let status = Command::new(&self.mkfs)
                .arg(&path)
                .stdout(Stdio::null())
                .status()?;
            least = least.min(begun.elapsed().as_secs_f64());
            processor = processor.min(time_of_children()? - used);
            ensure!(status.success(), "mkfs of 1 TiB: {status}");
        }
        File::create(&path)?.set_len(1 << 40)?;
        let instructions = self.callgrind.program(&self.mkfs, &[&path])?;
        fs::remove_file(&path)?;
        let name = "instructions of mkfs of 1 TiB, in user space".to_string();
        self.report.figure(name, instructions as f64);
        let name = "seconds that mkfs of 1 TiB took beside all else, best of 3".to_string();
        self.report.figure(name, least);
        let text = "mkfs of a sparse 1 TiB, user's and system's time";
        let criterion = Criterion::at_most(text, processor, 1.0, " s");
        self.report.criteria.push(criterion);
        Ok(())
    }

    fn ageing(&mut self) -> Result<()> {
        for mix in ageing::MIXES {
            let found = ageing::run(mix, ageing::ROUNDS);
            let name = format!("bytes read for each written, {}", mix.name);
            self.report.figure(name, found.read_share());
            let text = format!("aligned slots after ageing, {}", mix.name);
            let criterion = Criterion::at_least(&text, found.aligned(), 90.0, " %");
            self.report.criteria.push(criterion);
        }
        Ok(())
    }
}
