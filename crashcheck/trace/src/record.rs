// SPDX-License-Identifier: GPL-2.0

//! What there is in a trace.

use crate::number::{put, take};

/// Who did it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The instruction's virtual address.
    pub instruction: u64,
    /// What on the stack looks like return addresses, the innermost first: some may be left over from
    /// calls that have ended.
    pub callers: Vec<u64>,
}

/// The instruction that wrote a line back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlushKind {
    /// `clflush`.
    Clflush,
    /// `clflushopt`.
    Clflushopt,
    /// `clwb`.
    Clwb,
}

/// The instruction that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FenceKind {
    /// `sfence`.
    Sfence,
    /// `mfence`.
    Mfence,
    /// One with a `lock` prefix, or `xchg` with memory.
    Locked,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The next [`Site`]: they are numbered from 0 on, in this order.
    Site(Site),
    /// A store into the range.
    Store {
        /// The CPU.
        cpu: u32,
        /// The site's number.
        site: u32,
        /// Past the cache (`movnti` and its like).
        streamed: bool,
        /// The first byte's offset in the range.
        offset: u64,
        /// How many bytes: 1 to 16.
        len: u8,
        /// Their values, the first in the lowest byte.
        value: u128,
    },
    /// A line's write-back is started.
    Flush {
        /// The CPU.
        cpu: u32,
        /// The site's number.
        site: u32,
        /// By which instruction.
        kind: FlushKind,
        /// The line's first byte in the range.
        offset: u64,
    },
    /// A CPU waits for what it flushed and streamed.
    Fence {
        /// The CPU.
        cpu: u32,
        /// The site's number.
        site: u32,
        /// By which instruction.
        kind: FenceKind,
    },
    /// A program in the machine says something.
    Marker {
        /// The CPU.
        cpu: u32,
        /// What it says.
        text: String,
    },
    /// A flush whose address could not be found out: what follows is not to be trusted.
    Lost {
        /// The CPU.
        cpu: u32,
        /// The site's number.
        site: u32,
        /// The virtual address, if that at least is known, or 0.
        address: u64,
    },
}

const SITE: u8 = 0;
const STORE: u8 = 1;
const STREAM: u8 = 2;
const FLUSH: u8 = 3;
const FENCE: u8 = 4;
const MARKER: u8 = 5;
const LOST: u8 = 6;

impl Record {
    pub(crate) fn put(&self, into: &mut Vec<u8>) {
        match self {
            Self::Site(site) => {
                into.push(SITE);
                put(into, site.instruction);
                put(into, site.callers.len() as u64);
                for &caller in &site.callers {
                    put(into, caller);
                }
            }
            &Self::Store {
                cpu,
                site,
                streamed,
                offset,
                len,
                value,
            } => {
                into.push(if streamed { STREAM } else { STORE });
                put(into, cpu.into());
                put(into, site.into());
                put(into, offset);
                into.push(len);
                into.extend_from_slice(&value.to_le_bytes()[..usize::from(len.min(16))]);
            }
            &Self::Flush {
                cpu,
                site,
                kind,
                offset,
            } => {
                into.extend([FLUSH, kind as u8]);
                put(into, cpu.into());
                put(into, site.into());
                put(into, offset);
            }
            &Self::Fence { cpu, site, kind } => {
                into.extend([FENCE, kind as u8]);
                put(into, cpu.into());
                put(into, site.into());
            }
            Self::Marker { cpu, text } => {
                into.push(MARKER);
                put(into, (*cpu).into());
                put(into, text.len() as u64);
                into.extend_from_slice(text.as_bytes());
            }
            &Self::Lost { cpu, site, address } => {
                into.push(LOST);
                put(into, cpu.into());
                put(into, site.into());
                put(into, address);
            }
        }
    }

    /// Takes a record from the front; [`None`] if there is no valid one.
    pub(crate) fn take(from: &mut &[u8]) -> Option<Self> {
        let small = |from: &mut &[u8]| u32::try_from(take(from)?).ok();
        let kind = byte(from)?;
        Some(match kind {
            SITE => {
                let instruction = take(from)?;
                let count = take(from)?;
                let callers = (0..count).map(|_| take(from)).collect::<Option<_>>()?;
                Self::Site(Site {
                    instruction,
                    callers,
                })
            }
            STORE | STREAM => {
                let (cpu, site, offset) = (small(from)?, small(from)?, take(from)?);
                let len = byte(from).filter(|len| (1..=16).contains(len))?;
                let mut value = [0; 16];
                value[..usize::from(len)].copy_from_slice(bytes(from, len.into())?);
                Self::Store {
                    cpu,
                    site,
                    streamed: kind == STREAM,
                    offset,
                    len,
                    value: u128::from_le_bytes(value),
                }
            }
            FLUSH => {
                let kinds = [FlushKind::Clflush, FlushKind::Clflushopt, FlushKind::Clwb];
                let kind = *kinds.get(usize::from(byte(from)?))?;
                Self::Flush {
                    kind,
                    cpu: small(from)?,
                    site: small(from)?,
                    offset: take(from)?,
                }
            }
            FENCE => {
                let kinds = [FenceKind::Sfence, FenceKind::Mfence, FenceKind::Locked];
                let kind = *kinds.get(usize::from(byte(from)?))?;
                Self::Fence {
                    kind,
                    cpu: small(from)?,
                    site: small(from)?,
                }
            }
            MARKER => {
                let cpu = small(from)?;
                let len = take(from)?;
                let text = bytes(from, usize::try_from(len).ok()?)?;
                let text = String::from_utf8(text.to_vec()).ok()?;
                Self::Marker { cpu, text }
            }
            LOST => Self::Lost {
                cpu: small(from)?,
                site: small(from)?,
                address: take(from)?,
            },
            _ => return None,
        })
    }
}

fn byte(from: &mut &[u8]) -> Option<u8> {
    bytes(from, 1).map(|bytes| bytes[0])
}

fn bytes<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (bytes, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(bytes)
}
