// SPDX-License-Identifier: GPL-2.0

//! Tables of operations, as C has them: structures of function pointers, null where there is none.

/// An entry of a table of operations: the table has it if the trait's implementation does.
macro_rules! optional {
    ($operations:ident::$has:ident, $function:ident) => {
        if $operations::$has {
            Some(Self::$function)
        } else {
            None
        }
    };
}

/// A table of operations in which there is nothing yet.
pub(crate) const fn no_operations<O: Copy>() -> O {
    // SAFETY: The tables that this is used for have integers, pointers and optional functions only.
    unsafe { core::mem::MaybeUninit::zeroed().assume_init() }
}
