// SPDX-License-Identifier: GPL-2.0

//! Inodes.
//!
//! An inode is allocated together with the file system's data of it, in a cache of the file system's
//! own. It is in the VFS's hash by number and generation, so that a file handle of an inode that has
//! been freed does not find the one that has its number now.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`struct inode`)

use super::{file_system::FileSystem, namei::Ops, super_block::SuperBlock, Timespec};
use crate::{
    compat::{self, code::ESTALE},
    slab::KmemCache,
};
use core::{
    convert::Infallible,
    ffi::{c_int, c_void},
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    ops::Deref,
    ptr::{self, NonNull},
};
use kernel::{
    container_of,
    error::to_result,
    prelude::*,
    str::CString,
    sync::{
        aref::{ARef, AlwaysRefCounted},
        atomic::{Acquire, Atomic, Release},
    },
    types::{NotThreadSafe, Opaque},
};
use kernel_bindings as bindings;

/// An inode, with the file system's data of it.
///
/// # Invariants
///
/// - It is the field `inode` of a `WithData<T>`, on a super block of the type `T`.
/// - The data has been initialised, and stays until the inode is freed, which it is not while there
///   is a reference to this.
#[repr(transparent)]
pub struct Inode<T: FileSystem>(Opaque<bindings::inode>, PhantomData<T>);

// SAFETY: What may be called on a shared reference may be called from any thread.
unsafe impl<T: FileSystem> Sync for Inode<T> {}
// SAFETY: The reference count is atomic, and the last reference may go on any thread.
unsafe impl<T: FileSystem> Send for Inode<T> {}

// SAFETY: The count is that of the inode.
unsafe impl<T: FileSystem> AlwaysRefCounted for Inode<T> {
    fn inc_ref(&self) {
        // SAFETY: A reference to this means that there is one in the count.
        unsafe { bindings::ihold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller has a reference to give.
        unsafe { bindings::iput(obj.as_ptr().cast()) };
    }
}

/// What is allocated for an inode.
#[repr(C)]
pub(super) struct WithData<T: FileSystem> {
    data: MaybeUninit<T::InodeData>,
    /// Whether `data` has been initialised.
    is_initialized: Atomic<bool>,
    inode: Opaque<bindings::inode>,
}

/// # Safety
///
/// `inode` must be the field of a [`WithData`].
#[inline]
unsafe fn with_data<T: FileSystem>(inode: *mut bindings::inode) -> *mut WithData<T> {
    // SAFETY: As the caller promises.
    unsafe { container_of!(Opaque::cast_from(inode).cast_mut(), WithData<T>, inode) }
}

impl<T: FileSystem> Inode<T> {
    /// # Safety
    ///
    /// `inode` must be what the invariants say, for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(inode: *mut bindings::inode) -> &'a Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*inode.cast() }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }

    /// The file system's data.
    #[inline]
    pub fn data(&self) -> &T::InodeData {
        // SAFETY: By the type invariants.
        unsafe { (*with_data::<T>(self.as_ptr())).data.assume_init_ref() }
    }

