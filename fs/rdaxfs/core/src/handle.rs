// SPDX-License-Identifier: GPL-2.0

//! What a volume hands out: for each concept a type with its operations.

/// Makes such a type. It is a reference to the volume, and is copied like one.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<'v, P> {
            pub(crate) volume: &'v $crate::volume::Volume<P>,
        }

        impl<P> Clone for $name<'_, P> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<P> Copy for $name<'_, P> {}
    };
}

pub(crate) use handle;
