/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is taken from these is listed in ./allowlist and ./allowlist.cxl. The
 * last ones are the kernel's own drivers/nvdimm/ and drivers/cxl/, which its
 * header packages do not carry: they come from its source, see Kbuild.
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
#ifdef RPMEM_HAS_CXL
#include <cxlmem.h>
#endif

const u32 RUST_CONST_HELPER_MAX_BADBLOCKS = MAX_BADBLOCKS;
const u32 RUST_CONST_HELPER_ND_INFO_BLOCK_RESERVE = ALIGN(SZ_8K, PAGE_SIZE);
const u32 RUST_CONST_HELPER_ND_DRIVER_NAMESPACE_IO = ND_DRIVER_NAMESPACE_IO;
const u32 RUST_CONST_HELPER_ND_DRIVER_NAMESPACE_PMEM = ND_DRIVER_NAMESPACE_PMEM;
#ifdef RPMEM_HAS_CXL
const u32 RUST_CONST_HELPER_CXL_POISON_LEN_MULT = CXL_POISON_LEN_MULT;
const u8 RUST_CONST_HELPER_CXL_POISON_FLAG_MORE = CXL_POISON_FLAG_MORE;
const u32 RUST_CONST_HELPER_ND_REGION_CXL = ND_REGION_CXL;
#endif