    /// The volume.
    #[inline]
    pub fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: By the type invariants it is of that type, and it outlives its inodes.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).i_sb) }
    }

    /// The number.
    #[inline]
    pub fn ino(&self) -> u64 {
        // SAFETY: By the type invariants it is valid; it does not change.
        unsafe { (*self.as_ptr()).i_ino }
    }

    /// Which of the inodes that had the number it is.
    #[inline]
    pub fn generation(&self) -> u32 {
        // SAFETY: As above.
        unsafe { (*self.as_ptr()).i_generation }
    }

    /// Type and permissions, as `st_mode` has them.
    #[inline]
    pub fn mode(&self) -> u16 {
        // SAFETY: By the type invariants it is valid; it may change at any time.
        unsafe { ptr::read_volatile(&raw const (*self.as_ptr()).i_mode) }
    }

    /// Whether it is a directory.
    #[inline]
    pub fn is_directory(&self) -> bool {
        u32::from(self.mode()) & bindings::S_IFMT == bindings::S_IFDIR
    }

    /// Whether it is a regular file.
    #[inline]
    pub fn is_file(&self) -> bool {
        u32::from(self.mode()) & bindings::S_IFMT == bindings::S_IFREG
    }

    /// The number of links.
    #[inline]
    pub fn links(&self) -> u32 {
        // SAFETY: By the type invariants it is valid; it may change at any time, and all that the union
        // has is this number.
        unsafe { ptr::read_volatile((&raw const (*self.as_ptr()).__bindgen_anon_1).cast()) }
    }

    /// The size in bytes.
    #[inline]
    pub fn size(&self) -> i64 {
        // SAFETY: By the type invariants it is valid.
        unsafe { bindings::i_size_read(self.as_ptr()) }
    }

    /// The flags that the VFS looks at: of [`flags`].
    #[inline]
    pub fn flags(&self) -> u32 {
        // SAFETY: By the type invariants it is valid; they may change at any time.
        unsafe { ptr::read_volatile(&raw const (*self.as_ptr()).i_flags) }
    }

    /// Whether its pages are those of the medium.
    #[inline]
    pub fn is_dax(&self) -> bool {
        self.flags() & bindings::S_DAX != 0
    }

    /// Has it leave memory when its last user goes, and its names not kept either.
    pub fn mark_dont_cache(&self) {
        // SAFETY: By the type invariants it is valid.
        unsafe { bindings::d_mark_dontcache(self.as_ptr()) };
    }

    /// The owner, as a number of the volume's user namespace.
    pub fn uid(&self) -> u32 {
        // SAFETY: By the type invariants it is valid.
        unsafe { bindings::i_uid_read(self.as_ptr()) }
    }

    /// The owning group, as a number of the volume's user namespace.
    pub fn gid(&self) -> u32 {
        // SAFETY: By the type invariants it is valid.
        unsafe { bindings::i_gid_read(self.as_ptr()) }
    }

    /// When it last changed.
    pub fn ctime(&self) -> Timespec {
        // SAFETY: By the type invariants it is valid.
        Timespec::from_raw(unsafe { bindings::inode_get_ctime(self.as_ptr()) })
    }

    /// Sets the number of 512-byte sectors that the inode has. Who sets it at once with others leaves one of
    /// theirs, so the file system has a lock for that.
    #[inline]
    pub fn set_sectors(&self, sectors: u64) {
        // SAFETY: By the type invariants it is valid; the VFS reads the number at any time, and nobody but
        // the file system writes it, as a whole.
        unsafe { ptr::write_volatile(&raw mut (*self.as_ptr()).i_blocks, sectors) };
    }

    /// When its contents last changed.
    pub fn mtime(&self) -> Timespec {
        // SAFETY: As above.
        Timespec::from_raw(unsafe { bindings::inode_get_mtime(self.as_ptr()) })
    }

    /// Says that it changes now, and returns when that is: later than any time of it that somebody
    /// has seen.
    pub fn set_ctime_current(&self) -> Timespec {
        // SAFETY: By the type invariants it is valid. Whoever sets times at once leaves one of them.
        Timespec::from_raw(unsafe { bindings::inode_set_ctime_current(self.as_ptr()) })
    }

    /// Sets when it last changed.
    pub fn set_ctime(&self, time: Timespec) {
        // SAFETY: As above.
        unsafe { bindings::inode_set_ctime_to_ts(self.as_ptr(), time.to_raw()) };
    }

    /// When it was last read.
    pub fn atime(&self) -> Timespec {
        // SAFETY: By the type invariants it is valid.
        Timespec::from_raw(unsafe { bindings::inode_get_atime(self.as_ptr()) })
    }

    /// Sets when it was last read.
    pub fn set_atime(&self, time: Timespec) {
        // SAFETY: As above.
        unsafe { bindings::inode_set_atime_to_ts(self.as_ptr(), time.to_raw()) };
    }

    /// Sets when its contents last changed.
    pub fn set_mtime(&self, time: Timespec) {
        // SAFETY: As above.
        unsafe { bindings::inode_set_mtime_to_ts(self.as_ptr(), time.to_raw()) };
    }
}

/// What the VFS looks at in an inode's flags.
pub mod flags {
    use kernel_bindings as bindings;

    /// Writes are synchronous.
    pub const SYNC: u32 = bindings::S_SYNC;
    /// No access times.
    pub const NOATIME: u32 = bindings::S_NOATIME;
    /// Append only.
    pub const APPEND: u32 = bindings::S_APPEND;
    /// Nothing changes.
    pub const IMMUTABLE: u32 = bindings::S_IMMUTABLE;
    /// Changes of the directory are synchronous.
    pub const DIRSYNC: u32 = bindings::S_DIRSYNC;
    /// Its pages are those of the medium.
    pub const DAX: u32 = bindings::S_DAX;
    /// It has neither suid bits nor attributes that a write would have to clear.
    pub const NOSEC: u32 = bindings::S_NOSEC;
}

