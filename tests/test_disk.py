# SPDX-License-Identifier: GPL-2.0
"""The block device: what it says of itself, partitions, accounting, read-only, data in and out."""

import errno
import fcntl
import json
import mmap
import os
import random
import struct

from harness import check, driver, partition_table, shell
from harness.cases import BOTH_BLOCK_SIZES, EVERYWHERE, FILE_SYSTEMS, WITH_NAMESPACES, case
from harness.disk import SECTOR, Disk, first_sectors
from harness.target import FileSystem

BLKROSET = 0x125D


def set_read_only(node, on):
    shell.run("blockdev", "--setro" if on else "--setrw", node)


@case(guests=EVERYWHERE, blocks=BOTH_BLOCK_SIZES)
def attributes(t):
    regions = driver.given_regions()
    check.equal(driver.nodes(), [f"/dev/rpmem{n}" for n in range(len(regions))], "nodes")
    for disk, (size, _) in zip(t.disks, regions):
        check.equal(disk.bytes, size, f"{disk.name}: bytes")
        wanted = {
            "logical_block_size": str(t.case.block_size), "physical_block_size": "4096", "minimum_io_size": "4096",
            "fua": "1", "write_cache": "write back", "dax": "1", "rotational": "0", "iostats": "1",
            "add_random": "0", "zoned": "none",
        }
        check.equal({name: disk.queue(name) for name in wanted}, wanted, f"{disk.name}: queue")
        check.true(int(disk.queue("write_zeroes_max_bytes")) > 0, f"{disk.name}: no WRITE_ZEROES of its own")
        for name, value in {"ro": "0", "removable": "0", "hidden": "0", "dax/write_cache": "1"}.items():
            check.equal(disk.attribute(name), value, f"{disk.name}: {name}")
        # The file is there if the kernel knows the node.
        node = f"{disk.sysfs}/device/numa_node"
        check.true(not os.path.exists(node) or shell.read_text(node) == "0\n", f"{disk.name}: on another NUMA node")
    check.true(any(os.path.exists(f"{disk.sysfs}/device/numa_node") for disk in t.disks), "no disk has a NUMA node")


@case(blocks=BOTH_BLOCK_SIZES)
def lsblk_shows_it(t):
    columns = "NAME,SIZE,LOG-SEC,PHY-SEC,DAX,RO,TYPE,ROTA"
    listed = json.loads(shell.run("lsblk", "--json", "--bytes", "-o", columns, t.disk.node))
    check.equal(
        listed["blockdevices"],
        [{
            "name": t.disk.name, "size": t.disk.bytes, "log-sec": t.case.block_size, "phy-sec": 4096,
            "dax": True, "ro": False, "type": "disk", "rota": False,
        }],
        "lsblk",
    )


@case(guests=EVERYWHERE)
def parameters_are_readable(t):
    regions = {"reserved": driver.given_regions, "nvdimm": driver.nvdimm_regions, "memmap": lambda: None}
    given = regions[driver.kind()]()
    check.equal(
        driver.parameters(),
        {
            "auto": "-1", "force": "N", "logical_block_size": str(t.case.block_size),
            "regions": driver.text_of(given) if given else "(null)",
        },
        "parameters",
    )


@case(guests=EVERYWHERE)
def regions_are_claimed_by_name(t):
    iomem = shell.read_text("/proc/iomem")
    for disk, (size, address) in zip(t.disks, driver.given_regions()):
        line = f"{address:08x}-{address + size - 1:08x} : {disk.name}\n"
        check.true(line in iomem, f"/proc/iomem lacks {line!r}")


