// SPDX-License-Identifier: GPL-2.0

//! Super blocks: mounted volumes.
//!
//! C headers: [`include/linux/fs/super_types.h`](srctree/include/linux/fs/super_types.h),
//! [`include/linux/fs/super.h`](srctree/include/linux/fs/super.h)

use super::{
    dax::{holder, DaxDevice},
    export,
    file_system::{FileSystem, Registration},
    fs_context::FsContext,
    inode::{self, Evicted},
    no_operations,
    statfs::Statfs,
    to_errno,
    uuid::{Uuid, UuidClaim},
    xattr,
};
use crate::block::block_device::BlockDevice;
use core::{ffi::c_int, marker::PhantomData, ptr};
use kernel::{
    error::from_result,
    prelude::*,
    seq_file::SeqFile,
    str::CStr,
    sync::Arc,
    types::{ForeignOwnable, NotThreadSafe, Opaque},
};
use kernel_bindings as bindings;

/// The flag as wide as the field that has it.
const READ_ONLY: c_ulong = bindings::SB_RDONLY as c_ulong;
/// As above.
const LAZYTIME: c_ulong = bindings::SB_LAZYTIME as c_ulong;

/// The operations on a mounted volume. All may sleep.
#[vtable]
pub trait Operations {
    /// The file system.
    type FileSystem: FileSystem;

