// SPDX-License-Identifier: GPL-2.0

//! What a mount does, step by step: memory, superblock, journal. Each step says in the log why the volume cannot be mounted.

use kernel::{prelude::*, str::CStr, sync::Arc};
use kernel_ext::{
    compat::code::EOPNOTSUPP,
    fs::{
        dax::{DaxDevice, Mapping},
        super_block::NewSuperBlock,
        uuid::{Uuid, UuidClaim},
        FsContext, Timespec,
    },
    PAGE_SIZE,
};
use rdaxfs_core::{
    format::{Superblock, BLOCK_SIZE, STATE_CLEAN, STATE_DAMAGED, STATE_MOUNTED, SUPER_MAGIC},
    mount::{self as core_mount, Access},
    platform::Medium as _,
    superblock::read_superblock,
    Error as CoreError,
};

use crate::{
    error::{errno, Reason},
    holder::Holder,
    options::{Dax, Errors, Options},
    platform::{Medium, Platform},
    super_block::Rdaxfs,
    time::to_medium,
    volume::MountedVolume,
};

/// Takes DAX out of the options where no file can have it, because a page is not a block: a fault maps whole pages. Returns
/// whether it was in them.
pub(crate) fn without_dax(options: &mut Options) -> bool {
    let is_changed = PAGE_SIZE as u64 != BLOCK_SIZE && options.dax != Dax::Never;
    if is_changed {
        options.dax = Dax::Never;
    }
    is_changed
}

/// Maps the device's memory, or says why it cannot be used.
#[inline(never)]
pub(crate) fn map_device(
    sb: &NewSuperBlock<'_, Rdaxfs>,
    context: &FsContext<Rdaxfs>,
    options: &Options,
) -> Result<Mapping> {
    let device = sb.block_device();
    // Tools may have written through the page cache.
    device.sync_and_invalidate().inspect_err(|_| {
        context.error(fmt!(
            "{}: the page cache of the device cannot be written",
            sb.id()
        ));
    })?;
    if device.disk_name().to_bytes().starts_with(b"dm-") {
        context.error(fmt!(
            "{}: a device-mapper device can move its memory while it is mounted; mount the device below it",
            sb.id(),
        ));
        return Err(EOPNOTSUPP);
    }
    let Some(dax) = DaxDevice::of(device) else {
        context.error(fmt!(
            "{}: the device has no DAX, which rdaxfs needs: use a persistent memory device (/dev/rpmemN, /dev/pmemN), whose partitions begin at multiples of 4096 bytes",
            sb.id(),
        ));
        return Err(EOPNOTSUPP);
    };
    if !sb.is_read_only() {
        check_order(sb.id(), context, &dax, options)?;
    }
    let len = device.len() & !(BLOCK_SIZE - 1);
    if len == 0 {
        context.error(fmt!("{}: the device is shorter than a block", sb.id()));
        return Err(EINVAL);
    }
    Arc::new(dax, GFP_KERNEL)?.map(len).inspect_err(|error| {
        context.error(fmt!(
            "{}: the memory of the device cannot be mapped in one piece ({:?})",
            sb.id(),
            error,
        ));
    })
}

/// Whether the device keeps the order of stores, which a mount for writing needs.
///
/// # Errors
///
/// `EOPNOTSUPP`.
pub(crate) fn check_order(
    id: &CStr,
    context: &FsContext<Rdaxfs>,
    device: &DaxDevice,
    options: &Options,
) -> Result {
    if device.is_synchronous() || options.guest_crash_only {
        return Ok(());
    }
    context.error(fmt!(
        "{}: a host keeps the device in its page cache, which does not keep the order of stores in a crash of the host: mount it read-only, or with guest_crash_only if operations need not survive that",
        id,
    ));
    Err(EOPNOTSUPP)
}

/// Reads the superblock, or says why the volume cannot be mounted.
///
/// The copy in the last block stands in, for a read-only mount, when the first one is damaged or the device knows
/// its memory to be bad. Where the first block is something else, the copy may be that of a volume that is no more:
/// it is taken only when it is asked for.
#[inline(never)]
pub(crate) fn probe(
    sb: &mut NewSuperBlock<'_, Rdaxfs>,
    context: &FsContext<Rdaxfs>,
    medium: &Medium,
    options: &mut Options,
) -> Result<Superblock> {
    let copy = (medium.len() / BLOCK_SIZE).saturating_sub(1);
    let first = medium
        .check_poison(0, BLOCK_SIZE)
        .and_then(|()| read_superblock(medium, 0));
    // Poison that was found without a load, or in another line.
    let has_magic = medium.load_u64(0) == Ok(SUPER_MAGIC);
    let is_damaged = matches!(first, Err(CoreError::Corrupt | CoreError::Io));
    if is_damaged && has_magic || options.superblock_copy {
        if let Ok(copy) = read_superblock(medium, copy) {
            context.warn(fmt!(
                "{}: mounted read-only from the copy of the superblock; run fsck.rdaxfs",
                sb.id(),
            ));
            sb.set_read_only();
            options.superblock_copy = true;
            return Ok(copy);
        }
    }
    first.map_err(|error| {
        match error {
            CoreError::Invalid => {
                context.error(fmt!("{}: is not an rdaxfs volume", sb.id()));
                return EINVAL;
            }
            CoreError::NotSupported => context.error(fmt!(
                "{}: the volume has features that this version does not know; use a newer one",
                sb.id(),
            )),
            CoreError::Io => context.error(fmt!(
                "{}: the superblock cannot be read; run fsck.rdaxfs",
                sb.id(),
            )),
            _ => context.error(fmt!(
                "{}: the superblock is damaged, or the device is shorter than the volume; run fsck.rdaxfs",
                sb.id(),
            )),
        }
        errno(error)
    })
}

