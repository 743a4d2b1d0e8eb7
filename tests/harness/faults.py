# SPDX-License-Identifier: GPL-2.0
"""Allocations that fail on demand: the n-th that a task makes, of slabs and of pages alike, by its
/proc/PID/fail-nth. The kernel has it in Documentation/fault-injection/."""

import os
from contextlib import contextmanager

from . import shell

KINDS = ("failslab", "fail_page_alloc")
# Where modules are on x86-64 without KASLR; see Documentation/arch/x86/x86_64/mm.rst.
MODULES = (0xFFFFFFFFA0000000, 0xFFFFFFFFFF000000)
EVERYWHERE = (0, (1 << 64) - 1)


@contextmanager
def counting(within):
    """Meanwhile those allocations count in whose call chain is an address of this range."""
    _set(within)
    try:
        yield
    finally:
        _set(EVERYWHERE)


def _set(within):
    for kind in KINDS:
        folder = f"/sys/kernel/debug/{kind}"
        settings = {
            "probability": 0,  # none fails but for fail-nth
            "verbose": 0,  # a call trace in the log is for faults of the kernel
            "stacktrace-depth": 32,
            "require-start": within[0],
            "require-end": within[1],
            # Those that may sleep count too: they are most.
            "ignore-gfp-wait": "N",
            "ignore-gfp-highmem": "N",
            "min-order": 0,
        }
        for name, value in settings.items():
            if os.path.exists(f"{folder}/{name}"):
                shell.write_text(f"{folder}/{name}", f"{value}\n")


class Own:
    """The allocations of this thread."""

    def __init__(self):
        self._fd = os.open("/proc/thread-self/fail-nth", os.O_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.pwrite(self._fd, b"0", 0)
        os.close(self._fd)

    def arm(self, position):
        """From here on the allocation with this number (1 is the next) fails."""
        os.pwrite(self._fd, b"%d" % position, 0)

    def disarm(self):
        """How many allocations short of the failure it has been: 0 if one has failed."""
        left = int(os.pread(self._fd, 16, 0))
        os.pwrite(self._fd, b"0", 0)
        return left


# What the kernel says when an allocation fails is no fault of its own. These are, in any case.
REPORT = (
    r"BUG:|WARNING:|KASAN|UBSAN|ODEBUG|Oops|general protection|refcount_t|list_(add|del) corruption"
    r"|lockdep|possible (circular|recursive)|inconsistent lock|suspicious RCU|stall|still has .* objects|panicked"
)


def allow_complaints(t):
    """Lets the kernel complain about memory that it did not get, trace and all, but not report a fault."""
    t.allow_log(f"^(?!.*({REPORT}))")
