// SPDX-License-Identifier: GPL-2.0

//! The address that an instruction's ModRM byte means.

use crate::{Machine, Register};

/// A segment whose base is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// One whose base is 0 in 64-bit mode.
    None,
    /// `fs:`.
    Fs,
    /// `gs:`.
    Gs,
}

/// What the address starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Nothing: the displacement is the address.
    None,
    /// A general register.
    Register(u8),
    /// The address of the next instruction.
    NextInstruction,
}

/// An operand in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    segment: Segment,
    base: Base,
    index: Option<u8>,
    scale: u8,
    displacement: i64,
    /// Addresses have 32 bits.
    short: bool,
    /// The instruction's length.
    len: u64,
}

impl Memory {
    /// Decodes ModRM and what follows it; [`None`] if it is a register or if bytes are missing.
    pub(crate) fn decode(bytes: &[u8], rex: u8, segment: Segment, short: bool) -> Option<Self> {
        let (&modrm, mut rest) = bytes.split_first()?;
        let (mode, low) = (modrm >> 6, modrm & 7);
        let (base_bit, index_bit) = ((rex & 1) << 3, (rex & 2) << 2);
        let mut base = Base::Register(low | base_bit);
        let (mut index, mut scale) = (None, 0);
        if mode == 3 {
            return None;
        }
        let mut wide = mode == 2;
        if low == 4 {
            let (&sib, behind) = rest.split_first()?;
            rest = behind;
            scale = sib >> 6;
            let number = sib >> 3 & 7 | index_bit;
            // The number of rsp means none.
            index = (number != 4).then_some(number);
            base = Base::Register(sib & 7 | base_bit);
            if sib & 7 == 5 && mode == 0 {
                (base, wide) = (Base::None, true);
            }
        } else if low == 5 && mode == 0 {
            (base, wide) = (Base::NextInstruction, true);
        }
        let displacement = match (mode, wide) {
            (1, _) => i64::from(*rest.first()? as i8),
            (_, true) => i64::from(i32::from_le_bytes(rest.get(..4)?.try_into().ok()?)),
            _ => 0,
        };
        Some(Self {
            segment,
            base,
            index,
            scale,
            displacement,
            short,
            len: 0,
        })
    }

    /// Of an instruction of this length.
    pub(crate) fn behind(self, len: u64) -> Self {
        Self { len, ..self }
    }

    /// The virtual address, for an instruction at `instruction`.
    pub fn address(&self, machine: &dyn Machine, instruction: u64) -> Option<u64> {
        let general = |number| machine.register(Register::General(number));
        let base = match self.base {
            Base::None => 0,
            Base::Register(number) => general(number)?,
            Base::NextInstruction => instruction.wrapping_add(self.len),
        };
        let index = match self.index {
            None => 0,
            Some(number) => general(number)? << self.scale,
        };
        let mut address = base
            .wrapping_add(index)
            .wrapping_add_signed(self.displacement);
        if self.short {
            address &= 0xffff_ffff;
        }
        let segment = match self.segment {
            Segment::None => 0,
            Segment::Fs => machine.register(Register::FsBase)?,
            Segment::Gs => machine.register(Register::GsBase)?,
        };
        Some(address.wrapping_add(segment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, Instruction};

    /// Register n is 0x1000 * (n + 1).
    struct Numbered;

    impl Machine for Numbered {
        fn register(&self, register: Register) -> Option<u64> {
            Some(match register {
                Register::General(number) => 0x1000 * (u64::from(number) + 1),
                Register::FsBase => 0x10_0000,
                Register::GsBase => 0x20_0000,
                Register::KernelGsBase | Register::Cr3 | Register::Cr4 => return None,
            })
        }

        fn read(&self, _address: u64, _into: &mut [u8]) -> bool {
            false
        }
    }

    fn clwb_at(bytes: &[u8]) -> u64 {
        match decode(bytes) {
            Instruction::Flush(_, memory) => memory.address(&Numbered, 0x5000).expect("it has one"),
            other => panic!("{other:?}"),
        }
    }

    // Operands as GNU as encodes them; the comment has the operand.
    #[test]
    fn every_form_of_an_address() {
        let of = |operands: &[u8]| clwb_at(&[&[0x66, 0x0f, 0xae], operands].concat());
        assert_eq!(of(&[0x30]), 0x1000); // (%rax)
        assert_eq!(of(&[0x77, 0xf8]), 0x8000 - 8); // -8(%rdi)
        assert_eq!(of(&[0xb7, 0x00, 0x01, 0x00, 0x00]), 0x8100); // 0x100(%rdi)
        assert_eq!(of(&[0x34, 0x24]), 0x5000); // (%rsp)
        assert_eq!(of(&[0x34, 0x88]), 0x1000 + 0x2000 * 4); // (%rax,%rcx,4)
        assert_eq!(of(&[0x74, 0xc8, 0x10]), 0x1000 + 0x2000 * 8 + 0x10); // 0x10(%rax,%rcx,8)
        assert_eq!(of(&[0x34, 0x25, 0x00, 0x00, 0x40, 0x00]), 0x40_0000); // 0x400000
        assert_eq!(of(&[0x34, 0x0d, 0x08, 0x00, 0x00, 0x00]), 0x2008); // 8(,%rcx,1)
        assert_eq!(of(&[0x75, 0x00]), 0x6000); // (%rbp)
                                               // 0x10(%rip): behind the 8 bytes of the instruction.
        assert_eq!(of(&[0x35, 0x10, 0x00, 0x00, 0x00]), 0x5000 + 8 + 0x10);
    }

    #[test]
    fn prefixes_change_registers_and_segments() {
        assert_eq!(clwb_at(&[0x66, 0x41, 0x0f, 0xae, 0x30]), 0x9000); // (%r8)
        assert_eq!(
            clwb_at(&[0x66, 0x42, 0x0f, 0xae, 0x34, 0x20]),
            0x1000 + 0xd000
        ); // (%rax,%r12,1)
        assert_eq!(clwb_at(&[0x66, 0x41, 0x0f, 0xae, 0x34, 0x24]), 0xd000); // (%r12)
        assert_eq!(clwb_at(&[0x66, 0x41, 0x0f, 0xae, 0x75, 0x00]), 0xe000); // (%r13)
        assert_eq!(clwb_at(&[0x66, 0x65, 0x0f, 0xae, 0x30]), 0x20_1000); // %gs:(%rax)
        assert_eq!(clwb_at(&[0x66, 0x64, 0x0f, 0xae, 0x30]), 0x10_1000); // %fs:(%rax)
    }
}
