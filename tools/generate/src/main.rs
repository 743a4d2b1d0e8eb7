// SPDX-License-Identifier: GPL-2.0

//! Writes the manual pages and shell completions of the tools, from what they are parsed by and from
//! the sections in `tools/NAME/manual/`.
//!
//! usage: generate DIRECTORY
//!
//! Makes below DIRECTORY what is installed below /usr: `share/man/man8`,
//! `share/bash-completion/completions`, `share/zsh/vendor-completions`,
//! `share/fish/vendor_completions.d`.

#![forbid(unsafe_code)]

mod manual;

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::Shell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A tool: how it is called, and what its manual has behind the options.
struct Tool {
    command: Command,
    sections: &'static str,
}

fn tools() -> [Tool; 5] {
    [
        Tool {
            command: dump_rdaxfs::cli::command(),
            sections: include_str!("../../dump_rdaxfs/manual/dump.rdaxfs.8.in"),
        },
        Tool {
            command: fsck_rdaxfs::cli::command(),
            sections: include_str!("../../fsck_rdaxfs/manual/fsck.rdaxfs.8.in"),
        },
        Tool {
            command: mkfs_rdaxfs::cli::command(),
            sections: include_str!("../../mkfs_rdaxfs/manual/mkfs.rdaxfs.8.in"),
        },
        Tool {
            command: rpmemctl::cli::command(),
            sections: include_str!("../../rpmemctl/manual/rpmemctl.8.in"),
        },
        Tool {
            command: tune_rdaxfs::cli::command(),
            sections: include_str!("../../tune_rdaxfs/manual/tune.rdaxfs.8.in"),
        },
    ]
}

/// Where each shell looks for what packages bring, and under which name.
const SHELLS: [(Shell, &str, &str, &str); 3] = [
    (Shell::Bash, "share/bash-completion/completions", "", ""),
    (Shell::Zsh, "share/zsh/vendor-completions", "_", ""),
    (Shell::Fish, "share/fish/vendor_completions.d", "", ".fish"),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: generate DIRECTORY");
        return ExitCode::from(2);
    };
    match write_all(&PathBuf::from(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(directory: &Path) -> Result<()> {
    for tool in tools() {
        let name = tool.command.get_name().to_owned();
        let page = manual::page(tool.command.clone(), tool.sections)?;
        write(
            &directory.join("share/man/man8").join(format!("{name}.8")),
            &page,
        )?;
        for (shell, place, before, after) in SHELLS {
            let mut script = Vec::new();
            let mut command = tool.command.clone();
            clap_complete::generate(shell, &mut command, &name, &mut script);
            write(
                &directory.join(place).join(format!("{before}{name}{after}")),
                &script,
            )?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().context("a file in no folder")?;
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    fs::write(path, bytes).with_context(|| path.display().to_string())
}
