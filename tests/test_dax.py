# SPDX-License-Identifier: GPL-2.0
"""Files with DAX: what a program stores through a mapping is what read(2) and the disk have, and the
mapping's pages serve as any other memory."""

import ctypes
import errno
import mmap
import os
import random
import struct

from harness import check, driver, memory, partition_table, shell
from harness.cases import BOTH_BLOCK_SIZES, DAX_FILE_SYSTEMS, WITH_NAMESPACES, case
from harness.disk import SECTOR, Io, first_sectors
from harness.target import HUGE_ALIGNED, FileSystem

PAGE = mmap.PAGESIZE
STATX_ATTR_DAX = 0x00200000
HERE = os.path.dirname(os.path.abspath(__file__))

_libc = ctypes.CDLL(None, use_errno=True)


def statx_attributes(path):
    """stx_attributes and stx_attributes_mask; Python's os has no statx in every version."""
    answer = ctypes.create_string_buffer(256)
    at_fdcwd, mask = -100, 0x7FF
    if _libc.statx(at_fdcwd, path.encode(), 0, mask, answer):
        raise OSError(ctypes.get_errno(), path)
    return struct.unpack_from("=Q", answer, 8)[0], struct.unpack_from("=Q", answer, 56)[0]


def raw_page(t, path, page):
    """A page of a file as the disk has it."""
    with t.disk.open(os.O_RDONLY) as io:
        return io.read(first_sectors(path)[page] * SECTOR, PAGE)


@case(guests=WITH_NAMESPACES, blocks=BOTH_BLOCK_SIZES, on=DAX_FILE_SYSTEMS)
def stores_reach_the_medium(t):
    """A store through a mapping is seen by read(2) and on the disk, and the other way round."""
    attributes, mask = statx_attributes(t.target.path)
    check.true(mask & STATX_ATTR_DAX and attributes & STATX_ATTR_DAX, "statx does not call it a DAX file")
    page = 5
    with memory.mapped(t.target.path) as mapping:
        mapping[page * PAGE + 100:page * PAGE + 111] = b"by mapping\n"
        mapping.flush(page * PAGE, PAGE)
        check.equal(t.target.read(page * PAGE + 100, 11), b"by mapping\n", "read(2)")
        check.equal(raw_page(t, t.target.path, page)[100:111], b"by mapping\n", "the disk")

        t.target.write(page * PAGE + 200, b"by write(2)\n")
        check.equal(mapping[page * PAGE + 200:page * PAGE + 212], b"by write(2)\n", "the mapping")
        check.equal(raw_page(t, t.target.path, page)[200:212], b"by write(2)\n", "the disk after write(2)")

        with t.disk.open() as io:
            io.write(first_sectors(t.target.path)[page] * SECTOR, b"by the disk\n" + bytes(PAGE - 12))
        check.equal(mapping[page * PAGE:page * PAGE + 12], b"by the disk\n", "the mapping after a write to the disk")
        check.equal(t.target.read(page * PAGE, 12), b"by the disk\n", "read(2) after a write to the disk")


@case(on=DAX_FILE_SYSTEMS)
def data_outlives_the_mount(t):
    data = random.Random(3).randbytes(3 * PAGE + 17)
    with memory.mapped(t.target.path) as mapping:
        mapping[PAGE - 5:PAGE - 5 + len(data)] = data
    t.file_system.unmount()
    t.file_system.mount()
    check.true(t.target.read(PAGE - 5, len(data)) == data, "what was stored before umount")
    with memory.mapped(t.target.path) as mapping:
        check.true(mapping[PAGE - 5:PAGE - 5 + len(data)] == data, "what was stored, by mapping")


@case(on=DAX_FILE_SYSTEMS)
def synchronous_mappings(t):
    """MAP_SYNC works with DAX, and is refused without: dax=never has a page cache."""
    with memory.mapped(t.target.path, sync=True) as mapping:
        mapping[:4] = b"sync"
    t.file_system.unmount()
    t.file_system.options = "dax=never"
    t.file_system.mount()
    with check.fails(errno.EOPNOTSUPP):
        with memory.mapped(t.target.path, sync=True):
            pass
    check.equal(t.target.read(0, 4), b"sync", "what was stored")


