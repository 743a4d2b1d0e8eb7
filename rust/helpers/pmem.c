// SPDX-License-Identifier: GPL-2.0
/* include/linux/string.h, include/linux/libnvdimm.h, include/linux/sched.h, include/linux/uaccess.h */

void rust_ext_helper_memcpy_flushcache(void *dst, const void *src, size_t cnt);
void rust_ext_helper_memcpy_flushcache(void *dst, const void *src, size_t cnt)
{
	memcpy_flushcache(dst, src, cnt);
}

int rust_ext_helper_cond_resched(void);
int rust_ext_helper_cond_resched(void)
{
	return cond_resched();
}

void rust_ext_helper_pagefault_disable(void);
void rust_ext_helper_pagefault_disable(void)
{
	pagefault_disable();
}

void rust_ext_helper_pagefault_enable(void);
void rust_ext_helper_pagefault_enable(void)
{
	pagefault_enable();
}
