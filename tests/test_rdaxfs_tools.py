# SPDX-License-Identifier: GPL-2.0
"""mkfs.rdaxfs, fsck.rdaxfs and dump.rdaxfs on disks: what they make is on the medium, what they refuse stays."""

import os

from harness import check, driver, partition_table, rdaxfs, shell, tools
from harness.cases import BOTH_BLOCK_SIZES, EVERYWHERE, FILE_SYSTEMS, WITH_NAMESPACES, case
from harness.disk import SECTOR
from harness.target import MAKE, FileSystem

BLOCK = 4096
HUGE = 2 << 20
CHUNK_SLOTS = 16
UUID = "01234567-89ab-cdef-0123-456789abcdef"
PER_BLOCK = BLOCK // SECTOR


@case(guests=EVERYWHERE, blocks=BOTH_BLOCK_SIZES)
def a_volume_is_on_the_medium(t):
    """It is whole when the driver comes again, and the disk has no other signature."""
    shell.run(*MAKE["ext4"], t.disk.node)
    said = rdaxfs.run("mkfs", t.disk.node, status=1)
    check.true("ext4" in said and "-f" in said, said)
    check.equal(shell.run("blkid", "-p", "-o", "value", "-s", "TYPE", t.disk.node).strip(), "ext4", "what mkfs kept")
    rdaxfs.run("mkfs", "-f", "-q", "-L", "data", "-U", UUID, t.disk.node)
    check.equal(shell.attempt("blkid", "-p", t.disk.node).returncode, 2, "blkid finds nothing that it knows")
    size = t.disk.block_size
    driver.ensure(None)
    driver.ensure(size)
    volume = rdaxfs.dump(t.disk.node)
    blocks = t.disk.bytes // BLOCK
    wanted = {"uuid": UUID, "label": "data", "state": "clean", "blocks": blocks, "inodes": 1, "align_offset": 0}
    check.equal({name: volume[name] for name in wanted}, wanted, "the volume")
    rdaxfs.run("fsck", "-f", "-n", t.disk.node)
    said = rdaxfs.run("mkfs", t.disk.node, status=1)
    check.true("rdaxfs" in said, said)
    t.disk.wipe_ends()


@case()
def huge_pages_begin_where_memory_does(t):
    """In a partition the first block of a huge page is not the first one."""
    partition_table.write(t.disk, f"label: gpt\nstart={(1 << 20) + 12 * BLOCK >> 9}, size={64 << 20 >> 9}\n")
    node = f"{t.disk.node}p1"
    rdaxfs.run("mkfs", "-q", node)
    first = rdaxfs.dump(node)["align_offset"] * BLOCK
    check.equal((t.disk.address + (1 << 20) + 12 * BLOCK + first) % HUGE, 0, "bytes behind a huge page's start")
    partition_table.remove(t.disk)


@case()
def suites_need_only_its_type(t):
    """mkfs(8), mount(8) and fsck(8) find it by type; of a size in blocks, the rest of the disk is not its."""
    programs = ("mkfs.rdaxfs", "fsck.rdaxfs")
    for program in programs:
        tools.install(program)
    try:
        shell.run("mkfs", "-t", "rdaxfs", "--", "-f", t.disk.node)
        shell.run("fsck", "-t", "rdaxfs", "-f", "-n", t.disk.node)
        shell.run("mkfs", "-t", "rdaxfs", "-f", t.disk.node, 16384)
        check.equal(rdaxfs.dump(t.disk.node)["blocks"], 16384, "blocks")
        with rdaxfs.Volume(t.disk.node, "dax", make=False) as volume:
            here = os.statvfs(volume.directory)
            check.true(here.f_blocks * here.f_frsize <= 16384 * BLOCK, "statfs says no more than the size")
        shell.run("fsck", "-t", "rdaxfs", "-f", "-n", t.disk.node)
    finally:
        for program in programs:
            tools.uninstall(program)


@case(on=FILE_SYSTEMS)
def what_is_mounted_is_left_alone(t):
    """Neither made anew nor repaired, whatever the options; and what was written is there afterwards."""
    data = t.target.fill()
    for program, options, status in (("mkfs", ["-f"], 1), ("fsck", ["-y"], 8), ("fsck", ["-p"], 8)):
        said = rdaxfs.run(program, *options, t.disk.node, status=status)
        check.true("mounted" in said and "unmount" in said, said)
    t.target.file_system.unmount()
    t.target.file_system.mount()
    check.equal(t.target.read(0, len(data)), data, "the file")


@case()
def what_a_loop_device_uses_is_left_alone(t):
    """The file below it is no way around the device, for mkfs or fsck."""
    shell.run("modprobe", "loop")
    image = "/run/volume"
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    rdaxfs.run("mkfs", "-q", image)
    device = shell.run("losetup", "--find", "--show", image).strip()
    try:
        for program, options, status in (("mkfs", ["-f"], 1), ("fsck", ["-y"], 8), ("fsck", ["-p"], 8)):
            said = rdaxfs.run(program, *options, image, status=status)
            check.true(f"is in use by {device}" in said and "losetup" in said, said)
        rdaxfs.run("fsck", "-f", "-n", device)
    finally:
        shell.run("losetup", "--detach", device)
    rdaxfs.run("fsck", "-f", "-y", image)
    os.unlink(image)


