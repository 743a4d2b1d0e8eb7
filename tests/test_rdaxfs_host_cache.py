# SPDX-License-Identifier: GPL-2.0
"""rdaxfs on virtio-pmem: memory that a host keeps in its page cache."""

import errno
import os
import re

from harness import check, memory, nd, rdaxfs, shell
from harness.cases import case
from harness.rdaxfs import Volume

PAGE = 4096
DIRECTORY = "/mnt/rdaxfs"
REASON = r"rdaxfs: rpmem0\.0: a host keeps the device in its page cache, .*guest_crash_only"


def flushes():
    """How often the host has said that it has flushed: each is an interrupt of the device."""
    (device,) = [name for name in os.listdir("/sys/bus/virtio/drivers/virtio_pmem") if name.startswith("virtio")]
    lines = shell.read_text("/proc/interrupts").splitlines()
    counts = [sum(map(int, re.findall(r"(?<= )\d+(?= )", line))) for line in lines if re.search(rf"\b{device}\b", line)]
    check.true(counts, f"no interrupt of {device} in /proc/interrupts: {lines}")
    return sum(counts)


def flushed(what, action):
    before = flushes()
    action()
    check.true(flushes() > before, f"the host was not asked to flush by {what}")


@case(guests=("virtio-pmem",), loaded=False)
def rdaxfs_knows_that_the_host_orders_the_stores(t):
    """For writing it is mounted only by an option that says what is lost; a synchronous mapping is refused in any
    case, and what syncs asks the host."""
    t.allow_log(nd.NO_FLUSH)
    nd.load()
    try:
        node = nd.disk().node
        rdaxfs.run("mkfs", "-f", "-q", node)
        os.makedirs(DIRECTORY, exist_ok=True)
        refused(t, node)
        with Volume(node, "guest_crash_only,dax=always", make=False) as volume:
            used(volume)
            volume.unmount()
            read_only(t, node)
            volume.mount()
            check.equal((volume.directory / "dir" / "file").read_bytes()[:PAGE], b"m" * 8 + b"n" * (PAGE - 8), "the file")
        nd.unload()
        nd.load()
        read_only(t, node)
        rdaxfs.run("fsck", "-f", "-n", node)
    finally:
        nd.unload()


def refused(t, node):
    t.expect_log(REASON)
    done = rdaxfs.attempt_mount(node, DIRECTORY)
    check.true(done.returncode, "it was mounted for writing")
    check.true("page cache" in done.stderr or "not supported" in done.stderr, f"mount(8) says {done.stderr!r}")
    check.true(DIRECTORY not in shell.read_text("/proc/self/mounts"), "it is mounted")


def used(volume):
    check.true("guest_crash_only" in shell.read_text("/proc/self/mounts"), "the option is not in /proc/mounts")
    directory = volume.directory / "dir"
    directory.mkdir()
    path = directory / "file"
    path.write_bytes(b"n" * 5 * PAGE)
    with check.fails(errno.EOPNOTSUPP), memory.mapped(path):
        pass
    with memory.mapped(path, sync=False) as mapping:
        mapping[:8] = b"m" * 8
        flushed("msync", mapping.flush)
    for what, at in (("fsync of a file", path), ("fsync of a directory", directory)):
        fd = os.open(at, os.O_RDONLY)
        try:
            flushed(what, lambda: os.fsync(fd))  # pylint: disable=cell-var-from-loop  # called at once
        finally:
            os.close(fd)
    fd = os.open(path, os.O_RDWR | os.O_DSYNC)
    try:
        flushed("a write with O_DSYNC", lambda: os.pwrite(fd, b"n", 2 * PAGE))
    finally:
        os.close(fd)
    flushed("sync", os.sync)
    flushed("umount", volume.unmount)
    volume.mount()


def read_only(t, node):
    """Works, and cannot be made writable."""
    before = flushes()
    shell.run("mount", "-t", "rdaxfs", "-o", "ro", node, DIRECTORY)
    try:
        with open(f"{DIRECTORY}/dir/file", "rb") as file:
            check.equal(file.read(PAGE), b"m" * 8 + b"n" * (PAGE - 8), "the file")
        done = shell.attempt("mount", "-o", "remount,rw", DIRECTORY)
        check.true(done.returncode, "it was remounted for writing")
        t.expect_log(REASON)
        with check.fails(errno.EROFS):
            os.mkdir(f"{DIRECTORY}/new")
        shell.run("mount", "-o", "remount,rw,guest_crash_only", DIRECTORY)
        os.mkdir(f"{DIRECTORY}/new")
        os.rmdir(f"{DIRECTORY}/new")
    finally:
        shell.run("umount", DIRECTORY)
    check.true(flushes() > before, "the host was not asked to flush when it was unmounted")
