# SPDX-License-Identifier: GPL-2.0
"""Machine checks, raised by QEMU as a processor does, or logged by mce-inject as if one had been: what the
driver's list says afterwards, what still works, and that the page comes back.

What cannot be raised: one during a copy of the driver's own, whose pieces of 4096 bytes an emulated
processor finishes before it looks for interrupts. The copy of the DAX core, by the same function, is as
long as the read."""

import errno
import os
import time

from harness import check, driver, machine_check, memory, shell
from harness.cases import FILE_SYSTEMS, case
from harness.disk import SECTOR, first_sectors
from harness.machine_check import ACTION_OPTIONAL, ACTION_REQUIRED, Injector

PAGE = 4096
HERE = ("machine-checks",)
# What the kernel says of a machine check besides the driver's line.
COMPLAINTS = (
    # The kernel prints a record in pieces, between which others may print.
    r"mce: \[Hardware Error\]: ", r"^((TSC|ADDR|MISC) [0-9a-f]+ *)+$", r"^Disabling lock debugging due to kernel taint$", r"^Memory failure: 0x",
    r"^MCE: Killing .* due to hardware memory corruption fault", r"^mce: Uncorrected hardware memory error in user-access at ",
    r"^rpmem: rpmem\d: (machine check|memory failure): \d+ sectors from \d+ on are bad now$",
)


def allow_complaints(t):
    for pattern in COMPLAINTS:
        t.allow_log(pattern)


def address_of(t, page):
    return t.disk.address + t.target.sector_of(page * PAGE) * SECTOR


def wait_until_failed(t, page):
    """Until the page is in the list and unmapped."""
    sector = t.target.sector_of(page * PAGE)
    check.wait_until(lambda: t.disk.badblocks.list() == [(sector, 8)], "the page is in the list")
    # That comes after: by then its failure has been handled.
    check.wait_until(lambda: not machine_check.is_mapped(address_of(t, page)), "the page is unmapped")


def comes_back(t, page, data):
    """Less than the page fails and leaves all as it is; the page brings it back. `data` is the file."""
    sector = t.target.sector_of(page * PAGE)
    for offset, length in ((page * PAGE, PAGE), (0, len(data)), (page * PAGE + 100, 1)):
        with check.fails(errno.EIO):
            t.target.read(offset, length)
    with check.fails(errno.EFAULT):
        t.target.write(page * PAGE, b"p" * 512)
    with t.disk.open() as io:
        for offset, length in ((0, SECTOR), (PAGE - SECTOR, SECTOR), (SECTOR, PAGE)):
            with check.fails(errno.EIO):
                io.write(sector * SECTOR + offset, b"p" * length)
        with check.fails(errno.EIO):
            io.read(sector * SECTOR, SECTOR)
    check.equal(memory.bus_error_of(t.target.path, page * PAGE)[0], memory.BUS_MCEERR_AR, "si_code of a load")
    check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after all that failed")
    check.true(not machine_check.is_mapped(address_of(t, page)), "the page is mapped after all that failed")

    t.target.write(page * PAGE, b"n" * PAGE)
    check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting")
    check.true(machine_check.is_mapped(address_of(t, page)), "the page is not mapped after overwriting")
    new = data[:page * PAGE] + b"n" * PAGE + data[(page + 1) * PAGE:]
    check.true(t.target.read(0, len(new)) == new, "the file after overwriting")
    with memory.mapped(t.target.path) as mapping:
        mapping[page * PAGE] = 1
        mapping.flush()
    check.equal(t.target.read(page * PAGE, 2), b"\1n", "what was stored through a mapping")
    with t.disk.open() as io:
        io.write(sector * SECTOR, b"s" * SECTOR)


@case(guests=HERE, on=FILE_SYSTEMS)
def found_by_the_patrol_of_the_memory(t):
    """Nobody has to do anything at once: who wants to know early is told, the page is taken out of use."""
    allow_complaints(t)
    data = t.target.fill()
    page = 5
    early = memory.Bystander(t.target.path, page * PAGE)
    other = memory.Bystander(t.target.path, (page + 1) * PAGE)
    check.true(machine_check.is_mapped(address_of(t, page)), "the page is not mapped at first")
    machine_check.inject(address_of(t, page) + 192, ACTION_OPTIONAL)
    check.equal(early.bus_error(), (memory.BUS_MCEERR_AO, page * PAGE, 12), "what SIGBUS said")
    check.true(early.end(), "a process that has SIGBUS blocked was killed")
    wait_until_failed(t, page)
    check.true(machine_check.is_mapped(address_of(t, page) - PAGE), "the page before is not mapped")
    comes_back(t, page, data)
    check.equal(other.bus_error(seconds=0), None, "a signal for the process with another page")
    check.true(other.end(), "the process with another page was killed")


