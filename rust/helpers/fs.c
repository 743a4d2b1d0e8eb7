// SPDX-License-Identifier: GPL-2.0
/* include/linux/fs.h, include/linux/fs/super.h, include/linux/dcache.h */

void *rust_ext_helper_alloc_inode_sb(struct super_block *sb, struct kmem_cache *cache, gfp_t gfp)
{
	return alloc_inode_sb(sb, cache, gfp);
}

u32 rust_ext_helper_inode_state_read_once(struct inode *inode)
{
	return inode_state_read_once(inode);
}

u32 rust_ext_helper_inode_nlink(const struct inode *inode)
{
	return inode->i_nlink;
}

loff_t rust_ext_helper_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}

void rust_ext_helper_i_size_write(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}

uid_t rust_ext_helper_i_uid_read(const struct inode *inode)
{
	return i_uid_read(inode);
}

gid_t rust_ext_helper_i_gid_read(const struct inode *inode)
{
	return i_gid_read(inode);
}

void rust_ext_helper_i_uid_write(struct inode *inode, uid_t uid)
{
	i_uid_write(inode, uid);
}

void rust_ext_helper_i_gid_write(struct inode *inode, gid_t gid)
{
	i_gid_write(inode, gid);
}

struct timespec64 rust_ext_helper_inode_get_ctime(const struct inode *inode)
{
	return inode_get_ctime(inode);
}

void rust_ext_helper_inode_set_atime_to_ts(struct inode *inode, struct timespec64 time)
{
	inode_set_atime_to_ts(inode, time);
}

void rust_ext_helper_inode_set_mtime_to_ts(struct inode *inode, struct timespec64 time)
{
	inode_set_mtime_to_ts(inode, time);
}

bool rust_ext_helper_dir_emit(struct dir_context *context, const char *name, int len,
			      u64 ino, unsigned int type)
{
	return dir_emit(context, name, len, ino, type);
}

bool rust_ext_helper_dir_emit_dots(struct file *file, struct dir_context *context)
{
	return dir_emit_dots(file, context);
}

struct inode *rust_ext_helper_file_inode(const struct file *file)
{
	return file_inode(file);
}

int rust_ext_helper_finish_open_simple(struct file *file, int error)
{
	return finish_open_simple(file, error);
}

void rust_ext_helper_super_set_sysfs_name_bdev(struct super_block *sb)
{
	super_set_sysfs_name_bdev(sb);
}

void rust_ext_helper_sb_start_intwrite(struct super_block *sb)
{
	sb_start_intwrite(sb);
}

void rust_ext_helper_sb_end_intwrite(struct super_block *sb)
{
	sb_end_intwrite(sb);
}

struct dentry *rust_ext_helper_dget(struct dentry *dentry)
{
	return dget(dentry);
}

void rust_ext_helper_set_delayed_call(struct delayed_call *call, void (*function)(void *),
				      void *arg)
{
	set_delayed_call(call, function, arg);
}

dev_t rust_ext_helper_MKDEV(u32 major, u32 minor)
{
	return MKDEV(major, minor);
}

u32 rust_ext_helper_MAJOR(dev_t device)
{
	return MAJOR(device);
}

u32 rust_ext_helper_MINOR(dev_t device)
{
	return MINOR(device);
}

struct timespec64 rust_ext_helper_inode_get_atime(const struct inode *inode)
{
	return inode_get_atime(inode);
}

struct timespec64 rust_ext_helper_inode_get_mtime(const struct inode *inode)
{
	return inode_get_mtime(inode);
}

void rust_ext_helper_lock_i_lock(struct inode *inode)
{
	spin_lock(&inode->i_lock);
}

void rust_ext_helper_unlock_i_lock(struct inode *inode)
{
	spin_unlock(&inode->i_lock);
}

void rust_ext_helper_lock_d_lock(struct dentry *dentry)
{
	spin_lock(&dentry->d_lock);
}

void rust_ext_helper_unlock_d_lock(struct dentry *dentry)
{
	spin_unlock(&dentry->d_lock);
}

bool rust_ext_helper_d_is_only_alias(const struct dentry *dentry, struct inode *inode)
{
	return hlist_is_singular_node((struct hlist_node *)&dentry->d_alias, &inode->i_dentry);
}

bool rust_ext_helper_d_unhashed(const struct dentry *dentry)
{
	return d_unhashed(dentry);
}

unsigned int rust_ext_helper_d_count(const struct dentry *dentry)
{
	return d_count(dentry);
}
