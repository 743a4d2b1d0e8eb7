// SPDX-License-Identifier: GPL-2.0

//! A kernel module's file: for which kernel it was built, and whether it is signed.

use anyhow::{Context, Result};
use elf::endian::AnyEndian;
use elf::ElfBytes;
use std::fs;
use std::path::Path;
use terminal::safe_path;

/// What the file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleFile {
    /// The release of the kernel that it was built for.
    pub release: String,
    /// Whether a signature is appended; whose, it does not say.
    pub signed: bool,
}

/// `MODULE_SIGNATURE_MARKER` of `include/linux/module_signature.h`, at the end of the file.
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// Reads an uncompressed module.
///
/// # Errors
///
/// If it cannot be read or is no module.
pub fn read(path: &Path) -> Result<ModuleFile> {
    let bytes = fs::read(path).with_context(|| safe_path(path))?;
    parse(&bytes).with_context(|| format!("{}: is not a kernel module", safe_path(path)))
}

fn parse(bytes: &[u8]) -> Result<ModuleFile> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes)?;
    let section = file.section_header_by_name(".modinfo")?;
    let section = section.context("there is no section .modinfo")?;
    let (info, _) = file.section_data(&section)?;
    let vermagic = info
        .split(|byte| *byte == 0)
        .find_map(|field| field.strip_prefix(b"vermagic="))
        .context("it names no kernel (vermagic)")?;
    let vermagic = String::from_utf8_lossy(vermagic);
    Ok(ModuleFile {
        release: vermagic.split(' ').next().unwrap_or_default().to_owned(),
        signed: bytes.ends_with(SIGNED),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn refuses_what_is_no_module() {
        assert!(parse(b"").is_err());
        assert!(parse(b"\x7fELF").is_err());
        // This very program is ELF, and no module.
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(parse(&own).unwrap_err().to_string().contains(".modinfo"));
    }
}
