// SPDX-License-Identifier: GPL-2.0
/* include/linux/dax.h, include/linux/memremap.h */

bool rust_ext_helper_dax_synchronous(struct dax_device *dax)
{
	return dax_synchronous(dax);
}

void rust_ext_helper_put_dev_pagemap(struct dev_pagemap *pages)
{
	put_dev_pagemap(pages);
}
