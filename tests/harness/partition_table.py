# SPDX-License-Identifier: GPL-2.0
"""Partitions of a disk."""

from . import shell


# Where the first partition may begin at the earliest: behind the table, in logical blocks.
FIRST = {512: 34, 4096: 6}


def write(disk, table):
    """As sfdisk reads it. Starts that it names are taken as they are, even before the 2 MiB that sfdisk
    keeps free on disks that ask for that."""
    if "start=" in table:
        table = table.replace("label: gpt\n", f"label: gpt\nfirst-lba: {FIRST[disk.block_size]}\n")
    shell.run("sfdisk", "--quiet", "--no-tell-kernel", disk.node, stdin=table)
    shell.run("blockdev", "--rereadpt", disk.node)


def remove(disk):
    """The table at the start and its copy at the end."""
    disk.wipe_ends()
    shell.run("blockdev", "--rereadpt", disk.node)
