// SPDX-License-Identifier: GPL-2.0

//! The program, run on machines made of files.

mod doctor;
mod program;
mod suggest;
mod tree;
