# SPDX-License-Identifier: GPL-2.0
"""Device-mapper and md devices on top of the driver's disks."""

import glob
import os
from contextlib import contextmanager

from . import shell
from .check import wait_until
from .disk import SECTOR
from .kernel_log import KernelLog

MIB = (1 << 20) // SECTOR  # in sectors
CHUNK = MIB  # of a striped device: a multiple of what a page table entry may map


@contextmanager
def mapper(name, table):
    """A device-mapper device; its node. There is no udev to make one with a name."""
    modules = {"writecache": "dm-writecache", "linear": "dm-mod", "striped": "dm-mod", "raid": "dm-raid"}
    shell.run("modprobe", modules[table.split()[2]])
    shell.run("dmsetup", "create", "--noudevsync", name, stdin=table)
    try:
        yield "/dev/" + shell.run("dmsetup", "info", "-c", "--noheadings", "-o", "blkdevname", name).strip()
    finally:
        shell.run("dmsetup", "remove", "--noudevsync", name)


class Linear:
    """The first sectors of one disk, then those of another from some sector on."""

    name = "linear"

    def __init__(self, disks, sectors):
        self._disks, self._half = disks, sectors // 2
        self._starts = (0, 4 * MIB)

    def table(self):
        return "".join(
            f"{number * self._half} {self._half} linear {disk.node} {start}\n"
            for number, (disk, start) in enumerate(zip(self._disks, self._starts))
        )

    def locate(self, sector):
        """The disk, and its sector, that a sector of the device is on."""
        number, inside = divmod(sector, self._half)
        return self._disks[number], self._starts[number] + inside


class Striped:
    """Chunks of the disks in turn."""

    name = "striped"

    def __init__(self, disks, sectors):
        self._disks, self._sectors = disks, sectors

    def table(self):
        devices = " ".join(f"{disk.node} 0" for disk in self._disks)
        return f"0 {self._sectors} striped {len(self._disks)} {CHUNK} {devices}\n"

    def locate(self, sector):
        """The disk, and its sector, that a sector of the device is on."""
        chunk, inside = divmod(sector, CHUNK)
        row, number = divmod(chunk, len(self._disks))
        return self._disks[number], row * CHUNK + inside


class Mirror:
    """An md array of level 1, which reads from the first disk as long as it can."""

    NODE = "/dev/md0"
    SYSFS = "/sys/block/md0/md"

    def __init__(self, disks, mebibytes):
        self.disks = disks
        self._size = mebibytes

    def __enter__(self):
        first, second = self.disks
        shell.run(
            "mdadm", "--create", self.NODE, "--level=1", "--raid-devices=2", "--metadata=1.2", "--bitmap=none",
            "--assume-clean", f"--size={self._size}M", "--run", first.node, "--write-mostly", second.node,
        )
        return self

    def __exit__(self, *_):
        shell.run("mdadm", "--stop", self.NODE)
        for disk in self.disks:
            shell.run("mdadm", "--zero-superblock", disk.node)

    def attribute(self, name):
        return shell.read_text(f"{self.SYSFS}/{name}").strip()

    def data_sector(self, leg):
        """Where the array's data begins on a disk."""
        return int(self.attribute(f"rd{leg}/offset"))

    def scrub(self, action):
        """Has all of both disks read and compared, and waits until that is done."""
        # sync_action says "idle" before it begins as well as afterwards.
        with KernelLog() as log:
            shell.write_text(f"{self.SYSFS}/sync_action", action)
            wait_until(lambda: any(line.text == f"md: md0: {action} done." for line in log.take()), f"{action} is done")
        wait_until(lambda: self.attribute("sync_action") == "idle", "the array is idle")

    def wait_until_whole(self):
        wait_until(lambda: self.attribute("degraded") == "0", "both disks are there")
        wait_until(lambda: self.attribute("sync_action") == "idle", "the array is idle")


def remove_all():
    """After a failed test."""
    for array in glob.glob("/dev/md[0-9]*"):
        shell.attempt("mdadm", "--stop", array)
    if os.path.exists("/dev/mapper/control"):
        shell.attempt("dmsetup", "remove_all", "--force")
