# SPDX-License-Identifier: GPL-2.0
"""A disk of the driver: its node, its files in sysfs, its bad blocks."""

import errno
import fcntl
import mmap
import os
import random
import re
import struct

from . import check, files, shell

SECTOR = 512
# A disk that has gone has no bytes any more: the block core says ENOSPC to who writes at some, and gives
# nothing to who reads.
GONE = (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ENOSPC)
# What is at each end of a disk, and a little more.
ENDS = 2 << 20
BLKZEROOUT = 0x127F


class Disk:
    def __init__(self, number):
        self.name = f"rpmem{number}"
        self.node = f"/dev/{self.name}"
        self.sysfs = f"/sys/block/{self.name}"
        self.badblocks = BadblocksFile(f"{self.sysfs}/badblocks")

    def attribute(self, name):
        return shell.read_text(f"{self.sysfs}/{name}").strip()

    def queue(self, name):
        return self.attribute(f"queue/{name}")

    @property
    def sectors(self):
        return int(self.attribute("size"))

    @property
    def bytes(self):
        return self.sectors * SECTOR

    @property
    def address(self):
        """The physical address of the first byte."""
        return int(re.search(rf"^ *([0-9a-f]+)-[0-9a-f]+ : {self.name}$", shell.read_text("/proc/iomem"), re.M)[1], 16)

    @property
    def block_size(self):
        return int(self.queue("logical_block_size"))

    def open(self, flags=os.O_RDWR, direct=True):
        return Io(self.node, flags, direct)

    def wipe_ends(self):
        """Zeros where tables and file systems have their signatures, so that no other test finds them."""
        with self.open() as io:
            io.zero_out(0, ENDS)
            io.zero_out(self.bytes - ENDS, ENDS)


class BadblocksFile:
    """The disk's list of bad sectors. A file of sysfs may be read a page at a time only, hence the
    loops."""

    def __init__(self, path):
        self.path = path

    def text(self, at_once=65536):
        with open(self.path, "rb", buffering=0) as file:
            pieces = iter(lambda: file.read(at_once), b"")
            return b"".join(pieces).decode("ascii")

    def list(self):
        """(start, length) pairs."""
        return [tuple(map(int, line.split(" "))) for line in self.text().splitlines()]

    def write(self, text):
        shell.write_text(self.path, text)

    def inject(self, start, length):
        self.write(f"{start} {length}\n")

    def clear(self, start, length):
        self.write(f"-{start} {length}\n")

    def inject_all(self, ranges):
        """Any number of ranges, in few calls; each takes whole lines and says how many bytes."""
        data = memoryview("".join(f"{start} {length}\n" for start, length in ranges).encode())
        fd = os.open(self.path, os.O_WRONLY)
        try:
            while data:
                data = data[os.write(fd, data[:65536]):]
        finally:
            os.close(fd)


class Io:
    """An open disk or file, read and written at offsets; direct I/O has its buffers aligned."""

    def __init__(self, path, flags, direct):
        self.path = path
        self.fd = os.open(path, flags | (os.O_DIRECT if direct else 0) | os.O_CLOEXEC)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        os.close(self.fd)

    def read(self, offset, length):
        """All of it, or an error; less at the end only."""
        with pages(length) as buffer:
            with memoryview(buffer)[:length] as view:
                got = os.preadv(self.fd, [view], offset)
            return buffer[:got]

    def write(self, offset, data, flags=0):
        with pages(len(data)) as buffer:
            buffer[: len(data)] = data
            with memoryview(buffer)[: len(data)] as view:
                written = os.pwritev(self.fd, [view], offset, flags)
        if written != len(data):
            raise OSError(f"{self.path}: wrote {written} of {len(data)} bytes at {offset}")

    def sync(self):
        os.fsync(self.fd)

    def zero_out(self, offset, length):
        """BLKZEROOUT, for disks."""
        fcntl.ioctl(self.fd, BLKZEROOUT, struct.pack("=QQ", offset, length))


def pages(length):
    """Memory for direct I/O. Private, for shared memory is a file, whose errors are others."""
    return mmap.mmap(-1, max(length, mmap.PAGESIZE), flags=mmap.MAP_PRIVATE)


def extents(path):
    """Where on its disk a file is: (byte of the file, byte of the disk, bytes), in order."""
    start = 0
    fd = os.open(path, os.O_RDONLY)
    try:
        while True:
            last = True
            for logical, physical, length, flags in files.fiemap(fd, files.FIEMAP_FLAG_SYNC, start):
                yield logical, physical, length
                start = logical + length
                last = bool(flags & files.FIEMAP_EXTENT_LAST)
            if last:
                return
    finally:
        os.close(fd)


def first_sectors(path):
    """For each 4096-byte page of a file, the 512-byte sector of the disk that it begins at."""
    return {
        (logical + offset) // mmap.PAGESIZE: (physical + offset) // SECTOR
        for logical, physical, length in extents(path)
        for offset in range(0, length, mmap.PAGESIZE)
    }


def use_until_gone(disk, seed, reads=True, syncs=False):
    """Writes and, if asked for, reads the first 4 MiB at random, until an error says that the disk has gone."""
    chooser = random.Random(seed)
    with disk.open() as io:
        while True:
            try:
                at = chooser.randrange(1024) * 4096
                if not reads or chooser.random() < 0.5:
                    io.write(at, bytes(4096))
                    if syncs:
                        io.sync()
                elif not io.read(at, 16384):
                    return
            except OSError as error:
                check.true(error.errno in GONE, f"{error}")
                return
