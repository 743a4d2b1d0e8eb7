// SPDX-License-Identifier: GPL-2.0

//! Turns what the CPUs do into a trace.

use std::collections::HashSet;
use std::io::{self, Write};

use crashcheck_trace::{FenceKind, FlushKind, Range, Record, Site, Writer};

use crate::address::Memory;
use crate::paging::translate;
use crate::{Machine, Register};

/// What a program has in `eax` when it says something by `cpuid`: no processor has such a leaf. The text is
/// at `rsi`, `rdx` bytes long.
pub const MARKER_LEAF: u64 = 0x4352_4348;
/// No marker is longer.
const LONGEST_MARKER: u64 = 4096;
/// How much of the stack is looked through for return addresses.
const STACK_BYTES: usize = 768;
/// As many callers are kept.
const CALLERS: usize = 12;
/// Where the kernel's and the modules' code is, with `nokaslr`.
const KERNEL_CODE: std::ops::Range<u64> = 0xffff_ffff_8000_0000..0xffff_ffff_ff00_0000;
const LINE: u64 = 64;
/// The kernel's addresses begin here.
const KERNEL: u64 = 0xffff_8000_0000_0000;

/// What a program says when two processors begin to work at once, with a number behind it that decides where they
/// take turns, and when they have ended.
const TOGETHER: &str = "together ";
const APART: &str = "apart";
/// So often they take turns: each time costs a tenth of a second.
const MOST_TURNS: u32 = 24;
/// At about one of so many flushes and fences.
const TURN_IN: u64 = 3;

/// A store.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The instruction's address.
    pub instruction: u64,
    /// The CPU.
    pub cpu: u32,
    /// Where it stores.
    pub physical: u64,
    /// How many bytes.
    pub len: u8,
    /// Their values.
    pub value: u128,
    /// Past the cache.
    pub streamed: bool,
}

/// Writes the trace of one machine.
#[derive(Debug)]
pub struct Tracer<W: Write> {
    range: Range,
    writer: Writer<W>,
    /// CPUs that have flushed or streamed since their last fence: the others' fences order nothing here.
    unfenced: HashSet<u32>,
    /// The last site, which the next event mostly has too: its stack need not be searched again.
    last: Option<(u32, u64, u64, u32)>,
    /// Where each CPU has what is its own.
    cpus: Vec<u64>,
    /// While two processors work at once: how many turns are left, and the state of the lots.
    turns: Option<(u32, u64)>,
    /// The processor that has just flushed or fenced is to let the next one on.
    yields: bool,
}

impl<W: Write> Tracer<W> {
    /// Begins a trace.
    ///
    /// # Errors
    ///
    /// Those of writing, as with all functions here.
    pub fn new(range: Range, to: W) -> io::Result<Self> {
        Ok(Self {
            range,
            writer: Writer::new(to, range)?,
            unfenced: HashSet::new(),
            last: None,
            cpus: Vec::new(),
            turns: None,
            yields: false,
        })
    }

    /// The watched range.
    #[must_use]
    pub fn range(&self) -> Range {
        self.range
    }

    /// The number of the CPU that runs: by where Linux has what belongs to it, which is `gs`'s base in the kernel and what
    /// `swapgs` makes it in programs. What QEMU calls with is not it: where one thread runs all CPUs, QEMU 10 puts the number of
    /// the CPU for which it translates into code that all of them run.
    pub fn cpu(&mut self, machine: &dyn Machine) -> u32 {
        let bases = [Register::GsBase, Register::KernelGsBase];
        let bases = bases.map(|register| machine.register(register).unwrap_or(0));
        let base = bases.into_iter().find(|&base| base >= KERNEL).unwrap_or(0);
        let found = self.cpus.iter().position(|&other| other == base);
        found.unwrap_or_else(|| {
            self.cpus.push(base);
            self.cpus.len() - 1
        }) as u32
    }

    /// Whether a fence is one for the trace: a locked instruction if any CPU has something to wait for, the others as soon as
    /// something has been stored, which is long after the kernel has given each CPU its place.
    #[must_use]
    pub fn wants(&self, kind: FenceKind) -> bool {
        match kind {
            FenceKind::Locked => !self.unfenced.is_empty(),
            FenceKind::Sfence | FenceKind::Mfence => !self.cpus.is_empty(),
        }
    }

