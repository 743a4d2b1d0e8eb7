// SPDX-License-Identifier: GPL-2.0

//! Bio-based disks.
//!
//! A disk is made in two steps: [`NewDisk::new`] allocates it with its limits and what it works on,
//! [`NewDisk::register`] shows it to the world, after which it is a [`GenDisk`] until it is dropped.
//!
//! # Examples
//!
//! A disk that takes everything and has nothing:
//!
//! ```
//! use kernel::sync::Arc;
//! use kernel_ext::{
//!     block::{
//!         bio::{Bio, BlkStatus, Op},
//!         gen_disk::{DiskAttribute, Feature, Limits, NewDisk, Operations},
//!     },
//!     numa::Node,
//! };
//!
//! struct Hole;
//!
//! impl Operations for Hole {
//!     type Module = crate::LocalModule;
//!
//!     const ATTRIBUTES: &'static [DiskAttribute<Self>] = &[DiskAttribute::END];
//!
//!     fn submit_bio(&self, bio: Bio) {
//!         let status = match bio.op() {
//!             Op::Write | Op::WriteZeroes => Ok(()),
//!             Op::Read | Op::Other => Err(BlkStatus::NotSupported),
//!         };
//!         bio.end(status);
//!     }
//! }
//!
//! let limits = Limits {
//!     logical_block_size: 512,
//!     physical_block_size: 4096,
//!     io_min: 4096,
//!     io_opt: 0,
//!     capacity: 2048,
//!     read_only: false,
//!     features: Feature::Synchronous | Feature::IoStat,
//!     write_zeroes: true,
//! };
//! let hole = || Arc::new(Hole, GFP_KERNEL);
//! // Allocated, and given back: nobody has seen it, for it was not registered.
//! drop(NewDisk::new(fmt!("hole0"), limits, Node::NONE, hole()?, None)?);
//!
//! // Blocks are powers of two.
//! let odd = Limits { logical_block_size: 1000, ..limits };
//! assert!(NewDisk::new(fmt!("hole1"), odd, Node::NONE, hole()?, None).is_err());
//! # Ok::<(), Error>(())
//! ```
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use crate::{
    block::bio::Bio,
    compat::ModuleMetadata,
    dax,
    numa::Node,
    sysfs::{Attribute, BinAttribute, Dirent, OpenFile, Page},
    PAGE_SIZE,
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{from_ref, null, null_mut, NonNull},
};
use kernel::{
    alloc::flags::GFP_KERNEL,
    device,
    error::{from_err_ptr, from_result, to_result},
    ffi::{c_char, c_void},
    fmt::{self, Write as _},
    impl_flags,
    prelude::*,
    sizes::SZ_128K,
    static_lock_class,
    str::NullTerminatedFormatter,
    sync::{
        atomic::{Acquire, Atomic, Release},
        Arc,
    },
    time::{delay::fsleep, Delta},
};
use kernel_bindings as bindings;

/// What a bio-based disk does. The implementing type is what the disk works on.
pub trait Operations: Send + Sync + Sized + 'static {
    /// The module whose code this is: it cannot be unloaded while the disk is open.
    type Module: ModuleMetadata;

    /// The disk's own files in sysfs; the last is [`DiskAttribute::END`].
    const ATTRIBUTES: &'static [DiskAttribute<Self>];

    /// Carries out a bio, and ends it. May sleep.
    fn submit_bio(&self, bio: Bio);
}

impl_flags!(
    /// What a disk can do, as the block core is told.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Features(u32);

    /// One of the features.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Feature {
        /// Writes are durable only after a flush.
        WriteCache = bindings::BLK_FEAT_WRITE_CACHE,

        /// A single write can be made durable.
        Fua = bindings::BLK_FEAT_FUA,

        /// I/O is complete when `submit_bio` returns.
        Synchronous = bindings::BLK_FEAT_SYNCHRONOUS,

        /// `submit_bio` does not wait for anything when a bio says so ([`Bio::is_nowait`]).
        NoWait = bindings::BLK_FEAT_NOWAIT,

        /// I/O is counted, as `queue/iostats` shows and switches.
        IoStat = bindings::BLK_FEAT_IO_STAT,
    }
);

