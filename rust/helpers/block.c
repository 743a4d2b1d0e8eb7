// SPDX-License-Identifier: GPL-2.0
/* include/linux/blkdev.h, include/linux/bio.h */

bool rust_ext_helper_bdev_read_only(struct block_device *bdev)
{
	return bdev_read_only(bdev);
}

struct device *rust_ext_helper_disk_to_dev(struct gendisk *disk)
{
	return disk_to_dev(disk);
}

struct gendisk *rust_ext_helper_dev_to_disk(struct device *dev)
{
	return dev_to_disk(dev);
}

sector_t rust_ext_helper_bdev_nr_sectors(struct block_device *bdev)
{
	return bdev_nr_sectors(bdev);
}

unsigned int rust_ext_helper_bdev_logical_block_size(struct block_device *bdev)
{
	return bdev_logical_block_size(bdev);
}

struct queue_limits rust_ext_helper_queue_limits_start_update(struct request_queue *q)
{
	return queue_limits_start_update(q);
}

void rust_ext_helper_queue_limits_cancel_update(struct request_queue *q)
{
	queue_limits_cancel_update(q);
}