/// An inode whose `i_rwsem` this task holds exclusively.
///
/// # Invariants
///
/// As it says, for `'a`.
pub struct Locked<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> Clone for Locked<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: FileSystem> Copy for Locked<'_, T> {}

impl<T: FileSystem> Deref for Locked<'_, T> {
    type Target = Inode<T>;

    #[inline]
    fn deref(&self) -> &Inode<T> {
        self.inode
    }
}

impl<'a, T: FileSystem> Locked<'a, T> {
    /// # Safety
    ///
    /// This task must hold the inode's `i_rwsem` exclusively for `'a`.
    #[inline]
    pub(crate) unsafe fn new(inode: &'a Inode<T>) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            inode,
            _task: NotThreadSafe,
        }
    }

    /// The inode.
    #[inline]
    pub fn inode(&self) -> &'a Inode<T> {
        self.inode
    }

    /// Sets the number of links.
    #[inline]
    pub fn set_links(&self, links: u32) {
        // SAFETY: By the type invariant the inode is locked, which guards the number.
        unsafe { bindings::set_nlink(self.as_ptr(), links) };
    }

    /// Whether the file may become as large as that: the process's limit, the file system's, and none for a
    /// swap file.
    ///
    /// # Errors
    ///
    /// `EFBIG`, after a `SIGXFSZ` if the process's limit is reached; `ETXTBSY`.
    pub fn check_new_size(&self, size: u64) -> Result {
        // SAFETY: The inode is valid.
        to_result(unsafe { bindings::inode_newsize_ok(self.as_ptr(), size as i64) })
    }

    /// Sets the size in bytes.
    #[inline]
    pub fn set_size(&self, size: i64) {
        // SAFETY: By the type invariant the inode is locked, which guards the size.
        unsafe { bindings::i_size_write(self.as_ptr(), size) };
    }

    /// Sets type and permissions.
    #[inline]
    pub fn set_mode(&self, mode: u16) {
        // SAFETY: By the type invariant the inode is locked, which guards the mode.
        unsafe { ptr::write_volatile(&raw mut (*self.as_ptr()).i_mode, mode) };
    }

    /// Sets those of [`flags`] that are in `mask`.
    pub fn set_flags(&self, flags: u32, mask: u32) {
        // SAFETY: The inode is valid; the call changes the word at once.
        unsafe { bindings::inode_set_flags(self.as_ptr(), flags, mask) };
    }
}

/// An inode that nobody uses any more, about to leave memory. Others that look for it wait.
///
/// # Invariants
///
/// The inode is in `evict_inode`, for `'a`.
pub struct Evicted<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> Deref for Evicted<'_, T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        self.inode
    }
}

/// What the VFS knows of an inode from the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes {
    /// Type and permissions, as `st_mode` has them.
    pub mode: u16,
    /// The owner, as a number of the volume's user namespace.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// The number of links.
    pub links: u32,
    /// The size in bytes.
    pub size: i64,
    /// The number of 512-byte sectors that it has.
    pub sectors: u64,
    /// Of a device: its major and minor number.
    pub device: (u32, u32),
    /// Of [`flags`].
    pub flags: u32,
    /// Last access.
    pub atime: Timespec,
    /// Last change of the contents.
    pub mtime: Timespec,
    /// Last change.
    pub ctime: Timespec,
}

/// The operations on open files of an inode. A file system has a constant of this for each kind of
/// inode, made by the trait of the operations.
pub struct FileOps<T>(
    pub(super) &'static bindings::file_operations,
    pub(super) PhantomData<T>,
);

impl<T> Clone for FileOps<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for FileOps<T> {}

/// The operations on the pages of an inode, as [`FileOps`].
pub struct AddressSpaceOps<T>(
    pub(super) &'static bindings::address_space_operations,
    pub(super) PhantomData<T>,
);

impl<T> Clone for AddressSpaceOps<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for AddressSpaceOps<T> {}

/// What a look-up in memory has found.
pub enum Found<T: FileSystem> {
    /// The inode.
    Cached(ARef<Inode<T>>),
    /// None: this is to become it. Others that look for it wait until then.
    New(NewInode<T>),
}

