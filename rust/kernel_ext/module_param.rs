// SPDX-License-Identifier: GPL-2.0

//! Module parameters that `/sys/module/NAME/parameters/` shows, strings among them.
//!
//! The `params` of the kernel crate's `module!` macro are integers and booleans that sysfs does not
//! show. These use the C side's own operations, are set once, while the module loads, and can be
//! read by anyone afterwards.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use core::cell::UnsafeCell;
use kernel::{
    ffi::c_char,
    str::{CStr, CStrExt as _},
};
use kernel_bindings as bindings;

/// How a Rust type is kept as a module parameter.
///
/// # Safety
///
/// `OPS` must be operations that write a valid `Self::Raw` to what `kernel_param::arg` points to.
pub unsafe trait ParamType: Sized + 'static {
    /// The C type behind the parameter.
    type Raw: Copy;

    /// The name of the type that `modinfo` shows.
    const TYPE_NAME: &'static str;

    /// Returns the value behind what the C operations wrote, or the default.
    ///
    /// # Safety
    ///
    /// `raw` must be what `OPS` wrote, or the parameter's default.
    unsafe fn value(raw: Self::Raw) -> Self;

    /// The C operations.
    const OPS: *const bindings::kernel_param_ops;
}

// SAFETY: `param_ops_bool` writes a `bool`.
unsafe impl ParamType for bool {
    type Raw = bool;
    const TYPE_NAME: &'static str = "bool";
    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_bool;
    unsafe fn value(raw: bool) -> bool {
        raw
    }
}

// SAFETY: `param_ops_uint` writes an `unsigned int`.
unsafe impl ParamType for u32 {
    type Raw = u32;
    const TYPE_NAME: &'static str = "uint";
    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_uint;
    unsafe fn value(raw: u32) -> u32 {
        raw
    }
}

/// A switch that the user may leave undecided.
///
/// Read from `/sys/module/`, it is `-1` while undecided, else `0` or `1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub Option<bool>);

// SAFETY: `param_ops_bint` takes a truth value and writes an `int`.
unsafe impl ParamType for Switch {
    type Raw = kernel::ffi::c_int;
    const TYPE_NAME: &'static str = "bint";
    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_bint;
    unsafe fn value(raw: kernel::ffi::c_int) -> Self {
        Switch((raw >= 0).then_some(raw != 0))
    }
}

// SAFETY: `param_ops_charp` writes a pointer to a NUL-terminated string, which it frees only when
// the module goes.
unsafe impl ParamType for Option<&'static CStr> {
    type Raw = *mut c_char;
    const TYPE_NAME: &'static str = "charp";
    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_charp;
    unsafe fn value(raw: *mut c_char) -> Self {
        // SAFETY: As the caller promises `raw` is the default, null, or what `param_ops_charp` wrote: a
        // NUL-terminated string that lives as long as the module, hence as long as its code.
        (!raw.is_null()).then(|| unsafe { CStr::from_char_ptr(raw) })
    }
}

/// A parameter: a static that [`module_param!`](crate::module_param!) makes.
///
/// # Invariants
///
/// The C side writes the value while the module loads, before its init function runs, and never
/// after (the mode is 0444).
pub struct Param<T: ParamType>(UnsafeCell<T::Raw>);

// SAFETY: By the type invariant there are only reads once Rust code of the module runs.
unsafe impl<T: ParamType> Sync for Param<T> {}

impl<T: ParamType> Param<T> {
    /// A parameter with its default value.
    #[doc(hidden)]
    pub const fn new(default: T::Raw) -> Self {
        Param(UnsafeCell::new(default))
    }

    /// Returns the value.
    pub fn get(&self) -> T {
        // SAFETY: By the type invariant nobody writes to it any more, and what is there is the
        // default or the C side's.
        unsafe { T::value(*self.0.get()) }
    }

    /// Returns what `kernel_param::arg` points to.
    #[doc(hidden)]
    pub const fn as_arg(&self) -> *mut kernel::ffi::c_void {
        self.0.get().cast()
    }
}

/// Makes a `modinfo` string of `LEN` bytes from its text.
#[doc(hidden)]
pub const fn modinfo<const LEN: usize>(text: &str) -> [u8; LEN] {
    let text = text.as_bytes();
    let mut bytes = [0; LEN];
    let mut i = 0;
    while i < LEN {
        bytes[i] = text[i];
        i += 1;
    }
    bytes
}

/// Declares a module parameter that is given at load time and shown in sysfs.
///
/// # Examples
///
/// ```
/// kernel_ext::module_param! {
///     /// Bytes in a logical block.
///     static LOGICAL_BLOCK_SIZE: u32 = 512;
///     module: "example", name: "logical_block_size", type: "uint",
///     description: "Bytes in a logical block: 512 or 4096";
/// }
///
/// // Nobody gave another on the command line.
/// assert_eq!(LOGICAL_BLOCK_SIZE.get(), 512);
/// ```
#[macro_export]
macro_rules! module_param {
    ($(
        $(#[$meta:meta])*
        $vis:vis static $ident:ident: $ty:ty = $default:expr;
        module: $module:literal, name: $name:literal, type: $type:literal,
        description: $description:literal;
    )*) => {$(
        $(#[$meta])*
        $vis static $ident: $crate::module_param::Param<$ty> =
            $crate::module_param::Param::new($default);

        const _: () = {
            use ::kernel::bindings as b;

            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: ::kernel::module_param::KernelParam =
                ::kernel::module_param::KernelParam::new(b::kernel_param {
                    name: ::kernel::str::as_char_ptr_in_const_context(if cfg!(MODULE) {
                        ::kernel::c_str!($name)
                    } else {
                        ::kernel::c_str!(concat!($module, ".", $name))
                    }),
                    #[cfg(MODULE)]
                    mod_: (&raw const b::__this_module).cast_mut(),
                    #[cfg(not(MODULE))]
                    mod_: ::core::ptr::null_mut(),
                    ops: <$ty as $crate::module_param::ParamType>::OPS.cast(),
                    perm: 0o444,
                    level: -1,
                    flags: 0,
                    __bindgen_anon_1: b::kernel_param__bindgen_ty_1 { arg: $ident.as_arg() },
                });
            const _: () = ::core::assert!(
                ::kernel::str::CStr::to_bytes(::kernel::c_str!($type)).len()
                    == <$ty as $crate::module_param::ParamType>::TYPE_NAME.len()
            );

            #[cfg(MODULE)]
            $crate::module_param!(@info "parm=", $name, ":", $description);
            #[cfg(MODULE)]
            $crate::module_param!(@info "parmtype=", $name, ":", $type);
            #[cfg(not(MODULE))]
            $crate::module_param!(@info $module, ".parm=", $name, ":", $description);
            #[cfg(not(MODULE))]
            $crate::module_param!(@info $module, ".parmtype=", $name, ":", $type);
        };
    )*};
    (@info $($part:literal),*) => {
        const _: () = {
            const LEN: usize = concat!($($part,)* "\0").len();
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static INFO: [u8; LEN] = $crate::module_param::modinfo(concat!($($part,)* "\0"));
        };
    };
}
