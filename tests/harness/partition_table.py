# SPDX-License-Identifier: GPL-2.0
"""Partitions of a disk."""

from . import shell


def write(disk, table):
    """As sfdisk reads it."""
    shell.run("sfdisk", "--quiet", "--no-tell-kernel", disk.node, stdin=table)
    shell.run("blockdev", "--rereadpt", disk.node)


def remove(disk):
    """The table at the start and its copy at the end."""
    disk.wipe_ends()
    shell.run("blockdev", "--rereadpt", disk.node)