    /// An inode that was in use leaves memory: its pages are gone, and nobody else has it. Where it
    /// has no link, what it has on the volume is to be freed.
    ///
    /// Freezing waits while this runs for an inode without links. For an inode with links the caller
    /// may be memory reclaim, and the volume frozen: nothing may be stored.
    fn evict_inode(inode: &Evicted<'_, Self::FileSystem>);

    /// The volume is unmounted; there are no inodes any more. The data is dropped after this.
    fn put_super(sb: &SuperBlock<Self::FileSystem>);

    /// Makes everything durable: sync(2), and before the volume is unmounted, made read-only or frozen.
    /// Without `wait` it may only begin to.
    ///
    /// # Errors
    ///
    /// Any; sync(2) fails with it.
    fn sync_fs(_sb: &SuperBlock<Self::FileSystem>, _wait: bool) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// The volume is frozen: nothing may be stored when this returns.
    ///
    /// # Errors
    ///
    /// Any; the volume is not frozen then.
    fn freeze_fs(_sb: &SuperBlock<Self::FileSystem>) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// The volume is thawed.
    ///
    /// # Errors
    ///
    /// Any; the volume stays frozen then.
    fn unfreeze_fs(_sb: &SuperBlock<Self::FileSystem>) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// What statfs(2) says.
    ///
    /// # Errors
    ///
    /// Any.
    fn statfs(sb: &SuperBlock<Self::FileSystem>) -> Result<Statfs>;

    /// Writes the options of the mount, each with a comma in front, as /proc/mounts shows them.
    ///
    /// # Errors
    ///
    /// Any.
    fn show_options(_sb: &SuperBlock<Self::FileSystem>, _file: &SeqFile) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// The device has gone: nothing will be written any more.
    fn shutdown(_sb: &SuperBlock<Self::FileSystem>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// A mounted volume.
///
/// # Invariants
///
/// It is a super block of the type `T` whose `s_fs_info` is a pinned box of `T::SuperData`. It is
/// valid while there is a reference to this.
#[repr(transparent)]
pub struct SuperBlock<T: FileSystem>(Opaque<bindings::super_block>, PhantomData<T>);

// SAFETY: What may be called on a shared reference may be called from any thread.
unsafe impl<T: FileSystem> Sync for SuperBlock<T> {}

impl<T: FileSystem> SuperBlock<T> {
    /// # Safety
    ///
    /// `sb` must be what the invariants say, for `'a`.
    pub(crate) unsafe fn from_raw<'a>(sb: *mut bindings::super_block) -> &'a Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*sb.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    /// The file system's data.
    #[inline]
    pub fn data(&self) -> &T::SuperData {
        // SAFETY: By the type invariant it is there, and stays while the super block does.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast::<T::SuperData>() }
    }

    /// Whether the volume is mounted read-only.
    pub fn is_read_only(&self) -> bool {
        // SAFETY: By the type invariant it is valid; the word may change at any time.
        unsafe { ptr::read_volatile(&raw const (*self.as_ptr()).s_flags) & READ_ONLY != 0 }
    }

    /// Whether times may stay in memory for a while (`lazytime`).
    pub fn is_lazytime(&self) -> bool {
        // SAFETY: As above.
        unsafe { ptr::read_volatile(&raw const (*self.as_ptr()).s_flags) & LAZYTIME != 0 }
    }

    /// Makes the mount read-only because of an error, whoever has files open for writing: nobody gets
    /// write access any more.
    pub fn set_read_only(&self) {
        // SAFETY: By the type invariant it is valid; the word may change at any time. Whoever changes
        // another flag at once may undo this: so it is with an error of any file system.
        unsafe {
            let flags = &raw mut (*self.as_ptr()).s_flags;
            flags.write_volatile(flags.read_volatile() | READ_ONLY);
        }
    }

    /// The name of the device, for messages.
    pub fn id(&self) -> &CStr {
        // SAFETY: By the type invariant it is valid; the name ends with a NUL and does not change
        // once the volume is mounted.
        unsafe { CStr::from_char_ptr((&raw const (*self.as_ptr()).s_id).cast()) }
    }

    /// The device.
    pub fn block_device(&self) -> &BlockDevice {
        // SAFETY: By the type invariant the volume is mounted; the device is open until it is not.
        unsafe { BlockDevice::from_raw((*self.as_ptr()).s_bdev) }
    }

    /// Looks an inode up in memory, and enters a new one if it is not there.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ESTALE` if somebody else just failed to make it.
    pub fn inode(&self, ino: u64, generation: u32) -> Result<inode::Found<T>> {
        inode::find(self, ino, generation)
    }
}

/// A super block that is being mounted, which has no data yet.
///
/// # Invariants
///
/// No other task uses it; its device is open.
pub struct NewSuperBlock<'a, T: FileSystem> {
    sb: &'a mut bindings::super_block,
    _type: PhantomData<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> NewSuperBlock<'_, T> {
    /// The device.
    pub fn block_device(&self) -> &BlockDevice {
        // SAFETY: By the type invariant it is open.
        unsafe { BlockDevice::from_raw(self.sb.s_bdev) }
    }

    /// The name of the device, for messages.
    pub fn id(&self) -> &CStr {
        // SAFETY: It ends with a NUL, and stays as it is.
        unsafe { CStr::from_char_ptr((&raw const self.sb.s_id).cast()) }
    }

    /// Whether the volume is to be mounted read-only.
    pub fn is_read_only(&self) -> bool {
        self.sb.s_flags & READ_ONLY != 0
    }

    /// Mounts it read-only whatever was asked for.
    pub fn set_read_only(&mut self) {
        self.sb.s_flags |= READ_ONLY;
    }

    /// Sets the number that statfs(2) knows the file system by.
    pub fn set_magic(&mut self, magic: u32) {
        self.sb.s_magic = magic as c_ulong;
    }

    /// Sets the size of blocks in bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device cannot have it.
    pub fn set_block_size(&mut self, size: u32) -> Result {
        // SAFETY: The super block is valid and its device open.
        if unsafe { bindings::sb_set_blocksize(self.sb, size as c_int) } == 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Sets the size that files can have, and the number of links that inodes can have.
    pub fn set_limits(&mut self, max_bytes: i64, max_links: u32) {
        self.sb.s_maxbytes = max_bytes;
        self.sb.s_max_links = max_links;
    }

    /// Sets the range of times in seconds, which are as fine as a nanosecond.
    pub fn set_time_range(&mut self, min: i64, max: i64) {
        self.sb.s_time_gran = 1;
        self.sb.s_time_min = min;
        self.sb.s_time_max = max;
    }

    /// Sets the UUID of the volume.
    pub fn set_uuid(&mut self, uuid: Uuid) {
        self.sb.s_uuid.b = uuid.0;
        self.sb.s_uuid_len = uuid.0.len() as u8;
    }

    /// Makes sure that no other volume of the UUID is mounted, nor will be.
    ///
    /// # Errors
    ///
    /// `EBUSY` if one is; `ENOMEM`.
    pub fn claim_uuid(&mut self, uuid: Uuid) -> Result<UuidClaim> {
        // SAFETY: By the type invariant it is a super block of the type.
        UuidClaim::new(unsafe { Registration::<T>::uuids(self.sb) }, uuid)
    }

    /// Has the file system told when memory of the device fails or is going to be removed, from when the volume
    /// is mounted until [`put_super`](Operations::put_super). `device` is that of the block device.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the device has another holder: volumes of other file systems, or devices on top of it;
    /// `ENOMEM`.
    pub fn hold_dax_device<O: holder::Operations<FileSystem = T>>(
        &mut self,
        device: Arc<DaxDevice>,
    ) -> Result {
        // SAFETY: By the type invariant it is a super block of the type, and its device open; `kill_super`
        // releases the device before it drops the data.
        unsafe { holder::hold::<O>(self.sb, device) }
    }

    /// Sets who has extended attributes.
    pub fn set_xattr_handlers<const N: usize>(&mut self, handlers: &'static xattr::Handlers<T, N>) {
        self.sb.s_xattr = handlers.as_ptr();
    }

    /// Has the VFS judge access by POSIX access control lists.
    pub fn set_posix_acl(&mut self) {
        self.sb.s_flags |= bindings::SB_POSIXACL as c_ulong;
    }

    /// Has the VFS remember of which inodes a write need not take privileges away: all changes of
    /// attributes go through it.
    pub fn set_nosec(&mut self) {
        self.sb.s_flags |= bindings::SB_NOSEC as c_ulong;
    }

    /// Has inodes found by file handles.
    pub fn set_export_operations<E: export::Operations<FileSystem = T>>(&mut self) {
        self.sb.s_export_op = export::operations::<E>();
    }

    /// Names the volume in sysfs after its device.
    pub fn set_sysfs_name_bdev(&mut self) {
        // SAFETY: The super block is valid and its device open.
        unsafe { bindings::super_set_sysfs_name_bdev(self.sb) };
    }

    /// For the other concepts of a file system, each of which sets its tables.
    #[allow(dead_code, reason = "until there is one")]
    pub(crate) fn raw(&mut self) -> &mut bindings::super_block {
        self.sb
    }
}

/// # Safety
///
/// For `get_tree_bdev()`, with a new super block of the type `T` and a context that
/// `init_fs_context` has initialised.
pub(super) unsafe extern "C" fn fill_super<T: FileSystem>(
    sb: *mut bindings::super_block,
    context: *mut bindings::fs_context,
) -> c_int {
    from_result(|| {
        // SAFETY: As the caller promises.
        let (context, options) = unsafe {
            (
                FsContext::<T>::from_raw(context),
                &mut *(*context).fs_private.cast::<T::Options>(),
            )
        };
        // INVARIANT: As the caller promises.
        let mut new = NewSuperBlock::<T> {
            // SAFETY: As the caller promises.
            sb: unsafe { &mut *sb },
            _type: PhantomData,
            _task: NotThreadSafe,
        };
        let data = T::fill_super(&mut new, context, options)?;
        // SAFETY: As the caller promises; `kill_super` takes the box back.
        unsafe {
            (*sb).s_fs_info = data.into_foreign();
            (*sb).s_op = const { &Ops::<T::SuperOperations>::OPS };
        }
        // SAFETY: The data is there now.
        let this = unsafe { SuperBlock::<T>::from_raw(sb) };
        T::root(this, context)
            .and_then(|root| {
                // SAFETY: The reference goes to the dentry, or is dropped.
                let dentry = unsafe { bindings::d_make_root(inode::into_raw(root)) };
                if dentry.is_null() {
                    return Err(ENOMEM);
                }
                // SAFETY: As the caller promises.
                unsafe { (*sb).s_root = dentry };
                Ok(0)
            })
            .inspect_err(|_| T::abandon(this.data()))
    })
}

/// # Safety
///
/// For the VFS, with a super block of the type `T` that nobody uses any more.
pub(super) unsafe extern "C" fn kill_super<T: FileSystem>(sb: *mut bindings::super_block) {
    // SAFETY: As the caller promises.
    let data = unsafe {
        bindings::kill_block_super(sb);
        // Where the mount has failed nothing else did.
        holder::release(sb);
        ptr::replace(&raw mut (*sb).s_fs_info, ptr::null_mut())
    };
    if !data.is_null() {
        // SAFETY: `fill_super` put a box there.
        drop(unsafe { Pin::<KBox<T::SuperData>>::from_foreign(data) });
    }
}

/// The table of a file system's operations on volumes.
struct Ops<O>(PhantomData<O>);

impl<O: Operations> Ops<O> {
    const OPS: bindings::super_operations = bindings::super_operations {
        alloc_inode: Some(Self::alloc_inode),
        free_inode: Some(inode::free::<O::FileSystem>),
        evict_inode: Some(Self::evict_inode),
        put_super: Some(Self::put_super),
        sync_fs: optional!(O::HAS_SYNC_FS, sync_fs),
        freeze_fs: optional!(O::HAS_FREEZE_FS, freeze_fs),
        unfreeze_fs: optional!(O::HAS_UNFREEZE_FS, unfreeze_fs),
        statfs: Some(Self::statfs),
        show_options: optional!(O::HAS_SHOW_OPTIONS, show_options),
        shutdown: optional!(O::HAS_SHUTDOWN, shutdown),
        ..no_operations()
    };

    /// # Safety
    ///
    /// For the VFS, with a super block of the file system.
    unsafe extern "C" fn alloc_inode(sb: *mut bindings::super_block) -> *mut bindings::inode {
        // SAFETY: As the caller promises.
        unsafe {
            let cache = Registration::<O::FileSystem>::inode_cache(sb);
            inode::alloc::<O::FileSystem>(sb, cache)
        }
    }

    /// # Safety
    ///
    /// For the VFS, with an inode of the file system that nobody uses any more.
    unsafe extern "C" fn evict_inode(inode: *mut bindings::inode) {
        // SAFETY: As the caller promises.
        unsafe {
            inode::evict::<O::FileSystem>(inode, |inode| O::evict_inode(inode));
        }
    }

    /// # Safety
    ///
    /// For the VFS, with a super block that is mounted and has no inodes any more.
    unsafe extern "C" fn put_super(sb: *mut bindings::super_block) {
        holder::release(sb);
        // SAFETY: As the caller promises.
        O::put_super(unsafe { SuperBlock::from_raw(sb) });
    }

    /// # Safety
    ///
    /// For the VFS, with a super block that is mounted.
    unsafe extern "C" fn sync_fs(sb: *mut bindings::super_block, wait: c_int) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(O::sync_fs(unsafe { SuperBlock::from_raw(sb) }, wait != 0))
    }

    /// # Safety
    ///
    /// For the VFS, with a super block that is mounted.
    unsafe extern "C" fn freeze_fs(sb: *mut bindings::super_block) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(O::freeze_fs(unsafe { SuperBlock::from_raw(sb) }))
    }

    /// # Safety
    ///
    /// For the VFS, with a super block that is mounted.
    unsafe extern "C" fn unfreeze_fs(sb: *mut bindings::super_block) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(O::unfreeze_fs(unsafe { SuperBlock::from_raw(sb) }))
    }