/// An inode that has no data yet.
///
/// Dropped before [`init`](Self::init), it goes, and tasks that wait for it look again.
///
/// # Invariants
///
/// - The inode is valid, a `WithData<T>` on a super block of the type `T`, and there is a
///   reference to it that is ours.
/// - It is `I_NEW` if `is_hashed`, and no other task changes it.
pub struct NewInode<T: FileSystem> {
    inode: NonNull<bindings::inode>,
    is_hashed: bool,
    _type: PhantomData<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> NewInode<T> {
    /// Allocates an inode that is not in the hash yet, for a file that is being made.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(sb: &SuperBlock<T>) -> Result<Self> {
        // SAFETY: The super block is valid and mounted.
        let inode = unsafe { bindings::new_inode(sb.as_ptr()) };
        // INVARIANT: `alloc_inode` has made it, and nobody looks for it.
        Ok(Self {
            inode: NonNull::new(inode).ok_or(ENOMEM)?,
            is_hashed: false,
            _type: PhantomData,
            _task: NotThreadSafe,
        })
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::inode {
        self.inode.as_ptr()
    }

    /// Sets who owns the file that is made in `directory`, and its type and permissions, from the
    /// task and the directory.
    pub fn init_owner(
        &mut self,
        idmap: &super::MntIdmap,
        directory: &Inode<T>,
        mode: u16,
    ) -> Owner {
        // SAFETY: By the type invariants it is ours; the others are valid.
        unsafe {
            bindings::inode_init_owner(idmap.as_ptr(), self.as_ptr(), directory.as_ptr(), mode);
            Owner {
                mode: (*self.as_ptr()).i_mode,
                uid: bindings::i_uid_read(self.as_ptr()),
                gid: bindings::i_gid_read(self.as_ptr()),
            }
        }
    }

    /// Says that it changes now, and returns when that is: the time of its creation.
    pub fn set_ctime_current(&mut self) -> Timespec {
        // SAFETY: By the type invariants it is valid and ours.
        Timespec::from_raw(unsafe { bindings::inode_set_ctime_current(self.as_ptr()) })
    }

    /// Enters it into the hash by its number and generation, so that tasks that look for it wait.
    ///
    /// May sleep, until another inode of that number and generation has gone.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is one that does not go: the volume is damaged.
    pub fn insert(&mut self, ino: u64, generation: u32) -> Result {
        if self.is_hashed {
            return Err(EBUSY);
        }
        let key = Key { ino, generation };
        // SAFETY: By the type invariants it is ours, and not in the hash. `test` takes a `Key`.
        unsafe {
            (*self.as_ptr()).i_ino = ino;
            (*self.as_ptr()).i_generation = generation;
            to_result(bindings::insert_inode_locked4(
                self.as_ptr(),
                ino,
                Some(Key::test),
                ptr::from_ref(&key).cast_mut().cast(),
            ))?;
        }
        // INVARIANT: It is `I_NEW`.
        self.is_hashed = true;
        Ok(())
    }

    /// Gives it what the VFS knows of it, its operations and its data.
    pub fn init(
        mut self,
        attributes: &Attributes,
        operations: Ops<T>,
        data: impl PinInit<T::InodeData, Infallible>,
    ) -> InitialisedInode<T> {
        // SAFETY: By the type invariants it is ours.
        let inode = unsafe { self.inode.as_mut() };
        inode.i_mode = attributes.mode;
        inode.i_blocks = attributes.sectors;
        inode.i_flags = attributes.flags;
        inode.i_op = operations.inode_operations();
        let (major, minor) = attributes.device;
        let is_special = !matches!(
            u32::from(attributes.mode) & bindings::S_IFMT,
            bindings::S_IFREG | bindings::S_IFDIR | bindings::S_IFLNK
        );
        // SAFETY: By the type invariants it is ours and a valid inode.
        unsafe {
            bindings::i_uid_write(inode, attributes.uid);
            bindings::i_gid_write(inode, attributes.gid);
            bindings::set_nlink(inode, attributes.links);
            bindings::i_size_write(inode, attributes.size);
            bindings::inode_set_atime_to_ts(inode, attributes.atime.to_raw());
            bindings::inode_set_mtime_to_ts(inode, attributes.mtime.to_raw());
            bindings::inode_set_ctime_to_ts(inode, attributes.ctime.to_raw());
            if is_special {
                let device = bindings::MKDEV(major, minor);
                bindings::init_special_inode(inode, attributes.mode, device);
            }
        }
        if let Some(FileOps(operations, _)) = operations.file_operations() {
            inode.__bindgen_anon_3.i_fop = operations;
        }
        if let Some(AddressSpaceOps(operations, _)) = operations.address_space_operations() {
            inode.i_data.a_ops = operations;
        }
        // SAFETY: By the type invariants it is one, and nobody else looks at the data, which is not moved.
        unsafe {
            let with_data = with_data::<T>(inode);
            let Ok(()) = compat::init_in_place(data, (*with_data).data.as_mut_ptr());
            (*with_data).is_initialized.store(true, Release);
        }
        // INVARIANT: The data is there now.
        InitialisedInode {
            new: ManuallyDrop::new(self),
        }
    }
}

impl<T: FileSystem> Drop for NewInode<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the reference is ours, and the inode is `I_NEW` if it is hashed.
        unsafe {
            if self.is_hashed {
                bindings::iget_failed(self.as_ptr());
            } else {
                bindings::iput(self.as_ptr());
            }
        }
    }
}