/// The limits and features of a disk.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in the smallest unit of I/O: a power of two from 512 to 4096.
    pub logical_block_size: u32,
    /// Bytes in the unit that the medium prefers.
    pub physical_block_size: u32,
    /// Bytes in the unit that data is best laid out by, and of the smallest I/O that costs nothing
    /// extra (`minimum_io_size`); at least a physical block.
    pub io_min: u32,
    /// Bytes in the unit that sustained I/O, or what is to be mapped, is best laid out by
    /// (`optimal_io_size`); 0 for none. Adding the disk makes the read-ahead twice that:
    /// [`GenDisk::reset_read_ahead`].
    pub io_opt: u32,
    /// The capacity in sectors of 512 bytes.
    pub capacity: u64,
    /// Nothing can be written, and nobody can change that (`blockdev --setrw` does not).
    pub read_only: bool,
    /// What the disk can do.
    pub features: Features,
    /// Zeroes can be written without a buffer of them.
    pub write_zeroes: bool,
}

impl Limits {
    fn into_raw(self, dax: bool) -> bindings::queue_limits {
        let mut features = u32::from(self.features);
        if dax {
            features |= bindings::BLK_FEAT_DAX;
        }
        bindings::queue_limits {
            features,
            logical_block_size: self.logical_block_size,
            physical_block_size: self.physical_block_size,
            io_min: self.io_min,
            io_opt: self.io_opt,
            max_hw_sectors: u32::MAX,
            max_write_zeroes_sectors: if self.write_zeroes { u32::MAX } else { 0 },
            ..Default::default()
        }
    }
}

/// A disk and what it works on: what the C side's pointers point to.
///
/// # Invariants
///
/// - `gendisk` points to a valid `struct gendisk` from `__blk_alloc_disk()`, whose `private_data`
///   points to this value.
/// - `dax`, if there is one, works on `data`.
pub struct Disk<T: Operations> {
    gendisk: NonNull<bindings::gendisk>,
    dax: Option<dax::Device<T>>,
    data: Arc<T>,
    /// Whether the disk was added, so that `free_disk` will be called.
    added: bool,
    /// Whether `free_disk` was called.
    freed: Atomic<bool>,
}

impl<T: Operations> Disk<T> {
    const FOPS: bindings::block_device_operations = bindings::block_device_operations {
        submit_bio: Some(Self::submit_bio),
        poll_bio: None,
        open: None,
        release: None,
        ioctl: None,
        compat_ioctl: None,
        check_events: None,
        unlock_native_capacity: None,
        getgeo: None,
        set_read_only: None,
        free_disk: Some(Self::free_disk),
        swap_slot_free_notify: None,
        report_zones: None,
        devnode: None,
        get_unique_id: None,
        owner: T::Module::THIS_MODULE.as_ptr().cast(),
        pr_ops: null(),
        alternative_gpt_sector: None,
    };

    /// # Safety
    ///
    /// For the block layer, which passes a valid bio for a disk with these operations, gives it up,
    /// and keeps the disk alive meanwhile.
    unsafe extern "C" fn submit_bio(bio: *mut bindings::bio) {
        // SAFETY: As the caller promises; by the type invariant there is a `Disk<T>` behind the
        // gendisk's `private_data`.
        let disk = unsafe { &*(*(*(*bio).bi_bdev).bd_disk).private_data.cast::<Self>() };
        // SAFETY: As the caller promises.
        disk.data.submit_bio(unsafe { Bio::from_raw(bio) });
    }

    /// # Safety
    ///
    /// For the block layer, which passes a disk with these operations that was added, when its last
    /// reference has gone.
    unsafe extern "C" fn free_disk(gendisk: *mut bindings::gendisk) {
        // SAFETY: As the caller promises; by the type invariant there is a `Disk<T>` behind
        // `private_data`, which `Disk::drop` keeps until it has seen this.
        let disk = unsafe { &*(*gendisk).private_data.cast::<Self>() };
        disk.freed.store(true, Release);
    }