    /// # Safety
    ///
    /// For the VFS, with a dentry of a mounted super block, and a zeroed `kstatfs`.
    unsafe extern "C" fn statfs(
        dentry: *mut bindings::dentry,
        into: *mut bindings::kstatfs,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As the caller promises.
            let found = O::statfs(unsafe { SuperBlock::from_raw((*dentry).d_sb) })?;
            // SAFETY: As the caller promises.
            let into = unsafe { &mut *into };
            into.f_type = found.magic as c_long;
            into.f_bsize = found.block_size as c_long;
            into.f_frsize = found.block_size as c_long;
            into.f_blocks = found.blocks;
            into.f_bfree = found.free_blocks;
            into.f_bavail = found.available_blocks;
            into.f_files = found.inodes;
            into.f_ffree = found.free_inodes;
            into.f_namelen = found.name_len as c_long;
            into.f_fsid.val = [found.id as c_int, (found.id >> 32) as c_int];
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// For the VFS, with a dentry of a mounted super block, and a `seq_file` for this task only.
    unsafe extern "C" fn show_options(
        file: *mut bindings::seq_file,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: As the caller promises. Both declarations of `struct seq_file` are bindgen's of the same C type.
        let (file, sb) = unsafe {
            (
                SeqFile::from_raw(file.cast()),
                SuperBlock::from_raw((*dentry).d_sb),
            )
        };
        to_errno(O::show_options(sb, file))
    }

    /// # Safety
    ///
    /// For the VFS, with a super block that is mounted.
    unsafe extern "C" fn shutdown(sb: *mut bindings::super_block) {
        // SAFETY: As the caller promises.
        O::shutdown(unsafe { SuperBlock::from_raw(sb) });
    }
}
