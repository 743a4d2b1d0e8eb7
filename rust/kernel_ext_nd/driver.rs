// SPDX-License-Identifier: GPL-2.0

//! Drivers of namespaces, and of what claims them: BTTs and pfn devices.
//!
//! libnvdimm matches devices and drivers by their type alone: a driver is asked for every namespace and
//! every such device that no other driver has when it is registered, or when the device comes.
//!
//! C header: [`include/linux/nd.h`](srctree/include/linux/nd.h)

use crate::{bindings, namespace::Namespace, region::Region};
use core::{cell::Cell, ptr::from_ref};
use kernel::{
    bindings as kernel_crate_bindings, container_of, device,
    error::{from_result, to_result},
    prelude::*,
    sync::Arc,
    types::Opaque,
};
use kernel_ext::block::gen_disk::{Disk, Operations};

/// What drivers here are for, as bits: namespaces, with and without labels, and what claims them.
const TYPES: kernel::ffi::c_ulong =
    (bindings::ND_DRIVER_NAMESPACE_IO | bindings::ND_DRIVER_NAMESPACE_PMEM) as kernel::ffi::c_ulong;

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A namespace itself.
    Namespace,
    /// A pfn device, which claims a namespace of mode fsdax.
    Pfn,
    /// A BTT, which claims a namespace of mode sector.
    Btt,
}

/// What libnvdimm tells a driver (`enum nvdimm_event`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// There may be more bad blocks.
    RevalidatePoison,
    /// The region may be read-only now, or not any more.
    RevalidateRegion,
}

/// A device on the nd bus that is being probed, or bound.
///
/// # Invariants
///
/// The device is locked, and below `region`.
pub struct Device<'a> {
    dev: &'a device::Device<device::Bound>,
    region: Arc<Region>,
    /// Whether `nvdimm_namespace_attach_btt()` has been called for it.
    has_btt: Cell<bool>,
}

impl<'a> Device<'a> {
    /// # Safety
    ///
    /// `dev` must be a device on the nd bus, with a driver of namespaces, and locked for `'a`; `region` the
    /// region that it is below.
    unsafe fn new(dev: *mut bindings::device, region: Arc<Region>, has_btt: bool) -> Self {
        Self {
            // SAFETY: As the caller promises. Both declarations are bindgen's of the same C type.
            dev: unsafe { device::Device::from_raw(dev.cast()) },
            region,
            has_btt: Cell::new(has_btt),
        }
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::device {
        // `Device` is transparent over a `struct device`.
        from_ref(self.dev).cast_mut().cast()
    }

    /// Returns the device as the device core knows it.
    pub fn as_device(&self) -> &'a device::Device<device::Bound> {
        self.dev
    }

    /// Returns the region that it is below.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Returns what it is.
    pub fn kind(&self) -> Kind {
        // SAFETY: By the type invariant the device is valid.
        unsafe {
            if bindings::is_nd_btt(self.as_raw()) {
                Kind::Btt
            } else if bindings::is_nd_pfn(self.as_raw()) {
                Kind::Pfn
            } else {
                Kind::Namespace
            }
        }
    }

