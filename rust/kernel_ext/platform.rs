// SPDX-License-Identifier: GPL-2.0

//! Platform devices that a module makes itself.
//!
//! The kernel crate's [`kernel::platform`] has drivers for devices that others made. A driver for
//! memory that no firmware table names has to make its devices too.
//!
//! C header: [`include/linux/platform_device.h`](srctree/include/linux/platform_device.h)

use crate::{numa::Node, resource::PhysRange};
use core::ptr::NonNull;
use kernel::{device, error::to_result, platform, prelude::*, str::CString};
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
    /// Registers the device `NAME.ID` with one memory resource, near `node`.
    ///
    /// A driver of the same name is bound to it before this returns (unless the user asked for
    /// asynchronous probing). May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if the resource overlaps another without lying inside it, `EEXIST` if the
    /// device exists.
    pub fn register(name: &CStr, id: u32, memory: PhysRange, node: Node) -> Result<Self> {
        let id = i32::try_from(id).map_err(|_| EINVAL)?;
        // SAFETY: The name is NUL-terminated and copied.
        let pdev = NonNull::new(unsafe { bindings::platform_device_alloc(name.as_char_ptr(), id) })
            .ok_or(ENOMEM)?;

        let resource = bindings::resource {
            start: memory.start(),
            end: memory.last(),
            flags: bindings::IORESOURCE_MEM as usize,
            ..Default::default()
        };
        // SAFETY: `pdev` was just allocated and is not yet visible to anyone. The C side copies the
        // resource.
        let added = unsafe {
            bindings::set_dev_node(&raw mut (*pdev.as_ptr()).dev, node.as_raw());
            match to_result(bindings::platform_device_add_resources(
                pdev.as_ptr(),
                &resource,
                1,
            )) {
                Ok(()) => to_result(bindings::platform_device_add(pdev.as_ptr())),
                error => error,
            }
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
    pub fn is_bound(&self) -> bool {
        // SAFETY: By the type invariant the device is registered, hence valid.
        unsafe { bindings::device_is_bound(&raw mut (*self.pdev.as_ptr()).dev) }
    }
}

impl Drop for OwnedDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the device is registered; this is the only place that
        // unregisters it.
        unsafe { bindings::platform_device_unregister(self.pdev.as_ptr()) };
    }
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
