// SPDX-License-Identifier: GPL-2.0

//! Types of file systems.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`struct file_system_type`)

use super::{
    fs_context::FsContext,
    fs_parser::{Parameters, Value},
    inode::{self, Inode},
    super_block::{self, NewSuperBlock, SuperBlock},
    uuid,
};
use crate::slab::KmemCache;
use core::{ffi::c_int, marker::PhantomData};
use kernel::{
    container_of,
    error::{to_result, Error},
    prelude::*,
    str::CStr,
    sync::{aref::ARef, Arc},
    types::{ForeignOwnable, Opaque},
};
use kernel_bindings as bindings;

/// What a file system is for the VFS.
pub mod flags {
    use kernel_bindings as bindings;

    /// It is on a block device.
    pub const REQUIRES_DEV: u32 = bindings::FS_REQUIRES_DEV;
    /// Its mounts may map owners.
    pub const ALLOW_IDMAP: u32 = bindings::FS_ALLOW_IDMAP;
    /// Its inodes have times as fine as somebody looks at them.
    pub const MGTIME: u32 = bindings::FS_MGTIME;
}

/// A type of file systems.
pub trait FileSystem: Sized + Send + Sync + 'static {
    /// The name by which it is mounted.
    const NAME: &'static CStr;

    /// Of [`flags`].
    const FLAGS: u32;

    /// The options of a mount.
    const PARAMETERS: Parameters;

    /// The options as they are parsed.
    type Options: Send + 'static;

    /// What a mounted volume has. Dropped, in a task that may sleep, when all inodes are gone and the
    /// block device is closed.
    type SuperData: Send + Sync + 'static;

    /// What an inode has beside what the VFS knows. Dropped after an RCU grace period, where
    /// sleeping is not allowed.
    type InodeData: Send + Sync + 'static;

    /// The operations on a volume.
    type SuperOperations: super_block::Operations<FileSystem = Self>;

    /// The options with which parsing starts: the defaults, or if a mount is changed, those that it has.
    ///
    /// # Errors
    ///
    /// Any; the mount fails with it.
    fn new_options(mounted: Option<&SuperBlock<Self>>) -> Result<Self::Options>;

    /// Takes an option of [`PARAMETERS`](Self::PARAMETERS), by its `id`.
    ///
    /// # Errors
    ///
    /// Any; `context` is told why.
    fn parse_param(
        context: &FsContext<Self>,
        options: &mut Self::Options,
        id: u8,
        value: &Value,
    ) -> Result;

    /// Mounts the volume on the super block's device.
    ///
    /// # Errors
    ///
    /// Any; `context` is told why.
    fn fill_super(
        sb: &mut NewSuperBlock<'_, Self>,
        context: &FsContext<Self>,
        options: &mut Self::Options,
    ) -> Result<Pin<KBox<Self::SuperData>>>;

    /// The root directory's inode of a volume that [`fill_super`](Self::fill_super) has mounted.
    ///
    /// # Errors
    ///
    /// Any; `context` is told why, and the volume's data is dropped after
    /// [`abandon`](Self::abandon).
    fn root(sb: &SuperBlock<Self>, context: &FsContext<Self>) -> Result<ARef<Inode<Self>>>;

    /// Ends the use of a volume whose mount failed after [`fill_super`](Self::fill_super); one that
    /// was mounted is told by [`put_super`](super_block::Operations::put_super).
    fn abandon(_data: &Self::SuperData) {}

    /// Changes a mount. The VFS changes whether it is read-only after this.
    ///
    /// `s_umount` is held exclusively.
    ///
    /// # Errors
    ///
    /// Any; `context` is told why.
    fn reconfigure(
        sb: &SuperBlock<Self>,
        context: &FsContext<Self>,
        options: &mut Self::Options,
    ) -> Result;
}

