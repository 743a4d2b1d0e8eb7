# SPDX-License-Identifier: GPL-2.0
"""What a test gets: the driver loaded as its case says, disks, a target, and a way to say which kernel
messages it expects."""

import os
import re

from . import driver, shell, stack, target
from .disk import Disk


class LeftBehind(Exception):
    """A test passed, but did not clear up."""


class Context:
    """`disks` are all of the guest's; `disk` is the one that the test works on."""

    def __init__(self, case):
        self.case = case
        self.expected = []
        self.allowed = []
        self.file_system = None
        self.target = None
        driver.ensure(case.block_size)
        if case.block_size is None:
            return
        self.disks = [Disk(node.removeprefix("/dev/rpmem")) for node in driver.nodes()]
        # The second region gets its share of the checks in the guest of reserved ones.
        self.disk = self.disks[-1 if driver.kind() == "reserved" else 0]
        if case.target in target.MAKE:
            self.file_system = target.FileSystem(case.target, self.disk.node)
        if case.target is not None:
            self.target = target.Target(case.target, self.disk, self.file_system)

    def expect_log(self, pattern):
        """The kernel must say this during the test, and may say it more than once."""
        self.expected.append(pattern)

    def expect_killed_log(self):
        """A task gets SIGBUS for bad memory: what x86's fault handler says; arm64's says nothing."""
        if os.uname().machine == "x86_64":
            self.expect_log("MCE: Killing .* due to hardware memory corruption fault")

    def allow_log(self, pattern):
        """The kernel may say this during the test."""
        self.allowed.append(pattern)

    def close(self):
        if self.file_system is not None and self.file_system.mounted:
            self.file_system.unmount()

    def check_nothing_left(self):
        """Raises if the next test would find anything of this one."""
        mounts = mounted()
        if mounts:
            raise LeftBehind(f"left mounted: {', '.join(mounts)}")
        for node in driver.nodes():
            disk = Disk(node.removeprefix("/dev/rpmem"))
            if bad := disk.badblocks.text():
                raise LeftBehind(f"left bad blocks on {disk.name}: {bad.splitlines()[:3]}")
            if disk.attribute("ro") != "0":
                raise LeftBehind(f"left {disk.name} read-only")
            if parts := [name for name in os.listdir(disk.sysfs) if name.startswith(disk.name)]:
                raise LeftBehind(f"left partitions: {', '.join(parts)}")


def mounted():
    """Where something of the driver's disks, or any other test's file system, is mounted."""
    lines = shell.read_text("/proc/self/mounts").splitlines()
    return [
        line.split()[1] for line in lines if re.match(r"/dev/(rpmem|pmem|ram|md|dm-)\d", line)
    ]


def restore():
    """After a failure: gets rid of whatever the test has left, so that the next begins anew. What
    does not work here makes that one fail."""
    for place in reversed(mounted()):
        shell.attempt("umount", "-f", place)
    stack.remove_all()
    for node in driver.nodes():
        disk = Disk(node.removeprefix("/dev/rpmem"))
        disk.badblocks.clear(0, disk.sectors)
        shell.attempt("blockdev", "--setrw", node)
        shell.attempt("wipefs", "--all", "--force", node)  # partition tables
        shell.attempt("blockdev", "--rereadpt", node)
    if driver.is_loaded():
        shell.attempt("modprobe", "-r", driver.module())
