# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: memory that fails under it, who is told of that, and several volumes on one disk."""

import errno
import os
import subprocess
import time
from contextlib import contextmanager

from harness import check, fanotify, hwpoison, memory, partition_table, rdaxfs, shell
from harness.cases import case
from harness.disk import SECTOR, first_sectors
from harness.rdaxfs import Volume
from harness.target import FileSystem

PAGE = 4096
HALVES = "label: gpt\nsize=160M\nsize=160M\n"


def corrupt(t, byte):
    """Memory fails; what memory_failure() says of it is an errno, or 0."""
    try:
        hwpoison.corrupt(hwpoison.frame(t.disk, byte))
    except OSError as error:
        return error.errno
    return 0


def partition_start(node):
    """Where a partition begins on its disk, in bytes."""
    return int(shell.read_text(f"/sys/class/block/{os.path.basename(node)}/start")) * SECTOR


@contextmanager
def halves(t):
    """Two partitions."""
    partition_table.write(t.disk, HALVES)
    try:
        yield (f"{t.disk.node}p1", f"{t.disk.node}p2")
    finally:
        partition_table.remove(t.disk)


def counted(t, node=None):
    """The errors that a volume has counted."""
    with t.disk.open() as io:
        superblock = io.read(partition_start(node) if node else 0, PAGE)
    return int.from_bytes(superblock[232:236], "little")


def damage_inode(disk, ino):
    """Another checksum, so that it is judged to be damaged when it comes into memory."""
    block, slot = divmod(ino, 16)
    with disk.open() as io:
        data = bytearray(io.read(block * PAGE, PAGE))
        data[slot * 256 + 4] ^= 1
        io.write(block * PAGE, bytes(data))


def first_byte(path, start=0):
    """Where the first page of a file is on its disk, on whose byte `start` its partition begins."""
    return first_sectors(path)[0] * SECTOR + start


@case()
def the_volume_of_the_failed_page_says_so(t):
    """Two volumes on one disk: each is told of its own memory, at its own offset, and the other lives on."""
    with halves(t) as nodes:
        volumes = [Volume(node, "dax=always", directory=f"/mnt/rdaxfs-{at}") for at, node in enumerate(nodes)]
        hwpoison.expect_failure(t)
        for at, (node, volume) in enumerate(zip(nodes, volumes)):
            path = volume.directory / "file"
            path.write_bytes(b"d" * (16 * PAGE))
            place = first_byte(path)
            name = os.path.basename(node)
            t.expect_log(f"rdaxfs: {name}: memory has failed at bytes {place:#x} to {place + PAGE - 1:#x}, which are a file's")
            one = memory.Bystander(path, 0)
            with hwpoison.injector(), fanotify.Listener(volume.directory) as listener:
                check.equal(corrupt(t, partition_start(node) + place), 0, "memory_failure()")
                check.equal(one.bus_error(), (memory.BUS_MCEERR_AO, 0, 12), "what SIGBUS said")
                check.equal(listener.reports(), [(errno.EIO, 1, 0)], "what was reported")
            check.true(one.end(), "a process that has SIGBUS blocked was killed")
            with check.fails(errno.EIO), open(path, "rb", buffering=0) as file:
                file.read(PAGE)
            with open(path, "r+b", buffering=0) as file:
                file.write(b"n" * PAGE)
            check.equal(path.read_bytes(), b"n" * PAGE + b"d" * 15 * PAGE, "what was written over it")
            check.true(counted(t, node) >= 1, "errors of the volume whose memory it was")
            if at == 0:
                check.equal(counted(t, nodes[1]), 0, "errors of the other one")
        check.equal(t.disk.badblocks.list(), [], "bad blocks")
        for volume in volumes:
            volume.unmount()