@case(guests=HERE, on=FILE_SYSTEMS)
def met_by_a_program(t):
    """The program that loads from the page gets SIGBUS with the address; the rest is the same."""
    allow_complaints(t)
    data = t.target.fill()
    page = 9
    program = memory.Looper(t.target.path, page * PAGE + 256, cpu=1)
    machine_check.inject(address_of(t, page) + 256, ACTION_REQUIRED, cpu=1, rip=program.rip)
    code, where = program.bus_error()
    check.equal(code, memory.BUS_MCEERR_AR, "si_code")
    check.equal(where // PAGE, page, "the page that si_addr is in")
    wait_until_failed(t, page)
    comes_back(t, page, data)


@case(guests=HERE, on=("ext4",), limit=300)
def overwritten_while_it_is_handled(t):
    """The list has the page before the kernel unmaps it, on the program's way back to user space. A write in
    between must not bring back a page that goes afterwards: nobody would know of it, and the next store
    would oops."""
    allow_complaints(t)
    data = bytearray(t.target.fill())

    def overwrite(sector):
        os.sched_setaffinity(0, {0})
        with t.disk.open() as io:
            os.write(ready, b"r")
            while (sector, 8) not in t.disk.badblocks.list():
                pass
            io.write(sector * SECTOR, b"n" * PAGE)

    told, ready = os.pipe()
    for page in range(10):
        address = address_of(t, page)
        program = memory.Looper(t.target.path, page * PAGE + 256, cpu=1)
        writer = memory.start_child(overwrite, t.target.sector_of(page * PAGE))
        os.read(told, 1)
        machine_check.inject(address + 256, ACTION_REQUIRED, cpu=1, rip=program.rip)
        check.equal(program.bus_error()[0], memory.BUS_MCEERR_AR, "si_code")
        check.equal(memory.end_of(writer), 0, "the process that overwrote it")
        check.true(machine_check.is_mapped(address), f"page {page} has been overwritten and is not mapped")
        data[page * PAGE:(page + 1) * PAGE] = b"n" * PAGE
        with t.disk.open() as io:
            io.write(t.target.sector_of(page * PAGE) * SECTOR, b"n" * PAGE)
    # The records of the errors, which may come late, name sectors.
    time.sleep(1)
    t.disk.badblocks.clear(0, t.disk.sectors)
    check.true(t.target.read(0, len(data)) == data, "the file")


@case(guests=HERE, on=FILE_SYSTEMS)
def met_by_the_kernel(t):
    """read(2) copies in a way that survives it: EIO, and from then on the list knows the sector. The
    kernel does no more than that, so that the sector is all that is to be written."""
    allow_complaints(t)
    page = 3
    size = 4 << 20
    path = t.file_system.file("large", b"l" * size)
    sector = first_sectors(path)[page] + 2
    t.expect_log(f"{t.disk.name}: machine check: 1 sectors from {sector} on are bad now")

    def read():
        os.sched_setaffinity(0, {1})
        with open(path, "rb", buffering=0) as file, check.fails(errno.EIO):
            while file.readinto(buffer) == len(buffer):
                file.seek(0)

    buffer = bytearray(size)
    instruction = machine_check.copy_instruction()
    check.true(instruction is not None, "this processor has no fast string copy")
    reader = memory.start_child(read)
    address = t.disk.address + sector * SECTOR
    machine_check.inject(address + 64, ACTION_REQUIRED, cpu=1, rip=instruction)
    check.equal(memory.end_of(reader), 0, "the process that read")
    check.wait_until(lambda: t.disk.badblocks.list() == [(sector, 1)], "the sector is in the list")
    check.true(machine_check.is_mapped(address), "the page is not mapped")
    with check.fails(errno.EIO), open(path, "rb") as file:
        file.read()
    with t.disk.open() as io:
        io.write(sector * SECTOR, b"l" * SECTOR)
    check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting")
    with open(path, "rb") as file:
        check.true(file.read() == b"l" * size, "the file")


@case(guests=HERE)
def where_no_file_is(t):
    """The kernel finds nobody to tell, and leaves the page mapped; it has failed as a whole all the same."""
    allow_complaints(t)
    at = 1 << 20
    with t.disk.open() as io:
        io.write(at, b"x" * PAGE)
        machine_check.inject(t.disk.address + at + 1024, ACTION_OPTIONAL)
        check.wait_until(lambda: t.disk.badblocks.list() == [(at // SECTOR, 8)], "the page is in the list")
        with check.fails(errno.EIO):
            io.read(at, SECTOR)
        with check.fails(errno.EIO):
            io.write(at, b"p" * SECTOR)
        io.write(at, b"n" * PAGE)
        check.true(io.read(at, PAGE) == b"n" * PAGE, "the new data")
    check.equal(t.disk.badblocks.list(), [], "bad blocks after overwriting")


@case(guests=HERE, on=("ext4",))
def an_unmapped_page_does_not_outlive_the_driver(t):
    """The list is empty when the driver is loaded anew; so the page must be mapped again too."""
    allow_complaints(t)
    t.target.fill()
    address = address_of(t, 4)
    with memory.mapped(t.target.path) as mapping:
        check.equal(mapping[4 * PAGE], 5, "the page")
        machine_check.inject(address, ACTION_OPTIONAL)
        wait_until_failed(t, 4)
    t.file_system.unmount()
    driver.unload()
    check.true(not machine_check.is_mapped(address), "the page is mapped without the driver")
    driver.ensure(t.case.block_size)
    check.true(machine_check.is_mapped(address), "the page is not mapped with the driver")
    at = address - t.disk.address
    with t.disk.open() as io:
        io.write(at, b"a" * SECTOR)
        check.equal(io.read(at, 1024), b"a" * SECTOR + b"\5" * SECTOR, "what is on the page")


@case(guests=HERE)
def what_a_record_says(t):
    """The driver's own part, with mce-inject: which sectors, and what is not its concern."""
    allow_complaints(t)
    first, second = t.disks
    last = first.address + first.bytes

    def log(address, status=ACTION_REQUIRED, granule=6):
        injector.log(address, status, granule)
        # Records are handled in order: once this one is, so is the one before.
        injector.log(second.address + 8192, ACTION_REQUIRED)
        check.wait_until(lambda: (16, 1) in second.badblocks.list(), "a second record is handled")
        second.badblocks.clear(16, 1)
        found = first.badblocks.list()
        first.badblocks.clear(0, first.sectors)
        return found

    with Injector() as injector:
        address = first.address + (1 << 20)
        for granule, offset, sectors in (
            (0, 0, (2048, 1)), (6, 511, (2048, 1)), (9, 512, (2049, 1)), (10, 600, (2048, 2)), (12, 700, (2048, 8)),
        ):
            check.equal(log(address + offset, granule=granule), [sectors], f"{offset} bytes in, {granule} bits")
        check.equal(log(first.address), [(0, 1)], "the first byte")
        check.equal(log(last - 1), [(first.sectors - 1, 1)], "the last byte")
        check.equal(log(last - 1, granule=12), [(first.sectors - 8, 8)], "the last page")
        for what, where, status in (
            ("behind the end", last, ACTION_REQUIRED),
            ("before the start", first.address - 1, ACTION_REQUIRED),
            ("a corrected error", address, ACTION_REQUIRED & ~machine_check.UC),
            ("no address", address, ACTION_REQUIRED & ~machine_check.ADDRV),
            ("not in memory: a bus", address, ACTION_REQUIRED & ~0xFFFF | 0x0800),
        ):
            check.equal(log(where, status), [], what)
        # A granule that is no page's part makes the address useless to the kernel.
        check.equal(log(address, granule=21), [], "21 bits")

        # What is known is not news.
        t.disk.badblocks.inject(2048, 8)
        check.equal(log(address), [(2048, 8)], "within what is known")


@case(guests=HERE, limit=300)
def while_a_device_comes_and_goes(t):
    """Machine checks in the region of a device that is unbound and bound again: no harm, nothing left."""
    allow_complaints(t)
    name = os.path.basename(os.path.realpath(f"{t.disk.sysfs}/device"))
    # Not where partition tables are looked for.
    address = t.disk.address + (2 << 20)

    def log():
        number = 0
        while True:
            number += 1
            injector.log(address + number % 64 * PAGE, ACTION_REQUIRED)
            time.sleep(0.005)  # each is some lines in the kernel's log

    with Injector() as injector:
        pid = memory.start_child(log)
        for _ in range(10):
            shell.write_text("/sys/bus/platform/drivers/rpmem/unbind", name)
            shell.write_text("/sys/bus/platform/drivers/rpmem/bind", name)
            check.wait_until(lambda: t.disk.badblocks.list() != [], "a record is handled")
        os.kill(pid, 9)
        memory.end_of(pid)
        # Those that are still on their way come before this one.
        injector.log(address + (2 << 20), ACTION_REQUIRED)
        check.wait_until(lambda: (8192, 1) in t.disk.badblocks.list(), "the last record is handled")
    t.disk.badblocks.clear(0, t.disk.sectors)
