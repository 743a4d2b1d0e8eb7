// SPDX-License-Identifier: GPL-2.0
/* include/linux/srcu.h: the kernel crate of 7.2 has none of it */

int rust_ext_helper_init_srcu_struct(struct srcu_struct *srcu)
{
	return init_srcu_struct(srcu);
}

int rust_ext_helper_srcu_read_lock(struct srcu_struct *srcu)
{
	return srcu_read_lock(srcu);
}

void rust_ext_helper_srcu_read_unlock(struct srcu_struct *srcu, int index)
{
	srcu_read_unlock(srcu, index);
}

bool rust_ext_helper_preemptible(void)
{
	return preemptible();
}

int rust_ext_helper_rcu_preempt_depth(void)
{
	return rcu_preempt_depth();
}
