// SPDX-License-Identifier: GPL-2.0

//! Extended attributes.

use core::marker::PhantomData;
use kernel::{prelude::*, str::CStr};
use kernel_ext::{
    capability::Capability,
    fs::{
        inode::Locked,
        xattr::{Handler, HandlerOf, Handlers, List, SetMode},
        Inode,
    },
};
use rdaxfs_core::{
    format::XattrSpace,
    inode::Change,
    xattr::{NewXattr, SetMode as CoreSetMode, XattrName},
    Error as CoreError,
};

use crate::{
    error::{errno, met},
    super_block::Rdaxfs,
    time::to_medium,
};

/// Who has attributes: each prefix but `system.`, which is that of access control lists.
pub(crate) static HANDLERS: Handlers<Rdaxfs, 3> = Handlers::new([
    HandlerOf::new::<Of<User>>(),
    HandlerOf::new::<Of<Trusted>>(),
    HandlerOf::new::<Of<Security>>(),
]);

/// A prefix, as Linux and the medium have it.
trait Space: 'static {
    const PREFIX: &'static CStr;
    const SPACE: XattrSpace;
}

/// `user.`: for everybody who may write to the file.
struct User;

impl Space for User {
    const PREFIX: &'static CStr = c"user.";
    const SPACE: XattrSpace = XattrSpace::User;
}

/// `trusted.`: for the administrator.
struct Trusted;

impl Space for Trusted {
    const PREFIX: &'static CStr = c"trusted.";
    const SPACE: XattrSpace = XattrSpace::Trusted;
}

/// `security.`: for security modules and capabilities.
struct Security;

impl Space for Security {
    const PREFIX: &'static CStr = c"security.";
    const SPACE: XattrSpace = XattrSpace::Security;
}

/// The attributes with a prefix.
struct Of<S>(PhantomData<S>);

impl<S: Space> Handler for Of<S> {
    type FileSystem = Rdaxfs;

    const PREFIX: &'static CStr = S::PREFIX;

    fn get(inode: &Inode<Rdaxfs>, name: &CStr, into: &mut [u8]) -> Result<usize> {
        get(
            inode,
            XattrName::new(S::SPACE, name.to_bytes()).map_err(errno)?,
            into,
        )
    }

    fn set(inode: Locked<'_, Rdaxfs>, name: &CStr, value: Option<&[u8]>, mode: SetMode) -> Result {
        let name = XattrName::new(S::SPACE, name.to_bytes()).map_err(errno)?;
        let before = inode.ctime();
        let change = Change {
            ctime: Some(to_medium(inode.set_ctime_current())),
            ..Change::default()
        };
        set(inode, name, value, mode, &change).inspect_err(|_| inode.set_ctime(before))
    }
}

/// Reads the value of an attribute.
///
/// # Errors
///
/// `ENODATA`, `ERANGE`, `EIO`, `EUCLEAN`.
pub(crate) fn get(inode: &Inode<Rdaxfs>, name: XattrName<'_>, into: &mut [u8]) -> Result<usize> {
    let volume = inode.super_block().data().mounted.volume()?;
    let xattrs = inode.data().xattrs.read();
    volume
        .xattrs()
        .get(&xattrs, name, into)
        .map_err(|error| met(inode, error))
}

/// Sets or removes an attribute, and makes a change of the inode in the same transaction.
///
/// # Errors
///
/// `ENODATA`, `EEXIST`, `ENOSPC`, `E2BIG`, `EIO`, `EROFS`.
pub(crate) fn set(
    inode: Locked<'_, Rdaxfs>,
    name: XattrName<'_>,
    value: Option<&[u8]>,
    mode: SetMode,
    change: &Change,
) -> Result {
    let mode = match mode {
        SetMode::Any => CoreSetMode::Any,
        SetMode::Create => CoreSetMode::Create,
        SetMode::Replace => CoreSetMode::Replace,
    };
    let mounted = &inode.super_block().data().mounted;
    mounted.again(|| {
        let mut operation = mounted.begin()?;
        let mut xattrs = inode.data().xattrs.write();
        let mut map = inode.data().map.write();
        let (volume, workspace) = (&*operation.volume, &mut operation.workspace);
        match value {
            Some(value) => {
                let new = NewXattr { name, value };
                volume
                    .xattrs()
                    .set(workspace, &mut xattrs, &mut map, &new, mode, change)
            }
            None => volume
                .xattrs()
                .remove(workspace, &mut xattrs, &mut map, name, change),
        }
        .map(drop)
        .map_err(|error| met(&inode, error))
    })
}

/// listxattr(2): names of `trusted.` only for who has `CAP_SYS_ADMIN`.
pub(crate) fn list(inode: &Inode<Rdaxfs>, list: &mut List<'_>) -> Result {
    let volume = inode.super_block().data().mounted.volume()?;
    let xattrs = inode.data().xattrs.read();
    let mut failed = Ok(());
    let listed = volume.xattrs().list(&xattrs, |name, _| {
        if name.space() == XattrSpace::Trusted && !Capability::SYS_ADMIN.is_had_noaudit() {
            return Ok(());
        }
        failed = list.add(name.space().prefix(), name.rest());
        failed.map_err(|_| CoreError::Range)
    });
    failed.and_then(|()| listed.map_err(|error| met(inode, error)))
}
