# SPDX-License-Identifier: GPL-2.0
"""What the same checks run on: the bare disk, or a file of a file system that is mounted with DAX."""

import os

from . import disk as disks
from . import shell, tools

MOUNT_POINT = "/mnt/rpmem"
# No other option: a block is a page, as DAX wants it, and xfs has what mkfs.xfs gives it by default.
MAKE = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-b", "4096"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "rdaxfs": ("mkfs.rdaxfs", "-q", "-f"),
}


# mkfs options that put large files where huge pages can map them.
HUGE_ALIGNED = {
    "ext4": ("-E", "stride=512,stripe-width=512"),
    "xfs": ("-d", "agcount=2,su=2m,sw=1"),
    # It does so by itself.
    "rdaxfs": (),
}


def make_file_system(kind, node, options=()):
    command = MAKE[kind]
    if kind == "rdaxfs":
        tools.run(*command, *options, node)
    else:
        shell.run(*command, *options, node)


class FileSystem:
    """A fresh file system on a disk or partition, mounted."""

    def __init__(self, kind, node, options="dax", directory=MOUNT_POINT, make=True, make_options=()):
        self.kind = kind
        self.node = node
        self.directory = directory
        self.options = options
        if make:
            make_file_system(kind, node, make_options)
        os.makedirs(directory, exist_ok=True)
        self.mounted = False
        self.mount()

    def mount(self):
        shell.run("mount", "-t", self.kind, "-o", self.options, self.node, self.directory)
        self.mounted = True

    def unmount(self):
        shell.run("umount", self.directory)
        self.mounted = False
        if self.kind == "rdaxfs" and os.path.exists(self.node):
            tools.run("fsck.rdaxfs", "-f", "-n", self.node)

    def file(self, name, data=b""):
        """Makes a file with data that is allocated and on the medium."""
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.mounted:
            self.unmount()


class Target:
    """A stretch of bytes to read and write, all of zeroes to begin with, and where on the disk it is."""

    SIZE = 1 << 20

    def __init__(self, kind, disk, file_system):
        self.kind = kind
        self.disk = disk
        self.file_system = file_system
        self.is_file = file_system is not None
        if self.is_file:
            self.path = file_system.file("target", bytes(self.SIZE))
            self.base = 0
        else:
            # Not at the start: there a file system or a partition table would be found.
            self.path = disk.node
            self.base = 16 << 20
            with self.open() as io:
                io.write(self.base, bytes(self.SIZE))

    def fill(self, pages=16):
        """Writes pages whose bytes are their number, from 1 on; what was written."""
        data = b"".join(bytes([number + 1]) * 4096 for number in range(pages))
        self.write(0, data)
        return data

    def open(self, flags=os.O_RDWR):
        """Direct I/O on the disk, where the page cache would be between; a file with DAX has none."""
        return disks.Io(self.path, flags, direct=not self.is_file)

    def sector_of(self, offset):
        """The disk's sector that holds byte `offset` of the target."""
        inside = offset % 4096 // disks.SECTOR
        if not self.is_file:
            return (self.base + offset) // disks.SECTOR
        return disks.first_sectors(self.path)[offset // 4096] + inside

    def read(self, offset, length):
        with self.open(os.O_RDONLY) as io:
            return io.read(self.base + offset, length)

    def write(self, offset, data):
        with self.open() as io:
            io.write(self.base + offset, data)
