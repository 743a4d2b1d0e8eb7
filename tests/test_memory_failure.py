# SPDX-License-Identifier: GPL-2.0
"""Pages that the kernel itself finds bad, here because it is told so: madvise(MADV_HWPOISON), and the
files of hwpoison-inject. Real machine checks are in test_machine_checks.py."""

import errno
import mmap
import os
import re

from harness import check, hwpoison, memory, shell
from harness.cases import BOTH_BLOCK_SIZES, DAX_FILE_SYSTEMS, case
from harness.disk import SECTOR, first_sectors
from harness.target import HUGE_ALIGNED, FileSystem

PAGE = 4096


def corrupted_kib():
    """How much memory the kernel has found bad, ever."""
    return int(re.search(r"^HardwareCorrupted: +(\d+) kB", shell.read_text("/proc/meminfo"), re.M)[1])


@case(blocks=BOTH_BLOCK_SIZES, on=DAX_FILE_SYSTEMS)
def a_failed_page_is_recorded_and_comes_back(t):
    """It is in the list, fails reads, and comes back when it is overwritten, more than once. The process
    that it failed under gets SIGBUS with its address."""
    t.target.fill()
    page = 7
    sector = t.target.sector_of(page * PAGE)
    hwpoison.expect_failure(t, sector)
    for round_ in range(2):
        found = memory.bus_error_of_failing(t.target.path, page * PAGE + 70)
        check.true(found is not None, "no SIGBUS for the process whose memory failed")
        check.equal(found[0], memory.BUS_MCEERR_AR, "si_code")
        check.equal(found[1] // PAGE, page, "the page that si_addr is in")
        check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after the failure")
        with check.fails(errno.EIO):
            t.target.read(page * PAGE, PAGE)
        check.equal(memory.bus_error_of(t.target.path, page * PAGE)[0], memory.BUS_MCEERR_AR, "si_code later")
        new = bytes([0x60 + round_]) * PAGE
        t.target.write(page * PAGE, new)
        check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting")
        check.true(t.target.read(page * PAGE, PAGE) == new, "the new data")
        check.equal(memory.bus_error_of(t.target.path, page * PAGE), None, "a load after overwriting")

    # A page that is repaired is one like any other: an injected error is repaired by the sector again.
    t.disk.badblocks.inject(sector + 1, 2)
    block = t.case.block_size
    with t.disk.open() as io:
        io.write((sector + 1) * SECTOR // block * block, bytes(block))
    left = [(sector + 2, 1)] if block == SECTOR else []
    check.equal(t.disk.badblocks.list(), left, "bad blocks after a write to a part of the page")
    t.disk.badblocks.clear(sector, 8)


@case(on=DAX_FILE_SYSTEMS)
def who_has_the_page_mapped_is_told(t):
    """Also those who do not touch it; who has other pages mapped lives on, and so do the other pages."""
    data = t.target.fill()
    page = 5
    sector = t.target.sector_of(page * PAGE)
    hwpoison.expect_failure(t, sector)
    before = corrupted_kib()
    first = memory.Bystander(t.target.path, page * PAGE)
    second = memory.Bystander(t.target.path, page * PAGE + 4000)
    other = memory.Bystander(t.target.path, (page + 1) * PAGE)
    with hwpoison.injector():
        hwpoison.corrupt(hwpoison.frame(t.disk, sector * SECTOR))
    for one in (first, second):
        # Asynchronously, hence "action optional".
        check.equal(one.bus_error(), (memory.BUS_MCEERR_AO, page * PAGE, 12), "what SIGBUS said")
        check.true(one.end(), "a process that has SIGBUS blocked was killed")
    check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after the failure")
    with check.fails(errno.EIO):
        t.target.read(0, len(data))
    check.true(t.target.read((page + 1) * PAGE, PAGE) == data[(page + 1) * PAGE:(page + 2) * PAGE], "the page behind")
    check.equal(corrupted_kib(), before + 4, "HardwareCorrupted after the failure")

    t.target.write(page * PAGE, b"n" * PAGE)
    check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting")
    check.true(t.target.read(page * PAGE, PAGE) == b"n" * PAGE, "the new data")
    # The kernel has no function for modules that takes it back.
    check.equal(corrupted_kib(), before + 4, "HardwareCorrupted after overwriting")
    check.equal(other.bus_error(seconds=0), None, "a signal for the process with another page")
    check.true(other.end(), "the process with another page was killed")


@case()
def pages_of_no_file_fail(t):
    """The core finds nobody to tell (EBUSY), but the page is recorded, and repaired by whole pages only."""
    at = 1 << 20
    sector = at // SECTOR
    hwpoison.expect_failure(t, sector)
    with hwpoison.injector(), check.fails(errno.EBUSY):
        hwpoison.corrupt(hwpoison.frame(t.disk, sector * SECTOR))
    check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after the failure")
    with t.disk.open() as io:
        with check.fails(errno.EIO):
            io.read(at + 7 * SECTOR, SECTOR)
        for offset, length in ((0, SECTOR), (SECTOR, 7 * SECTOR), (7 * SECTOR, PAGE)):
            with check.fails(errno.EIO):
                io.write(at + offset, bytes(length))
        with check.fails(errno.EIO):
            io.zero_out(at, SECTOR)
        with check.fails(errno.EINVAL):
            t.disk.badblocks.clear(sector, 7)
        check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after writes to a part")
        io.write(at - SECTOR, b"w" * (PAGE + 2 * SECTOR))
        check.equal(t.disk.badblocks.list(), [], "bad blocks after a write around it")
        check.true(io.read(at, PAGE) == b"w" * PAGE, "the new data")
    t.expect_log("covers a part of a page that has failed; clear all 8 sectors of the page, or write to it")


@case(on=("ext4",))
def what_hwpoison_inject_cannot_do(t):
    """unpoison-pfn knows no memory of devices, and a filter keeps corrupt-pfn away from it."""
    t.target.fill()
    sector = t.target.sector_of(3 * PAGE)
    hwpoison.expect_failure(t, sector)
    number = hwpoison.frame(t.disk, sector * SECTOR)
    reader, writer = os.pipe()
    done, start = os.pipe()

    def look():
        """Maps the page, and loads from it again when it has failed."""
        with memory.mapped(t.target.path) as mapping:
            os.write(writer, mapping[3 * PAGE:3 * PAGE + 1])
            os.read(done, 1)
            os.write(writer, mapping[3 * PAGE:3 * PAGE + 1])

    with hwpoison.injector():
        pid = memory.start_child(look)
        check.equal(os.read(reader, 1), b"\4", "the page")
        hwpoison.filter_pages(True)
        hwpoison.corrupt(number)
        check.equal(t.disk.badblocks.list(), [], "bad blocks with a filter")
        hwpoison.filter_pages(False)
        hwpoison.corrupt(number)
        check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks without a filter")
        # The core takes the page from those only that it tells, and from all others with them: who has
        # it mapped already may load from it, and a real error would raise a machine check there.
        os.write(start, b"s")
        check.equal(memory.end_of(pid), 0, "a process that did not ask to be told")
        check.equal(os.read(reader, 1), b"\4", "what it loads")
        with check.fails(errno.EIO, errno.EOPNOTSUPP):
            hwpoison.unpoison(number)
    check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after unpoisoning")
    # The driver's own way to say that the page is good after all: its data is as it was.
    t.disk.badblocks.clear(sector, 8)
    check.equal(t.target.read(3 * PAGE, PAGE), b"\4" * PAGE, "the page")


@case(on=DAX_FILE_SYSTEMS)
def a_page_of_a_huge_mapping_fails(t):
    """One of 512 that are mapped by one entry: all of them are unmapped, one is bad."""
    t.file_system.unmount()
    with FileSystem(t.case.target, t.disk.node, make_options=HUGE_ALIGNED[t.case.target]) as made:
        size = 2 * memory.HUGE
        path = os.path.join(made.directory, "huge")
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
            file.write(b"h" * size)
        sectors = first_sectors(path)
        check.equal(sectors[0] * SECTOR % memory.HUGE, 0, "where the file begins")
        bad = 100
        hwpoison.expect_failure(t, sectors[bad])
        one = memory.Bystander(path, bad * PAGE, huge=True)
        with hwpoison.injector():
            hwpoison.corrupt(hwpoison.frame(t.disk, sectors[bad] * SECTOR))
        # To 21 bits. XFS says which page; for the others the core does, and names the first.
        told = bad if t.case.target == "xfs" else 0
        check.equal(one.bus_error(), (memory.BUS_MCEERR_AO, told * PAGE, 21), "what SIGBUS said")
        check.true(one.end(), "a process that has SIGBUS blocked was killed")
        check.equal(t.disk.badblocks.list(), [(sectors[bad], 8)], "bad blocks after the failure")
        check.equal(memory.bus_error_of(path, (bad - 1) * PAGE), None, "the page before")
        check.equal(memory.bus_error_of(path, bad * PAGE)[0], memory.BUS_MCEERR_AR, "si_code of the page")
        with open(path, "r+b") as file:
            os.pwrite(file.fileno(), b"n" * PAGE, bad * PAGE)
            check.equal(os.pread(file.fileno(), PAGE, bad * PAGE), b"n" * PAGE, "the new data")
        check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting")
        # The first page of the 512 has not failed: an injected error is repaired by the sector.
        t.disk.badblocks.inject(sectors[0], 1)
        with t.disk.open() as io:
            io.write(sectors[0] * SECTOR, b"h" * SECTOR)
        check.equal(t.disk.badblocks.list(), [], "bad blocks after a write to a sector of the first page")


@case(on=("raw",))
def who_cannot_wait_is_told_to_try_again(t):
    """RWF_NOWAIT, of which io_uring makes use: reads and writes are carried out at once, also those that
    clear a bad sector; only pages that must be mapped again first are left to those who can wait."""
    io = t.target.open()
    at = t.target.base
    with io, memoryview(mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE)) as page:
        page[:] = b"once" * (PAGE // 4)
        check.equal(os.pwritev(io.fd, [page], at, os.RWF_NOWAIT), PAGE, "bytes written")
        page[:] = bytes(PAGE)
        check.equal(os.preadv(io.fd, [page], at, os.RWF_NOWAIT), PAGE, "bytes read")
        check.true(bytes(page) == b"once" * (PAGE // 4), "what was read")
        sector = t.target.sector_of(0)
        t.disk.badblocks.inject(sector + 1, 1)
        with check.fails(errno.EIO):
            os.preadv(io.fd, [page], at, os.RWF_NOWAIT)
        check.equal(os.pwritev(io.fd, [page], at, os.RWF_NOWAIT), PAGE, "bytes written over a bad sector")
        check.equal(t.disk.badblocks.list(), [], "bad blocks")

        hwpoison.expect_failure(t, sector)
        with hwpoison.injector(), check.fails(errno.EBUSY):
            hwpoison.corrupt(hwpoison.frame(t.disk, sector * SECTOR))
        check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after the failure")
        with check.fails(errno.EAGAIN):
            os.pwritev(io.fd, [page], at, os.RWF_NOWAIT)
        check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after EAGAIN")
        check.equal(os.pwritev(io.fd, [page], at), PAGE, "bytes written by who waits")
        check.equal(t.disk.badblocks.list(), [], "bad blocks in the end")
