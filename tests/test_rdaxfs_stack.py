# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: how much of a task's stack the deepest paths take, as the kernel's stack tracer sees it: where C functions
are entered, those that the file system calls among them."""

import ctypes
import mmap
import os
import random

from harness import check, files, shell
from harness.cases import case
from harness.rdaxfs import Volume

PAGE = 4096
TRACING = "/sys/kernel/tracing"
ENABLED = "/proc/sys/kernel/stack_tracer_enabled"
# Of the 16 KiB of a stack on x86-64.
MOST = 12 << 10


def deepest(operation):
    """How many bytes of stack an operation took at most, and the functions, from the deepest on."""
    shell.write_text(f"{TRACING}/stack_max_size", "0")
    shell.write_text(ENABLED, "1")
    try:
        operation()
    finally:
        shell.write_text(ENABLED, "0")
    return int(shell.read_text(f"{TRACING}/stack_max_size")), shell.read_text(f"{TRACING}/stack_trace")


def write_from_holes(source, target):
    """A write of 2 MiB whose source is a mapping of holes, which the write itself does not fault in before."""
    with open(source, "r+b") as file, mmap.mmap(file.fileno(), 2 << 20) as mapping:
        address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        # Private, so that reading faults, too.
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(target, os.O_CREAT | os.O_RDWR, 0o600)
        written = libc.pwrite64(fd, ctypes.c_void_p(address), ctypes.c_size_t(2 << 20), ctypes.c_int64(100))
        os.close(fd)
        check.equal(written, 2 << 20, "bytes written")


@case(limit=300, not_watched="it has no stack tracer, and its checks take stack of their own")
def the_deepest_paths_leave_a_quarter_of_the_stack(t):
    if not os.path.isdir(f"{TRACING}/events"):
        shell.run("mount", "-t", "tracefs", "tracefs", TRACING)
    with Volume(t.disk.node, "dax=always") as volume:
        root = volume.directory
        for name in ("lower", "upper", "work", "merged"):
            (root / name).mkdir()
        for number in range(600):
            (root / "lower" / f"a-file-with-a-name-{number}").write_bytes(b"x" * 100)
        merged = root / "merged"
        shell.run("mount", "-t", "overlay", "-o", f"lowerdir={root}/lower,upperdir={root}/upper,workdir={root}/work", "overlay", merged)
        try:
            # So many pieces that the tree of extents has levels.
            for name in ("source", "target"):
                fd = os.open(merged / name, os.O_CREAT | os.O_RDWR, 0o600)
                os.ftruncate(fd, 4 << 20)
                for page in range(0, 1024, 2):
                    os.pwrite(fd, b"p", page * PAGE)
                os.close(fd)

            def work():
                write_from_holes(merged / "source", merged / "target")
                chance = random.Random(5)
                for number in chance.sample(range(600), 40):
                    name = f"a-file-with-a-name-{number}"
                    with open(merged / name, "ab") as file:
                        file.write(b"copied up")
                    os.rename(merged / name, merged / f"another-{name}")
                    os.setxattr(merged / f"another-{name}", "user.it", b"value" * 100)
                with open(merged / "source", "r+b") as file, mmap.mmap(file.fileno(), 4 << 20) as mapping:
                    for page in range(1, 1024, 2):
                        mapping[page * PAGE] = 1
                fd = os.open(merged / "source", os.O_RDWR)
                files.fallocate(fd, 0x20, 0, 1 << 20)
                files.fallocate(fd, 0x08, 0, 1 << 20)
                os.close(fd)
                for number in range(40):
                    (merged / f"a-directory-{number}").mkdir()
                    os.rmdir(merged / f"a-directory-{number}")
                os.unlink(merged / "target")

            size, trace = deepest(work)
        finally:
            shell.run("umount", merged)
        check.true(1000 < size <= MOST, f"{size} bytes of stack:\n{trace}")
