# SPDX-License-Identifier: GPL-2.0
"""Everything at once, and then whether it adds up."""

import errno
import os
import random
import struct
import time

from harness import check, memory, shell
from harness.cases import DAX_FILE_SYSTEMS, case
from harness.disk import SECTOR, first_sectors

PAGE = 4096
SECONDS = 25
KILLED = "MCE: Killing .* due to hardware memory corruption fault"


def until_end(seconds, work, *arguments):
    """Starts a child that calls work(chooser, …) until the time is up; its process id."""
    end = time.monotonic() + seconds

    def loop():
        chooser = random.Random(os.getpid())
        while time.monotonic() < end:
            work(chooser, *arguments)

    return memory.start_child(loop)


def all_end_well(children):
    for name, pid in children.items():
        check.equal(memory.end_of(pid), 0, f"exit status of the {name}")


def stamped(page, count):
    """A page that says which it is, all over."""
    return struct.pack("=QQ", page, count) * (PAGE // 16)


@case(on=DAX_FILE_SYSTEMS, limit=400)
def everything_at_once(t):
    """A file: written, read, mapped, with errors injected and cleared in it, while others read the list
    and the disk. A reader gets whole pages or EIO, a mapping SIGBUS or the page."""
    use_at_once(t, SECONDS)


def use_at_once(t, seconds, others=()):
    """As `everything_at_once`, for so long, and with others at work: functions as `until_end` takes them,
    which get the target's pages that only mappings write too."""
    t.allow_log(KILLED)
    pages = 128
    io = t.target.open()
    bad = t.disk.badblocks
    # The first half is written by write(2) alone, so that no reader may see half a page of it.
    half = pages // 2
    for page in range(pages):
        t.target.write(page * PAGE, stamped(page, 0))
    sectors = first_sectors(t.target.path)
    where = [sectors[page] for page in range(pages)]

    def write(chooser):
        page = chooser.randrange(half)
        io.write(page * PAGE, stamped(page, chooser.getrandbits(60)))

    def read(chooser):
        page = chooser.randrange(half)
        try:
            data = io.read(page * PAGE, PAGE)
        except OSError as error:
            check.equal(error.errno, errno.EIO, "read(2)")
            return
        check.equal(struct.unpack_from("=Q", data)[0], page, "the page that was read")
        check.true(data == data[:16] * (PAGE // 16), f"page {page} is torn")

    def touch(chooser):
        page = half + chooser.randrange(half)
        value = chooser.randrange(256)

        def store():
            with memory.mapped(t.target.path, sync=False) as mapping:
                mapping[page * PAGE] = value
                mapping[page * PAGE + 1]

        check.true(memory.in_child(store) in (0, -7), "a store")

    def inject(chooser):
        first = chooser.choice(where)
        sector = first + chooser.randrange(8)
        if chooser.random() < 0.8:
            bad.inject(sector, 1)
        elif others:
            bad.clear(first, 8)  # a part of a page whose memory has failed cannot be cleared
        else:
            bad.clear(sector, 1)
        time.sleep(0.002)

    def list_them(_):
        for start, length in bad.list():
            check.true(
                all(sector // 8 * 8 in where_set for sector in range(start, start + length)), f"nobody injected {start}"
            )

    def read_disk(chooser):
        with t.disk.open(os.O_RDONLY) as raw:
            try:
                raw.read(chooser.choice(where) * SECTOR, PAGE)
            except OSError as error:
                check.equal(error.errno, errno.EIO, "read(2) of the disk")

    where_set = set(where)
    children = {
        work.__name__ + str(number): until_end(seconds, work)
        for work in (write, read, touch, inject, list_them, read_disk)
        for number in range(2 if work in (write, inject) else 1)
    }
    for work in others:
        children[work.__name__] = until_end(seconds, work, range(half, pages))
    all_end_well(children)

    for page in range(pages):
        io.write(page * PAGE, stamped(page, 7))
    check.equal(bad.list(), [], "bad blocks after all was overwritten")
    for page in range(pages):
        check.true(io.read(page * PAGE, PAGE) == stamped(page, 7), f"page {page} after all was overwritten")
    io.close()
    t.file_system.unmount()
    # What is unmounted is checked, for rdaxfs.
    checkers = {"ext4": ("e2fsck", "-fn"), "xfs": ("xfs_repair", "-n")}
    if t.case.target in checkers:
        shell.run(*checkers[t.case.target], t.disk.node)
    t.file_system.mount()


@case(limit=300)
def neighbours_do_not_lose_each_other(t):
    """Each process has sectors of its own, in blocks that it shares with the others: what it injects is
    bad until it writes, and good after that, whatever the others do meanwhile."""
    processes, blocks, start = 4, 16, 4096

    def own(chooser, me):
        sector = start + chooser.randrange(blocks) * 8 + me * 2
        with t.disk.open() as io:
            t.disk.badblocks.inject(sector, 2)
            with check.fails(errno.EIO):
                io.read(sector * SECTOR, SECTOR)
            data = bytes([me]) * SECTOR
            io.write(sector * SECTOR, data)
            check.equal(io.read(sector * SECTOR, SECTOR), data, "the sector that was repaired")
            with check.fails(errno.EIO):
                io.read((sector + 1) * SECTOR, SECTOR)
            if chooser.random() < 0.5:
                io.zero_out((sector + 1) * SECTOR, SECTOR)
            else:
                t.disk.badblocks.clear(sector + 1, 1)
            io.read((sector + 1) * SECTOR, SECTOR)

    all_end_well({f"process {me}": until_end(10, own, me) for me in range(processes)})
    check.equal(t.disk.badblocks.list(), [], "bad blocks when all are done")


@case(limit=300)
def one_writes_while_one_injects(t):
    """An error that is injected while its sector is written is there afterwards or not, but data that
    reads well is the data that was written last."""
    at = 8192

    def inject(_):
        t.disk.badblocks.inject(at + 3, 1)

    def write(chooser):
        data = stamped(at, chooser.getrandbits(60))
        with t.disk.open() as io:
            io.write(at * SECTOR, data)
            try:
                found = io.read(at * SECTOR, PAGE)
            except OSError as error:
                check.equal(error.errno, errno.EIO, "read(2)")
                return
            check.true(found == data, "what reads well is not what was written")

    all_end_well({"injector": until_end(6, inject), "writer": until_end(6, write)})
    with t.disk.open() as io:
        io.write(at * SECTOR, bytes(PAGE))
    check.equal(t.disk.badblocks.list(), [], "bad blocks after the last write")
