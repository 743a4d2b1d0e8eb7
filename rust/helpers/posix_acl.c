// SPDX-License-Identifier: GPL-2.0
/* include/linux/posix_acl.h */

struct posix_acl *rust_ext_helper_posix_acl_dup(struct posix_acl *acl)
{
	return posix_acl_dup(acl);
}

void rust_ext_helper_posix_acl_release(struct posix_acl *acl)
{
	posix_acl_release(acl);
}
