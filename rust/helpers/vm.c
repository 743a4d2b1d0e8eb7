// SPDX-License-Identifier: GPL-2.0
/* include/linux/mm.h, include/linux/mm_types.h: areas of virtual memory, and faults in them */

void rust_ext_helper_vma_desc_set_huge_page(struct vm_area_desc *desc)
{
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
}

bool rust_ext_helper_daxdev_mapping_supported(const struct vm_area_desc *desc,
					      const struct inode *inode, struct dax_device *dax)
{
	return daxdev_mapping_supported(desc, inode, dax);
}

vm_fault_t rust_ext_helper_vmf_fs_error(int error)
{
	return vmf_fs_error(error);
}
