# SPDX-License-Identifier: GPL-2.0
"""nd_rpmem on the kernel's own test bench for NVDIMMs, nfit_test: simulated DIMMs with error injection, address range
scrubs (ARS) and a command that clears errors.  scripts/make-nfit-test builds it and says what it cannot do."""

import errno
import fcntl
import glob
import os
import struct
from pathlib import Path

from harness import check, nd, shell
from harness.cases import case

BUSES = ("nfit_test.0", "nfit_test.1")
BUS = BUSES[0]
MODULES = Path(__file__).resolve().parent.parent / "build" / "nfit_test" / "modules"
# In the order in which they need each other.
BEFORE, WITH = ["nfit_test_iomap", "nfit_test_pages", "libnvdimm", "nd_btt"], ["kernel_ext", "rpmem_core", nd.DRIVER]
AFTER = ["nd_pmem", "device_dax", "dax_pmem", "nfit", "nfit_test"]
SECTOR = 512
# From linux/ndctl.h: ND_IOCTL_CALL, with a header and what the command has: base, length, options; status.
ND_IOCTL_CALL = 0xC0404E0A
INJECT, UNINJECT = 7, 8
INJECTION, REMOVAL = struct.Struct("<QQB"), struct.Struct("<QQ")
STATUS_SIZE = 4
# What a scrub of the bench reports: it has room for 170 ranges, and does not look.
SCRUBBED_AT_ONCE = 150
# libnvdimm's own lists, and nd_pmem's, end at this many.
MOST_OF_NVDIMM = 512
# Where nobody looks for partitions.
FIRST_BAD = 2048


def load():
    """The bench, and nd_rpmem before its nd_pmem, so that libnvdimm asks ours first."""
    for name in BEFORE + WITH + AFTER:
        shell.run("insmod", MODULES / f"{name}.ko")


def unload():
    """The regions go first, from under the disks: they keep the bench."""
    for bus in BUSES:
        shell.attempt("ndctl", "disable-region", "-b", bus, "all")
    for name in reversed([name for name in BEFORE + WITH + AFTER if os.path.exists(f"/sys/module/{name}")]):
        shell.run("rmmod", name)


def nfit_case(**options):
    """A test with fresh DIMMs, whose namespaces are nd_rpmem's."""

    def register(function):
        def with_bench(t):
            t.allow_log(r"(nfit|nfit_test\w*|libnvdimm|nd_pmem|nd_btt|device_dax|dax_pmem): ")
            t.allow_log(r"nfit_test nfit_test\.\d: ")
            t.allow_log(nd.NO_FLUSH)
            t.expect_log(r"rpmem: rpmem\d\.\d: the platform reports \d+ more bad sectors")
            # One of its regions is at the address of the bench's own memory, which is no physical one.
            t.allow_log(r"nd_rpmem namespace\d\.0: (rpmem\d\.0: \[mem 0xffff.* cannot be claimed|probe with driver nd_rpmem failed)")
            try:
                load()
                function(t)
            finally:
                unload()
            check.equal(nd.nodes(), [], "nodes without the bench")

        with_bench.__name__ = function.__name__
        with_bench.__module__ = function.__module__
        case(guests=("nfit",), loaded=False, **options)(with_bench)
        return with_bench

    return register