    /// Returns the disk of a device.
    ///
    /// # Safety
    ///
    /// `dev` must be the device of a disk with the operations of this type, valid for `'a`.
    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: As the caller promises.
        unsafe { &*(*bindings::dev_to_disk(dev)).private_data.cast::<Self>() }
    }

    /// Returns the block device that is the whole disk, as the kernel crate has it.
    #[cfg(CONFIG_RUST_KERNEL_EXT_KUNIT_TEST)]
    pub(crate) fn whole(&self) -> *mut kernel::bindings::block_device {
        // SAFETY: By the type invariant the gendisk is valid, and its whole device as long as it.
        unsafe { (*self.gendisk.as_ptr()).part0.cast() }
    }

    /// Returns the `struct gendisk`, which is valid as long as the disk.
    pub fn as_raw(&self) -> *mut bindings::gendisk {
        self.gendisk.as_ptr()
    }

    /// Whether the disk was registered below `parent`.
    pub fn is_below(&self, parent: &device::Device) -> bool {
        // SAFETY: By the type invariant the gendisk is valid; a disk's parent is set when it is added, and
        // does not change then.
        let dev = unsafe { (*bindings::disk_to_dev(self.as_raw())).parent };
        core::ptr::addr_eq(dev, parent)
    }

    /// Returns what the disk works on.
    pub fn data(&self) -> &T {
        &self.data
    }

    /// Returns the disk's DAX device, if it has one.
    pub fn dax(&self) -> Option<&dax::Device<T>> {
        self.dax.as_ref()
    }
}

/// A disk that is not yet visible.
pub struct NewDisk<T: Operations> {
    disk: KBox<Disk<T>>,
}

// SAFETY: Nobody else has seen the gendisk, which belongs to no thread; what the disk works on is shared
// between threads by an `Arc` anyway.
unsafe impl<T: Operations> Send for NewDisk<T> {}

impl<T: Operations> NewDisk<T> {
    /// Allocates a disk called `name`, at most 31 bytes long, near `node`.
    ///
    /// With `dax`, file systems find that DAX device by the disk. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for limits that the block core refuses or a name that is too long; `ENOMEM`.
    pub fn new(
        name: fmt::Arguments<'_>,
        limits: Limits,
        node: Node,
        data: Arc<T>,
        dax: Option<dax::Device<T>>,
    ) -> Result<Self> {
        let (capacity, read_only) = (limits.capacity, limits.read_only);
        let mut limits = limits.into_raw(dax.is_some());

        // SAFETY: The limits are valid for reads and writes; the lock class is a static of this
        // module.
        let gendisk = from_err_ptr(unsafe {
            bindings::__blk_alloc_disk(
                &mut limits,
                node.as_raw(),
                static_lock_class!().as_ptr().cast(),
            )
        })?;
        let gendisk = NonNull::new(gendisk).ok_or(ENOMEM)?;
        // From here on `Disk::drop` gives the gendisk back.
        let disk = match KBox::new_uninit(GFP_KERNEL) {
            // INVARIANT: `private_data` is set below, before anyone else sees the disk.
            Ok(slot) => KBox::write(
                slot,
                Disk {
                    gendisk,
                    dax,
                    data,
                    added: false,
                    freed: Atomic::new(false),
                },
            ),
            Err(error) => {
                // SAFETY: The disk was just allocated and nobody else has seen it.
                unsafe { bindings::put_disk(gendisk.as_ptr()) };
                return Err(error.into());
            }
        };

        // SAFETY: The gendisk is valid and nobody else has seen it.
        let raw = unsafe { &mut *gendisk.as_ptr() };
        NullTerminatedFormatter::new(&mut raw.disk_name)
            .ok_or(EINVAL)?
            .write_fmt(name)
            .map_err(|_| EINVAL)?;
        raw.fops = const { &Disk::<T>::FOPS };
        raw.private_data = (&raw const *disk).cast_mut().cast();
        // SAFETY: The gendisk is valid.
        unsafe { bindings::set_capacity(gendisk.as_ptr(), capacity) };
        if read_only {
            // SAFETY: As above.
            unsafe { bindings::set_disk_ro(gendisk.as_ptr(), true) };
        }

        Ok(Self { disk })
    }