/// Who owns a new file, and its type and permissions.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// Type and permissions, as `st_mode` has them.
    pub mode: u16,
    /// The owner, as a number of the volume's user namespace.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
}

/// An inode that has its data, and that others still wait for.
///
/// # Invariants
///
/// `new` has been initialised. It is hashed.
#[must_use]
pub struct InitialisedInode<T: FileSystem> {
    new: ManuallyDrop<NewInode<T>>,
}

impl<T: FileSystem> InitialisedInode<T> {
    /// Lets go those who wait for it.
    pub fn unlock(self) -> ARef<Inode<T>> {
        let inode = self.into_raw();
        // SAFETY: By the invariants it is `I_NEW`, and has its data.
        unsafe {
            bindings::unlock_new_inode(inode.as_ptr());
            ARef::from_raw(inode.cast())
        }
    }

    /// The inode as others will see it.
    pub fn inode(&self) -> &Inode<T> {
        // SAFETY: By the type invariant it has its data.
        unsafe { Inode::from_raw(self.new.as_ptr()) }
    }

    /// The inode, still locked as a new one, with its reference.
    pub(super) fn into_raw(self) -> NonNull<bindings::inode> {
        let this = ManuallyDrop::new(self);
        this.new.inode
    }
}

impl<T: FileSystem> Drop for InitialisedInode<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariants it is `I_NEW`, and the reference is ours.
        unsafe { bindings::discard_new_inode(self.new.as_ptr()) };
    }
}

/// The reference of an inode, for C.
pub(super) fn into_raw<T: FileSystem>(inode: ARef<Inode<T>>) -> *mut bindings::inode {
    ARef::into_raw(inode).as_ptr().cast()
}

/// By what an inode is found.
struct Key {
    ino: u64,
    generation: u32,
}

impl Key {
    /// # Safety
    ///
    /// `inode` must be valid, and `key` a [`Key`].
    unsafe extern "C" fn test(inode: *mut bindings::inode, key: *mut c_void) -> c_int {
        // SAFETY: As the caller promises. Both fields are set before the inode is hashed.
        unsafe {
            let key = &*key.cast::<Key>();
            ((*inode).i_ino == key.ino && (*inode).i_generation == key.generation).into()
        }
    }

    /// # Safety
    ///
    /// `inode` must be valid and ours, and `key` a [`Key`].
    unsafe extern "C" fn set(inode: *mut bindings::inode, key: *mut c_void) -> c_int {
        // SAFETY: As the caller promises.
        unsafe {
            let key = &*key.cast::<Key>();
            (*inode).i_ino = key.ino;
            (*inode).i_generation = key.generation;
        }
        0
    }
}

