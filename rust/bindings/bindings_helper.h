/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Headers whose declarations the kernel crate's bindings do not have, or not
 * in full. What is taken from them is listed in ./allowlist.
 */

#include <linux/anon_inodes.h>
#include <linux/badblocks.h>
#include <linux/blk_types.h>
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/crc32.h>
#include <linux/dax.h>
#include <linux/device.h>
#include <linux/exportfs.h>
#include <linux/fileattr.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fiemap.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/fserror.h>
#include <linux/io.h>
#include <linux/iomap.h>
#include <linux/ioport.h>
#include <linux/jiffies.h>
#include <linux/kernfs.h>
#include <linux/libnvdimm.h>
#include <linux/memory_hotplug.h>
#include <linux/mempool.h>
#include <linux/memremap.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/panic.h>
#include <linux/part_stat.h>
#include <linux/platform_device.h>
#include <linux/preempt.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/property.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/set_memory.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/statfs.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include <linux/splice.h>
#include <linux/srcu.h>
#include <linux/uio.h>
#include <linux/xattr.h>
#include <linux/wait_bit.h>
#include <linux/writeback.h>

#ifdef CONFIG_X86
#include <asm/extable.h>
#endif
#ifdef CONFIG_X86_MCE
#include <asm/mce.h>
#endif

/*
 * Exported by drivers/dax/super.c, but declared in a header of that folder,
 * which header packages do not carry.
 */
struct inode *dax_inode(struct dax_device *dax_dev);

/* Macros with casts, which bindgen does not evaluate by itself. */
const u32 RUST_CONST_HELPER_BLK_FEAT_DAX = (__force u32)BLK_FEAT_DAX;
const u32 RUST_CONST_HELPER_BLK_FEAT_FUA = (__force u32)BLK_FEAT_FUA;
const u32 RUST_CONST_HELPER_BLK_FEAT_IO_STAT = (__force u32)BLK_FEAT_IO_STAT;
const u32 RUST_CONST_HELPER_BLK_FEAT_NOWAIT = (__force u32)BLK_FEAT_NOWAIT;
const u32 RUST_CONST_HELPER_BLK_FEAT_SYNCHRONOUS = (__force u32)BLK_FEAT_SYNCHRONOUS;
const u32 RUST_CONST_HELPER_BLK_FEAT_WRITE_CACHE = (__force u32)BLK_FEAT_WRITE_CACHE;
const u8 RUST_CONST_HELPER_BLK_STS_AGAIN = (__force u8)BLK_STS_AGAIN;
const u8 RUST_CONST_HELPER_BLK_STS_IOERR = (__force u8)BLK_STS_IOERR;
const u8 RUST_CONST_HELPER_BLK_STS_NOTSUPP = (__force u8)BLK_STS_NOTSUPP;
const u32 RUST_CONST_HELPER_FMODE_CAN_ODIRECT = (__force u32)FMODE_CAN_ODIRECT;
const u32 RUST_CONST_HELPER_FMODE_NOWAIT = (__force u32)FMODE_NOWAIT;
const u32 RUST_CONST_HELPER_FMODE_WRITE = (__force u32)FMODE_WRITE;
const u32 RUST_CONST_HELPER_FOP_BUFFER_RASYNC = (__force u32)FOP_BUFFER_RASYNC;
const u32 RUST_CONST_HELPER_FOP_BUFFER_WASYNC = (__force u32)FOP_BUFFER_WASYNC;
const u32 RUST_CONST_HELPER_FOP_MMAP_SYNC = (__force u32)FOP_MMAP_SYNC;
const u32 RUST_CONST_HELPER_GFP_KERNEL = (__force u32)GFP_KERNEL;
const u32 RUST_CONST_HELPER_GFP_NOFS = (__force u32)GFP_NOFS;
const u32 RUST_CONST_HELPER_IOCB_DIRECT = (__force u32)IOCB_DIRECT;
const u32 RUST_CONST_HELPER_IOCB_NOWAIT = (__force u32)IOCB_NOWAIT;
#ifdef CONFIG_X86_MCE
const u64 RUST_CONST_HELPER_MCE_HANDLED_UC = MCE_HANDLED_UC;
const u64 RUST_CONST_HELPER_MCI_STATUS_MISCV = MCI_STATUS_MISCV;
#endif
const u32 RUST_CONST_HELPER_REQ_FUA = (__force u32)REQ_FUA;
const u32 RUST_CONST_HELPER_REQ_NOWAIT = (__force u32)REQ_NOWAIT;
const u32 RUST_CONST_HELPER_REQ_OP_MASK = (__force u32)REQ_OP_MASK;
const u32 RUST_CONST_HELPER_REQ_PREFLUSH = (__force u32)REQ_PREFLUSH;
const u32 RUST_CONST_HELPER_SB_BORN = SB_BORN;
const u32 RUST_CONST_HELPER_SB_LAZYTIME = SB_LAZYTIME;
const u32 RUST_CONST_HELPER_SB_NOSEC = SB_NOSEC;
const u32 RUST_CONST_HELPER_SB_POSIXACL = SB_POSIXACL;
const u32 RUST_CONST_HELPER_SB_RDONLY = SB_RDONLY;
const u32 RUST_CONST_HELPER_SLAB_ACCOUNT = (__force u32)SLAB_ACCOUNT;
const u32 RUST_CONST_HELPER_SLAB_RECLAIM_ACCOUNT = (__force u32)SLAB_RECLAIM_ACCOUNT;
const u64 RUST_CONST_HELPER_VM_SHARED = VM_SHARED;
