# SPDX-License-Identifier: GPL-2.0
"""Persistent memory behind CXL, driven by nd_rpmem: what is written stays, and the poison that a device lists is in the
list of bad blocks, as with no other driver.  QEMU emulates each access, so that little is written."""

import errno

from harness import check, machine_check, nd, shell
from test_nd import kept_on_a_file_system, nd_case

# QEMU's device has no register for what cxl_pmem counts there.
NO_COUNT = r"cxl_nvdimm .*: GPF: could not set dirty shutdown state"
REPORTED = r"the platform reports \d+ more bad sectors"
REGION = 0
PAGE_SECTORS = 8


def poison(start, length):
    """Of the device's own bytes."""
    machine_check.request("poison", REGION, start, length)


def again(t):
    t.allow_log(NO_COUNT)
    nd.unload()
    nd.load()
    return nd.disk()


@nd_case(guests=("cxl",), limit=300)
def cxl_memory_is_a_namespace(t):
    """A region by cxl-cli, a namespace by ndctl, ext4 with DAX and MAP_SYNC on it."""
    t.allow_log(NO_COUNT)
    made = nd.create("fsdax", "--map=dev")
    check.equal((made["mode"], made["map"], made["blockdev"]), ("fsdax", "dev", "rpmem0.0"), "as ndctl sees it")
    found = nd.disk()
    check.equal((found.bytes, found.queue("dax")), (made["size"], "1"), "bytes, dax")
    kept_on_a_file_system("ext4", found)


@nd_case(guests=("cxl",), limit=300)
def what_a_cxl_device_lists_is_bad(t):
    """Poison is in the list when the driver comes, or when the list is changed; it gives EIO; a write takes it away
    from the device, and nothing else does."""
    t.allow_log(NO_COUNT)
    t.expect_log(REPORTED)
    nd.create("raw")
    with nd.disk().open() as io:
        io.write(0, b"data" * (256 << 10))
    # A line in the middle of a sector, lines of two sectors, and a page.
    for start, length in ((40 * 4096 + 1088, 64), (60 * 4096 + 448, 128), (100 * 4096, 4096)):
        poison(start, length)
    listed = [(40 * PAGE_SECTORS + 2, 1), (60 * PAGE_SECTORS, 2), (100 * PAGE_SECTORS, 8)]
    found = again(t)
    check.equal(found.badblocks.list(), listed, "the list")
    with found.open() as io:
        for start, length in listed:
            with check.fails(errno.EIO):
                io.read(start * 512, length * 512)
        check.equal(io.read(40 * 4096 + 1536, 512), b"data" * 128, "beside it")
        io.write(40 * 4096 + 1024, b"new!" * 128)
        check.equal(io.read(40 * 4096, 4096), b"data" * 256 + b"new!" * 128 + b"data" * 640, "the page")
    check.equal(found.badblocks.list(), listed[1:], "the list after a write")
    # The device still has it, whatever the list is told.
    found.badblocks.clear(*listed[1])
    check.equal(found.badblocks.list(), listed[1:], "the list after it was cleared by hand")
    found = again(t)
    check.equal(found.badblocks.list(), listed[1:], "the list when the driver is there again")
    poison(200 * 4096, 64)
    found.badblocks.clear(0, 1)
    check.equal(found.badblocks.list(), [*listed[1:], (200 * PAGE_SECTORS, 1)], "the list after it was written to")
    with found.open() as io:
        io.zero_out(0, 1 << 20)
    check.equal(again(t).badblocks.text(), "", "the list in the end")


@nd_case(guests=("cxl",), limit=300)
def poison_is_where_the_data_is(t):
    """An fsdax namespace begins before its data."""
    t.allow_log(NO_COUNT)
    t.expect_log(REPORTED)
    made = nd.create("fsdax", "--map=mem")
    region = int(shell.read_text(f"{nd.DEVICES}/region{REGION}/size"))
    before = region - made["size"]
    for offset in (33 * 4096, 77 * 4096, made["size"] - 64):
        poison(before + offset, 64)
    found = again(t)
    listed = [(33 * PAGE_SECTORS, 1), (77 * PAGE_SECTORS, 1), (found.sectors - 1, 1)]
    check.equal(found.badblocks.list(), listed, "the list")
    with found.open() as io:
        for start, length in listed:
            io.write(start * 512, bytes(512 * length))
    check.equal(again(t).badblocks.text(), "", "the list in the end")
