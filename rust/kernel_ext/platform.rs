// SPDX-License-Identifier: GPL-2.0

//! Platform devices that a module makes itself.
//!
//! The kernel crate's [`kernel::platform`] has drivers for devices that others made. A driver for
//! memory that no firmware table names has to make its devices too.
//!
//! # Examples
//!
//! ```
//! use kernel_ext::{
//!     numa::Node,
//!     platform::{bound_driver, OwnedDevice},
//! };
//!
//! // `example.3`, for whoever drives devices of that name: nobody.
//! let properties = [(c"example,start", 1 << 32), (c"example,size", 2 << 20)];
//! let device = OwnedDevice::register(c"example", 3, properties, Node::NONE)?;
//! assert!(bound_driver(c"example.3").is_none());
//! // There is one of a number.
//! assert!(OwnedDevice::register(c"example", u32::MAX, properties, Node::NONE).is_err());
//! # Ok::<(), Error>(())
//! ```
//!
//! C header: [`include/linux/platform_device.h`](srctree/include/linux/platform_device.h)

use crate::numa::Node;
use core::ptr::NonNull;
use kernel::{
    bindings as kernel_crate_bindings, device, driver, error::to_result, platform, prelude::*,
    str::CString, types::Opaque,
};
use kernel_bindings as bindings;

/// A platform device that this module registered; dropping it unregisters it, which unbinds its
/// driver first.
///
/// # Invariants
///
/// `pdev` points to a `struct platform_device` that `platform_device_add()` registered.
pub struct OwnedDevice {
    pdev: NonNull<bindings::platform_device>,
}

// SAFETY: The device core locks; a registered device may be unregistered from any thread.
unsafe impl Send for OwnedDevice {}

// SAFETY: `&OwnedDevice` only allows reading what the device core locks.
unsafe impl Sync for OwnedDevice {}

