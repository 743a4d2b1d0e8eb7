// SPDX-License-Identifier: GPL-2.0

//! How a program tells the tracer of the machine that it runs on what it is about to do.
//!
//! It takes no driver and no privilege: `cpuid` with a leaf that no processor has, which does nothing. Beside that
//! is [`store_mapped`], the stores that a workload does through a mapping.

use std::fs::File;
use std::io;

use rustix::mm::{mmap, msync, munmap, MapFlags, MsyncFlags, ProtFlags};

/// A cache line in bytes.
const LINE: usize = 64;
/// A page in bytes.
const PAGE: u64 = 4096;

/// The leaf: `crashcheck_tracer::MARKER_LEAF`.
const LEAF: u32 = 0x4352_4348;

/// Says something to the tracer, if there is one. No more than 4096 bytes of it are taken.
pub fn marker(text: &str) {
    let text = &text.as_bytes()[..text.len().min(4096)];
    // The tracer reads what the page tables map: every page has to be there.
    let sum = text.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
    std::hint::black_box(sum);
    // SAFETY: cpuid changes the four registers that are named here, and nothing else. rbx is the compiler's
    // own: it is kept in another register meanwhile.
    unsafe {
        std::arch::asm!(
            "mov {keep}, rbx",
            "cpuid",
            "mov rbx, {keep}",
            keep = out(reg) _,
            inout("eax") LEAF => _,
            inout("ecx") 0 => _,
            inout("rdx") text.len() => _,
            in("rsi") text.as_ptr(),
            options(nostack),
        );
    }
}

/// Stores bytes into a file through a mapping. With `flush` it is one with `MAP_SYNC`, of which the program writes the
/// lines back and waits, as one for persistent memory does without a call to the kernel; else msync(2) follows. The
/// bytes may be behind the file's end in its last page.
///
/// # Errors
///
/// If the file cannot be mapped so: it has no DAX, or its file system no `MAP_SYNC`; if it ends pages before.
pub fn store_mapped(file: &File, offset: u64, bytes: &[u8], flush: bool) -> io::Result<()> {
    let first = offset / PAGE * PAGE;
    let skip = (offset - first) as usize;
    let len = skip + bytes.len();
    if file.metadata()?.len().next_multiple_of(PAGE) < offset + bytes.len() as u64 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file ends before the stores do",
        ));
    }
    let flags = match flush {
        true => MapFlags::SHARED_VALIDATE | MapFlags::SYNC,
        false => MapFlags::SHARED,
    };
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let mapping = unsafe {
        mmap(
            std::ptr::null_mut(),
            len,
            ProtFlags::READ | ProtFlags::WRITE,
            flags,
            file,
            first,
        )?
    };
    let start = mapping.cast::<u8>();
    // SAFETY: the mapping has `skip` bytes and then room for all of them, and nobody else knows it.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.add(skip), bytes.len()) };
    if flush {
        for line in (skip / LINE * LINE..len).step_by(LINE) {
            // SAFETY: clwb changes nothing that a program can see; the line is in the mapping.
            unsafe { std::arch::asm!("clwb [{}]", in(reg) start.add(line), options(nostack)) };
        }
        // SAFETY: every x86-64 processor has it.
        unsafe { std::arch::x86_64::_mm_sfence() };
    } else {
        // SAFETY: the mapping is ours, and has so many bytes.
        unsafe { msync(mapping, len, MsyncFlags::SYNC)? };
    }
    // SAFETY: the mapping is ours, and no pointer into it is used any more.
    unsafe { munmap(mapping, len)? };
    Ok(())
}