@case(on=DAX_FILE_SYSTEMS)
def every_way_to_flush(t):
    """msync, fsync, fdatasync, sync_file_range and sync all end well, with dirty pages here and there."""
    with memory.mapped(t.target.path, sync=False) as mapping:
        fd = os.open(t.target.path, os.O_RDWR)
        try:
            for number, flush in enumerate((mapping.flush, lambda: os.fsync(fd), lambda: os.fdatasync(fd), os.sync)):
                for page in (0, 3, 200):
                    mapping[page * PAGE + number] = 0x41 + number
                flush()
                check.equal(raw_page(t, t.target.path, 200)[number], 0x41 + number, "the disk")
        finally:
            os.close(fd)


@case(on=DAX_FILE_SYSTEMS)
def private_mappings_keep_stores_to_themselves(t):
    with open(t.target.path, "r+b") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapping:
            t.target.write(0, b"shared")
            mapping[PAGE:PAGE + 7] = b"private"
            check.equal(mapping[:6], b"shared", "the private mapping of a page nobody stored to")
            check.equal(mapping[PAGE:PAGE + 7], b"private", "the private mapping")
    check.equal(t.target.read(PAGE, 7), bytes(7), "the file")


@case(on=DAX_FILE_SYSTEMS)
def holes_read_as_zeroes_and_fill(t):
    path = os.path.join(t.file_system.directory, "holes")
    with open(path, "wb") as file:
        file.truncate(64 * PAGE)
    with memory.mapped(path, sync=False) as mapping:
        check.equal(mapping[7 * PAGE:8 * PAGE], bytes(PAGE), "a hole")
        mapping[7 * PAGE + 1] = 0x7A
        check.equal(mapping[7 * PAGE:7 * PAGE + 3], b"\0z\0", "a hole that was stored to")
        check.equal(mapping[8 * PAGE:9 * PAGE], bytes(PAGE), "the hole behind it")
    check.equal(sorted(first_sectors(path)), [7], "pages that have blocks")


@case(on=DAX_FILE_SYSTEMS)
def truncated_files_raise_bus_errors(t):
    """Behind the end of the file, as on any file system."""
    path = t.file_system.file("short", bytes(4 * PAGE))
    os.truncate(path, PAGE)
    check.equal(memory.bus_error_of(path, 10), None, "within the file")
    fd = os.open(path, os.O_RDWR)
    os.truncate(path, 4 * PAGE)
    try:
        with mmap.mmap(fd, 4 * PAGE) as mapping:
            mapping[3 * PAGE] = 1
            os.truncate(path, PAGE)
            check.equal(memory.in_child(lambda: mapping[3 * PAGE]), -7, "a load behind the end")
            check.equal(mapping[0], 0, "a load within it")
    finally:
        os.close(fd)


class RamDisk:
    """A disk without DAX, for what needs the page cache or a device that copies from memory."""

    def __enter__(self):
        shell.run("modprobe", "brd", "rd_nr=1", "rd_size=65536")
        return "/dev/ram0"

    def __exit__(self, *_):
        shell.run("modprobe", "-r", "brd")


@case(guests=WITH_NAMESPACES, blocks=BOTH_BLOCK_SIZES, on=DAX_FILE_SYSTEMS)
def direct_io_with_the_mapping_as_buffer(t):
    """O_DIRECT pins the pages of its buffer, which takes struct pages: to another disk and from it."""
    data = random.Random(4).randbytes(16 * PAGE)
    with RamDisk() as node, memory.mapped(t.target.path) as mapping:
        mapping[PAGE:PAGE + len(data)] = data
        fd = os.open(node, os.O_RDWR | os.O_DIRECT)
        try:
            with memoryview(mapping) as view:
                with view[PAGE:PAGE + len(data)] as source:
                    check.equal(os.pwrite(fd, source, 0), len(data), "pwrite from the mapping")
                with view[32 * PAGE:32 * PAGE + len(data)] as destination:
                    check.equal(os.preadv(fd, [destination], 0), len(data), "preadv into the mapping")
        finally:
            os.close(fd)
        check.true(mapping[32 * PAGE:32 * PAGE + len(data)] == data, "the mapping")
    check.true(t.target.read(32 * PAGE, len(data)) == data, "read(2)")
    check.true(raw_page(t, t.target.path, 33) == data[PAGE:2 * PAGE], "the disk")


