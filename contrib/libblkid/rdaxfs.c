/* SPDX-License-Identifier: GPL-2.0 OR LGPL-2.1-or-later */
/*
 * A prober for rdaxfs volumes: libblkid/src/superblocks/rdaxfs.c of util-linux.
 *
 * The superblock is at byte 0, and a copy of it is in the volume's last block.
 * Only the first one is probed: what has replaced a volume may have left the
 * copy. So it is enough that wipefs erases the magic in block 0: the kernel and
 * fsck.rdaxfs take the copy only if block 0 is rdaxfs's, or if they are told to.
 */
#include <inttypes.h>
#include <stddef.h>

#include "superblocks.h"
#include "crc32c.h"

#define RDAXFS_BLOCK		4096
#define RDAXFS_MIN_BLOCKS	64ULL
#define RDAXFS_MAX_BLOCKS	(1ULL << 32)

struct rdaxfs_super_block {
	uint8_t		magic[8];
	uint32_t	crc;
	uint32_t	compat;
	uint32_t	ro_compat;
	uint32_t	incompat;
	uint8_t		uuid[16];
	uint8_t		reserved_early[32];
	uint64_t	blocks;
	uint64_t	root;
	uint64_t	hash_key[2];
	uint32_t	align_offset;
	uint32_t	slots;
	uint64_t	slots_at;
	uint64_t	created;
	uint32_t	inode_size;
	uint32_t	reserved_size;
	uint64_t	reserved;
	/* What follows is not covered by the checksum. */
	uint8_t		label[32];
	uint64_t	bad_blocks;
	uint64_t	retired_slots;
	uint64_t	state;
} __attribute__((packed));

static int probe_rdaxfs(blkid_probe pr, const struct blkid_idmag *mag)
{
	const size_t from = offsetof(struct rdaxfs_super_block, compat);
	const size_t to = offsetof(struct rdaxfs_super_block, label);
	struct rdaxfs_super_block *sb;
	uint64_t blocks;
	uint32_t crc;

	sb = blkid_probe_get_sb(pr, mag, struct rdaxfs_super_block);
	if (!sb)
		return errno ? -errno : 1;

	/* CRC-32C, inverted at both ends. */
	crc = ~crc32c(~0U, (unsigned char *) sb + from, to - from);
	if (!blkid_probe_verify_csum(pr, crc, le32_to_cpu(sb->crc)))
		return 1;

	blocks = le64_to_cpu(sb->blocks);
	if (blocks < RDAXFS_MIN_BLOCKS || blocks > RDAXFS_MAX_BLOCKS)
		return 1;

	if (*sb->label)
		blkid_probe_set_label(pr, sb->label, sizeof(sb->label));
	blkid_probe_set_uuid(pr, sb->uuid);
	blkid_probe_set_version(pr, "1");
	blkid_probe_set_fsblocksize(pr, RDAXFS_BLOCK);
	blkid_probe_set_block_size(pr, RDAXFS_BLOCK);
	blkid_probe_set_fssize(pr, blocks * RDAXFS_BLOCK);
	blkid_probe_set_fslastblock(pr, blocks);

	return 0;
}

const struct blkid_idinfo rdaxfs_idinfo =
{
	.name		= "rdaxfs",
	.usage		= BLKID_USAGE_FILESYSTEM,
	.probefunc	= probe_rdaxfs,
	.minsz		= RDAXFS_MIN_BLOCKS * RDAXFS_BLOCK,
	.magics		=
	{
		{ .magic = "rdaxfs\0\1", .len = 8 },
		{ NULL }
	}
};
