// SPDX-License-Identifier: GPL-2.0

//! `rpmemctl`: lists, tests and explains the persistent memory that rpmem drives.
//!
//! A library, so that its decisions can be tested without the memory, and so that the manual page and
//! the shell completions can be made from [`cli`].
//!
//! - [`list`], [`inject`], [`damage`], [`suggest`] and [`doctor`] are the commands;
//! - [`system`] is where all that they read comes from: /proc, /sys, /dev and /etc below one root;
//! - [`iomem`], [`firmware_map`], [`command_line`], [`mounts`], [`module_file`], [`superblock`] and
//!   [`device_mapper`] read one format each;
//! - [`block_device`], [`bad_list`], [`stack`], [`companions`] and [`swaps`] know block devices, what is bad on them and
//!   what uses them.

#![forbid(unsafe_code)]

pub mod bad_list;
pub mod block_device;
pub mod cli;
pub mod command_line;
pub mod companions;
pub mod damage;
pub mod device_mapper;
pub mod doctor;
pub mod firmware_map;
pub mod inject;
pub mod iomem;
pub mod kernel_log;
pub mod list;
pub mod module_file;
pub mod mounts;
pub mod numa;
pub mod output;
pub mod quantity;
pub mod stack;
pub mod suggest;
pub mod superblock;
pub mod swaps;
pub mod system;
