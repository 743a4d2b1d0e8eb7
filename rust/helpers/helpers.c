// SPDX-License-Identifier: GPL-2.0
/*
 * Wrappers of the C inline functions and macros that Rust needs and bindgen
 * cannot see. A wrapper is one call, has no logic of its own and is named after
 * what it wraps; a file here holds those of one C header or subsystem.
 */

#include "../bindings/bindings_helper.h"

#include "block.c"
#include "dax.c"
#include "device.c"
#include "file.c"
#include "fs.c"
#include "iomap.c"
#ifdef CONFIG_X86_MCE
#include "mce.c"
#endif
#include "mm.c"
#include "mutex.c"
#include "percpu.c"
#include "pmem.c"
#include "posix_acl.c"
#include "rwsem.c"
#include "sched.c"
#include "security.c"
#include "siphash.c"
#ifdef KERNEL_7_2
#include "srcu.c"
#endif
#include "vm.c"
