# SPDX-License-Identifier: GPL-2.0
"""A device is taken away while it is used: I/O fails, nothing crashes, and it can come back."""

import errno
import os
import random
import signal
import time

from harness import check, driver, memory, rdaxfs, shell
from harness.cases import FILE_SYSTEMS, case
from harness.disk import GONE, use_until_gone
from harness.target import FileSystem

DRIVER = "/sys/bus/platform/drivers/rpmem"
# What file systems say when their disk has gone. Their own faults, with a call trace, are not among it.
COMPLAINTS = (
    r"^EXT4-fs (error|warning|\()", r"^EXT4-fs: ", r"^JBD2: ", r"^Aborting journal on device rpmem",
    r"^XFS \(rpmem", r"^Buffer I/O error on dev(ice)? rpmem", r"^rpmem: .*waiting for the last user", r"^rpmem rpmem\.\d: rpmem\d: the region is still in use since it was unbound",
    r"^MCE: Killing .* due to hardware memory corruption fault", r"Sending SIGBUS to .* due to hardware memory corruption",
)

# What the device core adds when the probe refuses a region that is still in use.
PROBE_BUSY = r"^rpmem rpmem\.\d+: probe with driver rpmem failed with error -16"
STILL_IN_USE = r"^rpmem rpmem\.\d: rpmem\d: the region is still in use since it was unbound"


def device_of(disk):
    return os.path.basename(os.path.realpath(f"{disk.sysfs}/device"))


def unbind(name):
    shell.write_text(f"{DRIVER}/unbind", name)


def bind(name):
    shell.write_text(f"{DRIVER}/bind", name)


def ends_within(pid, seconds):
    """The exit status of a child (minus a signal) that ends in time; None when it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    return None


@case(guests=("memmap",))
def unbind_and_bind(t):
    """An idle device goes and comes back as it was, the other one is not touched."""
    data = random.Random(9).randbytes(65536)
    first, second = t.disks
    for disk in t.disks:
        with disk.open() as io:
            io.write(1 << 20, data)
    name = device_of(first)
    with second.open() as other:
        unbind(name)
        check.equal(driver.nodes(), [second.node], "nodes")
        check.true(f": {first.name}\n" not in shell.read_text("/proc/iomem"), "the region is still claimed")
        check.true(other.read(1 << 20, 65536) == data, "the other disk")
        bind(name)
    check.equal(driver.nodes(), [first.node, second.node], "nodes after binding")
    with first.open() as io:
        check.true(io.read(1 << 20, 65536) == data, "what was on it")


@case(guests=("memmap",))
def unload_while_unbound(t):
    names = [device_of(disk) for disk in t.disks]
    for name in names:
        unbind(name)
    check.equal(driver.nodes(), [], "nodes")
    driver.unload()


@case(guests=("removal",), limit=300)
def unbind_under_io(t):
    """Readers and writers of the bare disk end with an error, soon."""
    name = device_of(t.disk)

    for _ in range(3):
        users = [memory.start_child(use_until_gone, t.disk, seed) for seed in range(4)]
        time.sleep(1)
        unbinder = memory.start_child(unbind, name)
        check.equal(ends_within(unbinder, 60), 0, "unbind")
        for user in users:
            check.equal(ends_within(user, 60), 0, "a process that used it")
        check.true(t.disk.node not in driver.nodes(), "the node is still there")
        bind(name)
        with t.disk.open() as io:
            io.write(0, b"back" * 1024)
            check.equal(io.read(0, 4096), b"back" * 1024, "the disk that came back")


@case(guests=("removal",))
def an_open_disk_is_dead(t):
    """A descriptor that outlives the device gives errors, not another device's data, and keeps the region."""
    t.expect_log(STILL_IN_USE)
    t.allow_log(r"^rpmem: .*waiting for the last user")
    t.allow_log(PROBE_BUSY)
    name = device_of(t.disk)
    for direct in (True, False):
        io = t.disk.open(direct=direct)
        io.read(0, 4096)
        unbinder = memory.start_child(unbind, name)
        check.equal(ends_within(unbinder, 60), 0, "unbind")
        gives_nothing(io)
        with check.fails(errno.EBUSY):
            bind(name)
        gives_nothing(io)
        io.close()
        bind(name)


