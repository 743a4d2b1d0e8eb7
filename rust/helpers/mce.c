// SPDX-License-Identifier: GPL-2.0
/* arch/x86/include/asm/mce.h */

u64 rust_ext_helper_MCI_ADDR_PHYSADDR(void)
{
	return MCI_ADDR_PHYSADDR;
}
