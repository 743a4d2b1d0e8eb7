// SPDX-License-Identifier: GPL-2.0
/* include/linux/fs.h: open files, I/O control blocks, the locks of inodes and of their pages */

void rust_ext_helper_inode_lock(struct inode *inode)
{
	inode_lock(inode);
}

void rust_ext_helper_inode_unlock(struct inode *inode)
{
	inode_unlock(inode);
}

void rust_ext_helper_inode_lock_shared(struct inode *inode)
{
	inode_lock_shared(inode);
}

void rust_ext_helper_inode_unlock_shared(struct inode *inode)
{
	inode_unlock_shared(inode);
}

int rust_ext_helper_inode_trylock(struct inode *inode)
{
	return inode_trylock(inode);
}

int rust_ext_helper_inode_trylock_shared(struct inode *inode)
{
	return inode_trylock_shared(inode);
}

void rust_ext_helper_filemap_invalidate_lock(struct address_space *mapping)
{
	filemap_invalidate_lock(mapping);
}

void rust_ext_helper_filemap_invalidate_unlock(struct address_space *mapping)
{
	filemap_invalidate_unlock(mapping);
}

void rust_ext_helper_filemap_invalidate_lock_shared(struct address_space *mapping)
{
	filemap_invalidate_lock_shared(mapping);
}

void rust_ext_helper_filemap_invalidate_unlock_shared(struct address_space *mapping)
{
	filemap_invalidate_unlock_shared(mapping);
}

int rust_ext_helper_inode_writecount(const struct inode *inode)
{
	return atomic_read(&inode->i_writecount);
}

void rust_ext_helper_file_accessed(struct file *file)
{
	file_accessed(file);
}

bool rust_ext_helper_iocb_is_dsync(const struct kiocb *iocb)
{
	return iocb_is_dsync(iocb);
}

ssize_t rust_ext_helper_generic_write_sync(struct kiocb *iocb, ssize_t count)
{
	return generic_write_sync(iocb, count);
}

bool rust_ext_helper_mapping_empty(const struct address_space *mapping)
{
	return mapping_empty(mapping);
}

void rust_ext_helper_sb_start_pagefault(struct super_block *sb)
{
	sb_start_pagefault(sb);
}

void rust_ext_helper_sb_end_pagefault(struct super_block *sb)
{
	sb_end_pagefault(sb);
}
