// SPDX-License-Identifier: GPL-2.0
/* include/linux/sched.h, include/linux/sched/mm.h */

unsigned int rust_ext_helper_memalloc_noio_save(void)
{
	return memalloc_noio_save();
}

void rust_ext_helper_memalloc_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

unsigned int rust_ext_helper_memalloc_nofs_save(void)
{
	return memalloc_nofs_save();
}

void rust_ext_helper_memalloc_nofs_restore(unsigned int flags)
{
	memalloc_nofs_restore(flags);
}

void rust_ext_helper_migrate_disable(void)
{
	migrate_disable();
}

void rust_ext_helper_migrate_enable(void)
{
	migrate_enable();
}
