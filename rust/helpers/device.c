// SPDX-License-Identifier: GPL-2.0
/* include/linux/device.h, include/linux/kref.h, include/linux/sysfs.h */

struct device *rust_ext_helper_kobj_to_dev(struct kobject *kobj)
{
	return kobj_to_dev(kobj);
}

void rust_ext_helper_device_lock(struct device *dev)
{
	device_lock(dev);
}

void rust_ext_helper_device_unlock(struct device *dev)
{
	device_unlock(dev);
}

void rust_ext_helper_set_dev_node(struct device *dev, int node)
{
	set_dev_node(dev, node);
}

int rust_ext_helper_dev_to_node(struct device *dev)
{
	return dev_to_node(dev);
}

unsigned int rust_ext_helper_kref_read(const struct kref *kref)
{
	return kref_read(kref);
}