    /// Shows the disk to the world: reads its partition table, creates its nodes and files.
    ///
    /// `parent` is the device that the disk is below in sysfs. May sleep.
    ///
    /// # Errors
    ///
    /// What `dax_add_host()` and `device_add_disk()` return; nothing is left visible then.
    pub fn register(mut self, parent: &device::Device<device::Bound>) -> Result<GenDisk<T>> {
        // The C side takes a list that ends with a null pointer.
        if !T::ATTRIBUTES
            .last()
            .is_some_and(|last| last.group.is_null())
        {
            return Err(EINVAL);
        }
        let gendisk = self.disk.gendisk.as_ptr();

        if let Some(dax) = &self.disk.dax {
            // SAFETY: Both are valid. The entry is taken out again below or in `GenDisk::drop`,
            // before the DAX device goes.
            to_result(unsafe { bindings::dax_add_host(dax.as_raw(), gendisk) })?;
        }
        // SAFETY: The gendisk is valid and has not been added; `DiskAttribute` is transparent over a
        // pointer to a group that is static, and the list ends as the C side wants it. `Device` is
        // transparent over a `struct device`; the parent is bound to a driver, hence valid, and the
        // disk takes a reference to it.
        let added = to_result(unsafe {
            bindings::device_add_disk(
                from_ref(parent).cast_mut().cast(),
                gendisk,
                T::ATTRIBUTES.as_ptr().cast_mut().cast(),
            )
        });
        if let Err(error) = added {
            if self.disk.dax.is_some() {
                // SAFETY: Added above.
                unsafe { bindings::dax_remove_host(gendisk) };
            }
            return Err(error);
        }

        self.disk.added = true;
        // INVARIANT: Added above.
        Ok(GenDisk {
            disk: NonNull::from(KBox::leak(self.disk)),
        })
    }
}

impl<T: Operations> Drop for Disk<T> {
    fn drop(&mut self) {
        if let Some(dax) = &self.dax {
            dax.kill();
        }
        // SAFETY: By the type invariant the gendisk is valid, and its first reference is ours. If it
        // was added, `GenDisk::remove` has removed it.
        unsafe { bindings::put_disk(self.gendisk.as_ptr()) };
        // That was the last one (see `RemovedDisk`), and `free_disk` has run, in this thread. Only a
        // task that was looking the disk up when it was removed may have another, for an instant.
        while self.added && !self.freed.load(Acquire) {
            fsleep(Delta::from_millis(1));
        }
    }
}

/// A disk that everyone sees.
///
/// [`GenDisk::remove`] takes it away: first no file system finds its DAX device any more; then the disk
/// goes: file systems on it are synced and shut down, running I/O is waited for, new I/O fails; then the
/// DAX device. That does not wait for those who have it open or mapped. Dropping it waits for the former:
/// see [`RemovedDisk`].
///
/// nd_pmem ends the DAX device before the disk. That tells a mounted XFS before it is shut down, and
/// XFS of 7.3 (`xfs_dax_notify_dev_failure()`) then walks 2³² pages of every file of every allocation
/// group but the last, frozen: minutes to hours. One that is shut down already gives up at once.
///
/// # Invariants
///
/// `disk` points to a `Disk<T>` from `KBox::leak`, whose gendisk was added and not removed.
pub struct GenDisk<T: Operations> {
    disk: NonNull<Disk<T>>,
}

// SAFETY: The block layer locks; a disk may be removed from any thread that may sleep.
unsafe impl<T: Operations> Send for GenDisk<T> {}

// SAFETY: `&GenDisk` gives out `&Disk`, of which all methods may be called from any thread.
unsafe impl<T: Operations> Sync for GenDisk<T> {}

