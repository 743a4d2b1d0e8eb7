// SPDX-License-Identifier: GPL-2.0

//! What QEMU calls.

use std::ffi::{c_char, c_int, c_uint, c_void, CStr};
use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crashcheck_trace::Range;
use crashcheck_tracer::{decode, Access, Instruction as Decoded, Options, Tracer};

use crate::bindings::{
    qemu_plugin_get_hwaddr, qemu_plugin_hwaddr_is_io, qemu_plugin_hwaddr_phys_addr,
    qemu_plugin_insn_data, qemu_plugin_insn_vaddr, qemu_plugin_mem_get_value,
    qemu_plugin_register_atexit_cb, qemu_plugin_register_vcpu_init_cb,
    qemu_plugin_register_vcpu_insn_exec_cb, qemu_plugin_register_vcpu_mem_cb,
    qemu_plugin_register_vcpu_tb_trans_cb, qemu_plugin_tb_get_insn, qemu_plugin_tb_n_insns, Block,
    Info, MemoryInfo, PluginId, API_VERSION, READS_REGISTERS, STORES,
};
use crate::machine::{say, CurrentCpu, Registers};

/// The longest instruction of x86, in bytes.
const LONGEST: usize = 15;
/// QEMU's one thread gives the next processor its turn after 100 ms, when a block ends.
const TURN: Duration = Duration::from_millis(110);

struct State {
    tracer: Tracer<BufWriter<File>>,
    registers: Option<Registers>,
    /// Writing has failed: what follows is not written, and the trace ends within a chunk.
    failed: bool,
}

static STATE: OnceLock<Mutex<State>> = OnceLock::new();
static RANGE: OnceLock<Range> = OnceLock::new();

/// The interface that this is built for: QEMU reads it before it calls anything.
#[no_mangle]
pub(crate) static qemu_plugin_version: c_int = API_VERSION;

/// QEMU loads the plugin.
///
/// # Safety
///
/// QEMU calls it, once, as `qemu-plugin.h` says.
#[no_mangle]
pub(crate) unsafe extern "C" fn qemu_plugin_install(
    id: PluginId,
    info: *const Info,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: both are what QEMU calls this with.
    match unsafe { install(id, &*info, argc, argv) } {
        Ok(()) => 0,
        Err(reason) => {
            say(&reason);
            1
        }
    }
}

/// # Safety
///
/// See [`qemu_plugin_install`].
unsafe fn install(
    id: PluginId,
    info: &Info,
    argc: c_int,
    argv: *const *const c_char,
) -> Result<(), String> {
    // SAFETY: a string of QEMU's.
    let target = unsafe { CStr::from_ptr(info.target_name) };
    if !info.system_emulation || target.to_bytes() != b"x86_64" {
        return Err("it must be qemu-system-x86_64".into());
    }
    let mut words = Vec::new();
    for at in 0..usize::try_from(argc).unwrap_or(0) {
        // SAFETY: there are `argc` strings.
        let word = unsafe { CStr::from_ptr(*argv.add(at)) };
        words.push(
            word.to_str()
                .map_err(|_| format!("{word:?}: it must be UTF-8"))?,
        );
    }
    let options = Options::parse(words)?;
    let cannot =
        |error: io::Error| format!("'{}' cannot be written: {error}", options.trace.display());
    let file = File::create(&options.trace).map_err(cannot)?;
    let tracer = Tracer::new(options.range, BufWriter::new(file)).map_err(cannot)?;
    let state = State {
        tracer,
        registers: None,
        failed: false,
    };
    if STATE.set(Mutex::new(state)).is_err() || RANGE.set(options.range).is_err() {
        return Err("it is loaded already: one -plugin only".into());
    }
    // SAFETY: the functions are what QEMU wants there.
    unsafe {
        qemu_plugin_register_vcpu_init_cb(id, on_cpu);
        qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
        qemu_plugin_register_atexit_cb(id, on_exit, std::ptr::null_mut());
    }
    Ok(())
}