    /// Returns the namespace that it is, or claims, if nobody else has it. For probing.
    ///
    /// # Errors
    ///
    /// `ENODEV`, `ENXIO`, `EBUSY`, `EACCES` or `EOPNOTSUPP`, as libnvdimm says: it is claimed, locked, too small,
    /// misaligned, or not set up.
    pub fn namespace(&'a self) -> Result<Namespace<'a>> {
        Namespace::of(self)
    }

    /// Makes a BTT a disk, which libnvdimm drives until the device is unbound.
    ///
    /// # Errors
    ///
    /// What libnvdimm says; `EINVAL` if the device is not a BTT.
    pub fn attach_btt(&self, namespace: Namespace<'_>) -> Result {
        if self.kind() != Kind::Btt || self.has_btt.get() {
            return Err(EINVAL);
        }
        // SAFETY: The namespace is one that this BTT claims.
        to_result(unsafe { bindings::nvdimm_namespace_attach_btt(namespace.as_raw()) })?;
        self.has_btt.set(true);
        Ok(())
    }

    fn detach_btt(&self) {
        if self.has_btt.replace(false) {
            // SAFETY: It was attached, and is not any more.
            unsafe { bindings::nvdimm_namespace_detach_btt(bindings::to_nd_btt(self.as_raw())) };
        }
    }

    /// Passes an event on to the BTT that was attached.
    fn notify_btt(&self, event: Event) {
        // SAFETY: The device is a BTT that was attached, so that it has a namespace and a disk, and its
        // region is bound.
        unsafe {
            let nd_btt = bindings::to_nd_btt(self.as_raw());
            match event {
                Event::RevalidateRegion => {
                    bindings::nvdimm_check_and_set_ro((*(*nd_btt).btt).btt_disk);
                }
                Event::RevalidatePoison => {
                    let io = (*nd_btt).ndns.cast::<bindings::nd_namespace_io>();
                    let range = bindings::range {
                        start: (*io).res.start,
                        end: (*io).res.end,
                    };
                    let region = bindings::to_nd_region((*self.as_raw()).parent);
                    bindings::nvdimm_badblocks_populate(region, &raw mut (*io).bb, &range);
                }
            }
        }
    }

    /// Makes a disk read-only, or writable, as the region is (`nvdimm_check_and_set_ro()`).
    ///
    /// # Errors
    ///
    /// `EINVAL` if the disk is not below this device.
    pub fn check_and_set_ro<T: Operations>(&self, disk: &Disk<T>) -> Result {
        if !disk.is_below(self.dev) {
            return Err(EINVAL);
        }
        // SAFETY: The disk's parent is this device, which is below a region.
        unsafe { bindings::nvdimm_check_and_set_ro(disk.as_raw().cast()) };
        Ok(())
    }
}

/// A driver of namespaces. The implementing type is what it keeps of a device that it is bound to.
pub trait Driver: Sized + Send + Sync + 'static {
    /// What it keeps besides, for all devices.
    type Shared: Send + Sync + 'static;