pub(super) fn find<T: FileSystem>(
    sb: &SuperBlock<T>,
    ino: u64,
    generation: u32,
) -> Result<Found<T>> {
    let key = Key { ino, generation };
    // SAFETY: The super block is valid; the callbacks take a `Key`.
    let inode = unsafe {
        bindings::iget5_locked(
            sb.as_ptr(),
            ino,
            Some(Key::test),
            Some(Key::set),
            ptr::from_ref(&key).cast_mut().cast(),
        )
    };
    let inode = NonNull::new(inode).ok_or(ENOMEM)?;
    // SAFETY: The inode is valid.
    if unsafe { bindings::inode_state_read_once(inode.as_ptr()) }
        & bindings::inode_state_flags_enum_I_NEW
        != 0
    {
        // INVARIANT: It is new and ours.
        return Ok(Found::New(NewInode {
            inode,
            is_hashed: true,
            _type: PhantomData,
            _task: NotThreadSafe,
        }));
    }
    // SAFETY: All inodes of the super block are from `alloc`.
    let has_data = unsafe {
        (*with_data::<T>(inode.as_ptr()))
            .is_initialized
            .load(Acquire)
    };
    if !has_data {
        // SAFETY: The reference is ours.
        unsafe { bindings::iput(inode.as_ptr()) };
        return Err(ESTALE);
    }
    // SAFETY: The reference is ours, and the data is there.
    Ok(Found::Cached(unsafe { ARef::from_raw(inode.cast()) }))
}

/// Makes the cache of a file system's inodes.
pub(super) fn new_cache<T: FileSystem>() -> Result<KmemCache> {
    let name = CString::try_from_fmt(fmt!("{}_inode", T::NAME.to_str()?))?;
    let size = u32::try_from(size_of::<WithData<T>>()).map_err(|_| EINVAL)?;
    KmemCache::new(
        &name,
        size,
        align_of::<WithData<T>>() as u32,
        bindings::SLAB_RECLAIM_ACCOUNT | bindings::SLAB_ACCOUNT,
        construct::<T>,
    )
}

/// # Safety
///
/// `object` must be valid for writes of a [`WithData`].
unsafe extern "C" fn construct<T: FileSystem>(object: *mut c_void) {
    let object = object.cast::<WithData<T>>();
    // SAFETY: As the caller promises.
    unsafe {
        (&raw mut (*object).is_initialized).write(Atomic::new(false));
        bindings::inode_init_once(Opaque::cast_into(&raw const (*object).inode));
    }
}

/// # Safety
///
/// `sb` must be a valid super block of the type `T`, and `cache` that of its inodes.
pub(super) unsafe fn alloc<T: FileSystem>(
    sb: *mut bindings::super_block,
    cache: *mut bindings::kmem_cache,
) -> *mut bindings::inode {
    // SAFETY: As the caller promises.
    let object = unsafe { bindings::alloc_inode_sb(sb, cache, bindings::GFP_KERNEL) };
    let object = object.cast::<WithData<T>>();
    if object.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `construct` has set it up, and `free` leaves it like that.
    Opaque::cast_into(unsafe { &raw const (*object).inode })
}

/// # Safety
///
/// For the VFS, with an inode from [`alloc`] that nobody can see any more.
pub(super) unsafe extern "C" fn free<T: FileSystem>(inode: *mut bindings::inode) {
    // SAFETY: As the caller promises. Objects of any slab cache may be freed so; the super block may have gone.
    unsafe {
        let object = with_data::<T>(inode);
        if (*object).is_initialized.load(Acquire) {
            (*object).is_initialized.store(false, Release);
            (*object).data.assume_init_drop();
        }
        bindings::kfree(object.cast::<c_void>().cast_const());
    }
}

/// # Safety
///
/// For the VFS's `evict_inode`.
pub(super) unsafe fn evict<T: FileSystem>(
    inode: *mut bindings::inode,
    file_system: impl FnOnce(&Evicted<'_, T>),
) {
    // SAFETY: As the caller promises.
    let (has_data, is_unlinked) = unsafe {
        let with_data = with_data::<T>(inode);
        let has_data = (*with_data).is_initialized.load(Acquire);
        (
            has_data && !bindings::is_bad_inode(inode),
            bindings::inode_nlink(inode) == 0,
        )
    };
    // SAFETY: As the caller promises. What is unlinked is not evicted by who would hold up a thaw.
    unsafe {
        bindings::dax_break_layout_final(inode);
        let sb = (*inode).i_sb;
        let is_frozen_out = has_data && is_unlinked;
        if is_frozen_out {
            bindings::sb_start_intwrite(sb);
        }
        bindings::truncate_inode_pages_final(&raw mut (*inode).i_data);
        if has_data {
            // INVARIANT: As the caller promises.
            file_system(&Evicted {
                inode: Inode::from_raw(inode),
                _task: NotThreadSafe,
            });
        }
        if is_frozen_out {
            bindings::sb_end_intwrite(sb);
        }
        bindings::clear_inode(inode);
    }
}