impl<T: Operations> GenDisk<T> {
    /// Gives the disk the kernel's default read-ahead again, if it has what [`Limits::io_opt`] has made
    /// of it: for disks whose `io_opt` says where data should lie, not how much to transfer.
    ///
    /// The core raises it again whenever limits change, as when `queue/iostats` is written. May sleep.
    pub fn reset_read_ahead(&self) {
        /// `VM_READAHEAD_PAGES` of `include/linux/pagemap.h`, a macro.
        const DEFAULT: usize = SZ_128K / PAGE_SIZE;

        let gendisk = self.gendisk.as_ptr();
        // SAFETY: By the type invariant the disk was added; its queue lives as long.
        let queue = unsafe { (*gendisk).queue };
        // SAFETY: As above. This takes the lock that `ra_pages` changes under.
        let limits = unsafe { bindings::queue_limits_start_update(queue) };
        let raised = (limits.io_opt as usize).saturating_mul(2) / PAGE_SIZE;
        // SAFETY: The disk has its `bdi` as long as it lives. The file system side reads `ra_pages`
        // without a lock, hence no reference.
        unsafe {
            let pages = &raw mut (*(*gendisk).bdi).ra_pages;
            if pages.read_volatile() == raised && raised > DEFAULT {
                pages.write_volatile(DEFAULT);
            }
        }
        // SAFETY: Taken above, in this thread.
        unsafe { bindings::queue_limits_cancel_update(queue) };
    }

    /// Returns the node of the disk's own file `name` in sysfs, to notify those who poll it.
    pub fn attribute(&self, name: &CStr) -> Option<Dirent> {
        // SAFETY: By the type invariant the disk was added, so that its kobject is in sysfs.
        unsafe {
            let dev = bindings::disk_to_dev(self.gendisk.as_ptr());
            Dirent::find(&raw mut (*dev).kobj, name)
        }
    }
}

impl<T: Operations> core::ops::Deref for GenDisk<T> {
    type Target = Disk<T>;

    fn deref(&self) -> &Disk<T> {
        // SAFETY: By the type invariant the pointer is valid; there is never a `&mut` to it while
        // `self` lives.
        unsafe { self.disk.as_ref() }
    }
}

impl<T: Operations> GenDisk<T> {
    /// Takes the disk away, and waits for nobody who has it open. May sleep.
    pub fn remove(self) -> RemovedDisk<T> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used afterwards, and not dropped.
        unsafe { this.remove_once() }
    }

    /// # Safety
    ///
    /// `self` must not be used afterwards.
    unsafe fn remove_once(&mut self) -> RemovedDisk<T> {
        let gendisk = self.gendisk.as_ptr();

        if self.dax.is_some() {
            // SAFETY: By the type invariant the disk was added, and with it its DAX device.
            unsafe { bindings::dax_remove_host(gendisk) };
        }
        // SAFETY: By the type invariant the disk was added; this is the only place that removes it.
        unsafe { bindings::del_gendisk(gendisk) };
        // `Disk::drop` does so too, but file systems have to be told now.
        if let Some(dax) = &self.dax {
            dax.kill();
        }
        // INVARIANT: Removed above, the DAX device is dead.
        RemovedDisk {
            // SAFETY: By the type invariant the pointer is from `KBox::leak`, and as the caller
            // promises this is the only time that it is taken.
            disk: unsafe { KBox::from_raw(self.disk.as_ptr()) },
        }
    }
}

impl<T: Operations> Drop for GenDisk<T> {
    fn drop(&mut self) {
        // SAFETY: `self` is not used any more.
        drop(unsafe { self.remove_once() });
    }
}

/// A disk that has been taken away, but that somebody may still have open: a file system, device
/// mapper, a process.
///
/// Such a user has the kernel's address of the memory from the DAX device and may go on using it; no
/// call into the driver tells. So what the disk works on stays until nobody has the disk open: dropping
/// this waits for that. What processes have mapped is another matter: see
/// [`PageMap`](crate::memremap::PageMap).
///
/// The disk's last reference is ours, so that `disk_release()`, which looks at the driver's operations
/// after the module's reference has been given back, runs in the thread that drops this.
///
/// # Invariants
///
/// The gendisk was added and removed, and its DAX device is dead.
pub struct RemovedDisk<T: Operations> {
    disk: KBox<Disk<T>>,
}