@case()
def the_first_volume_may_go_before_the_second(t):
    """The holder of the disk is all volumes', not the first one's."""
    with halves(t) as nodes:
        first = Volume(nodes[0], directory="/mnt/rdaxfs-0")
        second = Volume(nodes[1], "dax=always", directory="/mnt/rdaxfs-1")
        first.unmount()
        hwpoison.expect_failure(t)
        t.expect_log("which are a file's")
        path = second.directory / "file"
        path.write_bytes(b"d" * PAGE)
        with hwpoison.injector():
            one = memory.Bystander(path, 0)
            check.equal(corrupt(t, partition_start(nodes[1]) + first_byte(path)), 0, "memory_failure()")
            check.equal(one.bus_error(), (memory.BUS_MCEERR_AO, 0, 12), "what SIGBUS said")
            check.true(one.end(), "a process that has SIGBUS blocked was killed")
            # Where no volume is, there is nobody to tell.
            check.equal(corrupt(t, partition_start(nodes[0]) + 100 * PAGE), errno.EBUSY, "memory_failure()")
        path.write_bytes(b"n" * PAGE)
        with Volume(nodes[0], directory="/mnt/rdaxfs-0"):
            pass
        second.unmount()
        second.check()


@case()
def ext4_lives_beside_it(t):
    """ext4 does not ask to be told; xfs does, and then this volume is mounted without."""
    t.allow_log("DAX enabled|EXT4-fs|XFS")
    with halves(t) as nodes:
        hwpoison.expect_failure(t)
        with FileSystem("ext4", nodes[0]) as other, Volume(nodes[1], "dax=always") as volume:
            theirs = other.file("theirs", b"t" * PAGE)
            one = memory.Bystander(theirs, 0)
            with hwpoison.injector():
                # The kernel finds the process by the page, as without a holder.
                check.equal(corrupt(t, first_byte(theirs, partition_start(nodes[0]))), 0, "memory_failure()")
            check.equal(one.bus_error(), (memory.BUS_MCEERR_AO, 0, 12), "what SIGBUS said")
            check.true(one.end(), "a process that has SIGBUS blocked was killed")
            with open(theirs, "r+b", buffering=0) as file:
                file.write(b"n" * PAGE)
            (volume.directory / "ours").write_bytes(b"o" * PAGE)


@case()
def where_xfs_holds_the_disk_it_says_so(t):
    t.expect_log("rpmem0p2: another file system or a device-mapper device holds the disk: this volume is not told")
    partition_table.write(t.disk, "label: gpt\nsize=320M\nsize=32M\n")
    nodes = (f"{t.disk.node}p1", f"{t.disk.node}p2")
    # With reflink xfs wants the whole disk.
    with FileSystem("xfs", nodes[0], make_options=("-m", "reflink=0")):
        with Volume(nodes[1]) as volume:
            (volume.directory / "there").mkdir()
    # It is told again when the disk is free.
    volume = Volume(nodes[1], make=False)
    volume.unmount()
    partition_table.remove(t.disk)


