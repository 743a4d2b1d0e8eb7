// SPDX-License-Identifier: GPL-2.0

//! Which instruction it is, from its bytes in 64-bit mode. The opcodes are those of Intel's manual, volume 2.

use crashcheck_trace::{FenceKind, FlushKind};

use crate::address::{Memory, Segment};

/// An instruction, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Its stores go through the cache, if it has any.
    Ordinary,
    /// Its stores go past the cache.
    Stream,
    /// It writes a line back.
    Flush(FlushKind, Memory),
    /// It waits. What it stores itself is stored after that.
    Fence(FenceKind),
    /// `cpuid`, by which programs talk to the tracer.
    Cpuid,
    /// `wbinvd` and its like: they write back every cache, and nobody waits for that.
    WriteBackAll,
}

/// The opcode's map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Map {
    One,
    TwoBytes,
    Other,
}

/// Decodes the instruction.
#[must_use]
pub fn decode(bytes: &[u8]) -> Instruction {
    decode_known(bytes).unwrap_or(Instruction::Ordinary)
}

/// [`None`]: one that is too short to be any of those.
fn decode_known(bytes: &[u8]) -> Option<Instruction> {
    let mut rest = bytes;
    let (mut operand_size, mut repeat, mut lock) = (false, false, false);
    let mut short_addresses = false;
    let mut segment = Segment::None;
    loop {
        match *rest.first()? {
            0x66 => operand_size = true,
            0xf2 | 0xf3 => repeat = true,
            0xf0 => lock = true,
            0x64 => segment = Segment::Fs,
            0x65 => segment = Segment::Gs,
            0x67 => short_addresses = true,
            0x2e | 0x36 | 0x3e | 0x26 => {}
            _ => break,
        }
        rest = &rest[1..];
    }
    let mut rex = 0;
    if rest.first()? & 0xf0 == 0x40 {
        rex = rest[0];
        rest = &rest[1..];
    }
    let map = match (*rest.first()?, rest.get(1)) {
        (0x0f, Some(0x38 | 0x3a)) => {
            rest = &rest[2..];
            Map::Other
        }
        (0x0f, _) => {
            rest = &rest[1..];
            Map::TwoBytes
        }
        // VEX, in two forms: there is no other use of these bytes in 64-bit mode.
        (0xc5, Some(_)) => {
            rest = &rest[2..];
            Map::TwoBytes
        }
        (0xc4, Some(byte)) => {
            let map = if byte & 0x1f == 1 {
                Map::TwoBytes
            } else {
                Map::Other
            };
            rest = rest.get(3..)?;
            map
        }
        _ => Map::One,
    };
    let (&opcode, operands) = rest.split_first()?;
    if lock {
        return Some(Instruction::Fence(FenceKind::Locked));
    }
    let modrm = operands.first().copied();
    let in_memory = modrm.is_some_and(|modrm| modrm >> 6 != 3);
    match (map, opcode) {
        // xchg with memory is locked without a prefix.
        (Map::One, 0x86 | 0x87) if in_memory => Some(Instruction::Fence(FenceKind::Locked)),
        // movntps, movnti, movntdq and movntq, maskmovdqu and maskmovq.
        (Map::TwoBytes, 0x2b | 0xc3 | 0xe7) if in_memory => Some(Instruction::Stream),
        (Map::TwoBytes, 0xf7) if !in_memory && modrm.is_some() => Some(Instruction::Stream),
        (Map::TwoBytes, 0xa2) => Some(Instruction::Cpuid),
        (Map::TwoBytes, 0x09) => Some(Instruction::WriteBackAll),
        (Map::TwoBytes, 0xae) if !repeat => {
            let group = modrm? >> 3 & 7;
            let kind = match (group, in_memory, operand_size) {
                (6, false, false) => return Some(Instruction::Fence(FenceKind::Mfence)),
                (7, false, false) => return Some(Instruction::Fence(FenceKind::Sfence)),
                (6, true, true) => FlushKind::Clwb,
                (7, true, true) => FlushKind::Clflushopt,
                (7, true, false) => FlushKind::Clflush,
                _ => return None,
            };
            let memory = Memory::decode(operands, rex, segment, short_addresses)?;
            Some(Instruction::Flush(kind, memory.behind(bytes.len() as u64)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flush(bytes: &[u8]) -> Option<FlushKind> {
        match decode(bytes) {
            Instruction::Flush(kind, _) => Some(kind),
            _ => None,
        }
    }

    // The bytes are those that GNU as makes of what is written beside them.
    #[test]
    fn flushes_are_known_with_all_prefixes() {
        assert_eq!(flush(&[0x66, 0x0f, 0xae, 0x30]), Some(FlushKind::Clwb)); // clwb (%rax)
        assert_eq!(
            flush(&[0x66, 0x41, 0x0f, 0xae, 0x37]),
            Some(FlushKind::Clwb)
        ); // clwb (%r15)
        assert_eq!(
            flush(&[0x66, 0x0f, 0xae, 0x3b]),
            Some(FlushKind::Clflushopt)
        ); // clflushopt (%rbx)
        assert_eq!(flush(&[0x0f, 0xae, 0x38]), Some(FlushKind::Clflush)); // clflush (%rax)
                                                                          // The kernel writes clflushopt and clwb as alternatives: a segment prefix makes clflush as long.
        assert_eq!(flush(&[0x3e, 0x0f, 0xae, 0x38]), Some(FlushKind::Clflush));
    }

    #[test]
    fn fences_are_known() {
        let fence = |bytes: &[u8]| match decode(bytes) {
            Instruction::Fence(kind) => Some(kind),
            _ => None,
        };
        assert_eq!(fence(&[0x0f, 0xae, 0xf8]), Some(FenceKind::Sfence));
        assert_eq!(fence(&[0x0f, 0xae, 0xf0]), Some(FenceKind::Mfence));
        assert_eq!(fence(&[0x0f, 0xae, 0xe8]), None); // lfence
        assert_eq!(fence(&[0xf0, 0x83, 0x00, 0x01]), Some(FenceKind::Locked)); // lock addl $1,(%rax)
        assert_eq!(fence(&[0x87, 0x03]), Some(FenceKind::Locked)); // xchg %eax,(%rbx)
        assert_eq!(fence(&[0x48, 0x87, 0xd8]), None); // xchg %rbx,%rax
        assert_eq!(fence(&[0x66, 0x0f, 0xae, 0xf0]), None); // tpause %eax
        assert_eq!(fence(&[0xf3, 0x0f, 0xae, 0xf0]), None); // umonitor %rax
    }

    #[test]
    fn stores_past_the_cache_are_known() {
        for bytes in [
            &[0x0f, 0xc3, 0x07][..],         // movnti %eax,(%rdi)
            &[0x4c, 0x0f, 0xc3, 0x07],       // movnti %r8,(%rdi)
            &[0x66, 0x0f, 0xe7, 0x07],       // movntdq %xmm0,(%rdi)
            &[0x0f, 0xe7, 0x07],             // movntq %mm0,(%rdi)
            &[0x0f, 0x2b, 0x07],             // movntps %xmm0,(%rdi)
            &[0x66, 0x0f, 0x2b, 0x07],       // movntpd %xmm0,(%rdi)
            &[0xc5, 0xfd, 0xe7, 0x07],       // vmovntdq %ymm0,(%rdi)
            &[0xc4, 0xc1, 0x7d, 0xe7, 0x00], // vmovntdq %ymm0,(%r8)
            &[0x66, 0x0f, 0xf7, 0xc1],       // maskmovdqu %xmm1,%xmm0
        ] {
            assert_eq!(decode(bytes), Instruction::Stream, "{bytes:02x?}");
        }
    }

    #[test]
    fn others_are_ordinary() {
        for bytes in [
            &[0x48, 0x89, 0x07][..],         // mov %rax,(%rdi)
            &[0xf3, 0xaa],                   // rep stosb
            &[0xf3, 0x0f, 0xe7, 0x07],       // no such instruction with F3
            &[0x66, 0x0f, 0x38, 0x2a, 0x07], // movntdqa (%rdi),%xmm0: a load
            &[0x0f, 0xae, 0x07],             // fxsave (%rdi)
            &[0x90],
            &[],
            &[0x66],
            &[0x0f],
            &[0x66, 0x0f, 0xae],
            &[0x66, 0x0f, 0xae, 0xb0, 0x00], // clwb with half its displacement
        ] {
            assert_ne!(flush(bytes), Some(FlushKind::Clwb), "{bytes:02x?}");
            if bytes.first() != Some(&0xf3) {
                assert_eq!(decode(bytes), Instruction::Ordinary, "{bytes:02x?}");
            }
        }
    }
}
