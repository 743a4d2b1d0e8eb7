# SPDX-License-Identifier: GPL-2.0
"""Everything at once, for minutes: test_stress.py with failing memory, and with a neighbour that comes
and goes; then loading and unloading under whoever wants to use the disks."""

import ctypes
import errno
import mmap
import os
import time

from harness import check, driver, memory, shell
from harness.cases import FILE_SYSTEMS, case
from harness.disk import Disk
from test_removal import GONE, PROBE_BUSY, STILL_IN_USE, bind, device_of, unbind
from test_stress import PAGE, all_end_well, until_end, use_at_once

SECONDS = 130
MADV_HWPOISON = 100
libc = ctypes.CDLL(None, use_errno=True)
# What the kernel says of memory that fails, and of who has it mapped.
FAILING = r"memory failure|^MCE: |Memory failure|hardware memory corruption"
# The block core's, about a node whose disk has gone; and what a page cache says of a partition scan's.
GONE_NODE = r"^block device autoloading is deprecated|^Buffer I/O error on dev rpmem|^Dev rpmem\d: unable to read"
# What a disk that is not there at the moment, or not yet, gives to who opens and uses it.
ABSENT = (*GONE, errno.ENOENT, errno.EBUSY)


@case(guests=("stress",), on=FILE_SYSTEMS, limit=600)
def minutes_of_everything(t):
    """Readers and writers by read(2), write(2), direct I/O and mappings, errors that are injected and
    cleared, memory that fails, attempts to unload, and the other disk unbound under its users."""
    t.allow_log(FAILING)
    t.allow_log(GONE_NODE)
    for pattern in (STILL_IN_USE, PROBE_BUSY, r"^rpmem: .*waiting for the last user"):
        t.allow_log(pattern)
    other = t.disks[1]
    name = device_of(other)

    def fail_memory(chooser, pages):
        """Whoever has the page mapped is killed, the one that asks for it first of all."""
        page = chooser.choice(pages)

        def fail():
            with memory.mapped(t.target.path, sync=False) as mapping:
                base = ctypes.addressof(ctypes.c_ubyte.from_buffer(mapping))
                mapping[page * PAGE]
                libc.madvise(ctypes.c_void_p(base + page * PAGE), ctypes.c_size_t(PAGE), MADV_HWPOISON)
                # Not every file system kills; who reads on is to get SIGBUS at the latest now.
                mapping[page * PAGE]

        check.true(memory.in_child(fail) in (0, 1, -7), "a process whose memory fails")
        time.sleep(0.1)

    def repair_memory(chooser, pages):
        """The first half is repaired by its writers; this is for the other, where memory fails."""
        with t.target.open() as io:
            io.write(chooser.choice(pages) * PAGE, bytes(PAGE))

    def unload(*_):
        """In vain, as the file system is mounted."""
        check.true(shell.attempt("modprobe", "-r", "rpmem").returncode != 0, "it was unloaded")
        time.sleep(0.5)

    def use_other(chooser, _):
        try:
            with other.open() as io:
                for _ in range(1000):
                    at = chooser.randrange(1024) * PAGE
                    other.badblocks.inject(at // 512, 1)
                    io.write(at, bytes(PAGE))
                    if not io.read(at, PAGE):
                        return
        except OSError as error:
            check.true(error.errno in (*ABSENT, errno.EIO), f"the other disk: {error}")

    def come_and_go(*_):
        time.sleep(1)
        unbind(name)
        time.sleep(0.2)
        # Its users have it open until they meet an error.
        while True:
            try:
                return bind(name)
            except OSError as error:
                check.equal(error.errno, errno.EBUSY, "what binding says")

    use_at_once(t, SECONDS, (fail_memory, repair_memory, unload, use_other, come_and_go))
    check.equal(len(driver.nodes()), 2, "nodes in the end")
    other.badblocks.clear(0, other.sectors)


@case(guests=("stress",), loaded=False, limit=300)
def loading_and_unloading_under_users(t):
    """Users open, read, write, map and inject whenever there is a disk. Unloading works or is refused, and
    what is loaded works."""
    t.allow_log(GONE_NODE)
    rounds = {"unloaded": 0, "refused": 0}

    def use(chooser):
        disk = Disk(chooser.randrange(2))
        try:
            with disk.open() as io:
                at = chooser.randrange(1024) * PAGE
                disk.badblocks.inject(at // 512 + 1, 1)
                io.write(at, bytes(PAGE))
                check.equal(io.read(at, PAGE), bytes(PAGE), "what was written")
                io.zero_out(at, PAGE)
        except OSError as error:
            check.true(error.errno in (*ABSENT, errno.EIO), f"a user: {error}")
        time.sleep(chooser.random() / 20)

    def read_list(chooser):
        try:
            Disk(chooser.randrange(2)).badblocks.text()
        except OSError as error:
            check.true(error.errno in ABSENT, f"a reader of the list: {error}")

    def map_it(chooser):
        try:
            fd = os.open(Disk(chooser.randrange(2)).node, os.O_RDWR)
        except OSError as error:
            check.true(error.errno in ABSENT, f"who maps: {error}")
            return
        try:
            # Elsewhere: the page cache that it goes through is not coherent with direct I/O.
            with mmap.mmap(fd, 1 << 20, offset=16 << 20) as mapping:
                mapping[chooser.randrange(256) * PAGE] = 1
        except (OSError, ValueError):
            pass  # mmap(2) of a disk that has just gone
        finally:
            os.close(fd)

    seconds = 60
    users = {
        f"{work.__name__}{number}": until_end(seconds, work)
        for work in (use, read_list, map_it)
        for number in range(2)
    }
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not driver.is_loaded():
            driver.load()
        done = shell.attempt("modprobe", "-r", "rpmem")
        rounds["refused" if done.returncode else "unloaded"] += 1
        check.true(done.returncode == 0 or "in use" in done.stderr, f"modprobe -r: {done.stderr}")
    all_end_well(users)
    print(f"{t.case.name}: {rounds}", flush=True)
    if driver.is_loaded():
        driver.unload()
