# SPDX-License-Identifier: GPL-2.0
"""Page frames that the kernel is told to be bad, by hwpoison-inject."""

from contextlib import contextmanager

from . import shell

FOLDER = "/sys/kernel/debug/hwpoison"
PAGE = 4096


@contextmanager
def injector():
    """hwpoison-inject is loaded. Its filters are off when this is left."""
    shell.run("modprobe", "hwpoison-inject")
    try:
        yield
    finally:
        filter_pages(False)
        shell.run("modprobe", "-r", "hwpoison-inject")


def filter_pages(on):
    """Whether pages that only some may lose are left alone."""
    shell.write_text(f"{FOLDER}/corrupt-filter-enable", "1" if on else "0")


def frame(disk, byte):
    """The page frame number of the page that has a byte of the disk."""
    return (disk.address + byte) // PAGE


def corrupt(number):
    """Memory fails: memory_failure() of a page frame, whose error is an OSError."""
    shell.write_text(f"{FOLDER}/corrupt-pfn", f"{number:#x}")


def unpoison(number):
    shell.write_text(f"{FOLDER}/unpoison-pfn", f"{number:#x}")


def expect_failure(t, first=r"\d+"):
    """The messages of a failed page that the driver records."""
    t.expect_log(f"{t.disk.name}: memory failure: 8 sectors from {first} on are bad now")
    t.expect_log("Memory failure: 0x")
    t.allow_log(
        "Injecting memory failure|Sending SIGBUS to|recovery action for dax page"
        "|MCE: Killing .* due to hardware memory corruption fault"
    )
