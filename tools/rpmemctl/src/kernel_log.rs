// SPDX-License-Identifier: GPL-2.0

//! What the kernel has said about the driver: /dev/kmsg, as `Documentation/ABI/testing/dev-kmsg` has it.

use crate::system::System;
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// The log, from some point on.
pub struct KernelLog {
    fd: OwnedFd,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How bad it is: 0 is worst, 3 an error, 4 a warning.
    pub level: u8,
    /// What it says.
    pub text: String,
}

impl KernelLog {
    /// From the oldest message that is kept; `None` for who may not read it.
    pub fn from_start(system: &System) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(system.path("/dev/kmsg"), flags, Mode::empty()).ok()?;
        Some(Self { fd })
    }

    /// Only what comes from now on.
    pub fn from_now(system: &System) -> Option<Self> {
        let log = Self::from_start(system)?;
        rustix::fs::seek(&log.fd, SeekFrom::End(0)).ok()?;
        Some(log)
    }

    /// The messages that begin with this, up to now.
    pub fn take(&self, prefix: &str) -> Vec<Message> {
        let mut found = Vec::new();
        let mut buffer = [0; 16384];
        loop {
            match rustix::io::read(&self.fd, &mut buffer) {
                Ok(0) => return found,
                Ok(length) => {
                    let record = String::from_utf8_lossy(&buffer[..length]);
                    found.extend(parse(&record).filter(|message| message.text.starts_with(prefix)));
                }
                // A message was overwritten before it was read; the next one can be.
                Err(Errno::PIPE | Errno::INTR) => {}
                Err(_) => return found,
            }
        }
    }
}

fn parse(record: &str) -> Option<Message> {
    let (head, body) = record.split_once(';')?;
    let priority: u64 = head.split(',').next()?.parse().ok()?;
    Some(Message {
        level: (priority & 7) as u8,
        text: body.lines().next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_a_record() {
        let message = parse("11,512,123456,-;rpmem: no region\n SUBSYSTEM=x\n").unwrap();
        assert_eq!(
            (message.level, message.text.as_str()),
            (3, "rpmem: no region")
        );
        assert_eq!(parse("nothing"), None);
    }
}