    /// A CPU has stored something.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn store(&mut self, machine: &dyn Machine, access: &Access) -> io::Result<()> {
        let &Access {
            instruction,
            cpu,
            physical,
            len,
            value,
            streamed,
        } = access;
        let Some(offset) = self.range.offset(physical, len.into()) else {
            return Ok(());
        };
        let site = self.site(machine, cpu, instruction)?;
        if streamed {
            self.unfenced.insert(cpu);
        }
        self.writer.record(&Record::Store {
            cpu,
            site,
            streamed,
            offset,
            len,
            value,
        })
    }

    /// A CPU writes a line back.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn flush(
        &mut self,
        machine: &dyn Machine,
        cpu: u32,
        instruction: u64,
        kind: FlushKind,
        memory: &Memory,
    ) -> io::Result<()> {
        let address = memory.address(machine, instruction);
        let Some(physical) = address.and_then(|address| translate(machine, address)) else {
            let site = self.site(machine, cpu, instruction)?;
            let address = address.unwrap_or_default();
            return self.writer.record(&Record::Lost { cpu, site, address });
        };
        let Some(offset) = self.range.offset(physical / LINE * LINE, LINE) else {
            return Ok(());
        };
        let site = self.site(machine, cpu, instruction)?;
        self.unfenced.insert(cpu);
        self.draw();
        self.writer.record(&Record::Flush {
            cpu,
            site,
            kind,
            offset,
        })
    }

    /// A CPU waits. If a locked instruction has nothing to wait for, no line of the trace says so: there are many. Other fences
    /// are in it always: who takes one away from the trace is to find those that make up for it.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn fence(
        &mut self,
        machine: &dyn Machine,
        cpu: u32,
        instruction: u64,
        kind: FenceKind,
    ) -> io::Result<()> {
        match kind {
            // It may be taken for no fence by who reads the trace.
            FenceKind::Locked if self.unfenced.contains(&cpu) => {}
            FenceKind::Locked => return Ok(()),
            FenceKind::Sfence | FenceKind::Mfence => {
                if self.unfenced.remove(&cpu) {
                    self.draw();
                }
            }
        }
        let site = self.site(machine, cpu, instruction)?;
        self.writer.record(&Record::Fence { cpu, site, kind })
    }

    /// A CPU has come to `cpuid`.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn cpuid(&mut self, machine: &dyn Machine, cpu: u32) -> io::Result<()> {
        let general = |number| machine.register(Register::General(number)).unwrap_or(0);
        let (leaf, address, len) = (general(0), general(6), general(2));
        if leaf != MARKER_LEAF || len > LONGEST_MARKER {
            return Ok(());
        }
        let mut text = vec![0; len as usize];
        if !machine.read(address, &mut text) {
            text = b"marker that cannot be read".to_vec();
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        if let Some(seed) = text.strip_prefix(TOGETHER) {
            self.turns = Some((MOST_TURNS, seed.parse().unwrap_or(0)));
        } else if text == APART {
            self.turns = None;
        }
        self.writer.record(&Record::Marker { cpu, text })
    }

    /// Whether the processor that has called is to let another one on now: one thread runs both, and would not
    /// before a tenth of a second is over, which is longer than most operations. Asking ends it.
    pub fn yields(&mut self) -> bool {
        std::mem::take(&mut self.yields)
    }

    /// Draws a lot on whether this is where processors take turns.
    fn draw(&mut self) {
        if let Some((left @ 1.., state)) = &mut self.turns {
            // One step of splitmix64.
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut drawn = *state;
            drawn = (drawn ^ drawn >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            drawn = (drawn ^ drawn >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            if (drawn ^ drawn >> 31) % TURN_IN == 0 {
                *left -= 1;
                self.yields = true;
            }
        }
    }

    /// Writes what has been collected.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn site(&mut self, machine: &dyn Machine, cpu: u32, instruction: u64) -> io::Result<u32> {
        let stack = machine.register(Register::General(4)).unwrap_or(0);
        if let Some((last_cpu, last, last_stack, site)) = self.last {
            if (last_cpu, last, last_stack) == (cpu, instruction, stack) {
                return Ok(site);
            }
        }
        let callers = callers(machine, stack);
        let site = self.writer.site(Site {
            instruction,
            callers,
        })?;
        self.last = Some((cpu, instruction, stack, site));
        Ok(site)
    }
}