@case(on=DAX_FILE_SYSTEMS)
def direct_io_from_one_file_to_another(t):
    """Both on this file system: the buffer and the destination are the same medium."""
    other = t.file_system.file("other", bytes(8 * PAGE))
    with memory.mapped(t.target.path) as mapping:
        mapping[:8 * PAGE] = b"12345678" * PAGE
        with Io(other, os.O_RDWR, direct=True) as io, memoryview(mapping) as view:
            with view[:8 * PAGE] as source:
                check.equal(os.pwrite(io.fd, source, 0), 8 * PAGE, "pwrite")
        with open(other, "rb") as file:
            check.true(file.read() == b"12345678" * PAGE, "the other file")


@case(on=DAX_FILE_SYSTEMS)
def sendfile_and_splice(t):
    """Through a socket, a pipe, and to a file with a page cache."""
    data = random.Random(5).randbytes(5 * PAGE + 100)
    t.target.write(300, data)
    source, destination = os.open(t.target.path, os.O_RDONLY), os.open(t.target.path, os.O_WRONLY)
    path = "/tmp/copy"
    copy = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    reader, writer = os.pipe()
    try:
        done = 0
        while done < len(data):
            done += os.sendfile(copy, source, 300 + done, len(data) - done)
        check.true(os.pread(copy, len(data) + 1, 0) == data, "sendfile")

        got = b""
        while len(got) < len(data):
            moved = os.splice(source, writer, min(len(data) - len(got), 4 * PAGE), offset_src=300 + len(got))
            got += os.read(reader, moved)
        check.true(got == data, "splice from the file")

        os.write(writer, b"into the file")
        check.equal(os.splice(reader, destination, 13, offset_dst=99), 13, "splice into it")
        check.equal(t.target.read(99, 13), b"into the file", "what was spliced in")
    finally:
        for fd in (source, destination, copy, reader, writer):
            os.close(fd)
        os.unlink(path)


@case(on=DAX_FILE_SYSTEMS)
def vmsplice_from_the_mapping(t):
    """Pages of the mapping itself go into a pipe."""
    reader, writer = os.pipe()
    with memory.mapped(t.target.path) as mapping:
        mapping[2 * PAGE:2 * PAGE + 6] = b"pages!"
        base = ctypes.addressof(ctypes.c_ubyte.from_buffer(mapping))
        vector = struct.pack("=QQ", base + 2 * PAGE, PAGE)
        moved = _libc.vmsplice(writer, vector, 1, 0)
        check.equal(moved, PAGE, f"vmsplice ({os.strerror(ctypes.get_errno())})")
        check.equal(os.read(reader, PAGE)[:6], b"pages!", "what came through the pipe")
        os.close(reader)
        os.close(writer)


HUGE = memory.HUGE


@case(guests=WITH_NAMESPACES, on=DAX_FILE_SYSTEMS)
def huge_pages(t):
    """A 2 MiB-aligned file is mapped by one entry: touching all its pages takes one fault, not 512."""
    t.file_system.unmount()
    with FileSystem(t.case.target, t.disk.node, make_options=HUGE_ALIGNED[t.case.target]) as made:
        path = os.path.join(made.directory, "huge")
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 4 * HUGE)
            file.write(b"\1" * (4 * HUGE))
        sectors = first_sectors(path)
        aligned = [
            number for number in range(4)
            if all(sectors[number * 512 + i] == sectors[number * 512] + i * 8 for i in range(512))
            and sectors[number * 512] * SECTOR % HUGE == 0
        ]
        check.true(aligned, f"no part of the file is aligned: it begins at sector {sectors[0]}")
        first = aligned[0] * HUGE
        for store in (False, True):
            with memory.mapped_at_huge_boundary(path, 4 * HUGE) as data:
                before = memory.faults()
                for offset in range(first, first + HUGE, PAGE):
                    if store:
                        data[offset] = 2
                    else:
                        check.equal(data[offset], 1, "what was written")
                taken = memory.faults() - before
            # The interpreter may take a few of its own. /proc/self/smaps does not count such pages.
            check.true(1 <= taken < 50, f"{taken} faults (stores: {store})")
        with open(path, "rb") as file:
            file.seek(first)
            check.true(file.read(HUGE) == (b"\2" + b"\1" * (PAGE - 1)) * 512, "what was stored")


