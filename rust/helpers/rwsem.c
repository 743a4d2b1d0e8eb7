// SPDX-License-Identifier: GPL-2.0
/* include/linux/rwsem.h: with lockdep they are functions, without it macros */

void rust_ext_helper_down_read_nested(struct rw_semaphore *semaphore, int subclass)
{
	down_read_nested(semaphore, subclass);
}

void rust_ext_helper_down_write_nested(struct rw_semaphore *semaphore, int subclass)
{
	down_write_nested(semaphore, subclass);
}
