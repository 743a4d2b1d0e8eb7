# SPDX-License-Identifier: GPL-2.0
"""Namespaces that are taken away from the driver while they are used, again and again: I/O and mappings end, nothing
hangs, and what was written is there when they are back.  `make test-unbind` does more rounds."""

import errno
import os
import time

from harness import check, memory, nd
from harness.disk import Io, use_until_gone
from harness.stack import MIB, mapper
from harness.target import FileSystem
import test_removal as removal
from test_nd import nd_case
from test_removal import COMPLAINTS, end_use, ends_within, use

ROUNDS = int(os.environ.get("RPMEM_ROUNDS", "1"))
SAID = (
    *COMPLAINTS, r"could not reserve region", r"probe with driver nd_rpmem failed with error -16",
    r"is still in use since it was unbound", r"waiting for the last user", r"the device has gone", r"^Buffer I/O error on dev(ice)? dm-",
    r"^rdaxfs",
)
FAILS = (*removal.FAILS, errno.ESHUTDOWN)
# In seconds: who uses a device that has gone ends at once.
PATIENCE = 60
KEPT = b"kept" * (1 << 18)
# With rmapbt the kernel's own walk over the device that goes takes hours, nd_pmem's too.
OPTIONS = {"xfs": ("-m", "rmapbt=0")}


def prepare(t):
    """A namespace with struct pages on the device; what claims it."""
    for pattern in SAID:
        t.allow_log(pattern)
    nd.create("fsdax", "--map=dev")
    nd.disk()
    (pfn,) = [device for device in nd.bound() if device.startswith("pfn0.")]
    return pfn


def unbind(pfn):
    check.equal(ends_within(memory.start_child(nd.unbind, pfn), PATIENCE), 0, "unbind")
    check.true("/dev/rpmem0.0" not in nd.nodes(), "the node is still there")


def bind(pfn):
    """As soon as nobody has the memory any more."""

    def attempt():
        try:
            nd.bind(pfn)
        except OSError:
            return False
        return True

    nd.until("bound again", attempt)
    return nd.disk()


@nd_case(on=("ext4", "xfs", "rdaxfs"), limit=180 + 60 * ROUNDS, last=True)
def unbound_below_a_file_system(t):
    """Mounted, one process with a mapping that it stores to, and one that writes and calls fsync."""
    pfn = prepare(t)
    kind = t.case.target
    made = FileSystem(kind, nd.disk().node, make_options=OPTIONS.get(kind, ()))
    path, other = made.file("file", KEPT), made.file("other", bytes(MIB))
    os.sync()
    for _ in range(ROUNDS):
        storer, writer = use(path, other, FAILS)
        time.sleep(0.5)
        unbind(pfn)
        check.equal(ends_within(writer, PATIENCE), 0, "the process that wrote")
        end_use(storer, other, FAILS)
        made.unmount()
        made = FileSystem(kind, bind(pfn).node, make=False)
        with open(path, "rb") as file:
            data = file.read()
        check.true(data[:8192] == KEPT[:8192] and data[16384:] == KEPT[16384:], "the file")
    made.unmount()


@nd_case(limit=180 + 60 * ROUNDS, last=True)
def unbound_below_dm_linear(t):
    """Readers and writers of the device above."""
    pfn = prepare(t)
    for _ in range(ROUNDS):
        found = nd.disk()
        with mapper("above", f"0 {64 * MIB // 512} linear {found.node} 0") as node:

            class Above:
                """What `use_until_gone` uses."""

                def open(self):
                    return Io(node, os.O_RDWR, direct=True)

            users = [memory.start_child(use_until_gone, Above(), seed, True, True) for seed in range(2)]
            time.sleep(0.5)
            unbind(pfn)
            for user in users:
                check.equal(ends_within(user, PATIENCE), 0, "a process that used it")
        with bind(pfn).open() as io:
            io.write(0, b"back" * 1024)
            check.equal(io.read(0, 4096), b"back" * 1024, "the disk that came back")


@nd_case(limit=180 + 60 * ROUNDS, last=True)
def unbound_below_a_sector_disk(t):
    """A BTT's disk is libnvdimm's, and goes with its device."""
    for pattern in SAID:
        t.allow_log(pattern)
    t.allow_log(r"^Buffer I/O error on dev(ice)? pmem0s|^EXT4-fs .*pmem0s")
    nd.create("sector")
    for _ in range(ROUNDS):
        nd.until("pmem0s", lambda: os.path.exists("/dev/pmem0s"))
        (btt,) = [device for device in nd.bound() if device.startswith("btt0.")]

        class Sectors:
            """What `use_until_gone` uses."""

            def open(self):
                return Io("/dev/pmem0s", os.O_RDWR, direct=True)

        users = [memory.start_child(use_until_gone, Sectors(), seed, True, True) for seed in range(2)]
        time.sleep(0.5)
        check.equal(ends_within(memory.start_child(nd.unbind, btt), PATIENCE), 0, "unbind")
        for user in users:
            check.equal(ends_within(user, PATIENCE), 0, "a process that used it")
        check.true(not os.path.exists("/dev/pmem0s"), "the node is still there")
        nd.bind(btt)