def faults_of_touching(path, length):
    """How many page faults it takes to store to every page of a new file; with them are counted those that
    the interpreter takes for itself, few once it has done the same before."""
    offsets = range(0, length, PAGE)
    with open(path, "xb") as file:
        os.posix_fallocate(file.fileno(), 0, length)
        os.fsync(file.fileno())
    with memory.mapped_at_huge_boundary(path, length) as data:
        before = memory.faults()
        for offset in offsets:
            data[offset] = 1
        return memory.faults() - before


@case(guests=("large", "larger"), on=("raw",))
def plain_mkfs_gives_huge_pages(t):
    """Without a word about stripes, from 1 GiB on, on the disk and on a partition."""
    length = 64 << 20
    partition_table.write(t.disk, "label: gpt\nsize=1G\n")
    node = f"{t.disk.node}p1"
    for where in (node, t.disk.node):
        for make, more in (("mkfs.ext4", ()), ("mkfs.xfs", ("-m", "reflink=0") if where == node else ())):
            shell.run(make, "-q", *more, where)
            kind = make.removeprefix("mkfs.")
            with FileSystem(kind, where, make=False) as made:
                # ext4 takes the first block that it allocates after a mount, and what belongs to it, from a
                # group of which it knows nothing yet, and does not look for the stripe there.
                made.file("first", bytes(PAGE))
                taken = [faults_of_touching(f"{made.directory}/large{nth}", length) for nth in range(3)]
            check.true(min(taken) <= 33 and max(taken) < 64, f"{taken} faults on {kind} on {where}")
            shell.run("wipefs", "--quiet", "--all", where)
        if where == node:
            partition_table.remove(t.disk)


@case(guests=("large",))
def small_disks_and_read_ahead(t):
    """What disks ask for, and that it does not change read-ahead."""
    huge = str(2 << 20)
    (size, start), = driver.given_regions()
    driver.unload()
    for bytes_, least in ((1 << 30, huge), ((1 << 30) - (2 << 20), "4096"), (size, huge)):
        driver.load(f"regions={driver.text_of([(bytes_, start)])}")
        disk = t.disk
        found = (disk.queue("minimum_io_size"), disk.queue("optimal_io_size"), disk.queue("read_ahead_kb"))
        check.equal(found, (least, huge, "128"), f"minimum, optimum, read-ahead of {bytes_} bytes")
        driver.unload()
    driver.load()


@case(on=DAX_FILE_SYSTEMS)
def a_bad_block_does_not_take_its_huge_page_along(t):
    """Around a bad page, the others of its 2 MiB are mapped one by one."""
    t.expect_killed_log()
    path = t.file_system.file("large", b"\1" * (4 * HUGE))
    sector = first_sectors(path)[700]
    t.disk.badblocks.inject(sector, 1)
    with memory.mapped(path, sync=False) as mapping:
        for page in (0, 512, 699, 701, 1023):
            check.equal(mapping[page * PAGE], 1, f"page {page}")
        check.equal(memory.in_child(lambda: mapping[700 * PAGE]), -7, "the bad page")
    with t.disk.open() as io:
        io.write(sector * SECTOR, bytes(PAGE))
    with memory.mapped(path, sync=False) as mapping:
        check.equal(mapping[700 * PAGE:701 * PAGE], bytes(PAGE), "the repaired page")


@case(on=DAX_FILE_SYSTEMS)
def fork_shares_the_mapping(t):
    """Stores of a child are its parent's too."""
    with memory.mapped(t.target.path) as mapping:
        mapping[0:4] = b"old "

        def store():
            mapping[0:4] = b"new "

        check.equal(memory.in_child(store), 0, "the child")
        check.equal(mapping[0:4], b"new ", "what the parent sees")


@case(on=DAX_FILE_SYSTEMS)
def a_program_for_mappings_is_enough(t):
    """tests/mapped, which the demonstration uses, stores and loads."""
    shell.run(os.path.join(HERE, "mapped"), "store", t.target.path, 5000, "hello")
    check.equal(shell.run(os.path.join(HERE, "mapped"), "load", t.target.path, 5000, 5), "hello\n", "mapped load")
    check.equal(t.target.read(5000, 5), b"hello", "read(2)")
