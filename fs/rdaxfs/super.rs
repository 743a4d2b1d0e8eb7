// SPDX-License-Identifier: GPL-2.0

//! Mounting, unmounting, and what concerns the volume as a whole.

use core::{
    ops::Range,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use kernel::{
    prelude::*,
    seq_file::SeqFile,
    str::CStr,
    sync::{aref::ARef, new_mutex, Arc, Mutex},
};
use kernel_ext::{
    compat::code::EOPNOTSUPP,
    fs::{
        dax::{DaxDevice, Mapping},
        file_system::flags,
        fs_parser::{Parameters, Value},
        fserror,
        inode::Evicted,
        statfs::Statfs,
        super_block::{NewSuperBlock, Operations},
        uuid::{Uuid, UuidClaim},
        FileSystem, FsContext, Inode, SuperBlock, Timespec,
    },
    panic::panic,
    PAGE_SIZE,
};
use rdaxfs_core::{
    format::{
        ErrorKind, Superblock, Time, BLOCK_SIZE, MAX_FILE_SIZE, MAX_LINKS, MAX_NAME, STATE_CLEAN,
        STATE_DAMAGED, STATE_MOUNTED, SUPER_MAGIC,
    },
    mount::{self as core_mount, Access},
    platform::Medium as _,
    superblock::read_superblock,
    Error as CoreError,
};

use crate::{
    error::{errno, Reason},
    export::Export,
    holder::Holder,
    inode::{self, InodeData},
    options::{self, Dax, Errors, Options},
    platform::{Medium, Platform},
    time::to_medium,
    volume::MountedVolume,
    xattr,
};

/// What statfs(2) and `s_magic` have: the first half of the superblock's.
const MAGIC: u32 = SUPER_MAGIC as u32;

/// The file system.
pub(crate) struct Rdaxfs;

/// A mounted volume.
#[pin_data]
pub(crate) struct SuperData {
    /// The volume and its memory.
    pub(crate) mounted: MountedVolume,
    /// Which files have their pages on the medium. Every inode that comes into memory asks, and it does not
    /// change while the volume is mounted.
    pub(crate) dax: Dax,
    #[pin]
    options: Mutex<Options>,
    /// How often something damaged was found.
    damages: AtomicU32,
    /// How often data could not be read or written.
    failures: AtomicU32,
    // Other volumes of the UUID cannot be mounted until this goes.
    _uuid: Option<UuidClaim>,
}

/// What a loop over damaged files says in the log.
const SAID: u32 = 10;

impl SuperData {
    /// The options of the mount.
    pub(crate) fn options(&self) -> Options {
        *self.options.lock()
    }

    /// Notes on the medium that an error has been met.
    pub(crate) fn count_error(&self, kind: ErrorKind) {
        // Where the device has gone nothing is noted.
        if let Ok(volume) = self.mounted.volume_to_end() {
            volume.errors().count(kind, to_medium(Timespec::now()));
        }
    }

    /// Bytes of a file cannot be read or written.
    pub(crate) fn lost_data(
        &self,
        sb: &SuperBlock<Rdaxfs>,
        ino: u64,
        access: fserror::Access,
        bytes: &Range<u64>,
    ) {
        self.count_error(ErrorKind::Unreadable);
        if self.failures.fetch_add(1, Relaxed) < SAID {
            pr_err!(
                "{}: inode {}: bytes {} to {} cannot be {}: the memory is bad; write whole pages over it, punch a hole or delete the file\n",
                sb.id(),
                ino,
                bytes.start,
                bytes.end - 1,
                match access {
                    fserror::Access::Read => "read",
                    fserror::Access::Write => "written",
                },
            );
        }
    }

    /// Something of an inode, or the inode itself, is damaged: does what `errors=` says.
    pub(crate) fn found_damage(&self, sb: &SuperBlock<Rdaxfs>, ino: u64) {
        self.count_error(ErrorKind::Corrupt);
        if self.damages.fetch_add(1, Relaxed) < SAID {
            pr_err!(
                "{}: inode {}: something is damaged; run fsck.rdaxfs\n",
                sb.id(),
                ino,
            );
        }
        match self.options().errors {
            Errors::Continue => {}
            Errors::RemountReadOnly if sb.is_read_only() => {}
            Errors::RemountReadOnly => {
                pr_err!("{}: read-only from now on\n", sb.id());
                sb.set_read_only();
            }
            Errors::Panic => panic(fmt!(
                "rdaxfs: {}: inode {}: something is damaged, and errors=panic",
                sb.id(),
                ino,
            )),
        }
    }
}

impl FileSystem for Rdaxfs {
    const NAME: &'static CStr = c"rdaxfs";
    const FLAGS: u32 = flags::REQUIRES_DEV | flags::ALLOW_IDMAP | flags::MGTIME;
    const PARAMETERS: Parameters = options::PARAMETERS;

    type Options = Options;
    type SuperData = SuperData;
    type InodeData = InodeData;
    type SuperOperations = Self;

    fn new_options(mounted: Option<&SuperBlock<Self>>) -> Result<Options> {
        Ok(mounted.map_or_else(Options::default, |sb| sb.data().options()))
    }

    fn parse_param(
        context: &FsContext<Self>,
        options: &mut Options,
        id: u8,
        value: &Value,
    ) -> Result {
        options.parse(context, id, value)
    }

    fn fill_super(
        sb: &mut NewSuperBlock<'_, Self>,
        context: &FsContext<Self>,
        options: &mut Options,
    ) -> Result<Pin<KBox<SuperData>>> {
        sb.set_block_size(BLOCK_SIZE as u32)?;
        let medium = Medium::new(map_device(sb, context, options)?);
        let superblock = probe(sb, context, &medium, options)?;
        if without_dax(options) {
            context.warn(fmt!(
                "{}: mounted without DAX: this kernel's pages have {} bytes, and a block has {}",
                sb.id(),
                PAGE_SIZE,
                BLOCK_SIZE,
            ));
        }
        let uuid = Uuid(superblock.uuid);
        let claim = claim_uuid(sb, context, options, uuid)?;
        let volume = mount(sb, context, medium, &superblock, options)?;
        hold_device(sb, context, volume.device())?;

        sb.set_magic(MAGIC);
        sb.set_limits(MAX_FILE_SIZE as i64, MAX_LINKS as u32);
        sb.set_time_range(Time::MIN_SECONDS, Time::MAX_SECONDS);
        sb.set_uuid(uuid);
        sb.set_sysfs_name_bdev();
        sb.set_xattr_handlers(&xattr::HANDLERS);
        sb.set_posix_acl();
        sb.set_nosec();
        sb.set_export_operations::<Export>();
        KBox::pin_init(
            try_pin_init!(SuperData {
                mounted: volume,
                dax: options.dax,
                options <- new_mutex!(*options),
                damages: AtomicU32::new(0),
                failures: AtomicU32::new(0),
                _uuid: claim,
            }? Error),
            GFP_KERNEL,
        )
    }

    fn root(sb: &SuperBlock<Self>, context: &FsContext<Self>) -> Result<ARef<Inode<Self>>> {
        let volume = sb.data().mounted.volume()?;
        if !sb.is_read_only() && volume.superblock().state.get() != STATE_CLEAN {
            finish_all(sb, context)?;
        }
        let root = inode::get(sb, volume.root()).inspect_err(|error| {
            context.error(fmt!(
                "{}: the root directory cannot be read ({:?}); run fsck.rdaxfs",
                sb.id(),
                error,
            ));
        })?;
        if !root.is_directory() {
            context.error(fmt!(
                "{}: the root is not a directory; run fsck.rdaxfs",
                sb.id(),
            ));
            return Err(errno(CoreError::Corrupt));
        }
        Ok(root)
    }

    fn abandon(data: &SuperData) {
        end(data);
    }

    fn reconfigure(
        sb: &SuperBlock<Self>,
        context: &FsContext<Self>,
        options: &mut Options,
    ) -> Result {
        let data = sb.data();
        let before = data.options();
        without_dax(options);
        if options.dax != data.dax {
            return Err(context.invalid(fmt!(
                "dax= cannot be changed while the volume is mounted: unmount it first",
            )));
        }
        if options.nouuid != before.nouuid {
            return Err(context.invalid(fmt!(
                "nouuid cannot be changed while the volume is mounted: unmount it first",
            )));
        }
        match context.changes_read_only() {
            Some(true) if !sb.is_read_only() => remount_ro(sb, context)?,
            Some(false) if sb.is_read_only() => remount_rw(sb, context, options)?,
            _ => {}
        }
        *data.options.lock() = *options;
        Ok(())
    }
}

/// Takes DAX out of the options where no file can have it, because a page is not a block: a fault maps whole pages. Returns
/// whether it was in them.
fn without_dax(options: &mut Options) -> bool {
    let is_changed = PAGE_SIZE as u64 != BLOCK_SIZE && options.dax != Dax::Never;
    if is_changed {
        options.dax = Dax::Never;
    }
    is_changed
}

/// Maps the device's memory, or says why it cannot be used.
#[inline(never)]
fn map_device(
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
fn check_order(
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
fn probe(
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
fn hold_device(
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
fn claim_uuid(
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
fn writable_access(is_damaged: bool, options: &Options) -> Option<Access> {
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
fn mount(
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

/// A mount for writing becomes read-only: the volume is clean then. The VFS has seen to it that nobody has a
/// file open for writing, and that no inode without a name is left.
fn remount_ro(sb: &SuperBlock<Rdaxfs>, context: &FsContext<Rdaxfs>) -> Result {
    let volume = sb.data().mounted.volume()?;
    core_mount::remount_ro(&volume).map_err(|error| {
        context.error(fmt!(
            "{}: the volume cannot be marked as clean ({}); run fsck.rdaxfs",
            sb.id(),
            Reason(error),
        ));
        errno(error)
    })
}

/// A read-only mount becomes one for writing: the journal is replayed on the medium, and what was left to do
/// is finished.
fn remount_rw(sb: &SuperBlock<Rdaxfs>, context: &FsContext<Rdaxfs>, options: &Options) -> Result {
    let mounted = &sb.data().mounted;
    check_order(sb.id(), context, mounted.dax_device(), options)?;
    let volume = mounted.volume()?;
    if options.superblock_copy {
        context.error(fmt!(
            "{}: mounted from the copy of the superblock: run fsck.rdaxfs, and mount the volume without superblock=",
            sb.id(),
        ));
        return Err(EROFS);
    }
    let Some(access) = writable_access(volume.errors().found_damage(), options) else {
        context.error(fmt!(
            "{}: the volume is damaged: unmount it and run fsck.rdaxfs, or use errors=continue",
            sb.id(),
        ));
        return Err(EROFS);
    };
    let now = to_medium(Timespec::now());
    let mut workspace = mounted.patient_workspace()?;
    let writable = core_mount::remount_rw(&volume, access, now, &mut workspace);
    drop(workspace);
    writable.map_err(|error| {
        match error {
            CoreError::ReadOnly => context.error(fmt!(
                "{}: the volume has features that this version can only read",
                sb.id(),
            )),
            error => context.error(fmt!(
                "{}: the volume cannot be made writable ({}); run fsck.rdaxfs",
                sb.id(),
                Reason(error),
            )),
        }
        errno(error)
    })?;
    finish_all(sb, context).inspect_err(|_| {
        // It is read-only still.
        let _ = core_mount::remount_ro(&volume);
    })
}

/// Whether a superblock's state is one that there is.
const fn is_known(state: u64) -> bool {
    matches!(state, STATE_CLEAN | STATE_MOUNTED | STATE_DAMAGED)
}

/// Finishes what was left to do when the volume was last used, or says why that cannot be done.
fn finish_all(sb: &SuperBlock<Rdaxfs>, context: &FsContext<Rdaxfs>) -> Result {
    finish_listed(sb).inspect_err(|error| {
        context.error(fmt!(
            "{}: what was left to do before the last crash cannot be done ({:?}); run fsck.rdaxfs",
            sb.id(),
            error,
        ));
    })
}

fn finish_listed(sb: &SuperBlock<Rdaxfs>) -> Result {
    let volume = sb.data().mounted.volume()?;
    for group in 0..volume.groups() {
        let mut last = None;
        while let Some(ino) = volume.inodes().first_unfinished(group).map_err(errno)? {
            if last.replace(ino) == Some(ino) {
                // What is wrong with it has been said.
                return Err(errno(CoreError::Corrupt));
            }
            finish(sb, ino)?;
        }
    }
    Ok(())
}

/// Finishes what was left to do for an inode.
fn finish(sb: &SuperBlock<Rdaxfs>, ino: u64) -> Result {
    let inode = inode::get(sb, ino)?;
    if inode.links() > 0 {
        let mut operation = sb.data().mounted.begin()?;
        let mut map = inode.data().map.write();
        operation
            .volume
            .files()
            .finish(&mut operation.workspace, &mut map)
            .map_err(errno)?;
    }
    // One without a name is freed when it leaves memory, which it does now.
    drop(inode);
    Ok(())
}

/// Ends the use of a volume: it is clean.
fn end(data: &SuperData) {
    let Ok(volume) = data.mounted.volume_to_end() else {
        // The next mount replays the journal.
        return;
    };
    match core_mount::unmount(&volume) {
        Ok(()) => {}
        Err(_) if volume.is_shut_down() => {}
        Err(error) => pr_err!(
            "{}: the volume cannot be marked as clean ({}); run fsck.rdaxfs\n",
            data.mounted.name(),
            Reason(error)
        ),
    }
}

#[vtable]
impl Operations for Rdaxfs {
    type FileSystem = Self;

    fn evict_inode(inode: &Evicted<'_, Self>) {
        inode::evict(inode);
    }

    fn put_super(sb: &SuperBlock<Self>) {
        end(sb.data());
        // What was stored may be in a host's page cache. Where that fails the next mount replays the journal.
        let _ = sb.block_device().flush();
        // Who reads the device through its page cache must not find there what it read while the volume was
        // mounted. What cannot be written back is not the volume's.
        let _ = sb.block_device().sync_and_invalidate();
    }

    fn shutdown(sb: &SuperBlock<Self>) {
        // The driver waits for this before it unmaps the memory. A holder has been told before.
        sb.data().mounted.remove_device();
    }

    fn sync_fs(sb: &SuperBlock<Self>, wait: bool) -> Result {
        if !wait || sb.is_read_only() {
            return Ok(());
        }
        // All is in the medium already, or in a host's page cache.
        sb.data().mounted.volume()?;
        sb.block_device().flush()
    }

    fn freeze_fs(sb: &SuperBlock<Self>) -> Result {
        // A copy of the device that is made now can be mounted where nothing may be stored.
        let volume = sb.data().mounted.volume()?;
        core_mount::quiesce(&volume);
        Ok(())
    }

    fn statfs(sb: &SuperBlock<Self>) -> Result<Statfs> {
        let volume = sb.data().mounted.volume_to_end()?;
        let (free, inodes) = volume.space().available().map_err(errno)?;
        let [high, low] = [0, 8].map(|at| {
            let bytes = volume.superblock().uuid.get(at..at + 8);
            bytes
                .and_then(|bytes| bytes.try_into().ok())
                .map_or(0, u64::from_le_bytes)
        });
        // An inode takes at most a block, and 15 of them share one.
        let free_inodes = free.saturating_mul(15);
        Ok(Statfs {
            magic: MAGIC,
            block_size: BLOCK_SIZE as u32,
            blocks: volume.blocks(),
            free_blocks: free,
            available_blocks: free,
            inodes: inodes.saturating_add(free_inodes),
            free_inodes,
            id: high ^ low,
            name_len: MAX_NAME as u32,
        })
    }

    fn show_options(sb: &SuperBlock<Self>, file: &SeqFile) -> Result {
        sb.data().options().show(file);
        Ok(())
    }
}
