// SPDX-License-Identifier: GPL-2.0
/* include/linux/percpu.h */

void rust_ext_helper_this_cpu_add(unsigned long __percpu *counter, unsigned long value)
{
	this_cpu_add(*counter, value);
}
