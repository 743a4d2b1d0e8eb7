// SPDX-License-Identifier: GPL-2.0

//! The CPU that calls back.

use std::cell::RefCell;
use std::ffi::{CStr, CString};

use crashcheck_tracer::{Machine, Register};

use crate::bindings::{
    g_byte_array_new, g_byte_array_set_size, qemu_plugin_get_registers, qemu_plugin_outs,
    qemu_plugin_read_memory_vaddr, qemu_plugin_read_register, Array, RegisterDescriptor,
    RegisterHandle,
};

/// The CPU whose callback this thread is in.
///
/// # Invariants
///
/// One exists only while a callback runs that was registered with `READS_REGISTERS`, or that of a new CPU:
/// outside of them QEMU knows no current CPU.
pub(crate) struct CurrentCpu<'a> {
    registers: &'a Registers,
    buffer: RefCell<Buffer>,
}

/// QEMU's handles of registers: the same for all CPUs of a machine.
pub(crate) struct Registers(Vec<(Register, *mut RegisterHandle)>);

// SAFETY: a handle is a number that QEMU looks up; all threads may have it.
unsafe impl Send for Registers {}

impl Registers {
    /// Asks QEMU for them.
    ///
    /// # Safety
    ///
    /// In the callback of a new CPU only.
    pub(crate) unsafe fn find() -> Result<Self, String> {
        // SAFETY: the caller is in a CPU's callback. The array is ours, and stays for as long as QEMU runs.
        let array = unsafe { &*qemu_plugin_get_registers() };
        let data = array.data.cast::<RegisterDescriptor>();
        let mut found = Vec::new();
        for at in 0..array.len as usize {
            // SAFETY: the array has `len` descriptors.
            let descriptor = unsafe { &*data.add(at) };
            // SAFETY: names are strings that stay for as long as QEMU runs.
            let name = unsafe { CStr::from_ptr(descriptor.name) };
            let named = |(_, known): &&(Register, &str)| known.as_bytes() == name.to_bytes();
            if let Some((register, _)) = Register::NAMES.iter().find(named) {
                found.push((*register, descriptor.handle));
            }
        }
        for (register, name) in Register::NAMES {
            if !found.iter().any(|(other, _)| *other == register) {
                return Err(format!(
                    "QEMU knows no register '{name}': is it qemu-system-x86_64?"
                ));
            }
        }
        Ok(Self(found))
    }

    fn handle(&self, register: Register) -> Option<*mut RegisterHandle> {
        let found = self.0.iter().find(|(other, _)| *other == register);
        found.map(|(_, handle)| *handle)
    }
}

/// A growing buffer that QEMU writes into.
///
/// # Invariants
///
/// It is a `GByteArray` that nobody else has.
struct Buffer(*mut Array);

impl Buffer {
    fn clear(&mut self) {
        // SAFETY: see the invariant.
        unsafe { g_byte_array_set_size(self.0, 0) };
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: see the invariant.
        let array = unsafe { &*self.0 };
        if array.len == 0 {
            return &[];
        }
        // SAFETY: it holds `len` bytes, and nobody changes them while it is borrowed.
        unsafe { std::slice::from_raw_parts(array.data, array.len as usize) }
    }
}

thread_local! {
    /// Made once for each thread, as it is wanted for every event.
    static BUFFER: *mut Array = {
        // SAFETY: it only allocates.
        unsafe { g_byte_array_new() }
    };
}

impl<'a> CurrentCpu<'a> {
    /// The CPU whose callback this is.
    ///
    /// # Safety
    ///
    /// The callback was registered with `READS_REGISTERS`, and the value does not outlive it; there is no
    /// other at the time in this thread.
    pub(crate) unsafe fn new(registers: &'a Registers) -> Self {
        Self {
            registers,
            buffer: RefCell::new(Buffer(BUFFER.with(|buffer| *buffer))),
        }
    }
}

impl Machine for CurrentCpu<'_> {
    fn register(&self, register: Register) -> Option<u64> {
        let handle = self.registers.handle(register)?;
        let mut buffer = self.buffer.borrow_mut();
        buffer.clear();
        // SAFETY: the handle is QEMU's, and a callback that may read registers runs: see the invariant.
        let len = unsafe { qemu_plugin_read_register(handle, buffer.0) };
        let mut value = [0; 8];
        let bytes = buffer.bytes();
        if len <= 0 || bytes.len() > value.len() {
            return None;
        }
        value[..bytes.len()].copy_from_slice(bytes);
        Some(u64::from_le_bytes(value))
    }

    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        let mut buffer = self.buffer.borrow_mut();
        buffer.clear();
        // SAFETY: a callback runs, see the invariant; QEMU makes the buffer as large as that.
        let whole = unsafe { qemu_plugin_read_memory_vaddr(address, buffer.0, into.len()) };
        let bytes = buffer.bytes();
        if !whole || bytes.len() != into.len() {
            return false;
        }
        into.copy_from_slice(bytes);
        true
    }
}

/// Says something on QEMU's standard error.
pub(crate) fn say(text: &str) {
    eprintln!("crashcheck: {text}");
    if let Ok(text) = CString::new(format!("crashcheck: {text}\n")) {
        // SAFETY: it is a string, and QEMU copies it.
        unsafe { qemu_plugin_outs(text.as_ptr()) };
    }
}
