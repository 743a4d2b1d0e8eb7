// SPDX-License-Identifier: GPL-2.0

//! The disk's files in sysfs: see Documentation/ABI/testing/sysfs-block-rpmem.

use crate::{
    backing::Backing,
    medium::{Medium, PAGE_SECTORS},
    poison::Refused,
};
use badblocks::Edits;
use kernel::{fmt::Write, prelude::*, str::kstrtobool_bytes};
use kernel_ext::{
    block::gen_disk::Disk,
    sysfs::{Attribute, BinAttribute, OpenFile, Page},
    PAGE_SIZE,
};

/// The most bytes of a refused value that a message repeats: with more, printk would cut off the rest.
const SHOWN: usize = 48;

/// `badblocks`: the list of bad sectors, a maximal range a line.
pub struct BadblocksFile;

impl<B: Backing> BinAttribute<Disk<Medium<B>>> for BadblocksFile {
    const NAME: &'static CStr = c"badblocks";
    const MODE: u16 = 0o644;

    fn read(
        disk: &Disk<Medium<B>>,
        reader: OpenFile,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize> {
        Ok(disk.data().poison().read_text(reader, offset, buf))
    }

    fn write(disk: &Disk<Medium<B>>, writer: OpenFile, offset: u64, text: &[u8]) -> Result<usize> {
        // sysfs cuts a text that is longer than a page, as programs cut one at their buffer's end.
        let is_full = text.len() >= PAGE_SIZE;
        edit_badblocks(disk.data(), writer, offset, text, is_full)?;
        Ok(text.len())
    }
}

/// Makes the changes that lines of text ask for, all of those that this piece completes or none.
///
/// `is_full` says that the piece could not have been longer: a line that it ends within goes on with what
/// the same file is written next.
///
/// # Errors
///
/// `EINVAL`, after a message that names the line, the rule and the way out. What the kernel says if a page
/// that has failed cannot be mapped again. Nothing is changed then.
pub fn edit_badblocks<B: Backing>(
    medium: &Medium<B>,
    file: OpenFile,
    offset: u64,
    piece: &[u8],
    is_full: bool,
) -> Result {
    let poison = medium.poison();
    let mut input = poison.input.lock();
    let lines = input
        .feed(file.cookie(), offset, piece, is_full)
        .map_err(|error| {
            pr_err!("badblocks: {}\n", format_args!("{error}"));
            EINVAL
        })?;
    let edits = || {
        [lines.joined(), lines.rest()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .flat_map(|part| Edits::new(part, poison.sectors()))
    };
    if let Some(Err(error)) = edits().find(|edit| edit.is_err()) {
        pr_err!("badblocks: {}\n", format_args!("{error}"));
        return Err(EINVAL);
    }
    poison
        .change(medium.pages(), || edits().flatten())
        .map_err(|refused| match refused {
            Refused::PartOfFailed(edit) => {
                pr_err!(
                    "badblocks: \"{}\" covers a part of a page that has failed; clear all {} sectors of the page, or write to it\n",
                    format_args!("{edit}"),
                    PAGE_SECTORS
                );
                EINVAL
            }
            Refused::Unmappable(error) => {
                pr_err!("badblocks: a page that has failed cannot be mapped again ({error:?}); nothing was changed\n");
                error
            }
        })?;
    // What the platform knows to be bad stays so, whatever the list was told.
    medium.record_reported()
}

/// `dax/write_cache`: whether fsync writes the CPU's caches back.
pub struct WriteCacheFile;

impl<B: Backing> Attribute<Disk<Medium<B>>> for WriteCacheFile {
    const GROUP: Option<&'static CStr> = Some(c"dax");
    const NAME: &'static CStr = c"write_cache";
    const MODE: u16 = 0o644;

    fn show(disk: &Disk<Medium<B>>, page: &mut Page<'_>) -> Result {
        let on = disk.dax().ok_or(ENXIO)?.write_cache();
        writeln!(page, "{}", u8::from(on)).map_err(|_| EINVAL)
    }

    fn store(disk: &Disk<Medium<B>>, text: &[u8]) -> Result {
        let on = kstrtobool_bytes(text).inspect_err(|_| {
            let text = text.trim_ascii_end();
            let (shown, cut) = match text.get(..SHOWN) {
                Some(shown) if text.len() > SHOWN => (shown, "..."),
                _ => (text, ""),
            };
            pr_err!(
                "dax/write_cache: \"{}{cut}\" is not a truth value; write 1 or 0\n",
                format_args!("{}", shown.escape_ascii())
            );
        })?;
        disk.dax().ok_or(ENXIO)?.set_write_cache(on);
        Ok(())
    }
}