class Namespace:
    """The first one of the bench, as large as its region."""

    def __init__(self):
        self.name = nd.until("a disk of ours", self._ours)
        self.disk = self._disk()
        self.address = int(shell.read_text(f"{nd.DEVICES}/{self.name}/resource"), 0)
        (bus,) = (path for path in glob.glob(f"{nd.DEVICES}/ndbus*") if shell.read_text(f"{path}/provider").strip() == BUS)
        self._control = "/dev/ndctl" + bus.rpartition("ndbus")[2]

    def _ours(self):
        listed = nd.ndctl("list", "-N", "-b", BUS) or []
        return min((entry["dev"] for entry in listed if entry.get("blockdev", "").startswith("rpmem")), default=None)

    def _disk(self):
        return nd.disk(*map(int, self.name.removeprefix("namespace").split(".")))

    def bind_anew(self):
        nd.unbind(self.name)
        nd.bind(self.name)
        self.disk = self._disk()

    def _call(self, command, payload):
        """A command to the bus, as libndctl sends it."""
        header = struct.pack("<QQII36xI", 0, command, len(payload), STATUS_SIZE, 0)
        buffer = bytearray(header + payload + bytes(STATUS_SIZE))
        control = os.open(self._control, os.O_RDWR)
        try:
            fcntl.ioctl(control, ND_IOCTL_CALL, buffer)
        finally:
            os.close(control)
        check.equal(bytes(buffer[-STATUS_SIZE:]), bytes(STATUS_SIZE), f"status of command {command}")

    def inject(self, sector, sectors):
        """Without a notification."""
        self._call(INJECT, INJECTION.pack(self.address + sector * SECTOR, sectors * SECTOR, 0))

    def uninject(self, sector, sectors):
        """The DIMMs forget; who has heard of the errors does not."""
        self._call(UNINJECT, REMOVAL.pack(self.address + sector * SECTOR, sectors * SECTOR))

    def injected(self):
        said = nd.ndctl("inject-error", "--status", self.name)
        return [(bad["block"], bad["count"]) for bad in said["badblocks"]] if said else []

    def scrub(self):
        # One may be under way: that of the start, or for a notification.
        shell.run("ndctl", "wait-scrub", BUS)
        shell.run("ndctl", "start-scrub", BUS)
        shell.run("ndctl", "wait-scrub", BUS)

    def listed(self, ranges):
        """Waits until the disk lists just these."""
        nd.until(f"{len(ranges)} ranges in badblocks", lambda: self.disk.badblocks.list() == ranges)


@nfit_case()
def what_ndctl_injects_is_listed_and_cleared(_):
    """The DIMM's notification is enough: the sectors are listed and cannot be read. A write has the DIMM clear them."""
    made = Namespace()
    shell.run("ndctl", "inject-error", "--block=42", "--count=8", made.name)
    made.listed([(42, 8)])
    check.equal(made.injected(), [(42, 8)], "what the DIMM says")
    with made.disk.open() as io:
        with check.fails(errno.EIO):
            io.read(42 * SECTOR, SECTOR)
        io.read(41 * SECTOR, SECTOR)
        io.write(42 * SECTOR, b"n" * 4 * SECTOR)
        check.equal(made.disk.badblocks.list(), [(46, 4)], "the list after half was written")
        check.equal(made.injected(), [(46, 4)], "what the DIMM says then")
        io.write(46 * SECTOR, b"n" * 4 * SECTOR)
        check.equal(io.read(42 * SECTOR, 8 * SECTOR), b"n" * 8 * SECTOR, "what was written")
    check.equal(made.disk.badblocks.text(), "", "the list")
    check.equal(made.injected(), [], "what the DIMM says at last")
    # What was cleared does not come back with the next scrub.
    made.scrub()
    check.equal(made.disk.badblocks.text(), "", "the list after a scrub")


@nfit_case()
def a_scrub_finds_what_nobody_told(_):
    made = Namespace()
    made.inject(1000, 1)
    check.equal(made.disk.badblocks.text(), "", "the list before the scrub")
    made.scrub()
    made.listed([(1000, 1)])
    made.bind_anew()
    made.listed([(1000, 1)])


@nfit_case(limit=600)
def more_ranges_than_libnvdimm_counts(_):
    """All that the bus lists are here, at once and after binding anew; a write clears them all."""
    made, wanted = Namespace(), []
    sectors = FIRST_BAD + 4 * (MOST_OF_NVDIMM + SCRUBBED_AT_ONCE)
    while len(wanted) <= MOST_OF_NVDIMM:
        some = [(FIRST_BAD + 4 * number, 1) for number in range(len(wanted), len(wanted) + SCRUBBED_AT_ONCE)]
        for sector, length in some:
            made.inject(sector, length)
        made.scrub()
        made.uninject(0, sectors)
        wanted += some
        made.listed(wanted)
    made.bind_anew()
    made.listed(wanted)
    with made.disk.open() as io:
        with check.fails(errno.EIO):
            io.read(wanted[-1][0] * SECTOR, SECTOR)
        for at in range(0, sectors, 128):
            io.write(at * SECTOR, bytes(128 * SECTOR))
    check.equal(made.disk.badblocks.text(), "", "the list")
    made.bind_anew()
    check.equal(made.disk.badblocks.text(), "", "the list after binding anew")
