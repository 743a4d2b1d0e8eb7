// SPDX-License-Identifier: GPL-2.0
#![no_std]
//! x
