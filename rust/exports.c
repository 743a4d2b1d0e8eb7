// SPDX-License-Identifier: GPL-2.0
/*
 * Exports what kernel_ext.ko has for other Rust modules, as rust/exports.c does for the kernel's
 * own crates: EXPORT_SYMBOL_GPL() is a C macro, and the names are known only once the crates are
 * compiled.
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern char sym[]; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
