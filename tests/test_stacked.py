# SPDX-License-Identifier: GPL-2.0
"""Other devices on top of two disks: DAX goes through dm-linear and dm-stripe, and what is bad below is bad
at the right place above; a mirror, of md or dm-raid, reads the other disk and repairs the bad one."""

import errno
import os
import random

from harness import check, memory, shell
from harness.cases import FILE_SYSTEMS, case
from harness.disk import SECTOR, Io, extents, first_sectors
from harness.stack import MIB, Linear, Mirror, Striped, mapper
from harness.target import FileSystem

PAGE = 4096
HERE = ("removal",)
KILLED = "MCE: Killing .* due to hardware memory corruption fault"
DRIVER = "/sys/bus/platform/drivers/rpmem"
SIZE = 640 * MIB
MD_SAYS = (
    r"^md: async del_gendisk mode will be removed in future", r"^md0: array will not be assembled in old kernels",
    r"^md/raid1:(md0|mdX): ", r"^md: super_written gets error", r"^md_update_sb: can't update sb for read-only array md0",
)


def check_files(t, stack):
    """A file over both disks."""
    t.expect_log(KILLED)
    with (
        mapper(stack.name, stack.table()) as node,
        FileSystem(t.case.target, node) as made,
        Io(node, os.O_RDWR, direct=True) as raw,
    ):
        path = made.file("file")
        with open(path, "r+b", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, 400 << 20)
            # A page on each disk, none of them the first or the last of a MiB.
            on_disk = {}
            for logical, physical, length in extents(path):
                for offset in range(511 * PAGE, length - PAGE, 1 << 20):
                    sector = (physical + offset) // SECTOR
                    on_disk[stack.locate(sector)[0]] = ((logical + offset) // PAGE, sector)
            check.equal(len(on_disk), 2, "disks that the file is on")
            for disk, (page, sector) in on_disk.items():
                below = stack.locate(sector)[1]
                check_page(disk, below, file, path, page)
                check_device(disk, below, raw, sector)


def check_page(disk, sector, file, path, page):
    """One of its pages, bad below: see test_media_errors.py for what there is more to it."""
    data = b"".join(bytes([number]) * PAGE for number in (1, 2, 3))
    os.pwrite(file.fileno(), data, (page - 1) * PAGE)
    disk.badblocks.inject(sector + 3, 1)
    with check.fails(errno.EIO):
        os.pread(file.fileno(), PAGE, page * PAGE)
    for number, offset in ((1, -1), (3, 1)):
        found = os.pread(file.fileno(), PAGE, (page + offset) * PAGE)
        check.true(found == bytes([number]) * PAGE, f"page {offset} from the bad one")
    with check.fails(errno.EFAULT):
        os.pwrite(file.fileno(), b"p" * 512, page * PAGE)
    found = memory.bus_error_of(path, page * PAGE + 7)
    check.true(found is not None, "the bad page was mapped")
    check.equal((found[0], found[1] // PAGE), (memory.BUS_MCEERR_AR, page), "what SIGBUS said")
    check.equal(memory.bus_error_of(path, (page + 1) * PAGE), None, "a load of the page behind")
    check.equal(disk.badblocks.list(), [(sector + 3, 1)], "bad blocks before overwriting")
    check.equal(os.pwrite(file.fileno(), b"n" * PAGE, page * PAGE), PAGE, "what pwrite took")
    check.equal(disk.badblocks.list(), [], "bad blocks after overwriting")
    with memory.mapped(path) as mapping:  # with MAP_SYNC
        check.equal(mapping[page * PAGE:(page + 1) * PAGE], b"n" * PAGE, "the repaired page")
        mapping[page * PAGE] = 5
    with disk.open() as io:
        check.equal(io.read(sector * SECTOR, PAGE), b"\5" + b"n" * (PAGE - 1), "what is on the disk")

    # A failure of the memory goes the other way: up, past the device between.
    found = memory.bus_error_of_failing(path, page * PAGE)
    check.equal((found[0], found[1] // PAGE), (memory.BUS_MCEERR_AR, page), "what SIGBUS said of failing memory")
    check.equal(disk.badblocks.list(), [(sector, 8)], "bad blocks after the failure")
    os.pwrite(file.fileno(), b"n" * PAGE, page * PAGE)
    check.equal(disk.badblocks.list(), [], "bad blocks after overwriting the failed page")


def check_device(disk, below, raw, above):
    """The device itself, without the file system."""
    disk.badblocks.inject(below, 1)
    with check.fails(errno.EIO):
        raw.read(above * SECTOR, SECTOR)
    raw.read((above - 1) * SECTOR, SECTOR)
    raw.read((above + 1) * SECTOR, SECTOR)
    with check.fails(errno.EIO):
        raw.read((above - 8) * SECTOR, 2 * PAGE)
    raw.write(above * SECTOR, b"n" * SECTOR)
    check.equal(disk.badblocks.list(), [], "bad blocks after a write to the device")


def allow_failures(t):
    t.allow_log(r"^rpmem: rpmem\d: memory failure: 8 sectors from \d+ on are bad now$")
    t.allow_log("^Memory failure: 0x")


@case(guests=HERE, on=FILE_SYSTEMS, limit=300)
def linear(t):
    allow_failures(t)
    t.file_system.unmount()
    check_files(t, Linear(t.disks, SIZE))


@case(guests=HERE, on=FILE_SYSTEMS, limit=300)
def striped(t):
    allow_failures(t)
    t.file_system.unmount()
    check_files(t, Striped(t.disks, SIZE))


def check_mirror(first, second, raw, starts):
    """Reads of the device that meet something bad on the disk that they go to first."""
    data = random.Random(1).randbytes(1 << 20)
    raw.write(0, data)
    for disk, other, start in ((first, second, starts[0]), (second, first, starts[1])):
        at = 64
        with other.open() as io:
            check.true(io.read(starts[1 if other is second else 0] * SECTOR, len(data)) == data, "the other disk")
        disk.badblocks.inject(start + at, 1)
        disk.badblocks.inject(start + at + 20, 100)
        # Which disk a read goes to is the mirror's choice; the first is its favourite.
        check.true(raw.read(0, len(data)) == data, "what the mirror has")
        if disk is first:
            check.equal(disk.badblocks.list(), [], "bad blocks after reading")
        else:
            disk.badblocks.clear(start + at, 120)


@case(guests=HERE, limit=300)
def mirror_of_md(t):
    """A read of what is bad on one disk gives what the other has, and that is written over it."""
    for pattern in MD_SAYS:
        t.allow_log(pattern)
    t.expect_log(r"^md/raid1:md0: read error corrected \(\d+ sectors at \d+ on rpmem0\)")
    first, second = t.disks
    with Mirror(t.disks, 32) as mirror, Io(mirror.NODE, os.O_RDWR, direct=True) as raw:
        starts = [mirror.data_sector(leg) for leg in (0, 1)]
        check_mirror(first, second, raw, starts)

        # What nobody reads is found by a scrub, whichever disk it is on. (Not if both have errors in the
        # same 64 KiB: md gives up at those.)
        for action in ("check", "repair"):
            for disk, start, away in zip(t.disks, starts, (0, 128)):
                for at in (8 * MIB, 16 * MIB + 5, 31 * MIB):
                    disk.badblocks.inject(start + at + away, 3)
            mirror.scrub(action)
            for disk in t.disks:
                check.equal(disk.badblocks.list(), [], f"bad blocks of {disk.name} after '{action}'")
        mirror.scrub("check")
        check.equal(mirror.attribute("mismatch_cnt"), "0", "sectors in which the disks differ")
        check.equal(mirror.attribute("degraded"), "0", "disks that are missing")

        # Both bad: nothing to repair it from, until it is written.
        for disk, start in zip(t.disks, starts):
            disk.badblocks.inject(start + 800, 8)
        with check.fails(errno.EIO):
            raw.read(800 * SECTOR, PAGE)
        raw.write(800 * SECTOR, b"n" * PAGE)
        check.equal(raw.read(800 * SECTOR, PAGE), b"n" * PAGE, "what was written")
        for disk in t.disks:
            check.equal(disk.badblocks.list(), [], f"bad blocks of {disk.name} after writing")


@case(guests=HERE, limit=300)
def mirror_of_dm(t):
    """The same code, driven by device-mapper."""
    for pattern in MD_SAYS:
        t.allow_log(pattern)
    t.expect_log(r"^md/raid1:mdX: read error corrected \(\d+ sectors at \d+ on rpmem0\)")
    first, second = t.disks
    table = f"0 {32 * MIB} raid raid1 6 0 nosync region_size 1024 write_mostly 1 2 - {first.node} - {second.node}\n"
    with mapper("mirror", table) as node, Io(node, os.O_RDWR, direct=True) as raw:
        check_mirror(first, second, raw, (0, 0))


@case(guests=HERE, on=("ext4",), limit=300)
def a_file_system_on_a_mirror(t):
    """Has no DAX (md has none), and does not notice what is bad below."""
    for pattern in MD_SAYS:
        t.allow_log(pattern)
    t.file_system.unmount()
    with Mirror(t.disks, 32) as mirror, FileSystem("ext4", mirror.NODE, options="defaults") as made:
        data = random.Random(2).randbytes(4 << 20)
        path = made.file("file", data)
        start = mirror.data_sector(0)
        for page, sector in first_sectors(path).items():
            if page % 100 == 0:
                t.disks[0].badblocks.inject(start + sector + 2, 2)
        shell.write_text("/proc/sys/vm/drop_caches", "3")
        with open(path, "rb") as file:
            check.true(file.read() == data, "the file")
        check.equal(t.disks[0].badblocks.list(), [], "bad blocks after reading")


@case(guests=HERE, limit=300)
def a_disk_below_dm_linear_is_taken_away(t):
    """Nobody tells the file system, but what it asks of that disk fails; umount and dmsetup free it."""
    t.allow_log(r"^EXT4-fs (error|warning|\()|^JBD2: |^Aborting journal on device dm-0|^Buffer I/O error on dev(ice)? dm-0")
    t.allow_log(r"^rpmem: .*waiting for the last user|^rpmem: rpmem\d: released|^MCE: Killing .* due to hardware memory corruption fault")
    name = os.path.basename(os.path.realpath(f"{t.disk.sysfs}/device"))
    stack = Linear(t.disks, 64 * MIB)
    with mapper(stack.name, stack.table()) as node, FileSystem("ext4", node) as made:
        path = made.file("file", b"kept" * 2048)
        # Another process than those that are forked from here, which would have the mapping too.
        user = memory.Bystander(path, 0)
        unbinder = memory.start_child(shell.write_text, f"{DRIVER}/unbind", name)
        check.wait_until(lambda: not os.path.exists(t.disk.node), "the disk is gone")
        with check.fails(errno.EIO, errno.EROFS, errno.EUCLEAN, errno.ENXIO):
            while True:
                made.file("new", b"n" * PAGE)
        check.equal(memory.end_of(unbinder), 0, "unbind, while a page is mapped")
        check.true(user.end(), "the process that has it mapped was killed")
    shell.write_text(f"{DRIVER}/bind", name)
    with mapper(stack.name, stack.table()) as node, FileSystem("ext4", node, make=False):
        with open(path, "rb") as file:
            check.equal(file.read(), b"kept" * 2048, "the file")


@case(guests=HERE, limit=300)
def a_disk_of_a_mirror_is_taken_away(t):
    """Under I/O: the mirror goes on with the other, and takes it back."""
    for pattern in (*MD_SAYS, r"^md: recovery of RAID array md0", r"^Buffer I/O error on dev rpmem1", r"^rpmem: .*waiting for the last user"):
        t.allow_log(pattern)
    first, second = t.disks
    name = os.path.basename(os.path.realpath(f"{second.sysfs}/device"))
    with Mirror(t.disks, 32) as mirror:

        def write():
            with Io(mirror.NODE, os.O_RDWR, direct=True) as raw:
                number = 0
                while True:
                    raw.write(number % 256 * PAGE, bytes([number % 251]) * PAGE)
                    number += 1

        writer = memory.start_child(write)
        shell.write_text(f"{DRIVER}/unbind", name)
        with Io(mirror.NODE, os.O_RDWR, direct=True) as raw:
            raw.write(16 << 20, b"w" * PAGE)
            check.equal(raw.read(16 << 20, PAGE), b"w" * PAGE, "what the mirror has with one disk")
        check.equal(os.waitpid(writer, os.WNOHANG), (0, 0), "the process that writes")
        os.kill(writer, 9)
        memory.end_of(writer)
        check.equal(mirror.attribute("degraded"), "1", "disks that are missing")
        shell.run("mdadm", mirror.NODE, "--remove", "detached")
        shell.write_text(f"{DRIVER}/bind", name)
        shell.run("mdadm", mirror.NODE, "--add", second.node)
        mirror.wait_until_whole()
        with second.open() as io:
            check.equal(io.read((mirror.data_sector(1) + 16 * MIB) * SECTOR, PAGE), b"w" * PAGE, "the disk that came back")


@case(guests=HERE, limit=300)
def a_disk_below_dm_writecache_is_taken_away(t):
    """dm-writecache keeps the kernel's address of the medium and stores to it without asking: the region
    stays mapped until the table is gone."""
    t.allow_log(r"^rpmem: .*waiting for the last user|^device-mapper: |^Buffer I/O error on dev")
    t.allow_log(r"the region is still in use since it was unbound|probe with driver rpmem failed with error -16")
    cache, origin = t.disks
    name = os.path.basename(os.path.realpath(f"{cache.sysfs}/device"))
    with cache.open() as io:
        io.write(0, bytes(1 << 20))
    shell.run("modprobe", "dm-writecache")
    table = f"0 {64 * MIB} writecache p {origin.node} {cache.node} 4096 0"
    with mapper("cached", table) as node:
        with Io(node, os.O_RDWR, direct=True) as raw:
            raw.write(0, b"1" * PAGE)
        shell.write_text(f"{DRIVER}/unbind", name)
        check.true(not os.path.exists(cache.node), "the node is still there")
        with check.fails(errno.EBUSY):
            shell.write_text(f"{DRIVER}/bind", name)
        with Io(node, os.O_RDWR, direct=True) as raw:
            for number in range(256):
                try:
                    raw.write(number * PAGE, bytes([number]) * PAGE)
                except OSError as error:
                    check.true(error.errno in (errno.EIO, errno.ENXIO, errno.ENODEV), f"{error}")
    shell.write_text(f"{DRIVER}/bind", name)
    with cache.open() as io:
        io.write(0, bytes(1 << 20))
