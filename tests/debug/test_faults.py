# SPDX-License-Identifier: GPL-2.0
"""Every allocation fails once: of loading and probing, one after the other, and of what users do."""

import ctypes
import errno
import os

from harness import check, driver, faults, memory, shell
from harness.cases import case
from harness.disk import Disk

FINIT_MODULE, DELETE_MODULE = 313, 176  # system calls of x86-64
# By default every so many-th allocation fails, with `make test-debug FULL=1` each of them.
FULL = "RPMEM_FULL" in os.environ
# What loading fails with. The kernel has EINVAL where memory was missing in module_add_driver(), for the
# folder "drivers" of a module.
NO_MEMORY = (errno.ENOMEM, errno.EINVAL)
libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    """A system call; its errno, or 0."""
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), *arguments) else 0


def load_by(victim, position):
    """Loads the driver by one system call, with one allocation of the victim failing; the errno, and what
    the victim says of it."""
    path = shell.run("modinfo", "-n", "rpmem").strip()
    fd = os.open(path, os.O_RDONLY)
    try:
        victim.arm(position)
        error = call(FINIT_MODULE, ctypes.c_long(fd), b"", ctypes.c_long(0))
        return error, victim.disarm()
    finally:
        os.close(fd)


def is_whole():
    """The driver says that it is loaded: then all of it must be there, and work."""
    disk = Disk(0)
    check.equal(driver.nodes(), [disk.node], "the nodes")
    check.equal(disk.bytes, driver.given_regions()[0][0], "the disk's size")
    check.equal(disk.queue("dax"), "1", "queue/dax")
    disk.badblocks.inject(8, 1)
    with disk.open() as io:
        with check.fails(errno.EIO):
            io.read(4096, 4096)
        io.write(4096, b"after all" * 455 + b".")
        check.equal(io.read(4096, 4096)[:9], b"after all", "what was written")
    check.equal(disk.badblocks.list(), [], "the bad blocks")


def sweep_of_loading(t, within, stride):
    """Fails one allocation a round, in the task that loads: all is done there. The driver is loaded whole, or
    not at all and the next round is as if nothing had been. Once all is prepared nothing fails any more: a
    device, or a disk, that cannot be added then is left out."""
    faults.allow_complaints(t)
    # What the driver uses; the system call loads the driver alone.
    shell.run("modprobe", "rpmem_core")
    # x86's add_pages() takes any failure of __add_pages() for a mistake of its caller's.
    t.allow_log(r"WARNING: .* at add_pages\+")
    before = driver.traces()
    outcomes = {}
    position = 1
    with faults.Own() as victim, faults.counting(within):
        while True:
            error, left = load_by(victim, position)
            is_left_out = error == 0 and left == 0 and not driver.nodes()
            outcome = "left out" if is_left_out else error
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            try:
                if error == 0:
                    if not is_left_out:
                        is_whole()
                    check.equal(call(DELETE_MODULE, b"rpmem", ctypes.c_long(os.O_NONBLOCK)), 0, "errno of unloading")
                check.equal(driver.difference(before, driver.traces()), {}, "what is left behind")
                if left == 0:
                    check.true(error in (0, *NO_MEMORY), f"errno {errno.errorcode.get(error, error)}")
                else:
                    check.equal(error, 0, "errno of loading without a fault")
            except check.Failed as failed:
                raise check.Failed(f"allocation {position}, errno {error}: {failed}") from failed
            if left > 0:
                break
            position += stride
    total = position - left
    rounds = sum(outcomes.values())
    print(f"{t.case.name}: {rounds} rounds over {total} allocations; errnos {outcomes}", flush=True)
    check.true(errno.ENOMEM in outcomes and "left out" in outcomes, f"not all that can come of it: {outcomes}")
    driver.load()
    is_whole()
    driver.unload()


def stride(default):
    return 1 if FULL else default


@case(guests=("faults",), loaded=False, limit=3600)
def loading_in_our_own_code(t):
    """The allocations of module_init and what it calls: preparing, registering, probing, adding the disk."""
    sweep_of_loading(t, faults.MODULES, stride(3))


@case(guests=("faults",), loaded=False, limit=3600)
def loading_at_large(t):
    """All that is allocated between the system call's begin and end, the kernel's module loader included."""
    sweep_of_loading(t, faults.EVERYWHERE, stride(7))


def sweep(operation, verify, within, step=1, errnos=(errno.ENOMEM,)):
    """Calls operation() with one more allocation behind it each time before one fails, and verify(errno)
    after it, until it comes through. An operation that fails may do so with these errnos. Returns how many
    allocations there are."""
    position = 1
    outcomes = {}
    with faults.Own() as own, faults.counting(within):
        while True:
            error = 0
            own.arm(position)
            try:
                operation()
            except MemoryError:
                error = errno.ENOMEM
            except OSError as failed:
                error = failed.errno
            left = own.disarm()
            outcomes[error] = outcomes.get(error, 0) + 1
            try:
                check.true(left == 0 or error == 0, "it failed without a fault")
                check.true(error in (0, *errnos), "it failed with another errno than is right")
                verify(error)
            except check.Failed as failed:
                what = f"{operation.__name__} with allocation {position}, errno {errno.errorcode.get(error, error)}"
                raise check.Failed(f"{what}: {failed}") from failed
            if left:
                if position > 1:
                    print(f"{operation.__name__}: {position - left} allocations; errnos {outcomes}", flush=True)
                return position - left
            position += step