@case()
def failed_metadata_shuts_the_volume_down(t):
    """Of which there is no copy: here the inodes' block. What was acknowledged is there after fsck."""
    hwpoison.expect_failure(t)
    t.expect_log("which are metadata: the volume is shut down; unmount it and run fsck.rdaxfs")
    volume = Volume(t.disk.node, "dax=always")
    (volume.directory / "before").mkdir()
    block = os.stat(volume.directory).st_ino // 16
    with hwpoison.injector(), fanotify.Listener(volume.directory) as listener:
        check.equal(corrupt(t, block * PAGE), errno.EUCLEAN, "memory_failure()")
        reports = listener.reports()
        check.true(reports and reports[0].error == errno.EIO, f"what was reported: {reports}")
    for operation in (lambda: (volume.directory / "after").mkdir(), lambda: os.rmdir(volume.directory / "before")):
        with check.fails(errno.EIO):
            operation()
    volume.unmount()
    # The error was only injected: the memory has what it had.
    bad = t.disk.badblocks.list()
    check.equal(bad, [(block * PAGE // SECTOR, 8)], "bad blocks")
    t.disk.badblocks.clear(*bad[0])
    with Volume(t.disk.node, make=False) as again:
        check.equal(os.listdir(again.directory), ["before"], "what is there")
    t.disk.wipe_ends()


@case()
def failed_memory_that_nobody_uses_is_no_error(t):
    hwpoison.expect_failure(t)
    t.expect_log("which are not in use")
    with Volume(t.disk.node) as volume, hwpoison.injector():
        free = rdaxfs.dump(t.disk.node)["blocks"] - 1000
        check.equal(corrupt(t, free * PAGE), errno.EBUSY, "memory_failure()")
        # The copy of the superblock is the other thing that can be done without.
        (volume.directory / "there").mkdir()
        check.equal(counted(t), 0, "errors")
        t.disk.badblocks.clear(free * 8, 8)


@case()
def a_listener_learns_the_file_and_the_error(t):
    """Damaged metadata, and data that cannot be read: each names the file."""
    t.allow_log("MCE: Killing .* due to hardware memory corruption fault")
    with Volume(t.disk.node, "dax=always,errors=continue") as volume:
        path = volume.directory / "file"
        path.write_bytes(b"d" * (4 * PAGE))
        ino = os.stat(path).st_ino
        sector = first_sectors(path)[2]
        t.disk.badblocks.inject(sector, 1)
        name = t.disk.name
        t.expect_log(f"rdaxfs: {name}: inode {ino}: bytes")
        with fanotify.Listener(volume.directory) as listener:
            with check.fails(errno.EIO), open(path, "rb", buffering=0) as file:
                os.pread(file.fileno(), PAGE, 2 * PAGE)
            check.equal(listener.reports(), [(errno.EIO, 1, ino)], "a read")
            check.true(memory.bus_error_of(path, 2 * PAGE) is not None, "a load")
            reports = listener.reports()
            check.true(reports and reports[0][0] == errno.EIO and reports[0][2] == ino, f"a load: {reports}")
            with open(path, "r+b", buffering=0) as file:
                os.pwrite(file.fileno(), b"n" * PAGE, 2 * PAGE)
            check.equal(listener.reports(seconds=1), [], "a write that repairs")
        check.equal(t.disk.badblocks.list(), [], "bad blocks")
        other = volume.directory / "other"
        other.mkdir()
        damaged = os.stat(other).st_ino
    damage_inode(t.disk, damaged)
    t.expect_log("something is damaged; run fsck.rdaxfs")
    volume = Volume(t.disk.node, "errors=continue", make=False)
    with fanotify.Listener(volume.directory) as listener:
        with check.fails(errno.EUCLEAN):
            os.stat(volume.directory / "other")
        reports = listener.reports()
        check.true(reports and reports[0].error == errno.EUCLEAN, f"a damaged inode: {reports}")
        check.equal(volume.directory.stat().st_dev, os.stat(volume.directory / "file").st_dev, "other files")
    volume.unmount()
    t.disk.wipe_ends()


@case(guests=("removal",), limit=300)
def removal_under_load_ends_it(t):
    """The device goes while files are made, written through mappings and listened to: the driver waits for what
    has begun, and for nothing else."""
    t.expect_log("the device has gone")
    t.allow_log("rdaxfs|Buffer I/O error|lost|waiting for the last user")
    disk = t.disks[0]
    device = os.path.basename(os.path.realpath(f"/sys/class/block/{disk.name}/device"))
    volume = Volume(disk.node, "dax=always")
    mapped = volume.directory / "mapped"
    mapped.write_bytes(bytes(1 << 20))
    script = 'cd "$0"; n=0; while mkdir d$n && echo x > d$n/f && rm -r d$n; do n=$((n + 1)); done; exit 5'
    workers = [subprocess.Popen(["sh", "-c", script, volume.directory], stderr=subprocess.DEVNULL) for _ in range(3)]
    listener = fanotify.Listener(volume.directory)
    one = memory.Bystander(mapped, 0)
    time.sleep(2)
    started = time.monotonic()
    shell.write_text("/sys/bus/platform/drivers/rpmem/unbind", device)
    check.true(time.monotonic() - started < 60, "the driver waited")
    for worker in workers:
        check.equal(worker.wait(timeout=60), 5, "a task whose device has gone")
    one.end()
    listener.close()
    volume.unmount()
    shell.write_text("/sys/bus/platform/drivers/rpmem/bind", device)
    with Volume(disk.node, make=False):
        pass
    disk.wipe_ends()
