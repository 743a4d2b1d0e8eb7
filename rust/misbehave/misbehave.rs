// SPDX-License-Identifier: GPL-2.0

//! A module that does in Rust what a kernel with KASAN, lockdep, kmemleak and Rust's assertions must
//! report, each when its name is written to `/sys/kernel/debug/rpmem_misbehave/provoke`.
//!
//! `make test-debug` builds it as it builds the driver, with the same flags, and loads it for
//! `tests/debug/test_reports.py`: that a fault of the driver would be seen is not taken on trust.
//! C's `lkdtm` is the same for C.

use core::hint::black_box;
use kernel::{
    debugfs::{Dir, File},
    new_mutex, new_spinlock,
    prelude::*,
    sync::{Mutex, SpinLock},
    uaccess::UserSliceReader,
};

module! {
    type: Misbehave,
    name: "rpmem_misbehave",
    authors: ["The rpmem developers"],
    description: "Does what a watchful kernel must report",
    license: "GPL",
}

#[pin_data]
struct Misbehave {
    _folder: Dir,
    #[pin]
    _provoke: File<Locks>,
}

impl kernel::InPlaceModule for Misbehave {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let folder = Dir::new(c"rpmem_misbehave");
            Ok(try_pin_init!(Self {
                _provoke <- folder.write_callback_file(c"provoke", Locks::new(), &provoke),
                _folder: folder.clone(),
            }))
        })
    }
}

/// What some of the faults need.
#[pin_data]
struct Locks {
    #[pin]
    one: Mutex<u32>,
    #[pin]
    other: Mutex<u32>,
    #[pin]
    spin: SpinLock<u32>,
}

impl Locks {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            one <- new_mutex!(0, "rpmem_misbehave::one"),
            other <- new_mutex!(0, "rpmem_misbehave::other"),
            spin <- new_spinlock!(0, "rpmem_misbehave::spin"),
        })
    }
}

/// Bytes of an object that is misused; with KASAN the allocator leaves some after it unused.
const SIZE: usize = 100;

/// How many objects are lost at once.
const LEAKS: usize = 32;

fn provoke(locks: &Locks, text: &mut UserSliceReader) -> Result {
    let mut buffer = [0; 32];
    let word = buffer.get_mut(..text.len()).ok_or(EINVAL)?;
    text.read_slice(word)?;
    match word.trim_ascii_end() {
        b"store-beyond-slab" => store_beyond(KVec::from_elem(0, SIZE, GFP_KERNEL)?.as_mut_slice()),
        b"store-beyond-vmalloc" => {
            store_beyond(VVec::from_elem(0, SIZE, GFP_KERNEL)?.as_mut_slice())
        }
        b"store-after-free" => store_after_free()?,
        // Some stay unseen, since something is left on a stack that looks like their address.
        b"leak" => {
            for _ in 0..LEAKS {
                black_box(KBox::leak(KBox::new([0u8; SIZE], GFP_KERNEL)?));
            }
        }
        b"sleep-under-spinlock" => {
            let guard = locks.spin.lock();
            drop(KBox::new(*guard, GFP_KERNEL)?);
        }
        b"lock-order" => {
            drop((locks.one.lock(), locks.other.lock()));
            drop((locks.other.lock(), locks.one.lock()));
        }
        b"overflow" => {
            black_box(black_box(u8::MAX) + 1);
        }
        b"assertion" => debug_assert!(black_box(false), "what does not hold"),
        _ => return Err(EINVAL),
    }
    Ok(())
}

/// One byte after the object.
fn store_beyond(object: &mut [u8]) {
    let end = object.as_mut_ptr_range().end;
    // SAFETY: None: the byte is not the object's. With KASAN it belongs to nothing else.
    unsafe { end.write_volatile(1) };
}

fn store_after_free() -> Result {
    let mut object = KBox::new([0u8; SIZE], GFP_KERNEL)?;
    let first = object.as_mut_ptr();
    drop(object);
    // SAFETY: None: the object is gone. KASAN keeps its memory back, so that nobody else has it.
    unsafe { first.write_volatile(1) };
    Ok(())
}