@case()
def a_read_only_disk_is_refused(t):
    """With the way out, and before anything is tried: what is there is not lost. What only reads goes on."""
    rdaxfs.run("mkfs", "-f", "-q", "-L", "kept", t.disk.node)
    shell.run("blockdev", "--setro", t.disk.node)
    try:
        for program, options, status in (
            ("mkfs", ["-f"], 1), ("tune", ["-L", "new"], 1), ("fsck", ["-f", "-y"], 8), ("fsck", ["-f", "-p"], 8),
        ):
            said = rdaxfs.run(program, *options, t.disk.node, status=status)
            wanted = f"{program}.rdaxfs: {t.disk.node} is read-only: blockdev --setrw makes a device writable"
            otherwise = ", or check it without a repair (-n)" if program == "fsck" else ""
            check.equal(said, f"{wanted}{otherwise}\n", program)
        # At boot a clean volume is no reason to stop.
        for options in (["-p"], ["-f", "-n"]):
            rdaxfs.run("fsck", *options, t.disk.node)
        rdaxfs.run("mkfs", "-f", "-n", t.disk.node)
        check.equal(rdaxfs.dump(t.disk.node)["label"], "kept", "the label")
    finally:
        shell.run("blockdev", "--setrw", t.disk.node)


@case(guests=WITH_NAMESPACES)
def poison_is_found_and_repaired(t):
    """In each kind of block: fsck says what it is, repairs it, and the disk has no bad sector afterwards."""
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
    last = t.disk.bytes // BLOCK - 1
    root = rdaxfs.dump(t.disk.node)["root"]
    whole = range(PER_BLOCK)
    for block, sectors, what in (
        (0, whole, "superblock"),
        (last, whole, "superblock"),
        (1, whole, "group"),
        (2, whole, "group"),
        (3, whole, "group"),
        (4, whole, "journal"),
        # What nobody reads today is wanted tomorrow.
        (0, [7], "superblock"),
        (1, [5], "group"),
        (3, [1, 6], "group"),
        (4, [3], "journal"),
        (root // CHUNK_SLOTS, [4], "inode"),
    ):
        for sector in sectors:
            t.disk.badblocks.inject(block * PER_BLOCK + sector, 1)
        copy = []
        if block == 0 and 0 in sectors:
            # The magic number is lost: whose the disk is has to be said.
            copy = ["-b", str(last)]
            for how in ("-p", "-y", "-n"):
                said = rdaxfs.run("fsck", "-f", how, t.disk.node, status=8)
                check.true(f"-b {last}" in said, said)
        said = rdaxfs.run("fsck", "-f", "-n", *copy, t.disk.node, status=4)
        check.true(what in said, f"block {block}: {said}")
        rdaxfs.run("fsck", "-f", "-y", *copy, t.disk.node, status=1)
        check.equal(t.disk.badblocks.list(), [], f"after block {block} was repaired")
        rdaxfs.run("fsck", "-f", "-n", t.disk.node)
        check.equal(rdaxfs.dump(t.disk.node)["root"], root, f"the root after block {block}")
    # What loses nothing needs no thought.
    for block in (2, 3, 4):
        t.disk.badblocks.inject(block * PER_BLOCK, 1)
    rdaxfs.run("fsck", "-f", "-p", t.disk.node, status=1)
    check.equal(t.disk.badblocks.list(), [], "after preening")
    rdaxfs.run("fsck", "-f", "-n", t.disk.node)
    # A clean volume is not clean if its journal cannot be read: a mount would fail.
    t.disk.badblocks.inject(4 * PER_BLOCK, 1)
    rdaxfs.run("fsck", "-n", t.disk.node, status=4)
    rdaxfs.run("fsck", "-p", t.disk.node, status=1)
    check.equal(t.disk.badblocks.list(), [], "after the journal was emptied")
    check.equal(rdaxfs.dump(t.disk.node)["state"], "clean", "the volume")
    t.disk.wipe_ends()


@case()
def poison_does_not_keep_a_volume_from_being_made(t):
    """Whoever injects errors wants a fresh volume where they were: mkfs -f clears those that it writes to."""
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
    for block in (0, 1, 4, t.disk.bytes // BLOCK - 1):
        t.disk.badblocks.inject(block * PER_BLOCK, 3)
    said = rdaxfs.run("mkfs", t.disk.node, status=1)
    check.true("-f" in said, said)
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
    check.equal(t.disk.badblocks.list(), [], "bad sectors of a fresh volume")
    rdaxfs.run("fsck", "-f", "-n", t.disk.node)
    t.disk.wipe_ends()


@case()
def another_file_system_takes_a_disk_over(t):
    """After mkfs.ext4 and mkfs.xfs fsck.rdaxfs finds no volume, so that it repairs nothing of theirs."""
    for kind in FILE_SYSTEMS:
        rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
        with FileSystem(kind, t.disk.node, make_options=("-F",) if kind == "ext4" else ()) as made:
            made.file("kept", b"kept" * 1024)
        rdaxfs.run("fsck", "-y", t.disk.node, status=8)
        with FileSystem(kind, t.disk.node, make=False) as made:
            with open(os.path.join(made.directory, "kept"), "rb") as file:
                check.equal(file.read(), b"kept" * 1024, f"a file of {kind}")
    t.disk.wipe_ends()