fn state() -> Option<MutexGuard<'static, State>> {
    let state = STATE.get()?;
    Some(state.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Traces something, if there is something left to trace with.
fn trace(what: impl FnOnce(&mut Tracer<BufWriter<File>>, &CurrentCpu<'_>) -> io::Result<()>) {
    let Some(mut guard) = state() else { return };
    let State {
        tracer,
        registers: Some(registers),
        failed: failed @ false,
    } = &mut *guard
    else {
        return;
    };
    // SAFETY: all callbacks that come here were registered with READS_REGISTERS, and the lock is held by one
    // of them at a time.
    let machine = unsafe { CurrentCpu::new(registers) };
    if let Err(error) = what(tracer, &machine) {
        say(&format!(
            "the trace cannot be written, it ends here: {error}"
        ));
        *failed = true;
    }
    let yields = tracer.yields();
    drop(guard);
    if yields {
        std::thread::sleep(TURN);
    }
}

extern "C" fn on_cpu(_id: PluginId, _cpu: c_uint) {
    let Some(mut state) = state() else { return };
    if state.registers.is_none() {
        // SAFETY: this is the callback of a new CPU.
        match unsafe { Registers::find() } {
            Ok(registers) => state.registers = Some(registers),
            Err(reason) => {
                say(&reason);
                state.failed = true;
            }
        }
    }
}

extern "C" fn on_exit(_id: PluginId, _data: *mut c_void) {
    if let Some(mut state) = state() {
        if let Err(error) = state.tracer.finish() {
            say(&format!("the end of the trace cannot be written: {error}"));
        }
    }
}

/// QEMU is about to translate instructions: which of them are to call back.
extern "C" fn on_block(_id: PluginId, block: *mut Block) {
    // SAFETY: QEMU's block, which is there during the callback, as its instructions are.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    for at in 0..count {
        let mut bytes = [0; LONGEST];
        // SAFETY: `at` is less than the number of instructions; no more than `LONGEST` bytes are written.
        let (instruction, len, address) = unsafe {
            let instruction = qemu_plugin_tb_get_insn(block, at);
            let len = qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), bytes.len());
            (instruction, len, qemu_plugin_insn_vaddr(instruction))
        };
        // What callbacks are given is the instruction's address: a number, to which nothing belongs.
        let data = address as usize as *mut c_void;
        let decoded = decode(&bytes[..len.min(LONGEST)]);
        let executed = match decoded {
            Decoded::Ordinary | Decoded::Stream => None,
            Decoded::WriteBackAll => None,
            Decoded::Flush(..) => Some(on_flush as extern "C" fn(c_uint, *mut c_void)),
            Decoded::Fence(crashcheck_trace::FenceKind::Sfence) => Some(on_sfence as _),
            Decoded::Fence(crashcheck_trace::FenceKind::Mfence) => Some(on_mfence as _),
            Decoded::Fence(crashcheck_trace::FenceKind::Locked) => Some(on_locked as _),
            Decoded::Cpuid => Some(on_cpuid as _),
        };
        let data = match decoded {
            // Translated once in a while: what is allocated for them stays, and is little.
            Decoded::Flush(kind, memory) => {
                Box::into_raw(Box::new((address, kind, memory))).cast::<c_void>()
            }
            _ => data,
        };
        if let Some(callback) = executed {
            // SAFETY: QEMU's instruction; the callback takes the data that it is given.
            unsafe {
                qemu_plugin_register_vcpu_insn_exec_cb(
                    instruction,
                    callback,
                    READS_REGISTERS,
                    data,
                );
            }
        }
        let stored = if decoded == Decoded::Stream {
            on_stream
        } else {
            on_store
        };
        if !matches!(decoded, Decoded::Flush(..) | Decoded::Cpuid) {
            // SAFETY: as above.
            unsafe {
                qemu_plugin_register_vcpu_mem_cb(
                    instruction,
                    stored,
                    READS_REGISTERS,
                    STORES,
                    data,
                );
            }
        }
    }
}

extern "C" fn on_store(_cpu: c_uint, info: MemoryInfo, address: u64, data: *mut c_void) {
    stored(info, address, data, false);
}

extern "C" fn on_stream(_cpu: c_uint, info: MemoryInfo, address: u64, data: *mut c_void) {
    stored(info, address, data, true);
}

fn stored(info: MemoryInfo, address: u64, data: *mut c_void, streamed: bool) {
    // SAFETY: this is the callback of a store to that address; what is returned stays during it.
    let physical = unsafe {
        let physical = qemu_plugin_get_hwaddr(info, address);
        if physical.is_null() || qemu_plugin_hwaddr_is_io(physical) {
            return;
        }
        qemu_plugin_hwaddr_phys_addr(physical)
    };
    let Some(range) = RANGE.get() else { return };
    // Nearly all stores end here. One over the end of the range is cut by the tracer.
    if physical.wrapping_sub(range.start) >= range.len {
        return;
    }
    // SAFETY: as above.
    let value = unsafe { qemu_plugin_mem_get_value(info) };
    trace(|tracer, machine| {
        let access = Access {
            instruction: data as usize as u64,
            cpu: tracer.cpu(machine),
            physical,
            len: 1 << value.kind.min(4),
            value: u128::from(value.high) << 64 | u128::from(value.low),
            streamed,
        };
        tracer.store(machine, &access)
    });
}

extern "C" fn on_flush(_cpu: c_uint, data: *mut c_void) {
    // SAFETY: `on_block` has allocated it for this callback, for good.
    let &(instruction, kind, memory) =
        unsafe { &*data.cast::<(u64, crashcheck_trace::FlushKind, crashcheck_tracer::Memory)>() };
    trace(|tracer, machine| {
        let cpu = tracer.cpu(machine);
        tracer.flush(machine, cpu, instruction, kind, &memory)
    });
}

extern "C" fn on_sfence(_cpu: c_uint, data: *mut c_void) {
    fenced(data, crashcheck_trace::FenceKind::Sfence);
}

extern "C" fn on_mfence(_cpu: c_uint, data: *mut c_void) {
    fenced(data, crashcheck_trace::FenceKind::Mfence);
}

extern "C" fn on_locked(_cpu: c_uint, data: *mut c_void) {
    fenced(data, crashcheck_trace::FenceKind::Locked);
}

fn fenced(data: *mut c_void, kind: crashcheck_trace::FenceKind) {
    trace(|tracer, machine| {
        // There are many, and most CPUs have nothing to wait for.
        if !tracer.wants(kind) {
            return Ok(());
        }
        let cpu = tracer.cpu(machine);
        tracer.fence(machine, cpu, data as usize as u64, kind)
    });
}

extern "C" fn on_cpuid(_cpu: c_uint, _data: *mut c_void) {
    trace(|tracer, machine| {
        let cpu = tracer.cpu(machine);
        tracer.cpuid(machine, cpu)
    });
}
