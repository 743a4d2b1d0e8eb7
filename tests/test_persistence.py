# SPDX-License-Identifier: GPL-2.0
"""What was written is there when the driver comes back, and when the machine does."""

import os
import random

from harness import check, driver, memory, shell
from harness.cases import BOTH_BLOCK_SIZES, FILE_SYSTEMS, WITH_NAMESPACES, case
from harness.disk import Disk
from harness.target import FileSystem

# What the guest "nvdimm" leaves for "nvdimm-again", which has the same files behind its NVDIMMs.
DATA = random.Random(8).randbytes(300_000)
RAW_AT = 64 << 20


@case(guests=WITH_NAMESPACES, blocks=BOTH_BLOCK_SIZES, on=FILE_SYSTEMS)
def data_outlives_the_driver(t):
    """Data stays, and the list of bad blocks does not: nothing but the driver holds it."""
    t.file_system.file("kept", DATA)
    with memory.mapped(t.target.path) as mapping:
        mapping[4096:4106] = b"by mapping"
    t.file_system.unmount()
    with t.disk.open() as io:
        last = t.disk.bytes - 4096
        io.write(last, b"end!" * 1024)
    t.disk.badblocks.inject(80, 1)
    driver.unload()
    check.equal(driver.nodes(), [], "nodes without the driver")
    driver.ensure(t.case.block_size)
    check.equal(t.disk.badblocks.text(), "", "bad blocks after loading anew")
    with t.disk.open() as io:
        check.equal(io.read(last, 4096), b"end!" * 1024, "the last page")
    t.file_system.mount()
    with open(os.path.join(t.file_system.directory, "kept"), "rb") as file:
        check.true(file.read() == DATA, "the file")
    check.equal(t.target.read(4096, 10), b"by mapping", "what was stored through a mapping")


@case(guests=("memmap",))
def another_block_size_sees_the_same_bytes(t):
    with t.disk.open() as io:
        io.write(RAW_AT, DATA[:65536])
    driver.ensure(4096)
    with t.disk.open() as io:
        check.true(io.read(RAW_AT, 65536) == DATA[:65536], "the bytes in blocks of 4096")


@case(guests=("memmap",), loaded=False)
def regions_of_another_shape_see_the_same_bytes(t):
    """Half a region, and the half behind it, are what the whole has there."""
    size, address = driver.given_regions()[0]
    half = size // 2
    driver.load(f"regions={size:#x}@{address:#x}")
    with Disk(0).open() as io:
        io.write(half - 4096, b"1" * 4096 + b"2" * 4096)
    driver.unload()
    driver.load(f"regions={half:#x}@{address + half:#x},{half:#x}@{address:#x}")
    with Disk(0).open() as io:
        check.equal(io.read(0, 4096), b"2" * 4096, "the second half, named first")
    with Disk(1).open() as io:
        check.equal(io.read(half - 4096, 4096), b"1" * 4096, "the first half, named second")
    driver.unload()


@case(guests=("nvdimm",), blocks=(4096,), last=True)
def data_for_the_next_guest(t):
    """Not cleared away: the guest is then switched off like a machine that loses power."""
    for number, kind in enumerate(FILE_SYSTEMS):
        with FileSystem(kind, t.disks[number].node) as made:
            made.file("kept", DATA)
            path = made.file("stored", bytes(1 << 20))
            with memory.mapped(path) as mapping:
                mapping[8192:8192 + len(DATA)] = DATA
                mapping.flush()


@case(guests=("nvdimm-again",), blocks=(4096,))
def data_of_the_guest_before(t):
    """It needs data_for_the_next_guest to have run in the same run of the tests."""
    for number, kind in enumerate(FILE_SYSTEMS):
        disk = t.disks[number]
        with FileSystem(kind, disk.node, make=False) as found:
            with open(os.path.join(found.directory, "kept"), "rb") as file:
                check.true(file.read() == DATA, f"{kind}: what was written")
            with memory.mapped(os.path.join(found.directory, "stored")) as mapping:
                check.true(mapping[8192:8192 + len(DATA)] == DATA, f"{kind}: what was stored")
        checker = {"ext4": ("e2fsck", "-fn"), "xfs": ("xfs_repair", "-n")}[kind]
        shell.run(*checker, disk.node)