@case(guests=WITH_NAMESPACES, blocks=BOTH_BLOCK_SIZES)
def data_in_and_out(t):
    """Any number of blocks at any block, in pieces of any size, also across the regions' huge pages."""
    chooser = random.Random(1)
    block, area, start = t.case.block_size, 4 << 20, 1 << 20
    model = bytearray(area)
    with t.disk.open() as io:
        io.zero_out(start, area)
        for _ in range(40):
            offset = chooser.randrange(0, area // block) * block
            length = min(chooser.choice((1, 1, 2, 7, 16, 300)) * block, area - offset)
            data = chooser.randbytes(length)
            io.write(start + offset, data, flags=chooser.choice((0, 0, os.RWF_DSYNC)))
            model[offset:offset + length] = data
        io.sync()
        check.true(io.read(start, area) == model, "what was read is not what was written")
        for _ in range(40):
            offset = chooser.randrange(0, area // block) * block
            length = min(chooser.randrange(1, 64) * block, area - offset)
            check.true(io.read(start + offset, length) == model[offset:offset + length], f"{length} at {offset}")


@case(blocks=BOTH_BLOCK_SIZES)
def ends(t):
    """The last block is there, and nothing is behind it."""
    block, size = t.case.block_size, t.disk.bytes
    with t.disk.open() as io:
        io.write(size - block, b"z" * block)
        check.equal(io.read(size - block, block), b"z" * block, "the last block")
        check.equal(io.read(size, block), b"", "behind the end")
        with check.fails(errno.ENOSPC):
            io.write(size, bytes(block))
        with check.fails(errno.EINVAL):
            io.read(block // 2, block)


@case()
def segments(t):
    """One call from and to many buffers, of sizes that are no multiple of a page."""
    sizes = [512, 3072, 4096, 512, 8192, 1024, 7 * 512]
    data = random.Random(2).randbytes(sum(sizes))
    with t.disk.open() as io:
        buffers, views, at = [], [], 0
        for size in sizes:
            buffer = memory_at_odd_sector(size)
            buffer[:] = data[at:at + size]
            buffers.append(buffer)
            views.append(buffer)
            at += size
        check.equal(os.pwritev(io.fd, views, 1 << 20), len(data), "pwritev")
        check.true(io.read(1 << 20, len(data)) == data, "what pwritev wrote")
        for view in views:
            view[:] = bytes(len(view))
        check.equal(os.preadv(io.fd, views, 1 << 20), len(data), "preadv")
        check.true(b"".join(views) == data, "what preadv read")


def memory_at_odd_sector(size):
    """Memory that begins 512 bytes into a page, so that long pieces cross pages."""
    return memoryview(mmap.mmap(-1, size + 4096))[512:512 + size]


@case(guests=WITH_NAMESPACES)
def zero_out(t):
    """BLKZEROOUT zeroes what it names, to the sector, over more than the driver zeroes at a time."""
    start, length = (3 << 20) + 512, (5 << 20) + 1024
    with t.disk.open() as io:
        io.write(start - 512, b"a" * 4096)
        io.write(start + length - 4096 + 512, b"b" * 4096)
        io.zero_out(start, length)
        check.equal(io.read(start - 512, 512), b"a" * 512, "before")
        check.true(io.read(start, length) == bytes(length), "zeroes")
        check.equal(io.read(start + length, 512), b"b" * 512, "after")


@case()
def zero_range_and_blkdiscard(t):
    with t.disk.open() as io:
        io.write(1 << 20, b"a" * 16384)
    shell.run("fallocate", "--zero-range", "--offset", (1 << 20) + 4096, "--length", 4096, t.disk.node)
    shell.run("blkdiscard", "--zeroout", "--offset", (1 << 20) + 8192, "--length", 4096, t.disk.node)
    with t.disk.open() as io:
        check.true(io.read(1 << 20, 16384) == b"a" * 4096 + bytes(8192) + b"a" * 4096, "zeroed in the middle")


@case()
def accounting(t):
    """/sys/block/X/stat: reads, merged, sectors, ms, writes, merged, sectors …; discards; flushes."""

    def counts():
        words = list(map(int, t.disk.attribute("stat").split()))
        return {"reads": words[0], "read": words[2], "writes": words[4], "written": words[6], "in flight": words[8]}

    before = counts()
    with t.disk.open() as io:
        for number in range(5):
            io.write(number * 8192, bytes(8192))
            io.read(number * 4096, 4096)
    after = counts()
    check.equal(
        {name: after[name] - before[name] for name in after},
        {"reads": 5, "read": 40, "writes": 5, "written": 80, "in flight": 0},
        "stat",
    )


@case()
def accounting_of_errors_ends(t):
    """A request that fails is not in flight for ever."""
    t.disk.badblocks.inject(8, 1)
    with t.disk.open() as io:
        with check.fails(errno.EIO):
            io.read(4096, 512)
        check.equal(t.disk.attribute("inflight").split(), ["0", "0"], "in flight")
        io.write(4096, bytes(512))


PARTITIONS = {
    512: "label: gpt\nstart=2048, size=655360, name=first\nstart=657409, size=65536, name=odd\n",
    4096: "label: gpt\nstart=256, size=81920, name=first\nstart=82200, size=8192, name=second\n",
}


def make_partitions(t):
    partition_table.write(t.disk, PARTITIONS[t.case.block_size])


@case(blocks=BOTH_BLOCK_SIZES)
def partitions(t):
    """A partition is a part of the disk: its data, its read errors, DAX on it."""
    make_partitions(t)
    first, start = f"{t.disk.node}p1", 1 << 20
    name = os.path.basename(first)
    check.equal(int(t.disk.attribute(f"{name}/start")) * SECTOR, start, "start of the partition")
    check.equal(int(t.disk.attribute(f"{name}/size")) * SECTOR, 320 << 20, "size of the partition")
    for kind in FILE_SYSTEMS:
        # On a partition the kernel takes DAX or reflink, not both.
        options = ("-m", "reflink=0") if kind == "xfs" else ()
        with FileSystem(kind, first, make_options=options) as made:
            path = made.file("file", b"in a partition" + bytes(4096 - 14))
            shell.run(os.path.join(os.path.dirname(__file__), "mapped"), "store", path, 3, "A PARTITION")
            sector = first_sectors(path)[0]
            with t.disk.open() as io:
                check.equal(io.read(start + sector * SECTOR, 4096)[:14], b"in A PARTITION", "data on the whole disk")
            t.disk.badblocks.inject(start // SECTOR + sector, 1)
            with check.fails(errno.EIO), open(path, "rb") as file:
                file.read()
            with open(path, "r+b") as file:
                file.write(bytes(4096))
            check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting")
    partition_table.remove(t.disk)


@case()
def misaligned_partition_has_no_dax(t):
    """The core refuses DAX where a page of the partition is not one of the disk."""
    make_partitions(t)
    odd = f"{t.disk.node}p2"
    t.expect_log("unaligned partition for dax")
    t.expect_log("DAX unsupported by block device")
    t.allow_log("DAX unsupported by block device")
    check.true(os.path.exists(odd), "the partition is missing")
    shell.run("mkfs.ext4", "-q", "-b", "4096", odd)
    os.makedirs("/mnt/odd", exist_ok=True)
    done = shell.attempt("mount", "-t", "ext4", "-o", "dax", odd, "/mnt/odd")
    check.true(done.returncode != 0, "it is mounted with DAX")
    shell.run("mount", "-t", "ext4", odd, "/mnt/odd")  # without DAX it is as good as any
    shell.run("umount", "/mnt/odd")
    partition_table.remove(t.disk)


@case(blocks=BOTH_BLOCK_SIZES)
def read_only_refuses_writers(t):
    set_read_only(t.disk.node, True)
    check.equal(t.disk.attribute("ro"), "1", "ro")
    with check.fails(errno.EPERM, errno.EACCES):
        with t.disk.open() as io:
            io.write(0, bytes(4096))
    with check.fails(errno.EPERM, errno.EACCES, errno.EBADF):
        with t.disk.open(os.O_RDONLY) as io:
            io.zero_out(0, 4096)
    with t.disk.open(os.O_RDONLY) as io:
        io.read(0, 4096)
    set_read_only(t.disk.node, False)
    with t.disk.open() as io:
        io.write(0, bytes(4096))


def written_behind_read_only(t, node, offset_of_node):
    """Data waits in the page cache while the disk becomes read-only: the block core only warns when it
    is written back, so the driver itself must refuse."""
    t.allow_log(r"Trying to write to read-only block-device rpmem")
    t.allow_log(r"Buffer I/O error on dev rpmem\S*, logical block \d+, lost async page write")
    at = 2 << 20
    with t.disk.open() as raw:
        raw.write(offset_of_node + at, b"old " * 1024)
        fd = os.open(node, os.O_RDWR)
        try:
            os.pwrite(fd, b"new " * 1024, at)
            fcntl.ioctl(raw.fd, BLKROSET, struct.pack("i", 1))
            with check.fails(errno.EIO):
                os.fsync(fd)
            check.equal(raw.read(offset_of_node + at, 4096), b"old " * 1024, "the disk after a refused write")
        finally:
            fcntl.ioctl(raw.fd, BLKROSET, struct.pack("i", 0))
            os.close(fd)


@case(blocks=BOTH_BLOCK_SIZES)
def read_only_refuses_cached_data(t):
    written_behind_read_only(t, t.disk.node, 0)


@case()
def read_only_disk_refuses_writes_to_partitions(t):
    make_partitions(t)
    written_behind_read_only(t, f"{t.disk.node}p1", 1 << 20)
    partition_table.remove(t.disk)


@case()
def read_only_partition_refuses_writes(t):
    """The partition alone is read-only; the disk around it is not."""
    t.allow_log(r"Trying to write to read-only block-device rpmem")
    t.allow_log(r"Buffer I/O error on dev rpmem\S*, logical block \d+, lost async page write")
    make_partitions(t)
    node = f"{t.disk.node}p1"
    fd = os.open(node, os.O_RDWR)
    try:
        os.pwrite(fd, b"new " * 1024, 0)
        fcntl.ioctl(fd, BLKROSET, struct.pack("i", 1))
        with check.fails(errno.EIO):
            os.fsync(fd)
        with t.disk.open() as raw:
            raw.write(0x800000, bytes(4096))
    finally:
        fcntl.ioctl(fd, BLKROSET, struct.pack("i", 0))
        os.close(fd)
    partition_table.remove(t.disk)


@case(guests=WITH_NAMESPACES)
def regions_are_apart(t):
    """Two regions at once: data and bad blocks of one are nothing to the other."""
    first, second = t.disks
    for disk, letter in ((first, b"1"), (second, b"2")):
        with disk.open() as io:
            io.write(1 << 20, letter * 4096)
    first.badblocks.inject(2048, 8)
    with second.open() as io:
        check.equal(io.read(1 << 20, 4096), b"2" * 4096, "the second region")
    with first.open() as io:
        with check.fails(errno.EIO):
            io.read(1 << 20, 4096)
    check.equal(second.badblocks.list(), [], "bad blocks of the second")
    with second.open() as io:
        io.write(1 << 20, bytes(4096))
    check.equal(first.badblocks.list(), [(2048, 8)], "bad blocks of the first")
    with first.open() as io:
        io.write(1 << 20, b"1" * 4096)
        check.equal(io.read(1 << 20, 4096), b"1" * 4096, "the first region")


@case(guests=WITH_NAMESPACES)
def file_systems_on_two_regions(t):
    first, second = t.disks
    with FileSystem("ext4", first.node, directory="/mnt/one") as one:
        with FileSystem("xfs", second.node, directory="/mnt/two") as two:
            one.file("file", b"one" * 5000)
            two.file("file", b"two" * 5000)
            shell.run("cp", "/mnt/one/file", "/mnt/two/copy")
            check.equal(shell.read_text("/mnt/two/copy"), "one" * 5000, "a copy from one to the other")
            check.equal(shell.read_text("/mnt/two/file"), "two" * 5000, "the file beside it")


@case()
def write_cache_attribute(t):
    """As nd_pmem has it: whether fsync writes CPU caches back, for machines whose caches survive."""
    path = f"{t.disk.sysfs}/dax/write_cache"
    for written, shown in (("0", "0"), ("1", "1"), ("off", "0"), ("y", "1")):
        shell.write_text(path, written)
        check.equal(t.disk.attribute("dax/write_cache"), shown, f"after {written!r}")
    t.expect_log(r'dax/write_cache: "maybe" is not a truth value')
    with check.fails(errno.EINVAL):
        shell.write_text(path, "maybe")
    check.equal(t.disk.attribute("dax/write_cache"), "1", "after a refused value")
    check.equal(os.stat(path).st_mode & 0o777, 0o644, "mode")


@case(loaded=False)
def unknown_block_size_is_refused(t):
    for size in (0, 1024, 8192, 511):
        driver.refused(
            t, f"logical_block_size={size}", error=errno.EINVAL, says=f"logical_block_size={size}: .*use 512 or 4096"
        )



@case(guests=EVERYWHERE, loaded=False)
def read_only_regions(t):
    """`:ro` in regions=: nothing is written, not even to find out whether there is memory, and nobody can
    make it writable; the other region is as ever."""
    regions = driver.given_regions() if driver.kind() != "nvdimm" else driver.nvdimm_regions()
    named = driver.text_of(regions).split(",")
    driver.load(f"regions={named[0]}")
    FileSystem("ext4", "/dev/rpmem0").unmount()
    driver.unload()

    driver.load(f"regions={named[0]}:ro,{named[1]}")
    disk, other = Disk(0), Disk(1)
    check.equal([disk.attribute("ro"), other.attribute("ro")], ["1", "0"], "ro")
    for _ in range(2):
        with check.fails(errno.EPERM, errno.EACCES):
            with disk.open() as io:
                io.write(0, bytes(4096))
        # No way around it.
        set_read_only(disk.node, False)
        check.equal(disk.attribute("ro"), "1", "ro after --setrw")
    with check.fails(errno.EPERM, errno.EACCES, errno.EBADF):
        with disk.open(os.O_RDONLY) as io:
            io.zero_out(0, 4096)
    # Without "ro", mount(8) says so and mounts it read-only.
    for options in ("dax", "ro,dax"):
        shell.run("mount", "-t", "ext4", "-o", options, disk.node, "/mnt")
        check.true(shell.run("findmnt", "-n", "-o", "OPTIONS", "/mnt").startswith("ro,"), f"mounted with {options}")
        shell.run("umount", "/mnt")
    # A disk that is not read-only can be made so for a while.
    set_read_only(other.node, True)
    check.equal(other.attribute("ro"), "1", "ro after --setro")
    set_read_only(other.node, False)
    with other.open() as io:
        io.write(0, bytes(4096))
    driver.unload()
    driver.refused(t, f"regions={named[0]}:rx", error=errno.EINVAL, says="the word behind the address is not known")