/// Has the volume told when memory of its device fails. It can do without.
pub(crate) fn hold_device(
    sb: &mut NewSuperBlock<'_, Rdaxfs>,
    context: &FsContext<Rdaxfs>,
    device: Arc<DaxDevice>,
) -> Result {
    match sb.hold_dax_device::<Holder>(device) {
        Err(EBUSY) => {
            context.warn(fmt!(
                "{}: another file system or a device-mapper device holds the disk: this volume is not told when memory fails",
                sb.id(),
            ));
            Ok(())
        }
        held => held,
    }
}

/// Makes sure that no other volume of the UUID is mounted.
#[inline(never)]
pub(crate) fn claim_uuid(
    sb: &mut NewSuperBlock<'_, Rdaxfs>,
    context: &FsContext<Rdaxfs>,
    options: &Options,
    uuid: Uuid,
) -> Result<Option<UuidClaim>> {
    if options.nouuid {
        return Ok(None);
    }
    match sb.claim_uuid(uuid) {
        Ok(claim) => Ok(Some(claim)),
        Err(error) => {
            if error == EBUSY {
                context.error(fmt!(
                    "{}: a volume with the UUID {} is mounted already: mount a copy with nouuid, or give it a UUID of its own",
                    sb.id(),
                    uuid,
                ));
            }
            Err(error)
        }
    }
}

/// How a volume is mounted for writing; [`None`] if it is not, because it is known to be damaged and the user does
/// not want to continue.
pub(crate) fn writable_access(is_damaged: bool, options: &Options) -> Option<Access> {
    match options.errors {
        _ if !is_damaged => Some(Access::ReadWrite),
        Errors::Continue => Some(Access::ReadWriteDamaged),
        Errors::RemountReadOnly | Errors::Panic => None,
    }
}

/// How the volume is mounted: read-only instead of for writing if [`writable_access`] has none.
fn access_for(
    sb: &mut NewSuperBlock<'_, Rdaxfs>,
    context: &FsContext<Rdaxfs>,
    superblock: &Superblock,
    options: &Options,
) -> Access {
    if sb.is_read_only() {
        return Access::NoStores;
    }
    let is_damaged = superblock.state.get() == STATE_DAMAGED;
    if let Some(access) = writable_access(is_damaged, options) {
        if is_damaged {
            context.warn(fmt!(
                "{}: mounted with {} errors that were met before; run fsck.rdaxfs",
                sb.id(),
                superblock.errors.get(),
            ));
        }
        return access;
    }
    context.warn(fmt!(
        "{}: the volume is damaged ({} errors were met): mounted read-only; run fsck.rdaxfs, or mount it with errors=continue",
        sb.id(),
        superblock.errors.get(),
    ));
    sb.set_read_only();
    Access::NoStores
}

/// Mounts the volume.
#[inline(never)]
pub(crate) fn mount(
    sb: &mut NewSuperBlock<'_, Rdaxfs>,
    context: &FsContext<Rdaxfs>,
    medium: Medium,
    superblock: &Superblock,
    options: &Options,
) -> Result<MountedVolume> {
    let device = medium.mapping().dax_device().into();
    let access = access_for(sb, context, superblock, options);
    let workspaces = MountedVolume::new_workspaces(sb.id())?;
    let platform = Platform::new(medium, superblock)?;
    let mut workspace = workspaces.alloc_noreserve()?;
    let now = to_medium(Timespec::now());
    let volume = if sb.is_read_only() && options.superblock_copy {
        let block = superblock.blocks.get() - 1;
        core_mount::mount_by_copy(platform, block, &mut workspace)
    } else {
        core_mount::mount(platform, access, now, &mut workspace)
    };
    let volume = volume.map_err(|error| {
        match error {
            CoreError::Corrupt if !is_known(superblock.state.get()) => context.error(fmt!(
                "{}: the state of the volume ({}) is unknown: run fsck.rdaxfs, or mount it with -o ro",
                sb.id(),
                superblock.state.get(),
            )),
            CoreError::ReadOnly => context.error(fmt!(
                "{}: the volume has features that this version can only read: mount it with -o ro",
                sb.id(),
            )),
            error => context.error(fmt!(
                "{}: the journal cannot be replayed ({}); run fsck.rdaxfs",
                sb.id(),
                Reason(error),
            )),
        }
        errno(error)
    })?;
    drop(workspace);
    if let Some((said, real)) = core_mount::misalignment(&volume) {
        context.warn(fmt!(
            "{}: huge pages begin at block {} of the device, and at block {} where the volume was made: files are mapped by small pages; copy them to a volume that is made here",
            sb.id(),
            real,
            said,
        ));
    }
    MountedVolume::new(volume, workspaces, device, sb.id())
}

/// Whether a superblock's state is one that there is.
const fn is_known(state: u64) -> bool {
    matches!(state, STATE_CLEAN | STATE_MOUNTED | STATE_DAMAGED)
}