/// What on the stack may be return addresses, the innermost first.
fn callers(machine: &dyn Machine, stack: u64) -> Vec<u64> {
    let mut bytes = [0; STACK_BYTES];
    // The stack ends somewhere: what is beyond may not be there.
    let mut len = STACK_BYTES;
    while len > 0 && !machine.read(stack, &mut bytes[..len]) {
        len /= 2;
    }
    let words = bytes[..len].chunks_exact(8);
    let words = words.map(|word| u64::from_le_bytes(std::array::from_fn(|at| word[at])));
    let mut callers: Vec<u64> = words.filter(|word| KERNEL_CODE.contains(word)).collect();
    callers.dedup();
    // A return address has a call before it.
    callers.retain(|&caller| follows_a_call(machine, caller));
    callers.truncate(CALLERS);
    callers
}

fn follows_a_call(machine: &dyn Machine, address: u64) -> bool {
    let mut code = [0; 6];
    // E8 and a distance; FF /2 with a register, with a register and a distance.
    machine.read(address.wrapping_sub(6), &mut code)
        && (code[1] == 0xe8
            || (code[4] == 0xff && code[5] >> 3 & 7 == 2)
            || (code[3] == 0xff && code[4] >> 3 & 7 == 2)
            || (code[0] == 0xff && code[1] >> 3 & 7 == 2)
            || (code[2] == 0x2e && code[3] == 0xe8))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crashcheck_trace::Reader;

    use super::*;
    use crate::{decode, Instruction};

    const RANGE: Range = Range {
        start: 0x10_0000,
        len: 0x1000,
    };

    /// Memory at the physical addresses of the direct map, with one large page at 0.
    struct Small {
        registers: HashMap<Register, u64>,
        text: &'static [u8],
    }

    impl Machine for Small {
        fn register(&self, register: Register) -> Option<u64> {
            Some(self.registers.get(&register).copied().unwrap_or(0))
        }

        fn read(&self, address: u64, into: &mut [u8]) -> bool {
            if address == 0x4000 && into.len() == self.text.len() {
                into.copy_from_slice(self.text);
                return true;
            }
            // Every table is the one at 0, whose entries are present; those of the second level are large.
            if address >> 40 == 0x00ff_ff88 && into.len() == 8 {
                into.copy_from_slice(&0xe3_u64.to_le_bytes());
                return true;
            }
            false
        }
    }

    fn records(bytes: &[u8]) -> Vec<Record> {
        let records = Reader::new(bytes).expect("it begins well");
        records
            .map(|record| record.expect("it is whole"))
            .filter(|record| !matches!(record, Record::Site(_)))
            .collect()
    }

    #[test]
    fn only_what_concerns_the_range_is_in_the_trace() {
        let machine = Small {
            registers: HashMap::from([(Register::General(0), 0x10_0047)]),
            text: b"",
        };
        let mut bytes = Vec::new();
        let mut tracer = Tracer::new(RANGE, &mut bytes).expect("memory takes all");
        let store = |physical, streamed| Access {
            instruction: 0x5000,
            cpu: 1,
            physical,
            len: 8,
            value: 7,
            streamed,
        };
        let outside = [0, 0xf_fff9, 0x10_0ff9, 0x10_1000];
        for physical in outside {
            tracer
                .store(&machine, &store(physical, false))
                .expect("memory takes all");
        }
        tracer
            .fence(&machine, 1, 0x5008, FenceKind::Locked)
            .expect("memory takes all");
        tracer
            .store(&machine, &store(0x10_0040, false))
            .expect("memory takes all");
        let Instruction::Flush(kind, memory) = decode(&[0x66, 0x0f, 0xae, 0x30]) else {
            panic!("it is clwb (%rax)");
        };
        tracer
            .flush(&machine, 1, 0x500c, kind, &memory)
            .expect("memory takes all");
        for (cpu, kind) in [
            (0, FenceKind::Locked),
            (1, FenceKind::Locked),
            (1, FenceKind::Sfence),
            (1, FenceKind::Locked),
        ] {
            tracer
                .fence(&machine, cpu, 0x5010, kind)
                .expect("memory takes all");
        }
        tracer.finish().expect("memory takes all");
        drop(tracer);
        assert_eq!(
            records(&bytes),
            [
                Record::Store {
                    cpu: 1,
                    site: 0,
                    streamed: false,
                    offset: 0x40,
                    len: 8,
                    value: 7
                },
                Record::Flush {
                    cpu: 1,
                    site: 1,
                    kind: FlushKind::Clwb,
                    offset: 0x40
                },
                Record::Fence {
                    cpu: 1,
                    site: 2,
                    kind: FenceKind::Locked
                },
                Record::Fence {
                    cpu: 1,
                    site: 2,
                    kind: FenceKind::Sfence
                },
            ]
        );
    }

    #[test]
    fn cpuid_with_the_leaf_is_a_marker() {
        let said = |leaf| {
            let machine = Small {
                registers: HashMap::from([
                    (Register::General(0), leaf),
                    (Register::General(6), 0x4000),
                    (Register::General(2), 7),
                ]),
                text: b"begin 1",
            };
            let mut bytes = Vec::new();
            let mut tracer = Tracer::new(RANGE, &mut bytes).expect("memory takes all");
            tracer.cpuid(&machine, 3).expect("memory takes all");
            drop(tracer);
            records(&bytes)
        };
        assert_eq!(said(1), []);
        assert_eq!(
            said(MARKER_LEAF),
            [Record::Marker {
                cpu: 3,
                text: "begin 1".into()
            }]
        );
    }

    #[test]
    fn a_cpu_is_known_by_what_the_kernel_has_for_it() {
        let mut tracer = Tracer::new(RANGE, Vec::new()).expect("memory takes all");
        let mut cpu = |base, other| {
            tracer.cpu(&Small {
                registers: HashMap::from([
                    (Register::GsBase, base),
                    (Register::KernelGsBase, other),
                ]),
                text: b"",
            })
        };
        let (one, two) = (0xffff_8880_3fc0_0000, 0xffff_8880_3fd0_0000);
        assert_eq!(cpu(one, 0), 0);
        assert_eq!(cpu(two, 0x7000), 1);
        assert_eq!(cpu(0x7000, one), 0);
        assert_eq!(cpu(0, two), 1);
    }

    #[test]
    fn fences_before_the_first_store_are_not_wanted() {
        let mut tracer = Tracer::new(RANGE, Vec::new()).expect("memory takes all");
        assert!(!tracer.wants(FenceKind::Sfence) && !tracer.wants(FenceKind::Locked));
        let machine = Small {
            registers: HashMap::new(),
            text: b"",
        };
        let store = Access {
            instruction: 0x5000,
            cpu: tracer.cpu(&machine),
            physical: RANGE.start,
            len: 8,
            value: 7,
            streamed: false,
        };
        tracer.store(&machine, &store).expect("memory takes all");
        assert!(tracer.wants(FenceKind::Sfence) && !tracer.wants(FenceKind::Locked));
    }

    #[test]
    fn processors_take_turns_only_while_two_work_at_once() {
        let mut tracer = Tracer::new(RANGE, Vec::new()).expect("memory takes all");
        let mut turns = |said: &'static str| {
            let registers = HashMap::from([
                (Register::General(0), MARKER_LEAF),
                (Register::General(6), 0x4000),
                (Register::General(2), said.len() as u64),
            ]);
            let machine = Small {
                registers,
                text: said.as_bytes(),
            };
            tracer.cpuid(&machine, 0).expect("memory takes all");
            let store = Access {
                instruction: 0x5000,
                cpu: 0,
                physical: RANGE.start,
                len: 8,
                value: 7,
                streamed: true,
            };
            let mut turns = 0;
            for _ in 0..1000 {
                tracer.store(&machine, &store).expect("memory takes all");
                assert!(!tracer.yields());
                tracer
                    .fence(&machine, 0, 0x5008, FenceKind::Sfence)
                    .expect("memory takes all");
                turns += u32::from(tracer.yields());
            }
            turns
        };
        assert_eq!(turns("begin 1"), 0);
        assert_eq!(turns("together 7"), MOST_TURNS);
        assert_eq!(turns("apart"), 0);
    }

    #[test]
    fn a_flush_of_what_is_not_mapped_is_lost() {
        struct Nothing;
        impl Machine for Nothing {
            fn register(&self, _register: Register) -> Option<u64> {
                Some(0x10_0000)
            }
            fn read(&self, _address: u64, _into: &mut [u8]) -> bool {
                false
            }
        }
        let mut bytes = Vec::new();
        let mut tracer = Tracer::new(RANGE, &mut bytes).expect("memory takes all");
        let Instruction::Flush(kind, memory) = decode(&[0x66, 0x0f, 0xae, 0x30]) else {
            panic!("it is clwb (%rax)");
        };
        tracer
            .flush(&Nothing, 0, 0, kind, &memory)
            .expect("memory takes all");
        tracer.finish().expect("memory takes all");
        drop(tracer);
        assert!(matches!(
            records(&bytes)[..],
            [Record::Lost {
                address: 0x10_0000,
                ..
            }]
        ));
    }
}
