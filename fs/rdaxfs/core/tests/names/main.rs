// SPDX-License-Identifier: GPL-2.0

//! Directories and the operations on names, as a user of the crate sees them.

mod announce;
mod basic;
mod cost;
mod damage;
mod faults;
mod full;
mod judged;
mod last;
mod leaves;
mod many;
mod medium;
mod model;
mod threads;
mod trial;
