// SPDX-License-Identifier: GPL-2.0
/* include/linux/mutex.h: with lockdep it is a function, without it a macro */

void rust_ext_helper_mutex_lock_nested(struct mutex *mutex, unsigned int subclass)
{
	mutex_lock_nested(mutex, subclass);
}
