// SPDX-License-Identifier: GPL-2.0
/* include/linux/iomap.h, include/linux/dax.h */

void rust_ext_helper_iomap_bio_read_folio(struct folio *folio, const struct iomap_ops *ops)
{
	iomap_bio_read_folio(folio, ops);
}

void rust_ext_helper_iomap_bio_readahead(struct readahead_control *rac,
					 const struct iomap_ops *ops)
{
	iomap_bio_readahead(rac, ops);
}

struct iomap_ioend *rust_ext_helper_iomap_ioend_from_bio(struct bio *bio)
{
	return iomap_ioend_from_bio(bio);
}

void rust_ext_helper_bio_set_flag(struct bio *bio, unsigned int bit)
{
	bio_set_flag(bio, bit);
}

long rust_ext_helper_wait_dax_page_idle(struct page *page, long timeout)
{
	return ___wait_var_event(page, ___wait_cond_timeout(dax_page_is_idle(page)),
				 TASK_INTERRUPTIBLE, 0, timeout, __ret = schedule_timeout(__ret));
}
