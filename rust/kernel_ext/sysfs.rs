// SPDX-License-Identifier: GPL-2.0

//! Files in sysfs: what a driver implements for one, and telling those who poll it.
//!
//! The attributes of a disk are put up by [`crate::block::gen_disk`].
//!
//! C header: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)

use core::ptr::NonNull;
use kernel::{fmt, prelude::*, str::NullTerminatedFormatter};
use kernel_bindings as bindings;

/// A text attribute of an object of type `O`: one value, at most a page.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fmt::Write,
///     str::kstrtobool_bytes,
///     sync::atomic::{Atomic, Relaxed},
/// };
/// use kernel_ext::sysfs::{Attribute, Page};
///
/// /// An object with a switch, and the file that shows and sets it.
/// struct Lamp(Atomic<bool>);
/// struct On;
///
/// impl Attribute<Lamp> for On {
///     const GROUP: Option<&'static CStr> = None;
///     const NAME: &'static CStr = c"on";
///     const MODE: u16 = 0o644;
///
///     fn show(lamp: &Lamp, page: &mut Page<'_>) -> Result {
///         writeln!(page, "{}", u8::from(lamp.0.load(Relaxed))).map_err(|_| EINVAL)
///     }
///
///     fn store(lamp: &Lamp, text: &[u8]) -> Result {
///         lamp.0.store(kstrtobool_bytes(text)?, Relaxed);
///         Ok(())
///     }
/// }
///
/// let lamp = Lamp(Atomic::new(false));
/// On::store(&lamp, b"1\n")?;
/// assert!(lamp.0.load(Relaxed));
/// assert!(On::store(&lamp, b"maybe").is_err());
/// # Ok::<(), Error>(())
/// ```
pub trait Attribute<O>: 'static {
    /// The group, a folder below the object's, or `None` for the object's own folder.
    const GROUP: Option<&'static CStr>;

    /// The file's name.
    const NAME: &'static CStr;

    /// The permission bits, such as 0o644.
    const MODE: u16;

    /// Writes the value to `page`. May sleep.
    fn show(object: &O, page: &mut Page<'_>) -> Result;

    /// Takes a value: what one write(2) wrote, all of which is taken or refused. May sleep.
    fn store(object: &O, text: &[u8]) -> Result;
}

/// A binary attribute of an object of type `O`: any length, read and written piece by piece.
pub trait BinAttribute<O>: 'static {
    /// The file's name.
    const NAME: &'static CStr;

    /// The permission bits, such as 0o644.
    const MODE: u16;

    /// Reads from byte `offset` into `buf` (at most a page) and returns how many bytes, 0 at the
    /// end. May sleep.
    fn read(object: &O, reader: OpenFile, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Takes what a write(2) wrote at byte `offset`, at most a page of it, and returns how many bytes
    /// it took: user space comes again with the rest. May sleep.
    fn write(object: &O, writer: OpenFile, offset: u64, text: &[u8]) -> Result<usize>;
}

/// Stands for one open file of a binary attribute, so that a driver can tell readers, and writers,
/// apart.
///
/// The number may come again once the file is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFile(u64);

impl OpenFile {
    pub(crate) fn from_raw(file: *mut bindings::file) -> Self {
        OpenFile(file.addr() as u64)
    }

    #[cfg(CONFIG_RUST_KERNEL_EXT_KUNIT_TEST)]
    pub(crate) fn from_cookie(number: u64) -> Self {
        OpenFile(number)
    }

    /// Returns the number.
    pub fn cookie(self) -> u64 {
        self.0
    }
}

/// The page that [`Attribute::show`] writes to.
pub struct Page<'a> {
    formatter: NullTerminatedFormatter<'a>,
    len: usize,
}

impl<'a> Page<'a> {
    /// Returns `None` for a page without a byte.
    pub(crate) fn new(page: &'a mut [u8]) -> Option<Self> {
        Some(Self {
            formatter: NullTerminatedFormatter::new(page)?,
            len: 0,
        })
    }

    /// Returns how many bytes have been written.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.formatter.write_str(text)?;
        self.len += text.len();
        Ok(())
    }
}

/// The node of a file in sysfs.
///
/// # Invariants
///
/// `node` points to a `struct kernfs_node` with a reference that is ours.
pub struct Dirent {
    node: NonNull<bindings::kernfs_node>,
}

// SAFETY: kernfs nodes are reference counted and may be used from any thread.
unsafe impl Send for Dirent {}

// SAFETY: `&Dirent` only allows `notify`, which may be called from any thread at any time.
unsafe impl Sync for Dirent {}

impl Dirent {
    /// Looks `name` up in the folder of a `struct kobject`.
    ///
    /// # Safety
    ///
    /// `kobj` must point to a valid kobject that is in sysfs.
    pub(crate) unsafe fn find(kobj: *mut bindings::kobject, name: &CStr) -> Option<Self> {
        // SAFETY: As the caller promises; the name is NUL-terminated.
        let node = unsafe {
            bindings::kernfs_find_and_get_ns((*kobj).sd, name.as_char_ptr(), core::ptr::null())
        };
        // INVARIANT: The function returns a reference.
        NonNull::new(node).map(|node| Self { node })
    }

    /// Wakes those who poll(2) the file. Any context.
    pub fn notify(&self) {
        // SAFETY: By the type invariant the node is valid.
        unsafe { bindings::kernfs_notify(self.node.as_ptr()) };
    }
}

impl Drop for Dirent {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to give back.
        unsafe { bindings::kernfs_put(self.node.as_ptr()) };
    }
}
