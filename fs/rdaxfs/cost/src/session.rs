// SPDX-License-Identifier: GPL-2.0

//! A mounted volume, with what each of its operations wants besides.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use rdaxfs_core::format::{Time, S_IFDIR, S_IFREG};
use rdaxfs_core::inode::{Attributes, MapState};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::platform::{Digest, Stores};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Result;
use rdaxfs_host::Host;

/// A time, later each time it is asked for.
pub fn now() -> Time {
    static CLOCK: AtomicI64 = AtomicI64::new(1_000_000_000);
    Time::new(CLOCK.fetch_add(1, Relaxed), 1)
}

/// A regular file.
#[must_use]
pub fn file() -> NewInode<'static> {
    NewInode {
        mode: S_IFREG | 0o644,
        ..NewInode::default()
    }
}

/// A directory.
#[must_use]
pub fn directory() -> NewInode<'static> {
    NewInode {
        mode: S_IFDIR | 0o755,
        ..NewInode::default()
    }
}

/// Makes a volume on all of a medium.
///
/// # Errors
///
/// Those of [`make`].
pub fn format(medium: &(impl Stores + Digest)) -> Result {
    let options = Options {
        hash_key: [3, 4],
        uuid: [9; 16],
        ..Options::new(medium.len() / rdaxfs_core::format::BLOCK_SIZE)
    };
    make(medium, &options).map(|_| ())
}

/// A mounted volume. What fails in it is a defect: the numbers would be of something else.
pub struct Session<M: Stores + Digest> {
    /// The volume.
    pub volume: Volume<Host<M>>,
    /// Scratch memory.
    pub workspace: Box<Workspace>,
    /// The root directory.
    pub root: MapState,
}

impl<M: Stores + Digest> Session<M> {
    /// Mounts the volume on a medium.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn mount(medium: M) -> Self {
        let mut workspace = Box::new(Workspace::new());
        let superblock = probe(&medium).expect("there is a volume");
        let host = Host::new(medium, &superblock);
        let volume = mount::mount(host, Access::ReadWrite, now(), &mut workspace)
            .expect("the volume can be mounted");
        let (root, _) = volume
            .inodes()
            .open(volume.root(), None)
            .expect("it has a root");
        Self {
            volume,
            workspace,
            root,
        }
    }

    /// Makes a volume on a medium and mounts it.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn new(medium: M) -> Self {
        format(&medium).expect("a volume can be made");
        Self::mount(medium)
    }

    /// Unmounts.
    pub fn unmount(self) {
        mount::unmount(&self.volume).expect("it can be unmounted");
    }

    /// A directory in the root directory.
    pub fn mkdir(&mut self, name: &[u8]) -> MapState {
        let made = self.volume.names().mkdir(
            &mut self.workspace,
            &mut self.root,
            name,
            &directory(),
            now(),
            &mut unannounced,
        );
        made.expect("a directory can be made").map
    }

    /// A file without a name.
    pub fn tmpfile(&mut self) -> MapState {
        let near = self.root.ino();
        let made = self.volume.names().tmpfile(
            &mut self.workspace,
            near,
            &file(),
            now(),
            &mut unannounced,
        );
        made.expect("a file can be made").map
    }

    /// A file with a name.
    pub fn create(&mut self, directory: &mut MapState, name: &[u8]) -> MapState {
        let made = self.volume.names().create(
            &mut self.workspace,
            directory,
            name,
            &file(),
            now(),
            &mut unannounced,
        );
        made.expect("a file can be made").map
    }

    /// Writes bytes of a file.
    pub fn write(&mut self, map: &mut MapState, offset: u64, bytes: &[u8]) {
        let written = self
            .volume
            .files()
            .write(&mut self.workspace, map, offset, bytes, now());
        assert_eq!(written, Ok(bytes.len()));
    }

    /// What an inode says.
    pub fn attributes(&self, map: &MapState) -> Attributes {
        self.volume.inodes().attributes(map).expect("it is good")
    }

    /// Free blocks.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.volume.space().totals().expect("they are good").0
    }
}

/// A generator of numbers, the same ones each time (xorshift64*).
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Those of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end.max(1)
    }
}
