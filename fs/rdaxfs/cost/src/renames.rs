// SPDX-License-Identifier: GPL-2.0

//! Many renames, one like the other.

use rdaxfs_core::inode::MapState;
use rdaxfs_core::name::{Directories, RenameMode, Renamed};
use rdaxfs_core::platform::Platform;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;

use crate::meter::Meter;
use crate::session::now;

/// The n-th old name becomes the n-th new one.
pub(crate) struct Renames<'a> {
    /// What it is called in the table.
    pub(crate) what: &'a str,
    pub(crate) mode: RenameMode,
    pub(crate) directories: Directories<'a>,
    pub(crate) old: &'a [Vec<u8>],
    pub(crate) new: &'a [Vec<u8>],
    /// What has the old names.
    pub(crate) moved: &'a mut [MapState],
    /// What has the new names before.
    pub(crate) others: Option<&'a mut [MapState]>,
    /// Nobody uses those.
    pub(crate) unused: bool,
}

impl Renames<'_> {
    /// Does them all.
    pub(crate) fn measure<P: Platform>(
        mut self,
        volume: &Volume<P>,
        workspace: &mut Workspace,
        meter: &mut dyn Meter,
    ) {
        let times = self.old.len() as u64;
        meter.measure(self.what, times, &mut |at| {
            let at = at as usize;
            let directories = match &mut self.directories {
                Directories::One(both) => Directories::One(both),
                Directories::Two(from, to) => Directories::Two(from, to),
            };
            let renamed = Renamed {
                moved: &mut self.moved[at],
                other: self.others.as_mut().map(|others| &mut others[at]),
                other_is_unused: self.unused,
                whiteout: None,
            };
            let names = (&*self.old[at], &*self.new[at]);
            volume
                .names()
                .rename(workspace, directories, names, renamed, self.mode, now())
                .expect("renamed");
        });
    }
}
