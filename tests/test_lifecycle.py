# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading: refused while somebody holds a disk, and without a trace otherwise."""

import ctypes
import errno
import os
import re
import tempfile

from harness import check, driver, memory, shell
from harness.cases import EVERYWHERE, FILE_SYSTEMS, case
from harness.disk import Disk
from harness.target import FileSystem


def refuses_to_unload():
    done = shell.attempt("modprobe", "-r", "rpmem")
    check.true(done.returncode != 0 and "in use" in done.stderr, f"modprobe -r: {done.returncode} {done.stderr}")
    check.true(driver.is_loaded(), "the driver has gone")


@case(on=FILE_SYSTEMS)
def not_while_mounted(t):
    refuses_to_unload()
    with memory.mapped(t.target.path) as mapping:
        mapping[0] = 1
        refuses_to_unload()
    t.file_system.unmount()
    driver.unload()


@case()
def not_while_open(t):
    with t.disk.open() as io:
        refuses_to_unload()
        io.write(0, bytes(4096))
    with t.disks[1].open(os.O_RDONLY):
        refuses_to_unload()
    driver.unload()


@case(guests=EVERYWHERE, loaded=False)
def unloading_leaves_no_trace(_):
    """/proc/iomem, /dev, /sys: all as before, in any order of loading and unloading."""
    arguments = driver.usual_arguments()
    before = driver.traces()
    for _ in range(2):
        driver.load(*arguments)
        check.true(driver.difference(before, driver.traces()), "a loaded driver shows nowhere")
        driver.unload()
        check.equal(driver.difference(before, driver.traces()), {}, "what is different")


FINIT_MODULE, DELETE_MODULE = 313, 176  # system calls of x86-64


@case(loaded=False)
def unloading_right_behind_loading(_):
    """By system calls, with nothing in between: the partition scan's files must be closed by then."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number, *arguments):
        if libc.syscall(ctypes.c_long(number), *arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    path = shell.run("modinfo", "-n", "rpmem").strip()
    shell.run("modprobe", "rpmem_core")
    before = driver.traces()
    for _ in range(10):
        fd = os.open(path, os.O_RDONLY)
        try:
            call(FINIT_MODULE, ctypes.c_long(fd), b"", ctypes.c_long(0))
            call(DELETE_MODULE, b"rpmem", ctypes.c_long(os.O_NONBLOCK))
        finally:
            os.close(fd)
    check.equal(driver.difference(before, driver.traces()), {}, "what is different")


@case(guests=EVERYWHERE, loaded=False)
def probing_asynchronously(_):
    """async_probe changes nothing: the disks are there when modprobe returns. The kernel's command line
    of "reserved" says the same for all loads."""
    for _ in range(3):
        driver.load(*driver.usual_arguments(), "async_probe")
        check.equal(len(driver.nodes()), len(driver.given_regions()), "disks")
        driver.unload()


# The crate's name in a mangled symbol, after the hash of what it was built from.
BUILD = re.compile(rb"Cs([0-9A-Za-z]+)_10kernel_ext")


@case(loaded=False)
def built_against_another_kernel_ext(t):
    """Only the hash in the names differs: refused by the kernel, and not called into by mistake."""
    t.expect_log(r"rpmem: Unknown symbol _R\w*_10kernel_ext\w* \(err -2\)")
    before = driver.traces()
    with open(shell.run("modinfo", "-n", "rpmem").strip(), "rb") as file:
        module = file.read()
    (build,) = set(BUILD.findall(module))
    other = build[:-1] + (b"0" if build[-1:] != b"0" else b"1")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rpmem.ko"
        with open(path, "wb") as file:
            file.write(module.replace(b"Cs" + build + b"_10kernel_ext", b"Cs" + other + b"_10kernel_ext"))
        shell.run("modprobe", "rpmem_core")
        done = shell.attempt("insmod", path)
    check.true(done.returncode != 0 and "Unknown symbol" in done.stderr, f"insmod: {done.returncode} {done.stderr}")
    check.equal(driver.difference(before, driver.traces()), {}, "what is different")
    driver.load()
    driver.unload()


@case(loaded=False)
def an_open_list_does_not_hold_the_driver(_):
    """A descriptor of the sysfs file alone: reading it afterwards fails, and does no harm."""
    driver.load()
    disk = Disk(0)
    disk.badblocks.inject(1, 1)
    fd = os.open(disk.badblocks.path, os.O_RDWR)
    try:
        check.equal(os.read(fd, 100), b"1 1\n", "the list")
        driver.unload()
        for use in (lambda: os.pread(fd, 100, 0), lambda: os.write(fd, b"2 1\n")):
            with check.fails(errno.ENODEV):
                use()
    finally:
        os.close(fd)


ROUNDS = 200


def memory_in_use():
    """Pages that are gone, and the kernel's mappings, after everything that can be given back is."""
    shell.write_text("/proc/sys/vm/drop_caches", "3")
    info = dict(re.findall(r"^(\w+): +(\d+)", shell.read_text("/proc/meminfo"), re.M))
    return {
        "available": int(info["MemAvailable"]),
        "slab": int(info["SUnreclaim"]),
        "vmalloc": sum(int(line.split()[1]) for line in shell.read_text("/proc/vmallocinfo").splitlines()),
        "percpu": int(info["Percpu"]),
    }


@case(
    loaded=False, limit=900,
    not_watched="KASAN keeps freed memory back, which looks lost to it; what is lost, kmemleak finds",
)
def two_hundred_rounds(_):
    """Load, write, read, inject, clear, unload: memory, resources and files of the last round are those
    of the tenth (the first ones fill caches that stay)."""
    before = driver.traces()
    at_ten = None
    for number in range(ROUNDS):
        driver.load(f"logical_block_size={512 if number % 2 else 4096}")
        disk = Disk(number % 2)
        with disk.open() as io:
            stamp = f"{number:08}".encode() * 512
            io.write(number * 4096, stamp)
            disk.badblocks.inject(number * 8, 3)
            with check.fails(errno.EIO):
                io.read(number * 4096, 4096)
            io.write(number * 4096, stamp)
            check.equal(io.read(number * 4096, 4096), stamp, f"round {number}")
        if number % 50 == 0:
            with FileSystem("ext4", disk.node) as made:
                with memory.mapped(made.file("file", bytes(65536))) as mapping:
                    mapping[100] = 1
        driver.unload()
        if number == 9:
            at_ten = memory_in_use()
    after = memory_in_use()
    check.equal(driver.difference(before, driver.traces()), {}, "what is different")
    leaked = {what: after[what] - at_ten[what] for what in after}
    rounds = ROUNDS - 10
    # One page a round would be 4 KiB * 190 = 760 KiB; the region's bitmaps are some hundred KiB.
    check.true(leaked["vmalloc"] < 64 << 10, f"vmalloc grew by {leaked['vmalloc']} bytes in {rounds} rounds")
    check.true(leaked["slab"] < 2048, f"slab grew by {leaked['slab']} KiB in {rounds} rounds")
    check.true(leaked["percpu"] < 512, f"per-CPU memory grew by {leaked['percpu']} KiB in {rounds} rounds")
    check.true(leaked["available"] > -(24 << 10), f"{-leaked['available']} KiB are gone after {rounds} rounds")
