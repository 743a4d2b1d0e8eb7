/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is taken from these is listed in ./allowlist. The last three are the
 * kernel's own drivers/nvdimm/, which its header packages do not carry: they
 * come from its source, see Kbuild.
 */

#include <linux/badblocks.h>
#include <linux/device.h>
#include <linux/libnvdimm.h>
#include <linux/memremap.h>
#include <linux/nd.h>
#include <linux/ndctl.h>

#include <nd.h>
#include <btt.h>
#include <pfn.h>

const u32 RUST_CONST_HELPER_MAX_BADBLOCKS = MAX_BADBLOCKS;
const u32 RUST_CONST_HELPER_ND_INFO_BLOCK_RESERVE = ALIGN(SZ_8K, PAGE_SIZE);
const u32 RUST_CONST_HELPER_ND_DRIVER_NAMESPACE_IO = ND_DRIVER_NAMESPACE_IO;
const u32 RUST_CONST_HELPER_ND_DRIVER_NAMESPACE_PMEM = ND_DRIVER_NAMESPACE_PMEM;
