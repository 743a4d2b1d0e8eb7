// SPDX-License-Identifier: GPL-2.0

//! Which options a mount takes.
//!
//! C header: [`include/linux/fs_parser.h`](srctree/include/linux/fs_parser.h)

use core::{marker::PhantomData, ptr};
use kernel::str::CStr;
use kernel_bindings as bindings;

/// A word that an option may have as its value, and the number that it stands for.
#[repr(transparent)]
pub struct Constant(bindings::constant_table);

// SAFETY: Constant.
unsafe impl Sync for Constant {}

impl Constant {
    /// The word `name` stands for `value`.
    pub const fn new(name: &'static CStr, value: i32) -> Self {
        Self(bindings::constant_table {
            name: name.to_bytes_with_nul().as_ptr().cast(),
            value,
        })
    }

    const fn end() -> Self {
        Self(bindings::constant_table {
            name: ptr::null(),
            value: 0,
        })
    }
}

/// The words that an option may have as its value.
#[repr(C)]
pub struct Constants<const N: usize> {
    words: [Constant; N],
    // A null name ends it.
    end: Constant,
}

impl<const N: usize> Constants<N> {
    /// These words.
    pub const fn new(words: [Constant; N]) -> Self {
        Self {
            words,
            end: Constant::end(),
        }
    }
}

/// An option: its name, and what kind of value it has. `id` is what the parser gives the file system.
///
/// # Invariants
///
/// `data` is what `type_` asks for, and static.
#[repr(transparent)]
pub struct Parameter(bindings::fs_parameter_spec);

// SAFETY: Constant.
unsafe impl Sync for Parameter {}

impl Parameter {
    const fn new(
        name: &'static CStr,
        id: u8,
        kind: bindings::fs_param_type,
        flags: u16,
        data: *const core::ffi::c_void,
    ) -> Self {
        Self(bindings::fs_parameter_spec {
            name: name.to_bytes_with_nul().as_ptr().cast(),
            type_: kind,
            opt: id,
            flags,
            data,
        })
    }

    /// An option without a value.
    pub const fn flag(name: &'static CStr, id: u8) -> Self {
        Self::new(name, id, None, 0, ptr::null())
    }

    /// An option without a value, which may have "no" in front of it.
    pub const fn flag_no(name: &'static CStr, id: u8) -> Self {
        Self::new(
            name,
            id,
            None,
            bindings::fs_param_neg_with_no as u16,
            ptr::null(),
        )
    }

    /// An option whose value is one of these words.
    pub const fn enumeration<const N: usize>(
        name: &'static CStr,
        id: u8,
        words: &'static Constants<N>,
    ) -> Self {
        // INVARIANT: The type wants a table of constants, which a null name ends.
        Self::new(
            name,
            id,
            Some(bindings::fs_param_is_enum),
            0,
            ptr::from_ref(words).cast(),
        )
    }

    /// An option whose value is a number of 32 bits.
    pub const fn u32(name: &'static CStr, id: u8) -> Self {
        Self::new(name, id, Some(bindings::fs_param_is_u32), 0, ptr::null())
    }

    const fn end() -> Self {
        Self(bindings::fs_parameter_spec {
            name: ptr::null(),
            type_: None,
            opt: 0,
            flags: 0,
            data: ptr::null(),
        })
    }
}

/// The options of a file system.
#[repr(C)]
pub struct Table<const N: usize> {
    parameters: [Parameter; N],
    // A null name ends it.
    end: Parameter,
}

impl<const N: usize> Table<N> {
    /// These options.
    pub const fn new(parameters: [Parameter; N]) -> Self {
        Self {
            parameters,
            end: Parameter::end(),
        }
    }

    /// The table, of whatever length.
    pub const fn as_parameters(&'static self) -> Parameters {
        Parameters(ptr::from_ref(self).cast(), PhantomData)
    }
}

/// The options of a file system.
///
/// # Invariants
///
/// It points to a static array that ends with a null name.
#[derive(Clone, Copy)]
pub struct Parameters(
    *const bindings::fs_parameter_spec,
    PhantomData<&'static Parameter>,
);

// SAFETY: Constant.
unsafe impl Sync for Parameters {}
// SAFETY: Constant.
unsafe impl Send for Parameters {}

impl Parameters {
    pub(crate) const fn as_ptr(&self) -> *const bindings::fs_parameter_spec {
        self.0
    }
}

/// The value of an option, as the kind of its [`Parameter`] says.
pub struct Value(pub(crate) bindings::fs_parse_result);

impl Value {
    /// Whether the option had "no" in front of it.
    pub fn negated(&self) -> bool {
        self.0.negated
    }

    /// The number that the word stands for, of an [`enumeration`](Parameter::enumeration).
    pub fn constant(&self) -> i32 {
        // SAFETY: Any bytes are a number, and the result was zeroed before it was parsed.
        unsafe { self.0.__bindgen_anon_1.int_32 }
    }

    /// The value of a [`u32`](Parameter::u32).
    pub fn u32(&self) -> u32 {
        // SAFETY: As above.
        unsafe { self.0.__bindgen_anon_1.uint_32 }
    }
}