@case(guests=("removal",), limit=300)
def an_unbind_waits_for_no_mapping(t):
    """Shutdown takes the lock that unbind runs under, and suspend freezes tasks: neither has to wait until
    the last page's user goes."""
    for pattern in (*COMPLAINTS, STILL_IN_USE, PROBE_BUSY, r"^rpmem: .*waiting for the last user"):
        t.allow_log(pattern)
    name = device_of(t.disk)
    made = FileSystem("ext4", t.disk.node)
    user = memory.Bystander(made.file("file", b"kept" * (1 << 10)), 0)
    unbinder = memory.start_child(unbind, name)
    check.equal(ends_within(unbinder, 20), 0, "unbind")
    check.true(t.disk.node not in driver.nodes(), "the node is still there")
    check.true(f": {t.disk.name}\n" in shell.read_text("/proc/iomem"), "the region is claimed no more")
    # As shutdown does, this takes the lock of the device.
    shell.write_text(f"/sys/bus/platform/devices/{name}/driver_override", "rpmem")
    shell.write_text(f"/sys/bus/platform/devices/{name}/driver_override", "\n")
    with check.fails(errno.EBUSY):
        bind(name)
    # No deeper: the next level, "devices", suspends the device that the tests are told about by.
    if os.path.exists("/sys/power/pm_test"):
        shell.write_text("/sys/power/pm_test", "freezer")
        shell.write_text("/sys/power/state", "freeze")
        shell.write_text("/sys/power/pm_test", "none")
    user.end()
    made.unmount()
    bind(name)
    with FileSystem("ext4", t.disk.node, make=False):
        pass


@case(guests=("reboot",), reboots=True, not_watched="a kernel that has gone cannot be looked at")
def a_reboot_waits_for_no_mapping(t):
    """reboot(2) takes the lock of each device. With a page of a file mapped and the device unbound, the
    machine goes down all the same."""
    for pattern in (*COMPLAINTS, r"^rpmem: .*waiting for the last user"):
        t.allow_log(pattern)
    made = FileSystem("ext4", t.disk.node)
    memory.Bystander(made.file("file", b"kept" * (1 << 10)), 0)
    unbinder = memory.start_child(unbind, device_of(t.disk))
    # Without its end the reboot is all that is left to try.
    ends_within(unbinder, 20)

    def crash():
        """Ends the guest in another way, should it not reboot."""
        time.sleep(60)
        shell.write_text("/proc/sysrq-trigger", "c")

    memory.start_child(crash)
    shell.reboot()
    raise AssertionError("reboot(2) has returned")


def gives_nothing(io):
    try:
        data = io.read(1 << 20, 4096)
    except OSError as error:
        check.true(error.errno in GONE, f"{error}")
    else:
        check.equal(data, b"", "what a disk that has gone gives")
    with check.fails(*GONE):
        io.write(1 << 20, bytes(4096))
        io.sync()


# How a file system that has lost its device may fail.
FAILS = (*GONE, errno.EROFS, errno.EUCLEAN)


def use(path, other, fails):
    """Starts a process that stores through a mapping of a file, until it is killed or its memory is taken from it, and
    one that writes to another file, until that fails in one of those ways."""

    def store():
        with memory.mapped(path, sync=False) as mapping:
            mapping[0:4096] = b"kept" * 1024
            number = 0
            while True:
                number += 1
                mapping[8192 + number % 256] = mapping[4096 + number % 256]

    def write():
        fd = os.open(other, os.O_RDWR)
        try:
            while True:
                os.pwrite(fd, b"w" * 4096, 0)
                os.fsync(fd)
                time.sleep(0.001)
        except OSError as error:
            check.true(error.errno in fails, f"{error}")

    return memory.start_child(store), memory.start_child(write)


