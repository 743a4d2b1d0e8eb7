// SPDX-License-Identifier: GPL-2.0

//! A mounted volume as the VFS has it: how it comes and goes, and what concerns the whole of it.

use core::{
    ops::Range,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use kernel::{
    prelude::*,
    seq_file::SeqFile,
    str::CStr,
    sync::{aref::ARef, new_mutex, Mutex},
};
use kernel_ext::{
    fs::{
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
        ErrorKind, Time, BLOCK_SIZE, MAX_FILE_SIZE, MAX_LINKS, MAX_NAME, STATE_CLEAN, SUPER_MAGIC,
    },
    mount as core_mount, Error as CoreError,
};

use crate::{
    error::{errno, Reason},
    export::Export,
    inode::{self, InodeData},
    mount,
    options::{self, Dax, Errors, Options},
    platform::Medium,
    remount::{remount_ro, remount_rw},
    time::to_medium,
    unfinished::finish_all,
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
        let medium = Medium::new(mount::map_device(sb, context, options)?);
        let superblock = mount::probe(sb, context, &medium, options)?;
        if mount::without_dax(options) {
            context.warn(fmt!(
                "{}: mounted without DAX: this kernel's pages have {} bytes, and a block has {}",
                sb.id(),
                PAGE_SIZE,
                BLOCK_SIZE,
            ));
        }
        let uuid = Uuid(superblock.uuid);
        let claim = mount::claim_uuid(sb, context, options, uuid)?;
        let volume = mount::mount(sb, context, medium, &superblock, options)?;
        mount::hold_device(sb, context, volume.device())?;

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
        mount::without_dax(options);
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
