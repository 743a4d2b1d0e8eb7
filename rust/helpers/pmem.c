// SPDX-License-Identifier: GPL-2.0
/* include/linux/string.h, include/linux/libnvdimm.h, include/linux/sched.h */
/* include/linux/uaccess.h */

void rust_ext_helper_memcpy_flushcache(void *dst, const void *src, size_t cnt)
{
	memcpy_flushcache(dst, src, cnt);
}

int rust_ext_helper_cond_resched(void)
{
	return cond_resched();
}

void rust_ext_helper_pagefault_disable(void)
{
	pagefault_disable();
}

void rust_ext_helper_pagefault_enable(void)
{
	pagefault_enable();
}

#ifndef CONFIG_ARCH_HAS_COPY_MC
unsigned long rust_ext_helper_copy_mc_to_kernel(void *dst, const void *src, unsigned int len)
{
	return copy_mc_to_kernel(dst, src, len);
}
#endif

void rust_ext_helper_arch_wb_cache_pmem(void *addr, size_t size)
{
	arch_wb_cache_pmem(addr, size);
}

void rust_ext_helper_arch_invalidate_pmem(void *addr, size_t size)
{
	arch_invalidate_pmem(addr, size);
}

void rust_ext_helper_pmem_wmb(void)
{
	pmem_wmb();
}