// SAFETY: As for `GenDisk`.
unsafe impl<T: Operations> Send for RemovedDisk<T> {}

// SAFETY: As for `GenDisk`.
unsafe impl<T: Operations> Sync for RemovedDisk<T> {}

impl<T: Operations> RemovedDisk<T> {
    /// Whether somebody has the disk open. Once it is not, it will not be again.
    pub fn is_open(&self) -> bool {
        // SAFETY: By the invariant of `Disk` the gendisk is valid. Every open block device of it has a
        // reference, and so has each of its partitions.
        let references = unsafe {
            let dev = bindings::disk_to_dev(self.disk.gendisk.as_ptr());
            bindings::kref_read(&raw const (*dev).kobj.kref)
        };
        references > 1
    }

    /// Returns what the disk worked on.
    pub fn data(&self) -> &T {
        &self.disk.data
    }
}

impl<T: Operations> Drop for RemovedDisk<T> {
    fn drop(&mut self) {
        while self.is_open() {
            fsleep(Delta::from_millis(50));
        }
    }
}

/// A file of a disk in sysfs, for [`Operations::ATTRIBUTES`].
///
/// # Invariants
///
/// `group` is null, or points to a static attribute group whose callbacks expect the device of a
/// disk with the operations of `T`.
#[repr(transparent)]
pub struct DiskAttribute<T: Operations> {
    group: *const bindings::attribute_group,
    _disk: PhantomData<fn(&Disk<T>)>,
}

impl<T: Operations> DiskAttribute<T> {
    /// Ends the list.
    pub const END: Self = Self {
        group: null(),
        _disk: PhantomData,
    };

    /// A text attribute.
    pub const fn text<A: Attribute<Disk<T>>>() -> Self {
        // INVARIANT: The callbacks of `TextFile` take devices of such disks.
        Self {
            group: const { &TextFile::<T, A>::GROUP },
            _disk: PhantomData,
        }
    }

    /// A binary attribute.
    pub const fn binary<A: BinAttribute<Disk<T>>>() -> Self {
        // INVARIANT: The callbacks of `BinFile` take devices of such disks.
        Self {
            group: const { &BinFile::<T, A>::GROUP },
            _disk: PhantomData,
        }
    }
}

/// The C structures of a text attribute.
struct TextFile<T, A>(PhantomData<(T, A)>);

impl<T: Operations, A: Attribute<Disk<T>>> TextFile<T, A> {
    const ATTRIBUTE: bindings::device_attribute = bindings::device_attribute {
        attr: attribute(A::NAME, A::MODE),
        __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
            show: Some(Self::show),
        },
        __bindgen_anon_2: bindings::device_attribute__bindgen_ty_2 {
            store: Some(Self::store),
        },
    };
    const ATTRIBUTES: [*const bindings::attribute; 2] = [const { &Self::ATTRIBUTE.attr }, null()];
    const GROUP: bindings::attribute_group = bindings::attribute_group {
        name: match A::GROUP {
            Some(name) => kernel::str::as_char_ptr_in_const_context(name).cast(),
            None => null(),
        },
        __bindgen_anon_1: bindings::attribute_group__bindgen_ty_1 { is_visible: None },
        is_bin_visible: None,
        bin_size: None,
        __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
            attrs_const: from_ref(const { &Self::ATTRIBUTES }).cast(),
        },
        bin_attrs: null(),
    };

    /// # Safety
    ///
    /// For sysfs, which passes the device of a disk with this attribute, keeps it alive meanwhile,
    /// and a zeroed page.
    unsafe extern "C" fn show(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        buf: *mut c_char,
    ) -> isize {
        // SAFETY: As the caller promises.
        let disk = unsafe { Disk::<T>::from_device(dev) };
        // SAFETY: As the caller promises.
        let buf = unsafe { core::slice::from_raw_parts_mut(buf, PAGE_SIZE) };
        from_result(|| {
            let mut page = Page::new(buf).ok_or(EINVAL)?;
            A::show(disk, &mut page)?;
            Ok(page.len() as isize)
        })
    }

    /// # Safety
    ///
    /// For sysfs, which passes the device of a disk with this attribute, keeps it alive meanwhile,
    /// and `count` bytes that user space wrote.
    unsafe extern "C" fn store(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        buf: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: As the caller promises.
        let disk = unsafe { Disk::<T>::from_device(dev) };
        // SAFETY: As the caller promises.
        let text = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), count) };
        from_result(|| {
            A::store(disk, text)?;
            Ok(count as isize)
        })
    }
}