/// A registered type of file systems; unregistered when dropped.
///
/// It has to be in a module's data, as a part of the type that `module!` names: lockdep wants the
/// classes of locks that are in it to be static.
///
/// # Invariants
///
/// `raw` is registered, and the callbacks in it are those of `T`.
#[pin_data(PinnedDrop)]
pub struct Registration<T: FileSystem> {
    #[pin]
    raw: Opaque<bindings::file_system_type>,
    inodes: KmemCache,
    uuids: Arc<uuid::Table>,
    _type: PhantomData<T>,
}

// SAFETY: It only keeps what is registered; the VFS locks.
unsafe impl<T: FileSystem> Send for Registration<T> {}
// SAFETY: As above.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

impl<T: FileSystem> Registration<T> {
    /// Registers the type, for the module that its code is in.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is a type of that name; `ENOMEM`.
    pub fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inodes: inode::new_cache::<T>()?,
            uuids: uuid::Table::new()?,
            raw <- Opaque::try_ffi_init(|slot: *mut bindings::file_system_type| {
                // SAFETY: The slot is valid for writes. Zeroes are an unregistered type.
                unsafe {
                    slot.write_bytes(0, 1);
                    (*slot).name = T::NAME.as_char_ptr();
                    (*slot).fs_flags = T::FLAGS as c_int;
                    (*slot).init_fs_context = Some(Self::init_fs_context);
                    (*slot).parameters = T::PARAMETERS.as_ptr();
                    (*slot).kill_sb = Some(super_block::kill_super::<T>);
                    (*slot).owner = module.as_ptr().cast();
                }
                // SAFETY: The type does not move, and is unregistered before it goes.
                to_result(unsafe { bindings::register_filesystem(slot) })
            }),
            _type: PhantomData,
        }? Error)
    }

    /// The registration of a super block's type.
    ///
    /// # Safety
    ///
    /// `sb` must be a valid super block of this type, for `'a`.
    unsafe fn of<'a>(sb: *mut bindings::super_block) -> &'a Self {
        // SAFETY: As the caller promises; the type of a super block is registered.
        let raw = unsafe { (*sb).s_type };
        // SAFETY: `Registration` is the only one to register types with the super blocks of `T`.
        unsafe { &*container_of!(Opaque::cast_from(raw).cast_mut(), Self, raw) }
    }

    /// The cache of the inodes of a super block.
    ///
    /// # Safety
    ///
    /// `sb` must be a valid super block of this type.
    pub(super) unsafe fn inode_cache(sb: *mut bindings::super_block) -> *mut bindings::kmem_cache {
        // SAFETY: As the caller promises.
        unsafe { Self::of(sb) }.inodes.as_ptr()
    }

    /// The UUIDs of the mounted volumes of a super block's type.
    ///
    /// # Safety
    ///
    /// `sb` must be a valid super block of this type.
    pub(super) unsafe fn uuids(sb: *mut bindings::super_block) -> Arc<uuid::Table> {
        // SAFETY: As the caller promises.
        unsafe { Self::of(sb) }.uuids.clone()
    }

    /// # Safety
    ///
    /// For the VFS, with a new context of this type.
    unsafe extern "C" fn init_fs_context(context: *mut bindings::fs_context) -> c_int {
        // SAFETY: As the caller promises. A change of a mount has its root, and with it its data.
        let mounted = unsafe {
            let root = (*context).root;
            (!root.is_null()).then(|| SuperBlock::<T>::from_raw((*root).d_sb))
        };
        let options =
            T::new_options(mounted).and_then(|options| Ok(KBox::new(options, GFP_KERNEL)?));
        match options {
            Ok(options) => {
                // SAFETY: As the caller promises.
                unsafe {
                    (*context).fs_private = options.into_foreign();
                    (*context).ops = const { &FsContext::<T>::OPS };
                }
                0
            }
            Err(error) => error.to_errno(),
        }
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant it is registered. Super blocks keep the module, so that there
        // are none.
        unsafe { bindings::unregister_filesystem(self.raw.get()) };
    }
}