impl OwnedDevice {
    /// Registers the device `NAME.ID` near `node`, with properties that its driver reads.
    ///
    /// A driver of the same name is bound to it before this returns, if the driver is a
    /// [`SynchronousAdapter`]'s and the bus probes by itself (`drivers_autoprobe`). May sleep.
    ///
    /// The device has no memory resource on purpose. When such a device goes, the platform bus
    /// releases its resources, and with each all that lies below it in `/proc/iomem`: a resource with
    /// the bounds of one that firmware described would take that one along.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if the device exists; `EINVAL` for a number beyond `i32`, and when the
    /// platform bus has no memory for the device's name.
    pub fn register<const N: usize>(
        name: &CStr,
        id: u32,
        properties: [(&'static CStr, u64); N],
        node: Node,
    ) -> Result<Self> {
        let id = i32::try_from(id).map_err(|_| EINVAL)?;
        Self::register_raw(name, id, properties, node)
    }

    /// Registers the device `NAME`, which [`id`] says nothing of.
    ///
    /// # Errors
    ///
    /// As [`OwnedDevice::register`].
    #[cfg(CONFIG_RUST_KERNEL_EXT_KUNIT_TEST)]
    pub fn register_without_number<const N: usize>(
        name: &CStr,
        properties: [(&'static CStr, u64); N],
        node: Node,
    ) -> Result<Self> {
        /// `PLATFORM_DEVID_NONE`.
        const NONE: i32 = -1;

        Self::register_raw(name, NONE, properties, node)
    }

    fn register_raw<const N: usize>(
        name: &CStr,
        id: i32,
        properties: [(&'static CStr, u64); N],
        node: Node,
    ) -> Result<Self> {
        // SAFETY: The name is NUL-terminated and copied.
        let pdev = NonNull::new(unsafe { bindings::platform_device_alloc(name.as_char_ptr(), id) })
            .ok_or(ENOMEM)?;

        // SAFETY: `pdev` was just allocated and is not yet visible to anyone.
        let added = unsafe {
            let dev = &raw mut (*pdev.as_ptr()).dev;
            bindings::set_dev_node(dev, node.as_raw());
            add_properties(dev, properties)
                .and_then(|()| to_result(bindings::platform_device_add(pdev.as_ptr())))
        };
        if let Err(error) = added {
            // SAFETY: The device was not registered, so that its only reference is ours.
            unsafe { bindings::platform_device_put(pdev.as_ptr()) };
            return Err(error);
        }
        // INVARIANT: Registered above.
        Ok(Self { pdev })
    }

    /// Whether a driver is bound to the device now.
    #[cfg(CONFIG_RUST_KERNEL_EXT_KUNIT_TEST)]
    pub fn is_bound(&self) -> bool {
        // SAFETY: By the type invariant the device is registered, hence valid; the answer is good only
        // under its lock.
        unsafe {
            let dev = &raw mut (*self.pdev.as_ptr()).dev;
            bindings::device_lock(dev);
            let bound = bindings::device_is_bound(dev);
            bindings::device_unlock(dev);
            bound
        }
    }
}

impl Drop for OwnedDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the device is registered; this is the only place that
        // unregisters it.
        unsafe { bindings::platform_device_unregister(self.pdev.as_ptr()) };
    }
}

/// The kernel crate's adapter for a driver that is always probed in the thread that makes its device,
/// or binds it: `async_probe` and `driver_async_probe=` do not apply (`PROBE_FORCE_SYNCHRONOUS`).
pub struct SynchronousAdapter<T: platform::Driver>(platform::Adapter<T>);

// SAFETY: All is as the kernel crate's adapter has it.
unsafe impl<T: platform::Driver> driver::DriverLayout for SynchronousAdapter<T> {
    type DriverType = <platform::Adapter<T> as driver::DriverLayout>::DriverType;
    type DriverData<'bound> = <platform::Adapter<T> as driver::DriverLayout>::DriverData<'bound>;
    const DEVICE_DRIVER_OFFSET: usize =
        <platform::Adapter<T> as driver::DriverLayout>::DEVICE_DRIVER_OFFSET;
}

// SAFETY: As above: a driver is registered and unregistered by the kernel crate's adapter.
unsafe impl<T: platform::Driver> driver::RegistrationOps for SynchronousAdapter<T> {
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The structure is initialised, and nobody else knows it before it is registered.
        unsafe {
            (*reg.get()).driver.probe_type =
                kernel_crate_bindings::probe_type_PROBE_FORCE_SYNCHRONOUS;
        }
        // SAFETY: As the caller promises.
        unsafe { <platform::Adapter<T> as driver::RegistrationOps>::register(reg, name, module) }
    }

    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        // SAFETY: As the caller promises.
        unsafe { <platform::Adapter<T> as driver::RegistrationOps>::unregister(reg) };
    }
}

/// Gives a device integers that its driver reads by name; without any, it has no such node at all.
///
/// # Safety
///
/// `dev` must point to an initialised device that is not yet registered.
unsafe fn add_properties<const N: usize>(
    dev: *mut bindings::device,
    properties: [(&'static CStr, u64); N],
) -> Result {
    if N == 0 {
        return Ok(());
    }
    let mut entries = KVec::with_capacity(N + 1, GFP_KERNEL)?;
    for (name, value) in properties {
        let mut entry = bindings::property_entry {
            name: name.as_char_ptr(),
            length: core::mem::size_of::<u64>(),
            is_inline: true,
            type_: bindings::dev_prop_type_DEV_PROP_U64,
            ..Default::default()
        };
        entry.__bindgen_anon_1.value.u64_data = [value];
        entries.push(entry, GFP_KERNEL)?;
    }
    // An entry without a name ends the list.
    entries.push(bindings::property_entry::default(), GFP_KERNEL)?;
    // SAFETY: As the caller promises. The C side copies the entries, and frees its copy with the
    // device.
    to_result(unsafe {
        bindings::device_create_managed_software_node(dev, entries.as_ptr(), core::ptr::null())
    })
}

/// Returns the name of the driver that is bound to the platform device called `device`; `None` if
/// there is no such device or it has no driver.
pub fn bound_driver(device: &CStr) -> Option<CString> {
    // SAFETY: The platform bus is registered as long as the kernel runs, and `device_match_name()`
    // takes a NUL-terminated string.
    let dev = NonNull::new(unsafe {
        bindings::bus_find_device(
            &raw const bindings::platform_bus_type,
            core::ptr::null_mut(),
            device.as_char_ptr().cast(),
            Some(bindings::device_match_name),
        )
    })?;

    // SAFETY: `bus_find_device()` returned a reference to a valid device. Its lock keeps the driver
    // from being unbound, hence from being freed, while its name is copied.
    unsafe {
        bindings::device_lock(dev.as_ptr());
        let driver = (*dev.as_ptr()).driver;
        let name = if driver.is_null() {
            None
        } else {
            CString::try_from(CStr::from_char_ptr((*driver).name)).ok()
        };
        bindings::device_unlock(dev.as_ptr());
        bindings::put_device(dev.as_ptr());
        name
    }
}

/// Returns the number behind the dot of a device's name, if it has one.
pub fn id<Ctx: device::DeviceContext>(pdev: &platform::Device<Ctx>) -> Option<u32> {
    // SAFETY: The device is valid by its type's invariant, and `platform::Device` transparent over a
    // `struct platform_device`. The number never changes.
    let id = unsafe { (*core::ptr::from_ref(pdev).cast::<bindings::platform_device>()).id };
    u32::try_from(id).ok()
}

/// Returns the NUMA node that a device is near.
pub fn node_of(dev: &device::Device) -> Node {
    // SAFETY: The device is valid by its type's invariant, and `Device` transparent over a
    // `struct device`.
    Node::from_raw(unsafe { bindings::dev_to_node(core::ptr::from_ref(dev).cast_mut().cast()) })
}
