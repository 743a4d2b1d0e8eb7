# SPDX-License-Identifier: GPL-2.0
"""What a bad sector does to the one who touches it, and what repairs it: on the bare disk, and in files
of ext4 and xfs with DAX."""

import ctypes
import errno
import json
import mmap
import os

from harness import check, memory, shell
from harness.cases import BOTH_BLOCK_SIZES, DAX_FILE_SYSTEMS, TARGETS, WITH_NAMESPACES, case
from harness.disk import SECTOR

PAGE = 4096


@case(guests=WITH_NAMESPACES, blocks=BOTH_BLOCK_SIZES, on=TARGETS)
def reads_fail_with_eio(t):
    """Those that touch the bad sector, and no others; what is around stays as it was."""
    data = t.target.fill()
    page = 3
    t.disk.badblocks.inject(t.target.sector_of(page * PAGE + SECTOR), 1)
    with t.target.open() as io:
        for offset, length in ((page * PAGE, PAGE), (0, 16 * PAGE), ((page - 1) * PAGE, 2 * PAGE)):
            with check.fails(errno.EIO):
                io.read(t.target.base + offset, length)
        check.true(io.read(t.target.base, page * PAGE) == data[:page * PAGE], "what is before")
        after = (page + 1) * PAGE
        check.true(io.read(t.target.base + after, 8 * PAGE) == data[after:after + 8 * PAGE], "what is after")
        # A whole page, for that is what both kinds of target can repair.
        io.write(t.target.base + page * PAGE, b"n" * PAGE)
        check.true(io.read(t.target.base + page * PAGE, PAGE) == b"n" * PAGE, "the repaired page")
    check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting")


