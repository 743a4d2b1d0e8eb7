# SPDX-License-Identifier: GPL-2.0
"""Partitions of a disk."""

from . import shell


def write(disk, table):
    """As sfdisk reads it."""
    shell.run("sfdisk", "--quiet", "--no-tell-kernel", disk.node, stdin=table)
    shell.run("blockdev", "--rereadpt", disk.node)


def remove(disk):
    """The table at the start and its copy at the end."""
    with disk.open() as io:
        io.zero_out(0, 1 << 20)
        io.zero_out(disk.bytes - (1 << 20), 1 << 20)
    shell.run("blockdev", "--rereadpt", disk.node)
