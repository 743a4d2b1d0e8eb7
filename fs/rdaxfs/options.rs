// SPDX-License-Identifier: GPL-2.0

//! Mount options.
//!
//! They are described in Documentation/filesystems/rdaxfs/.

use kernel::{prelude::*, seq_file::SeqFile, seq_print};
use kernel_ext::fs::{
    fs_parser::{Constant, Constants, Parameter, Parameters, Table, Value},
    FsContext,
};

use crate::super_block::Rdaxfs;

/// Which files have their pages on the medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dax {
    /// Those whose flag says so (`FS_XFLAG_DAX`).
    #[default]
    Inode,
    /// All.
    Always,
    /// None.
    Never,
}

/// What a damaged structure leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Errors {
    /// The volume becomes read-only.
    #[default]
    RemountReadOnly,
    /// The operation fails.
    Continue,
    /// The kernel panics.
    Panic,
}

/// The options of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `dax=`.
    pub(crate) dax: Dax,
    /// `errors=`.
    pub(crate) errors: Errors,
    /// `nouuid`: another volume of the same UUID may be mounted.
    pub(crate) nouuid: bool,
    /// `superblock=copy`: the volume is mounted read-only from the copy of its superblock.
    pub(crate) superblock_copy: bool,
    /// `guest_crash_only`: a device whose stores a host keeps in its page cache may be written.
    pub(crate) guest_crash_only: bool,
}

// What the parser calls them.
const DAX: u8 = 0;
const DAX_WORD: u8 = 1;
const ERRORS: u8 = 2;
const NOUUID: u8 = 3;
const GUEST_CRASH_ONLY: u8 = 4;
const SUPERBLOCK: u8 = 5;

const DAX_INODE: i32 = 0;
const DAX_ALWAYS: i32 = 1;
const DAX_NEVER: i32 = 2;

static DAX_WORDS: Constants<3> = Constants::new([
    Constant::new(c"inode", DAX_INODE),
    Constant::new(c"always", DAX_ALWAYS),
    Constant::new(c"never", DAX_NEVER),
]);

const ERRORS_REMOUNT_RO: i32 = 0;
const ERRORS_CONTINUE: i32 = 1;
const ERRORS_PANIC: i32 = 2;

static ERRORS_WORDS: Constants<3> = Constants::new([
    Constant::new(c"remount-ro", ERRORS_REMOUNT_RO),
    Constant::new(c"continue", ERRORS_CONTINUE),
    Constant::new(c"panic", ERRORS_PANIC),
]);

const SUPERBLOCK_FIRST: i32 = 0;
const SUPERBLOCK_COPY: i32 = 1;

static SUPERBLOCK_WORDS: Constants<2> = Constants::new([
    Constant::new(c"first", SUPERBLOCK_FIRST),
    Constant::new(c"copy", SUPERBLOCK_COPY),
]);

static TABLE: Table<6> = Table::new([
    Parameter::flag(c"dax", DAX),
    Parameter::enumeration(c"dax", DAX_WORD, &DAX_WORDS),
    Parameter::enumeration(c"errors", ERRORS, &ERRORS_WORDS),
    Parameter::flag(c"nouuid", NOUUID),
    Parameter::flag(c"guest_crash_only", GUEST_CRASH_ONLY),
    Parameter::enumeration(c"superblock", SUPERBLOCK, &SUPERBLOCK_WORDS),
]);

/// The options that a mount takes.
pub(crate) const PARAMETERS: Parameters = TABLE.as_parameters();

impl Options {
    /// Takes an option that the parser has found.
    ///
    /// # Errors
    ///
    /// `EINVAL`.
    pub(crate) fn parse(&mut self, context: &FsContext<Rdaxfs>, id: u8, value: &Value) -> Result {
        match (id, value.constant()) {
            (DAX, _) | (DAX_WORD, DAX_ALWAYS) => self.dax = Dax::Always,
            (DAX_WORD, DAX_NEVER) => self.dax = Dax::Never,
            (DAX_WORD, _) => self.dax = Dax::Inode,
            (ERRORS, ERRORS_CONTINUE) => self.errors = Errors::Continue,
            (ERRORS, ERRORS_PANIC) => self.errors = Errors::Panic,
            (ERRORS, _) => self.errors = Errors::RemountReadOnly,
            (NOUUID, _) => self.nouuid = true,
            (SUPERBLOCK, word) => self.superblock_copy = word == SUPERBLOCK_COPY,
            (GUEST_CRASH_ONLY, _) => self.guest_crash_only = true,
            _ => return Err(context.invalid(fmt!("unknown option number {id}"))),
        }
        Ok(())
    }

    /// Writes those that are not as by default, as /proc/mounts shows them.
    pub(crate) fn show(&self, file: &SeqFile) {
        match self.dax {
            Dax::Inode => {}
            Dax::Always => seq_print!(file, ",dax=always"),
            Dax::Never => seq_print!(file, ",dax=never"),
        }
        match self.errors {
            Errors::RemountReadOnly => {}
            Errors::Continue => seq_print!(file, ",errors=continue"),
            Errors::Panic => seq_print!(file, ",errors=panic"),
        }
        if self.nouuid {
            seq_print!(file, ",nouuid");
        }
        if self.superblock_copy {
            seq_print!(file, ",superblock=copy");
        }
        if self.guest_crash_only {
            seq_print!(file, ",guest_crash_only");
        }
    }
}