@case(blocks=BOTH_BLOCK_SIZES)
def reads_of_the_disk_fail_to_the_block(t):
    """A read of one block beside the bad one works, down to the sector where a block is one."""
    block = t.case.block_size
    with t.disk.open() as io:
        io.write(1 << 20, b"d" * 4 * 4096)
        t.disk.badblocks.inject((1 << 20) // 512 + 8, 1)
        bad = (1 << 20) + 4096
        with check.fails(errno.EIO):
            io.read(bad, block)
        io.read(bad - block, block)
        io.read(bad + block, block)
        with check.fails(errno.EIO):
            io.read(bad - block, 2 * block)
        io.write(bad, bytes(block))


@case(on=("raw",))
def reads_through_the_page_cache(t):
    """Without O_DIRECT the page cache reads whole pages: EIO, and good data once it is repaired."""
    t.expect_log(r"Buffer I/O error on dev rpmem0, logical block \d+, async page read")
    t.target.fill()
    t.disk.badblocks.inject(t.target.sector_of(0), 1)
    fd = os.open(t.disk.node, os.O_RDWR)
    try:
        with check.fails(errno.EIO):
            os.pread(fd, 1, t.target.base + 100)
        check.equal(os.pread(fd, 1, t.target.base + PAGE), b"\2", "the page behind")
        os.pwrite(fd, b"c" * PAGE, t.target.base)
        os.fsync(fd)
        check.equal(os.pread(fd, 1, t.target.base), b"c", "the repaired page")
    finally:
        os.close(fd)
    check.equal(t.disk.badblocks.list(), [], "bad blocks after fsync")


@case(guests=WITH_NAMESPACES, blocks=BOTH_BLOCK_SIZES, on=DAX_FILE_SYSTEMS)
def mappings_raise_sigbus(t):
    """With the code for a memory error and the address of the access; other pages are mapped as ever."""
    t.expect_killed_log()
    t.target.fill()
    page = 6
    offset = page * PAGE + 777
    t.disk.badblocks.inject(t.target.sector_of(offset), 1)
    for store in (False, True):
        found = memory.bus_error_of(t.target.path, offset, store)
        check.true(found is not None, "the bad page was mapped")
        code, where = found
        check.equal(code, memory.BUS_MCEERR_AR, "si_code")
        check.equal(where // PAGE, page, "the page that si_addr is in")
        check.equal(memory.bus_error_of(t.target.path, offset - PAGE, store), None, "the page before")
    with memory.mapped(t.target.path) as mapping:
        check.equal(memory.in_child(lambda: mapping[offset]), -7, "a child without a handler")
        check.equal(mapping[(page + 1) * PAGE], page + 2, "the page behind")
    t.target.write(page * PAGE, b"n" * PAGE)
    check.equal(memory.bus_error_of(t.target.path, offset), None, "the repaired page")


@case(blocks=BOTH_BLOCK_SIZES)
def writes_clear_the_sectors_that_they_cover(t):
    """Exactly those, also within a block of 4096 bytes, where one write covers eight."""
    at = (1 << 20) // SECTOR
    block = t.case.block_size // SECTOR
    with t.disk.open() as io:
        t.disk.badblocks.inject(at - 20, 60)
        io.write(at * SECTOR, bytes(8 * SECTOR))
        check.equal(t.disk.badblocks.list(), [(at - 20, 20), (at + 8, 32)], "after one write of 4096 bytes")
        io.write((at + 16) * SECTOR, bytes(block * SECTOR))
        check.equal(
            t.disk.badblocks.list(),
            [(at - 20, 20), (at + 8, 8), (at + 16 + block, 24 - block)],
            "after one write of a block",
        )
        with check.fails(errno.EIO):
            io.read((at + 8) * SECTOR, 8 * SECTOR)
        check.equal(io.read(at * SECTOR, 8 * SECTOR), bytes(8 * SECTOR), "what was overwritten")
        io.write((at - 24) * SECTOR, bytes(72 * SECTOR))
    check.equal(t.disk.badblocks.list(), [], "after a write of all")


@case(blocks=BOTH_BLOCK_SIZES)
def bits_of_a_block_are_cleared_one_by_one(t):
    """Single bad sectors of one 4096-byte block."""
    at = (2 << 20) // SECTOR
    with t.disk.open() as io:
        for inside in (0, 3, 7):
            t.disk.badblocks.inject(at + inside, 1)
        check.equal(t.disk.badblocks.list(), [(at, 1), (at + 3, 1), (at + 7, 1)], "injected")
        if t.case.block_size == 512:
            io.write((at + 3) * SECTOR, bytes(SECTOR))
            check.equal(t.disk.badblocks.list(), [(at, 1), (at + 7, 1)], "after one of them")
            io.read((at + 1) * SECTOR, 6 * SECTOR)
        with check.fails(errno.EIO):
            io.read(at * SECTOR, 8 * SECTOR)
        io.write(at * SECTOR, b"x" * 8 * SECTOR)
        check.equal(io.read(at * SECTOR, 8 * SECTOR), b"x" * 8 * SECTOR, "the block")
    check.equal(t.disk.badblocks.list(), [], "after the block")


@case(guests=WITH_NAMESPACES, blocks=BOTH_BLOCK_SIZES)
def zeroing_clears(t):
    """BLKZEROOUT, fallocate and blkdiscard, each of them without a page of zeroes being written."""
    at, sectors = (1 << 20) // SECTOR, 8192
    t.disk.badblocks.inject(at - 5, sectors + 10)
    with t.disk.open() as io:
        io.zero_out(at * SECTOR, sectors * SECTOR)
        check.equal(t.disk.badblocks.list(), [(at - 5, 5), (at + sectors, 5)], "after BLKZEROOUT")
        check.true(io.read(at * SECTOR, sectors * SECTOR) == bytes(sectors * SECTOR), "zeroes")
    shell.run("fallocate", "--zero-range", "--offset", (at - 8) * SECTOR, "--length", PAGE, t.disk.node)
    check.equal(t.disk.badblocks.list(), [(at + sectors, 5)], "after fallocate")
    shell.run("blkdiscard", "--zeroout", "--offset", (at + sectors) * SECTOR, "--length", PAGE, t.disk.node)
    check.equal(t.disk.badblocks.list(), [], "after blkdiscard")


@case()
def failed_reads_leave_the_buffer_alone(t):
    """The medium is not touched, not even what is good of it."""
    with t.disk.open() as io, mmap.mmap(-1, 2 * PAGE) as buffer:
        io.write(1 << 20, b"m" * 2 * PAGE)
        t.disk.badblocks.inject((1 << 20) // SECTOR + 8, 1)
        buffer[:] = b"b" * 2 * PAGE
        with memoryview(buffer) as view, check.fails(errno.EIO):
            os.preadv(io.fd, [view], 1 << 20)
        check.true(buffer[:] == b"b" * 2 * PAGE, "the buffer has changed")
        io.write(1 << 20, bytes(2 * PAGE))


@case(guests=WITH_NAMESPACES, on=DAX_FILE_SYSTEMS)
def overwriting_repairs(t):
    """A whole page, or many with bad ones among them, at once."""
    t.target.fill()
    for page in (2, 3, 9):
        t.disk.badblocks.inject(t.target.sector_of(page * PAGE + 1024), 2)
    t.target.write(2 * PAGE, b"A" * PAGE)
    check.equal(len(t.disk.badblocks.list()), 2, "bad ranges after overwriting one page of three")
    new = bytes(range(256)) * 256
    t.target.write(0, new)
    check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting all")
    check.true(t.target.read(0, len(new)) == new, "the new data")


@case(on=DAX_FILE_SYSTEMS)
def part_of_a_page_does_not_repair(t):
    """A page is the least that can be: less fails and changes nothing."""
    data = t.target.fill()
    t.disk.badblocks.inject(t.target.sector_of(4 * PAGE + 512), 1)
    before = t.disk.badblocks.list()
    for offset, length in ((4 * PAGE, 512), (4 * PAGE + 512, 512), (4 * PAGE + 100, 3000)):
        # The core says EFAULT when the driver takes nothing of a write.
        with check.fails(errno.EIO, errno.EFAULT):
            t.target.write(offset, b"p" * length)
        check.equal(t.disk.badblocks.list(), before, f"bad blocks after {length} bytes at {offset}")
    t.target.write(5 * PAGE, b"good")
    check.equal(t.target.read(3 * PAGE, PAGE), data[3 * PAGE:4 * PAGE], "the page before")
    t.target.write(4 * PAGE, bytes(PAGE))


@case(on=DAX_FILE_SYSTEMS)
def a_write_may_reach_beyond_the_bad_page(t):
    """What counts is whether it covers the page: up to one that it does not, it is carried out."""
    t.target.fill()
    sector = t.target.sector_of(PAGE)
    with t.target.open() as io:
        for what, offset, length, taken in (
            ("from the middle of the page before to that of the one behind", 2048, 2 * PAGE, 2 * PAGE),
            ("all of the page before, and a part of it", 0, PAGE + 512, PAGE),
            ("a part of the page before, and a part of it", 100, PAGE, PAGE - 100),
            ("its end, and the page behind", PAGE + 512, 2 * PAGE, None),
            ("all but its last byte", PAGE, PAGE - 1, None),
        ):
            t.disk.badblocks.inject(sector + 2, 1)
            try:
                found = os.pwrite(io.fd, b"w" * length, offset)
            except OSError as error:
                check.equal(error.errno, errno.EFAULT, f"errno of a write: {what}")
                found = None
            check.equal(found, taken, f"bytes that a write took: {what}")
            is_repaired = taken == length
            check.equal(t.disk.badblocks.list(), [] if is_repaired else [(sector + 2, 1)], f"bad blocks: {what}")
            if taken:
                os.pwrite(io.fd, b"m" * PAGE, PAGE)
                check.true(os.pread(io.fd, PAGE - offset, offset) == b"w" * (PAGE - offset), f"the page before: {what}")
        os.pwrite(io.fd, b"m" * PAGE, PAGE)
    check.equal(t.target.read(2 * PAGE, 2 * PAGE), b"w" * 2048 + b"\3" * 2048 + b"\4" * PAGE, "the pages behind")


@case(on=DAX_FILE_SYSTEMS)
def overwriting_from_a_mapping_of_the_same_page(t):
    """The source is a page of the same file that is not mapped yet: its fault must not wait for the
    write that takes it."""
    t.target.fill()
    t.disk.badblocks.inject(t.target.sector_of(PAGE), 8)
    with memory.mapped(t.target.path, sync=False) as mapping, t.target.open() as io:
        with memoryview(mapping) as view:
            with view[2 * PAGE:3 * PAGE] as source:
                check.equal(os.pwritev(io.fd, [source], PAGE), PAGE, "pwritev")
    check.equal(t.target.read(PAGE, PAGE), b"\3" * PAGE, "the repaired page")
    check.equal(t.disk.badblocks.list(), [], "bad blocks")


@case(on=DAX_FILE_SYSTEMS, limit=30)
def overwriting_from_memory_that_ends_ends(t):
    """The source ends in the middle of the page: a short write or EFAULT, and the process lives on."""
    t.target.fill()
    sector = t.target.sector_of(PAGE)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.pwrite.restype = ctypes.c_ssize_t
    libc.pwrite.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]
    with mmap.mmap(-1, 2 * PAGE) as buffer, t.target.open() as io:
        buffer[:PAGE] = b"s" * PAGE
        base = ctypes.addressof(ctypes.c_ubyte.from_buffer(buffer))
        libc.mprotect(ctypes.c_void_p(base + PAGE), PAGE, 0)
        for there in (100, 512, 1000, 4000):
            t.disk.badblocks.inject(sector, 8)
            written = libc.pwrite(io.fd, base + PAGE - there, PAGE, PAGE)
            if written < 0:
                check.true(ctypes.get_errno() in (errno.EFAULT, errno.EIO), f"errno {ctypes.get_errno()}")
                written = 0
            check.true(written <= there, f"{written} bytes written of {there}")
            # What was written whole is good, and no sector beyond.
            cleared = written // SECTOR
            left = [(sector + cleared, 8 - cleared)] if cleared < 8 else []
            check.equal(t.disk.badblocks.list(), left, f"bad blocks after {written} bytes of {there}")
        libc.mprotect(ctypes.c_void_p(base + PAGE), PAGE, mmap.PROT_READ | mmap.PROT_WRITE)
        t.target.write(PAGE, bytes(PAGE))


@case(on=DAX_FILE_SYSTEMS)
def errors_do_not_stick_to_the_file(t):
    """After the repair everything works as if nothing had been: reads, mappings, fsync, umount, fsck."""
    t.target.fill()
    t.disk.badblocks.inject(t.target.sector_of(PAGE), 1)
    with check.fails(errno.EIO):
        t.target.read(0, 4 * PAGE)
    t.target.write(PAGE, b"n" * PAGE)
    with t.target.open() as io:
        io.sync()
    t.file_system.unmount()
    # What is unmounted is checked, for rdaxfs.
    checkers = {"ext4": ("e2fsck", "-fn"), "xfs": ("xfs_repair", "-n")}
    if t.case.target in checkers:
        shell.run(*checkers[t.case.target], t.disk.node)
    t.file_system.mount()
    check.equal(t.target.read(PAGE, PAGE), b"n" * PAGE, "the repaired page")


@case(on=("raw",))
def direct_io_batches(t):
    """Many requests at once, one of them bad: that one fails, the others do not."""
    t.target.fill()
    t.disk.badblocks.inject(t.target.sector_of(5 * PAGE), 1)
    job = (
        "--name=reads --rw=read --bs=4k --ioengine=libaio --iodepth=8 --direct=1 --continue_on_error=io "
        f"--filename={t.disk.node} --offset={t.target.base} --size=64k --output-format=json"
    )
    done = shell.attempt("fio", *job.split())
    report = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    check.equal(report["total_err"], 1, "failed requests")
    check.equal(report["read"]["total_ios"], 16, "requests")
    t.target.write(5 * PAGE, bytes(PAGE))