/// The C structures of a binary attribute.
struct BinFile<T, A>(PhantomData<(T, A)>);

impl<T: Operations, A: BinAttribute<Disk<T>>> BinFile<T, A> {
    const ATTRIBUTE: bindings::bin_attribute = bindings::bin_attribute {
        attr: attribute(A::NAME, A::MODE),
        // Unknown: readers go on until a read returns nothing.
        size: 0,
        private: null_mut::<c_void>(),
        f_mapping: None,
        read: Some(Self::read),
        write: Some(Self::write),
        llseek: None,
        mmap: None,
    };
    const ATTRIBUTES: [*const bindings::bin_attribute; 2] = [const { &Self::ATTRIBUTE }, null()];
    const GROUP: bindings::attribute_group = bindings::attribute_group {
        name: null(),
        __bindgen_anon_1: bindings::attribute_group__bindgen_ty_1 { is_visible: None },
        is_bin_visible: None,
        bin_size: None,
        __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
            attrs_const: null(),
        },
        bin_attrs: from_ref(const { &Self::ATTRIBUTES }).cast(),
    };

    /// # Safety
    ///
    /// For sysfs, which passes the kobject of the device of a disk with this attribute, keeps it
    /// alive meanwhile, and a buffer of `count` bytes.
    unsafe extern "C" fn read(
        file: *mut bindings::file,
        kobj: *mut bindings::kobject,
        _attr: *const bindings::bin_attribute,
        buf: *mut c_char,
        offset: bindings::loff_t,
        count: usize,
    ) -> isize {
        // SAFETY: As the caller promises.
        let disk = unsafe { Disk::<T>::from_device(bindings::kobj_to_dev(kobj)) };
        // SAFETY: As the caller promises; the bytes are initialised here.
        let buf = unsafe {
            buf.write_bytes(0, count);
            core::slice::from_raw_parts_mut(buf.cast::<u8>(), count)
        };
        // The VFS lets no negative offset through.
        let offset = offset.unsigned_abs();
        from_result(|| {
            let read = A::read(disk, OpenFile::from_raw(file), offset, buf)?;
            Ok(read.min(count) as isize)
        })
    }

    /// # Safety
    ///
    /// For sysfs, which passes the kobject of the device of a disk with this attribute, keeps it
    /// alive meanwhile, and `count` bytes that user space wrote.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        kobj: *mut bindings::kobject,
        _attr: *const bindings::bin_attribute,
        buf: *mut c_char,
        offset: bindings::loff_t,
        count: usize,
    ) -> isize {
        // SAFETY: As the caller promises.
        let disk = unsafe { Disk::<T>::from_device(bindings::kobj_to_dev(kobj)) };
        // SAFETY: As the caller promises.
        let text = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), count) };
        // The VFS lets no negative offset through.
        let offset = offset.unsigned_abs();
        from_result(|| {
            let written = A::write(disk, OpenFile::from_raw(file), offset, text)?;
            Ok(written.min(count) as isize)
        })
    }
}

/// A `struct attribute`.
#[allow(
    clippy::needless_update,
    reason = "there are more members with lock validation"
)]
const fn attribute(name: &'static CStr, mode: u16) -> bindings::attribute {
    // SAFETY: All zeroes is a valid `struct attribute`.
    let zeroed: bindings::attribute = unsafe { core::mem::zeroed() };
    bindings::attribute {
        name: kernel::str::as_char_ptr_in_const_context(name).cast(),
        mode,
        ..zeroed
    }
}