def without_memory(operation, verify, **how):
    """The driver's own part of an operation allocates nothing, so that it cannot fail for want of memory;
    and what the kernel allocates around it may fail."""
    check.equal(sweep(operation, verify, faults.MODULES), 0, f"allocations of the driver's for {operation.__name__}")
    return sweep(operation, verify, faults.EVERYWHERE, **how)


@case(guests=("faults",), limit=600)
def using_the_list(t):
    """A change is made or refused; nothing in between."""
    faults.allow_complaints(t)
    bad = t.disk.badblocks
    many = [(1000 + 10 * number, 3) for number in range(2000)]
    bad.inject_all(many)

    def unchanged(_):
        check.true(bad.list() == many, "the list has changed")

    check.true(without_memory(bad.text, unchanged) > 0, "reading a file of sysfs allocates nothing at all")

    def toggled(error):
        wanted = many if error else [*many, (100000, 1)]
        check.true(bad.list() == wanted, f"the list is not what errno {error} says")
        bad.clear(100000, 1)

    def inject():
        bad.inject(100000, 1)

    without_memory(inject, toggled)

    def split(error):
        wanted = many if error else [(1000, 1), (1002, 1), *many[1:]]
        check.true(bad.list() == wanted, f"the list is not what errno {error} says")
        bad.inject(1001, 1)

    def clear():
        bad.clear(1001, 1)

    without_memory(clear, split)
    t.expect_log("badblocks: ")

    def refuse():
        with check.fails(errno.ENOMEM, errno.EINVAL):
            bad.write("no number\n")

    without_memory(refuse, unchanged)
    bad.clear(0, t.disk.sectors)


@case(guests=("faults",), limit=600)
def input_and_output(t):
    """A request is carried out or fails as a whole, and the next one works."""
    faults.allow_complaints(t)
    at, size = 1 << 20, 65536
    with t.disk.open() as io:
        state = {"data": os.urandom(size)}
        io.write(at, state["data"])

        def read():
            check.true(io.read(at, size) == state["data"], "what was read")

        def write():
            io.write(at, state["new"])

        def written(error):
            state["data"] = state["data"] if error else state["new"]
            state["new"] = os.urandom(size)
            # A part may have been written before a later one failed.
            if error:
                io.write(at, state["data"])
            read()

        without_memory(read, lambda _: None)
        state["new"] = os.urandom(size)
        without_memory(write, written)

        def repair():
            t.disk.badblocks.inject(at // 512 + 5, 20)
            write()

        def repaired(error):
            written(error)
            check.equal(t.disk.badblocks.list(), [], "bad blocks after all was written")

        without_memory(repair, repaired)

        def zeroed(error):
            if not error:
                check.true(io.read(at, size) == bytes(size), "what was zeroed")

        def zero():
            io.zero_out(at, size)

        without_memory(zero, zeroed)


@case(guests=("faults",), on=("ext4",), limit=1800)
def mounting_and_mapping(t):
    """A mount fails or works, and the file system is whole; faults on mappings need no memory of ours."""
    faults.allow_complaints(t)
    # jbd2 and ext4 take files of /proc away without having looked whether they came to be.
    t.allow_log(r"WARNING: .* at remove_proc_(entry|subtree)\+")
    node, place = t.disk.node.encode(), t.file_system.directory.encode()
    data = os.urandom(t.target.SIZE)
    t.target.write(0, data)
    t.file_system.unmount()

    def mount():
        if libc.mount(node, place, b"ext4", ctypes.c_ulong(0), b"dax"):
            raise OSError(ctypes.get_errno(), "mount")

    def mounted(error):
        check.equal(os.path.ismount(place), error == 0, f"whether it is mounted, with errno {error}")
        if error == 0:
            shell.run("umount", place.decode())

    # Where its journal is ext4 has bmap() say, which says 0 when memory is missing; jbd2 makes EINVAL of that.
    without_memory(mount, mounted, step=stride(11), errnos=(errno.ENOMEM, errno.EINVAL))
    t.file_system.mount()
    check.true(t.target.read(0, len(data)) == data, "the file")

    def touch():
        with memory.mapped(t.target.path) as mapping:
            for page in range(0, 64, 5):
                mapping[page * 4096] = mapping[page * 4096 + 1]

    check.equal(sweep(touch, lambda _: None, faults.MODULES), 0, "allocations of the driver's for page faults")
