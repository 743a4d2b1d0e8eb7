// SPDX-License-Identifier: GPL-2.0
/*
 * Exports what rpmem_core.ko has for the drivers, as ../../rust/exports.c does for kernel_ext.ko.
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern char sym[]; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
