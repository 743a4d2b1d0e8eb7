// SPDX-License-Identifier: GPL-2.0
/* include/linux/mm.h, include/linux/highmem.h, include/linux/numa.h, include/linux/set_memory.h */

void *rust_ext_helper_page_address(const struct page *page)
{
	return page_address(page);
}

struct folio *rust_ext_helper_pfn_folio(unsigned long pfn)
{
	return pfn_folio(pfn);
}

int rust_ext_helper_folio_ref_count(const struct folio *folio)
{
	return folio_ref_count(folio);
}

int rust_ext_helper_phys_to_target_node(u64 start)
{
	return phys_to_target_node(start);
}

int rust_ext_helper_numa_map_to_online_node(int node)
{
	return numa_map_to_online_node(node);
}

phys_addr_t rust_ext_helper_virt_to_phys(volatile void *address)
{
	return virt_to_phys(address);
}

struct page *rust_ext_helper_pfn_to_page(unsigned long pfn)
{
	return pfn_to_page(pfn);
}

int rust_ext_helper_PageHWPoison(const struct page *page)
{
	return PageHWPoison(page);
}

void rust_ext_helper_SetPageHWPoison(struct page *page)
{
	SetPageHWPoison(page);
}

void rust_ext_helper_ClearPageHWPoison(struct page *page)
{
	ClearPageHWPoison(page);
}

#ifndef CONFIG_X86_64
int rust_ext_helper_clear_mce_nospec(unsigned long pfn)
{
	return clear_mce_nospec(pfn);
}
#endif

struct page *rust_ext_helper_virt_to_page(const void *addr)
{
	return virt_to_page(addr);
}

void rust_ext_helper_flush_dcache_page(struct page *page)
{
	flush_dcache_page(page);
}
