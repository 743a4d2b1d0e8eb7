// SPDX-License-Identifier: GPL-2.0
/*
 * What kernel_ext calls instead of memremap_pages() on the kernel's test bench for NVDIMMs, nfit_test.
 *
 * The bench has a replacement of devm_memremap_pages() only, and that one makes no struct pages, which our drivers look
 * at when they go. Here they are made, of addresses where nothing answers, and the memory is that of the bench.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/memremap.h>
#include <linux/module.h>
#include "nfit_test.h"

/* Called under its other name. */
void *__wrap_memremap_pages(struct dev_pagemap *pgmap, int nid);

void *__wrap_memremap_pages(struct dev_pagemap *pgmap, int nid)
{
	resource_size_t start = pgmap->range.start;
	struct nfit_test_resource *bench = get_nfit_res(start);
	void *direct;

	/* There is no memory for them on the device. */
	if (bench)
		pgmap->flags &= ~PGMAP_ALTMAP_VALID;
	direct = memremap_pages(pgmap, nid);
	if (!bench || IS_ERR_OR_NULL(direct))
		return direct;
	return bench->buf + (start - bench->res.start);
}
EXPORT_SYMBOL_GPL(__wrap_memremap_pages);

MODULE_DESCRIPTION("struct pages for nfit_test");
MODULE_LICENSE("GPL");
