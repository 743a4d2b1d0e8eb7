# SPDX-License-Identifier: GPL-2.0
"""What an administrator does who has no good data to write over the bad, on ext4 and xfs: gives the blocks
back, and lets the file system use them again."""

import errno
import os
from contextlib import suppress

from harness import check, memory, shell
from harness.cases import DAX_FILE_SYSTEMS, WITH_NAMESPACES, case
from harness.disk import SECTOR, extents, first_sectors

PAGE = 4096


def reuse(t, sectors):
    """Writes files until the file system has used the blocks with these sectors again. Both keep freed
    blocks back for a while; xfs also keeps some for itself however full it is, so that filling it up is
    the second choice."""
    for number in range(8):
        if not t.disk.badblocks.list():
            return
        t.file_system.file(f"again{number}", b"r" * (1 << 20))
        os.sync()
    path = os.path.join(t.file_system.directory, "all")
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        at = 0
        for piece in (32 << 20, 1 << 20, 64 << 10, PAGE):
            with suppress(OSError):  # until there is no such piece left
                while True:
                    os.posix_fallocate(fd, at, piece)
                    at += piece
        for logical, physical, length in extents(path):
            for sector in sectors:
                inside = sector * SECTOR - physical
                if 0 <= inside < length:
                    os.pwrite(fd, b"r" * PAGE, (logical + inside) // PAGE * PAGE)
    finally:
        os.close(fd)
    os.unlink(path)


@case(guests=WITH_NAMESPACES, on=DAX_FILE_SYSTEMS)
def punching_frees_and_reuse_repairs(t):
    """Punching a hole does not clear the error: the block is zeroed when it is written again."""
    path = t.file_system.file("punched", b"\1" * (1 << 20))
    sector = first_sectors(path)[9]
    t.disk.badblocks.inject(sector, 8)
    with check.fails(errno.EIO), open(path, "rb") as file:
        file.read()
    shell.run("fallocate", "--punch-hole", "--offset", 9 * PAGE, "--length", PAGE, path)
    os.sync()
    with open(path, "rb") as file:
        check.true(file.read() == b"\1" * 9 * PAGE + bytes(PAGE) + b"\1" * ((1 << 20) - 10 * PAGE), "the file")
    check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after punching")
    with open(path, "r+b") as file:
        file.seek(9 * PAGE)
        file.write(b"w" * 100)
    if t.disk.badblocks.list():
        reuse(t, {sector})
    check.equal(t.disk.badblocks.list(), [], "bad blocks after the block was used again")
    with open(path, "rb") as file:
        file.seek(9 * PAGE)
        check.equal(file.read(PAGE), b"w" * 100 + bytes(PAGE - 100), "what was written into the hole")


@case(on=DAX_FILE_SYSTEMS)
def deleting_and_writing_anew_repairs(t):
    path = t.file_system.file("deleted", b"\1" * (1 << 20))
    sectors = [first_sectors(path)[page] for page in (0, 100, 255)]
    for sector in sectors:
        t.disk.badblocks.inject(sector, 1)
    os.unlink(path)
    os.sync()
    check.equal(len(t.disk.badblocks.list()), 3, "bad blocks after deleting")
    path = t.file_system.file("deleted", b"\2" * (1 << 20))
    left = {start // 8 * 8 for start, _ in t.disk.badblocks.list()}
    if left:
        reuse(t, left)
    check.equal(t.disk.badblocks.list(), [], "bad blocks after the blocks were used again")
    with open(path, "rb") as file:
        check.true(file.read() == b"\2" * (1 << 20), "the new file")


@case(on=DAX_FILE_SYSTEMS)
def stores_to_a_hole_repair(t):
    """A page fault that fills a hole zeroes the block that it gets."""
    path = t.file_system.file("mapped", b"\1" * (1 << 20))
    sector = first_sectors(path)[30]
    t.disk.badblocks.inject(sector, 2)
    shell.run("fallocate", "--punch-hole", "--offset", 30 * PAGE, "--length", PAGE, path)
    os.sync()
    with memory.mapped(path, sync=False) as mapping:
        mapping[30 * PAGE + 5] = 5
        check.equal(mapping[30 * PAGE:30 * PAGE + 7], b"\0\0\0\0\0\5\0", "the filled hole")
    if t.disk.badblocks.list():
        reuse(t, {sector})
    check.equal(t.disk.badblocks.list(), [], "bad blocks")


@case(on=DAX_FILE_SYSTEMS)
def truncating_frees_and_reuse_repairs(t):
    """What is behind the new end is given back, and the file can grow again."""
    path = t.file_system.file("truncated", b"\1" * (1 << 20))
    sector = first_sectors(path)[200]
    t.disk.badblocks.inject(sector + 7, 1)
    os.truncate(path, 200 * PAGE)
    os.sync()
    check.equal(t.disk.badblocks.list(), [(sector + 7, 1)], "bad blocks after truncating")
    with open(path, "r+b") as file:
        check.true(file.read() == b"\1" * 200 * PAGE, "what is left of the file")
        file.write(b"\2" * 56 * PAGE)
    if t.disk.badblocks.list():
        reuse(t, {sector})
    check.equal(t.disk.badblocks.list(), [], "bad blocks after the block was used again")
    with open(path, "rb") as file:
        check.true(file.read() == b"\1" * 200 * PAGE + b"\2" * 56 * PAGE, "the file")


@case(on=DAX_FILE_SYSTEMS)
def zeroing_blocks_does_not_repair_until_they_are_written(t):
    """ext4 only notes that they hold nothing, xfs gives the file others; who writes to the blocks has them
    zeroed."""
    path = t.file_system.file("zeroed", b"\1" * (1 << 20))
    sector = first_sectors(path)[20]
    t.disk.badblocks.inject(sector, 1)
    shell.run("fallocate", "--zero-range", "--offset", 20 * PAGE, "--length", PAGE, path)
    with open(path, "r+b", buffering=0) as file:
        check.equal(os.pread(file.fileno(), PAGE, 20 * PAGE), bytes(PAGE), "what is read")
        left = t.disk.badblocks.list()
        check.true(left in ([], [(sector, 1)]), f"bad blocks after zeroing: {left}")
        os.pwrite(file.fileno(), b"w", 20 * PAGE + 9)
        check.equal(os.pread(file.fileno(), PAGE, 20 * PAGE), bytes(9) + b"w" + bytes(PAGE - 10), "what was written")
    if t.disk.badblocks.list():
        # A single free block in the middle of a file is nobody's first choice.
        os.unlink(path)
        os.sync()
        reuse(t, {sector})
    check.equal(t.disk.badblocks.list(), [], "bad blocks after the block was written")


@case(on=DAX_FILE_SYSTEMS)
def a_part_of_a_bad_block_cannot_be_cut_off(t):
    """What is left of the block would have to be kept, beside zeroes: EIO, and nothing has changed. Whole
    blocks are another matter, and so is the block once it is repaired."""
    t.allow_log(r"^EXT4-fs (error|warning) \(device rpmem0\)|^EXT4-fs \(rpmem0\)")
    path = t.file_system.file("cut", b"\1" * (16 * PAGE))
    sector = first_sectors(path)[5]
    t.disk.badblocks.inject(sector + 1, 1)

    def punch(mode, offset, length):
        done = shell.attempt("fallocate", mode, "--offset", offset, "--length", length, path)
        check.true(done.returncode != 0 and "Input/output error" in done.stderr, f"{mode} {offset} {length}: {done}")

    punch("--punch-hole", 5 * PAGE + 100, 1000)
    punch("--punch-hole", 4 * PAGE, PAGE + 512)
    punch("--zero-range", 5 * PAGE + 2048, 2048)
    with check.fails(errno.EIO):
        os.truncate(path, 5 * PAGE + 10)
    check.equal(t.disk.badblocks.list(), [(sector + 1, 1)], "bad blocks after all that failed")
    with open(path, "r+b", buffering=0) as file:
        with check.fails(errno.EIO):
            os.pread(file.fileno(), 1, 5 * PAGE)
        check.true(os.pread(file.fileno(), 4 * PAGE, 0) == b"\1" * 4 * PAGE, "what is before")
        os.pwrite(file.fileno(), b"n" * PAGE, 5 * PAGE)
    check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting")
    os.truncate(path, 5 * PAGE + 10)
    with open(path, "rb") as file:
        check.true(file.read()[5 * PAGE:] == b"n" * 10, "the file's end")
    t.file_system.unmount()
    # ext4 has noted that a truncate failed.
    checkers = {"ext4": ("e2fsck", "-fp"), "xfs": ("xfs_repair", "-n")}
    if t.case.target in checkers:
        done = shell.attempt(*checkers[t.case.target], t.disk.node)
        check.true(done.returncode in (0, 1), f"{checkers[t.case.target][0]}: {done.stdout}{done.stderr}")
    t.file_system.mount()
    with open(path, "rb") as file:
        check.true(file.read()[5 * PAGE:] == b"n" * 10, "the file's end after a check")
