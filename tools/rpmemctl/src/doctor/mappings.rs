// SPDX-License-Identifier: GPL-2.0

//! Whether huge pages map a file in the processes that have it mapped.
//!
//! `/proc/PID/maps` says which those are, and the ioctl `PAGEMAP_SCAN` by which pages.

use super::{Diagnosis, Finding};
use crate::quantity::counted;
use crate::suggest::choose::LEAST_ALIGNMENT as HUGE;
use crate::system::System;
use fs_extents::pagemap::{self, Mapped};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use terminal::{safe, safe_path};

/// A part of a file in a process.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    start: u64,
    end: u64,
    /// Where it begins in the file, in bytes.
    offset: u64,
}

impl Part {
    /// Whether a huge page has room in it, where the file wants one.
    fn has_room(&self) -> bool {
        let first = self.offset.next_multiple_of(HUGE) - self.offset;
        self.end - self.start >= first.saturating_add(HUGE)
    }

    /// Whether addresses and bytes of the file are multiples of 2 MiB together.
    fn is_aligned(&self) -> bool {
        self.start % HUGE == self.offset % HUGE
    }
}

/// Looks at who has a file mapped. `fits`: whether its blocks lie so that huge pages can map some.
pub(super) fn examine(system: &System, path: &Path, fits: bool, diagnosis: &mut Diagnosis) {
    if !system.is_this_one() {
        return;
    }
    let place = safe_path(path);
    let data = match fs::metadata(path) {
        Ok(data) => data,
        Err(error) => return diagnosis.skip(format!("who has {place} mapped: {error}")),
    };
    let file = (
        rustix::fs::major(data.dev()),
        rustix::fs::minor(data.dev()),
        data.ino(),
    );
    let mut hidden = 0;
    for pid in system.names("/proc") {
        if !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A process may have ended; a kernel thread has no mappings.
        match fs::read(format!("/proc/{pid}/maps")) {
            Ok(maps) => {
                let parts = parts_of(&String::from_utf8_lossy(&maps), file);
                if !parts.is_empty() {
                    process(&pid, &parts, &place, fits, diagnosis);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => hidden += 1,
            Err(_) => {}
        }
    }
    if hidden > 0 {
        diagnosis.skip(format!(
            "whether {} of other users {} {place} mapped (run this as root)",
            counted(hidden, "process"),
            if hidden == 1 { "has" } else { "have" }
        ));
    }
}

fn process(pid: &str, parts: &[Part], place: &str, fits: bool, diagnosis: &mut Diagnosis) {
    let command = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let who = format!("process {pid} ({})", safe(command.trim_ascii_end()));
    let mapped = match File::open(format!("/proc/{pid}/pagemap"))
        .map_err(|error| error.to_string())
        .and_then(|pagemap| sum(&pagemap, parts).map_err(|error| error.to_string()))
    {
        Ok(mapped) => mapped,
        Err(error) => {
            return diagnosis.skip(format!("by which pages {who} maps {place}: {error}"));
        }
    };
    let kib = |bytes: u64| bytes >> 10;
    let how = format!(
        "{who} maps {} KiB of {place}, {} KiB of them by huge pages",
        kib(mapped.all),
        kib(mapped.huge)
    );
    let room = parts.iter().find(|part| part.has_room());
    let (Some(part), true) = (room, fits && mapped.huge == 0 && mapped.all > 0) else {
        return diagnosis.looked_at.push(how);
    };
    let finding = Finding::advice(
        "mapping-without-huge-pages",
        format!("{who} maps {place} by pages of 4 KiB only"),
    )
    .seen(how)
    .seen(format!(
        "address {:#x} has byte {} of the file, in /proc/{pid}/maps",
        part.start, part.offset
    ));
    diagnosis.add(if parts.iter().any(|part| part.has_room() && part.is_aligned()) {
        finding.remedy("what is touched first as a whole 2 MiB, and has its blocks by then, gets a huge page: allocate the file with fallocate(1) before it is mapped")
    } else {
        finding.remedy("call mmap(2) with NULL as the address, at an offset that is a multiple of 2 MiB: the kernel then chooses an address for huge pages")
    });
}

fn sum(pagemap: &File, parts: &[Part]) -> rustix::io::Result<Mapped> {
    let mut sum = Mapped::default();
    for part in parts {
        let mapped = pagemap::mapped(pagemap, part.start..part.end)?;
        sum.all += mapped.all;
        sum.huge += mapped.huge;
    }
    Ok(sum)
}

/// The parts of a file (its device's numbers and its inode's) in the text of `/proc/PID/maps`.
fn parts_of(maps: &str, file: (u32, u32, u64)) -> Vec<Part> {
    maps.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let _permissions = words.next()?;
            let offset = words.next()?;
            let (major, minor) = words.next()?.split_once(':')?;
            let inode = words.next()?.parse().ok()?;
            let hex = |text| u64::from_str_radix(text, 16).ok();
            let numbers = (
                u32::from_str_radix(major, 16).ok()?,
                u32::from_str_radix(minor, 16).ok()?,
                inode,
            );
            let part = Part {
                start: hex(start)?,
                end: hex(end)?,
                offset: hex(offset)?,
            };
            (numbers == file && part.start < part.end).then_some(part)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_one_file_are_found() {
        let maps = "\
7f0000200000-7f0000600000 rw-s 00200000 103:0a 77                        /mnt/a b
7f0000600000-7f0000700000 r--p 00000000 103:0a 78                        /mnt/c
7f0000800000-7f0000801000 rw-s 00001000 103:0a 77                        /mnt/a b
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
no line of it
";
        let parts = parts_of(maps, (0x103, 10, 77));
        assert_eq!(parts.len(), 2);
        assert!(parts[0].has_room() && parts[0].is_aligned());
        assert!(!parts[1].has_room());
        assert_eq!(parts_of(maps, (0x103, 10, 79)), []);
    }

    #[test]
    fn room_begins_where_the_file_wants_it() {
        let part = |start, offset, length| Part {
            start,
            end: start + length,
            offset,
        };
        assert!(part(HUGE, 0, HUGE).has_room());
        assert!(!part(HUGE, 4096, HUGE).has_room());
        assert!(part(HUGE + 4096, 4096, 2 * HUGE).has_room());
        assert!(part(HUGE + 4096, 4096, HUGE).is_aligned());
        assert!(!part(HUGE, 4096, HUGE).is_aligned());
    }
}
