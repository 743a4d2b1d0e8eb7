// SPDX-License-Identifier: GPL-2.0

//! What modprobe's configuration says of the module.
//!
//! See modprobe.d(5).

use super::{Diagnosis, Finding};
use crate::iomem::{Iomem, SYSTEM_RAM};
use crate::suggest::choose::LEAST_ALIGNMENT;
use crate::system::System;
use rpmem_regions::Regions;

/// A line of the configuration that is about rpmem.
struct Line {
    file: String,
    text: String,
}

impl Line {
    fn words(&self) -> Vec<&str> {
        self.text.split_ascii_whitespace().collect()
    }

    fn finding(&self, what: impl Into<String>) -> Finding {
        Finding::problem("parameter", what).seen(format!("\"{}\" in {}", self.text, self.file))
    }
}

pub(super) fn examine(system: &System, diagnosis: &mut Diagnosis) {
    let lines = lines(system);
    let mut auto_off = None;
    let mut named = false;
    for line in &lines {
        match line.words()[..] {
            ["blacklist", _] => diagnosis.add(
                Finding::problem("blacklisted", "the module is not loaded by itself at boot")
                    .seen(format!("\"{}\" in {}", line.text, line.file))
                    .remedy("take that line out, or load it with: modprobe rpmem"),
            ),
            ["install", _, ref command @ ..] => diagnosis.add(
                Finding::problem(
                    "blacklisted",
                    "modprobe runs a command instead of loading the module",
                )
                .seen(format!("\"{}\" in {}", line.text, line.file))
                .remedy(format!(
                    "take that line out, unless \"{}\" is meant",
                    command.join(" ")
                )),
            ),
            ["options", _, ref options @ ..] => {
                for option in options {
                    match option.split_once('=') {
                        Some(("regions", text)) => {
                            named = true;
                            regions(system, line, text, diagnosis);
                        }
                        Some(("logical_block_size", text)) => {
                            if !["512", "4096"].contains(&text) {
                                diagnosis.add(
                                    line.finding(format!("logical_block_size={text} is refused"))
                                        .remedy("use 512 or 4096"),
                                );
                            }
                        }
                        Some(("auto", "0" | "n" | "N")) => auto_off = Some(line),
                        Some(("auto" | "force", _)) | None => {}
                        Some((name, _)) => diagnosis.add(
                            line.finding(format!(
                                "the module has no parameter {name}: the kernel ignores it"
                            ))
                            .remedy("modinfo -p rpmem    # lists those that it has"),
                        ),
                    }
                }
            }
            _ => {}
        }
    }
    if let (Some(line), false) = (auto_off, named) {
        diagnosis.add(
            line.finding("auto=0 without regions= leaves nothing to take")
                .remedy("add regions=SIZE@ADDR, or take auto=0 out"),
        );
    }
}

fn regions(system: &System, line: &Line, text: &str, diagnosis: &mut Diagnosis) {
    let regions = match Regions::parse(text.as_bytes()) {
        Ok(regions) => regions,
        Err(error) => {
            diagnosis.add(
                line.finding(format!("regions= cannot be read: {error}"))
                    .remedy("correct it there, then modprobe rpmem"),
            );
            return;
        }
    };
    let ram = Iomem::of(system).map(|iomem| iomem.named(SYSTEM_RAM));
    for region in regions.iter() {
        if let Err(misaligned) = region.check_alignment(LEAST_ALIGNMENT) {
            diagnosis.add(
                line.finding(misaligned.to_string())
                    .remedy("correct it there, then modprobe rpmem"),
            );
        }
        let range = region.start().get()..region.end().get();
        if ram.as_ref().is_ok_and(|ram| ram.overlaps(&range)) {
            diagnosis.add(
                line.finding(format!("{region} is RAM that the kernel uses"))
                    .seen(format!("\"{SYSTEM_RAM}\" in /proc/iomem overlaps {:x}-{:x}", range.start, range.end - 1))
                    .remedy(format!(
                        "reserve it on the kernel's command line: memmap={}\\${} in /etc/default/grub, in single quotes",
                        crate::quantity::Bytes(region.size()),
                        region.start()
                    ))
                    .remedy("rpmemctl suggest SIZE    # names a range that fits this machine"),
            );
        }
    }
}

/// The lines about rpmem; a file hides those of the same name in the folders behind.
fn lines(system: &System) -> Vec<Line> {
    let mut seen = Vec::new();
    let mut lines = Vec::new();
    for directory in [
        "/etc/modprobe.d",
        "/run/modprobe.d",
        "/usr/local/lib/modprobe.d",
        "/usr/lib/modprobe.d",
        "/lib/modprobe.d",
    ] {
        for name in system.names(directory) {
            if !name.ends_with(".conf") || seen.contains(&name) {
                continue;
            }
            let file = format!("{directory}/{name}");
            let text = system.read_if_there(&file).unwrap_or_default();
            seen.push(name);
            let mine = text
                .lines()
                .filter(|line| line.split_ascii_whitespace().nth(1) == Some("rpmem"));
            lines.extend(mine.map(|line| Line {
                file: file.clone(),
                text: line.trim().to_owned(),
            }));
        }
    }
    lines
}
