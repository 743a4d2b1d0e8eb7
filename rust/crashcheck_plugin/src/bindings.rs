// SPDX-License-Identifier: GPL-2.0

//! What QEMU has for plugins, as far as it is used here: version 4 of the interface, of QEMU 9.2 to 10.0 and
//! still offered by later ones. C header: `qemu-plugin.h`.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;

/// The interface's version that these declarations are of.
pub(crate) const API_VERSION: c_int = 4;

/// Declares types of which only QEMU knows what is in them.
macro_rules! opaque {
    ($($name:ident)*) => { $(
        #[repr(C)]
        pub(crate) struct $name {
            _private: [u8; 0],
            _not_ours: PhantomData<*mut u8>,
        }
    )* };
}

opaque! { Block Instruction Physical RegisterHandle }

/// `qemu_info_t`.
#[repr(C)]
pub(crate) struct Info {
    pub(crate) target_name: *const c_char,
    pub(crate) version_min: c_int,
    pub(crate) version_current: c_int,
    pub(crate) system_emulation: bool,
    pub(crate) smp_vcpus: c_int,
    pub(crate) max_vcpus: c_int,
}

/// `qemu_plugin_mem_value`: `kind` is the logarithm of the number of bytes. The union in it is aligned as its
/// two words are.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Value {
    pub(crate) kind: c_uint,
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// `qemu_plugin_reg_descriptor`.
#[repr(C)]
pub(crate) struct RegisterDescriptor {
    pub(crate) handle: *mut RegisterHandle,
    pub(crate) name: *const c_char,
    pub(crate) feature: *const c_char,
}

/// glib's `GArray` and `GByteArray`, as far as they are public.
#[repr(C)]
pub(crate) struct Array {
    pub(crate) data: *mut u8,
    pub(crate) len: c_uint,
}

pub(crate) type PluginId = u64;
/// `qemu_plugin_meminfo_t`.
pub(crate) type MemoryInfo = u32;
pub(crate) type SimpleCallback = extern "C" fn(PluginId, c_uint);
pub(crate) type BlockCallback = extern "C" fn(PluginId, *mut Block);
pub(crate) type InstructionCallback = extern "C" fn(c_uint, *mut c_void);
pub(crate) type MemoryCallback = extern "C" fn(c_uint, MemoryInfo, u64, *mut c_void);
pub(crate) type ExitCallback = extern "C" fn(PluginId, *mut c_void);

/// `QEMU_PLUGIN_CB_R_REGS`: the callback reads registers.
pub(crate) const READS_REGISTERS: c_uint = 1;
/// `QEMU_PLUGIN_MEM_W`.
pub(crate) const STORES: c_uint = 2;

extern "C" {
    pub(crate) fn qemu_plugin_register_vcpu_init_cb(id: PluginId, callback: SimpleCallback);
    pub(crate) fn qemu_plugin_register_vcpu_tb_trans_cb(id: PluginId, callback: BlockCallback);
    pub(crate) fn qemu_plugin_register_atexit_cb(
        id: PluginId,
        callback: ExitCallback,
        data: *mut c_void,
    );
    pub(crate) fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: InstructionCallback,
        flags: c_uint,
        data: *mut c_void,
    );
    pub(crate) fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: MemoryCallback,
        flags: c_uint,
        which: c_uint,
        data: *mut c_void,
    );
    pub(crate) fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub(crate) fn qemu_plugin_tb_get_insn(block: *const Block, at: usize) -> *mut Instruction;
    pub(crate) fn qemu_plugin_insn_data(
        instruction: *const Instruction,
        into: *mut c_void,
        len: usize,
    ) -> usize;
    pub(crate) fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub(crate) fn qemu_plugin_mem_get_value(info: MemoryInfo) -> Value;
    pub(crate) fn qemu_plugin_get_hwaddr(info: MemoryInfo, address: u64) -> *mut Physical;
    pub(crate) fn qemu_plugin_hwaddr_is_io(physical: *const Physical) -> bool;
    pub(crate) fn qemu_plugin_hwaddr_phys_addr(physical: *const Physical) -> u64;
    pub(crate) fn qemu_plugin_get_registers() -> *mut Array;
    pub(crate) fn qemu_plugin_read_register(handle: *mut RegisterHandle, into: *mut Array)
        -> c_int;
    pub(crate) fn qemu_plugin_read_memory_vaddr(address: u64, into: *mut Array, len: usize)
        -> bool;
    pub(crate) fn qemu_plugin_outs(text: *const c_char);

    // QEMU is linked with glib.
    pub(crate) fn g_byte_array_new() -> *mut Array;
    pub(crate) fn g_byte_array_set_size(array: *mut Array, len: c_uint) -> *mut Array;
}