def end_use(storer, other, fails):
    """The device has gone: a write fails.  Stores hurt nobody, and who stores ends when he is told to, if he has not lost
    his memory already."""
    with check.fails(*fails):
        with open(other, "r+b", buffering=0) as file:
            file.write(b"more")
            os.fsync(file.fileno())
    os.kill(storer, signal.SIGKILL)
    check.true(ends_within(storer, 60) in (-signal.SIGKILL, -signal.SIGBUS), "the process that stored")


def under_a_mapping(t, kind, make_options):
    for pattern in COMPLAINTS:
        t.allow_log(pattern)
    name = device_of(t.disk)
    made = FileSystem(kind, t.disk.node, make_options=make_options)
    path = made.file("file", b"kept" * (1 << 18))
    other = made.file("other", bytes(1 << 20))
    os.sync()

    storer, writer = use(path, other, FAILS)
    time.sleep(1)
    unbinder = memory.start_child(unbind, name)
    check.equal(ends_within(writer, 60), 0, "the process that wrote")
    time.sleep(1)
    end_use(storer, other, FAILS)
    made.unmount()
    check.equal(ends_within(unbinder, 60), 0, "unbind")
    check.true(t.disk.node not in driver.nodes(), "the node is still there")

    bind(name)
    # The journal brings the file system back.
    with FileSystem(kind, t.disk.node, make=False):
        with open(path, "rb") as file:
            data = file.read()
        check.true(data[:4096] == b"kept" * 1024 and data[16384:] == (b"kept" * (1 << 18))[16384:], "the file")


@case(guests=("removal",), limit=300)
def unbind_under_an_ext4_mapping(t):
    under_a_mapping(t, "ext4", ())


@case(guests=("removal",), limit=300)
def unbind_under_an_xfs_mapping(t):
    # With rmapbt the kernel's own walk over the device that goes takes hours, nd_pmem's too.
    under_a_mapping(t, "xfs", ("-m", "rmapbt=0"))


@case(guests=("removal",), on=FILE_SYSTEMS, limit=300)
def unbind_while_mounted_and_idle(t):
    """No mapping, no I/O: the file system is told, and umount is all that is to be done."""
    for pattern in COMPLAINTS:
        t.allow_log(pattern)
    name = device_of(t.disk)
    t.file_system.unmount()
    options = ("-m", "rmapbt=0") if t.case.target == "xfs" else ()
    made = FileSystem(t.case.target, t.disk.node, make_options=options)
    unbinder = memory.start_child(unbind, name)
    time.sleep(1)
    with check.fails(*GONE, errno.EROFS, errno.EUCLEAN):
        path = os.path.join(made.directory, "new")
        with open(path, "wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    made.unmount()
    check.equal(ends_within(unbinder, 60), 0, "unbind")
    bind(name)
    with FileSystem(t.case.target, t.disk.node, make=False):
        pass


@case(guests=("removal",), limit=300)
def unbind_under_a_volume_of_rdaxfs(t):
    """The driver does not wait for the unmount; what is done on the mount fails; and the volume is there when
    the device comes back."""
    t.expect_log("the device has gone")
    for pattern in COMPLAINTS:
        t.allow_log(pattern)
    disk = t.disks[0]
    name = device_of(disk)
    volume = rdaxfs.Volume(disk.node)
    for number in range(50):
        (volume.directory / f"before-{number}").mkdir()
    held = os.open(volume.directory / "before-7", os.O_RDONLY | os.O_DIRECTORY)
    started = time.monotonic()
    unbind(name)
    check.true(time.monotonic() - started < 60, "the driver waited")
    for operation in (
        lambda: (volume.directory / "after").mkdir(),
        lambda: os.stat(volume.directory / "never-looked-up"),
        lambda: os.rmdir(volume.directory / "before-3"),
        lambda: os.listdir(held),
    ):
        with check.fails(errno.EIO):
            operation()
    os.close(held)
    volume.unmount()
    bind(name)
    again = rdaxfs.Volume(disk.node, make=False)
    check.equal(len(os.listdir(again.directory)), 50, "what was made before")
    again.unmount()
    again.check()
    disk.wipe_ends()
