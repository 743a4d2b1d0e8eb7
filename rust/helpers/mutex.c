// SPDX-License-Identifier: GPL-2.0
/* include/linux/mutex.h: with lockdep they are functions, without it macros or inline */

void rust_ext_helper___mutex_init(struct mutex *mutex, const char *name,
				  struct lock_class_key *key);
void rust_ext_helper___mutex_init(struct mutex *mutex, const char *name,
				  struct lock_class_key *key)
{
	__mutex_init(mutex, name, key);
}

void rust_ext_helper_mutex_lock_nested(struct mutex *mutex, unsigned int subclass);
void rust_ext_helper_mutex_lock_nested(struct mutex *mutex, unsigned int subclass)
{
	mutex_lock_nested(mutex, subclass);
}

int rust_ext_helper_mutex_trylock(struct mutex *mutex);
int rust_ext_helper_mutex_trylock(struct mutex *mutex)
{
	return mutex_trylock(mutex);
}