    /// Binds the driver to a device. May sleep.
    ///
    /// # Errors
    ///
    /// Then libnvdimm counts the device as not driven; nothing may be left.
    fn probe(shared: &Self::Shared, device: &Device<'_>) -> Result<Self>;

    /// Hears of an event. May sleep.
    fn notify(&self, device: &Device<'_>, event: Event);

    /// The machine goes down: makes durable what was written. May sleep.
    fn shutdown(&self, device: &Device<'_>);

    /// The driver is unbound. May sleep.
    fn unbind(self, shared: &Self::Shared, device: &Device<'_>);
}

/// What is behind the driver's data of a bound device.
struct Bound<T> {
    data: T,
    region: Arc<Region>,
    has_btt: bool,
}

/// A registered driver; dropping it unbinds it from all devices.
///
/// # Invariants
///
/// `raw` is registered.
#[pin_data(PinnedDrop)]
pub struct Registration<T: Driver> {
    #[pin]
    raw: Opaque<bindings::nd_device_driver>,
    shared: T::Shared,
}

// SAFETY: Registering and unregistering may be done by any thread; what is shared may be, too.
unsafe impl<T: Driver> Send for Registration<T> {}

// SAFETY: `&Registration` allows nothing.
unsafe impl<T: Driver> Sync for Registration<T> {}

impl<T: Driver> Registration<T> {
    /// Registers a driver called `name` for namespaces of all types, and for what claims them. It is bound
    /// to those that have no driver before this returns. May sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is a driver of that name; `ENOMEM`.
    pub fn new(
        name: &'static CStr,
        module: &'static ThisModule,
        shared: T::Shared,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // Before the driver, whose callbacks use it.
            shared,
            raw <- Opaque::try_ffi_init(|slot: *mut bindings::nd_device_driver| {
                // SAFETY: `slot` is valid for writes, and all zeroes a valid structure.
                let raw = unsafe {
                    slot.write_bytes(0, 1);
                    &mut *slot
                };
                raw.drv.name = name.as_char_ptr();
                raw.type_ = TYPES;
                raw.probe = Some(Self::probe);
                raw.remove = Some(Self::remove);
                raw.shutdown = Some(Self::shutdown);
                raw.notify = Some(Self::notify);
                // SAFETY: The structure is initialised, and pinned until it is unregistered.
                to_result(unsafe {
                    bindings::__nd_driver_register(raw, module.as_ptr().cast(), name.as_char_ptr())
                })
            }),
        })
    }

    /// # Safety
    ///
    /// `dev` must be a device whose driver is one of this type, for `'a`.
    unsafe fn shared<'a>(dev: *mut bindings::device) -> &'a T::Shared {
        // SAFETY: As the caller promises `drv` is the member of the `raw` of a registration, which stays
        // while a device has it.
        unsafe {
            let raw = container_of!((*dev).driver, bindings::nd_device_driver, drv);
            let this = container_of!(Opaque::cast_from(raw), Self, raw);
            &(*this).shared
        }
    }

    /// # Safety
    ///
    /// For the nd bus, which passes a device of a type of this driver, with it as its driver, and locked.
    unsafe extern "C" fn probe(dev: *mut bindings::device) -> i32 {
        from_result(|| {
            // SAFETY: As the caller promises. If the probe fails, the region is revoked below.
            let region = unsafe { Region::of(dev) }?;
            // SAFETY: As the caller promises.
            let device = unsafe { Device::new(dev, region.clone(), false) };
            // SAFETY: As the caller promises.
            let shared = unsafe { Self::shared(dev) };
            let bound = T::probe(shared, &device).and_then(|data| {
                let has_btt = device.has_btt.get();
                Ok(KBox::new(
                    Bound {
                        data,
                        region: region.clone(),
                        has_btt,
                    },
                    GFP_KERNEL,
                )?)
            });
            match bound {
                Ok(bound) => {
                    // SAFETY: The device is valid, and its data the driver's.
                    unsafe {
                        kernel_crate_bindings::dev_set_drvdata(
                            dev.cast(),
                            KBox::into_raw(bound).cast(),
                        )
                    };
                    Ok(0)
                }
                Err(error) => {
                    device.detach_btt();
                    region.revoke();
                    Err(error)
                }
            }
        })
    }

    /// # Safety
    ///
    /// For the nd bus, which passes a device that [`Registration::probe`] was successful for, once, and
    /// locked.
    unsafe extern "C" fn remove(dev: *mut bindings::device) {
        // SAFETY: As the caller promises the data is what `probe` has set, and is not used again.
        let bound = unsafe {
            let data = kernel_crate_bindings::dev_get_drvdata(dev.cast());
            kernel_crate_bindings::dev_set_drvdata(dev.cast(), core::ptr::null_mut());
            KBox::from_raw(data.cast::<Bound<T>>())
        };
        let bound = KBox::into_inner(bound);
        // SAFETY: As the caller promises.
        let device = unsafe { Device::new(dev, bound.region.clone(), bound.has_btt) };
        device.detach_btt();
        // SAFETY: As the caller promises.
        T::unbind(bound.data, unsafe { Self::shared(dev) }, &device);
        bound.region.revoke();
    }

    /// Calls `with` with a bound device and its data.
    ///
    /// # Safety
    ///
    /// As [`Registration::remove`], but the device stays bound.
    unsafe fn with_bound(dev: *mut bindings::device, with: impl FnOnce(&T, &Device<'_>)) {
        // SAFETY: As the caller promises the data, if there is any, is what `probe` has set.
        let bound = unsafe {
            kernel_crate_bindings::dev_get_drvdata(dev.cast())
                .cast::<Bound<T>>()
                .as_ref()
        };
        if let Some(bound) = bound {
            // SAFETY: As the caller promises.
            let device = unsafe { Device::new(dev, bound.region.clone(), bound.has_btt) };
            with(&bound.data, &device);
        }
    }

    /// # Safety
    ///
    /// For the nd bus, which passes a device with this driver, locked.
    unsafe extern "C" fn shutdown(dev: *mut bindings::device) {
        // SAFETY: As the caller promises.
        unsafe { Self::with_bound(dev, |data, device| data.shutdown(device)) };
    }

    /// # Safety
    ///
    /// As [`Registration::shutdown`].
    unsafe extern "C" fn notify(dev: *mut bindings::device, event: bindings::nvdimm_event) {
        let event = match event {
            bindings::nvdimm_event_NVDIMM_REVALIDATE_POISON => Event::RevalidatePoison,
            bindings::nvdimm_event_NVDIMM_REVALIDATE_REGION => Event::RevalidateRegion,
            _ => return,
        };
        // SAFETY: As the caller promises.
        unsafe {
            Self::with_bound(dev, |data, device| {
                if device.has_btt.get() {
                    device.notify_btt(event);
                } else {
                    data.notify(device, event);
                }
            })
        };
    }
}

#[pinned_drop]
impl<T: Driver> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant it is registered. No callback runs when this returns.
        unsafe { bindings::driver_unregister(&raw mut (*self.raw.get()).drv) };
    }
}
