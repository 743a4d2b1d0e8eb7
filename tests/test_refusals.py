# SPDX-License-Identifier: GPL-2.0
"""Regions that must not be taken: an errno, a message with region, rule and way out, and nothing left
behind; and that the way out is one."""

import errno
import glob
import re

from harness import check, driver, shell
from harness.cases import case
from harness.disk import Disk
from harness.kernel_log import KernelLog

MEGA = 1 << 20


def regions(*pairs):
    return f"regions={driver.text_of(pairs)}"


def ram():
    """A range of 16 MiB in the middle of normal memory."""
    size = 16 * MEGA
    for first, last in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM", shell.read_text("/proc/iomem"), re.M):
        start = (int(first, 16) + 64 * MEGA) // (2 * MEGA) * 2 * MEGA
        if start + size <= int(last, 16):
            return size, start
    raise LookupError("no System RAM that is large enough")


def hole():
    """A range that nothing claims and no memory is at, inside what a PCI bus may use."""
    windows = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : PCI Bus", shell.read_text("/proc/iomem"), re.M)
    first, last = max(windows, key=lambda window: int(window[1], 16) - int(window[0], 16))
    size = 16 * MEGA
    start = (int(last, 16) - 256 * MEGA) // size * size
    check.true(start > int(first, 16), "the PCI window is too small")
    return size, start


@case(loaded=False)
def system_ram(t):
    size, address = ram()
    driver.refused(t, regions((size, address)), error=errno.EINVAL, says="16M@.*overlaps System RAM")
    driver.refused(t, regions((size, address)), "force=1", error=errno.EINVAL, says="16M@.*overlaps System RAM")
    # Half of it is a region.
    (_, first), *_ = driver.given_regions()
    inside = (128 * MEGA, first + driver.given_regions()[0][0] - 64 * MEGA)
    driver.refused(t, regions(inside), error=errno.EINVAL, says="overlaps System RAM")


@case(loaded=False)
def what_firmware_does_not_describe(t):
    """An idle hole is neither RAM nor busy; without force=1 it is not taken."""
    driver.refused(
        t, regions(hole()), error=errno.EINVAL, says="16M@.*not wholly Reserved or Persistent Memory.*force=1"
    )


@case(loaded=False)
def addresses_of_devices(t):
    """What is below a PCI bridge is no memory, and reading it may have an effect: force=1 does not help."""
    driver.refused(
        t, regions(hole()), "force=1", error=errno.EINVAL, says="16M@.*no memory but a device's.*/proc/iomem"
    )


TEXTS = {
    "": "no region is named",
    "1G": "there is no @",
    "1G!4G": "there is no @",
    "@4G": "SIZE is not a number",
    "1G@": "ADDR is not a number",
    "1X@4G": "SIZE is not a number",
    "one@4G": "SIZE is not a number",
    "1G@4G@5G": "ADDR is not a number",
    "-1@4G": "SIZE is not a number",
    "0@4G": "SIZE is 0",
    "64M@4G:rw": "the word behind the address is not known",
    "64M@4G,": "region 2 is empty",
    ",64M@4G": "region 1 is empty",
    "64M@4G,,64M@5G": "region 2 is empty",
    "64M@4G,32M@4128M": "overlaps 64M@4G",
    "1M@0xfffffffffff00000": "ends beyond",
    "16E@4G": "not below 2\\^64",
    "2M@99999999999999999999": "not below 2\\^64",
    "0x200000@0xfffffffe00000000": "ends beyond",
}


@case(loaded=False)
def texts(t):
    for text, rule in TEXTS.items():
        error = errno.EINVAL
        driver.refused(t, f"regions={text}", error=error, says=f"rpmem: regions=.*{rule}")


@case(loaded=False)
def more_than_64(t):
    """64 are taken, 65 are not."""
    _, start = driver.given_regions()[0]
    many = [(2 * MEGA, start + number * 2 * MEGA) for number in range(65)]
    driver.refused(t, regions(*many), error=errno.EINVAL, says="more than 64 regions")
    driver.load(regions(*many[:64]))
    check.equal(len(driver.nodes()), 64, "disks")
    with Disk(63).open() as io:
        io.write(0, b"last" * 1024)
    driver.unload()
    driver.load(regions(many[63]))
    with Disk(0).open() as io:
        check.equal(io.read(0, 4096), b"last" * 1024, "the last of them")
    driver.unload()


@case(loaded=False)
def misaligned(t):
    """The message has the text to use instead, and that text works."""
    size, start = driver.given_regions()[0]
    for wrong in ((size - 4096, start + 4096), (size - 4096, start), (MEGA * 3, start + MEGA)):
        with KernelLog() as log:
            driver.refused(t, regions(wrong), error=errno.EINVAL, says="must be multiples of 2M")
            text = "\n".join(str(line) for line in log.take())
        instead = re.search(r"write (regions=\S+)", text)
        check.true(instead, f"no text to use instead of {wrong}: {text}")
        driver.load(instead.group(1))
        taken_size, taken_start = (driver.number(part) for part in instead.group(1).split("=")[1].split("@"))
        check.true(
            wrong[1] <= taken_start and taken_start + taken_size <= wrong[1] + wrong[0]
            and taken_start % (2 * MEGA) == 0 == taken_size % (2 * MEGA),
            f"{instead.group(1)} is not an aligned part of {wrong}",
        )
        check.equal(Disk(0).bytes, taken_size, "the disk")
        driver.unload()
    driver.refused(t, regions((MEGA, start)), error=errno.EINVAL, says="no aligned 2M inside it")


@case(loaded=False)
def one_bad_region_of_several(t):
    """The good ones before it leave nothing behind either: see `refused`."""
    good, other = driver.given_regions()
    driver.refused(t, regions(good, other, ram()), error=errno.EINVAL, says="overlaps System RAM")
    driver.refused(t, regions(good, hole()), error=errno.EINVAL, says="not wholly Reserved")
    driver.load(regions(good, other))
    driver.unload()


@case(guests=("reserved",), loaded=False)
def nothing_to_take(t):
    """Without regions=, where there is no legacy range."""
    driver.refused(t, error=errno.ENODEV, says="no region to take: .*memmap=.*regions=")
    driver.refused(t, "auto=1", error=errno.ENODEV, says="no region to take")


@case(loaded=False)
def auto_off(t):
    driver.refused(t, "auto=0", error=errno.ENODEV, says="no region to take")
    first, second = driver.given_regions()
    driver.load(regions(first))
    check.equal(len(driver.nodes()), 1, "disks with regions= and no auto=")
    driver.unload()
    driver.load(regions(second), "auto=1")
    check.equal([Disk(number).bytes for number in range(2)], [second[0], first[0]], "disks with regions= and auto=1")
    driver.unload()


@case(guests=("odd",), loaded=False)
def auto_trims_the_end_and_never_the_start(t):
    """The guest has memmap=66560K!1G, which ends in the middle of 2 MiB, and one that begins there."""
    t.expect_log(r"auto: leaving a range alone: .*start and size must be multiples of 2M")
    with KernelLog() as log:
        driver.load()
        text = "\n".join(str(line) for line in log.take())
    check.true("auto: taking 64M@1G of 65M@1G" in text, f"the log does not say what is left out: {text}")
    check.equal([Disk(0).bytes], [64 * MEGA], "bytes of the disk")
    check.equal(driver.nodes(), ["/dev/rpmem0"], "disks")
    driver.unload()


@case(loaded=False)
def busy(t):
    """Busy, and once the driver is unbound as the message says, rpmem takes it."""
    first, _ = driver.given_regions()
    with driver.nd_pmem_bound(t):
        driver.refused(t, regions(first), error=errno.EBUSY, says="is busy: another driver holds it, which /proc/iomem names")
        driver.refused(
            t, error=errno.EBUSY, says='auto: driver "e820_pmem" is bound .*/sys/bus/platform/drivers/e820_pmem/unbind'
        )
        driver.refused(t, regions(first), "auto=1", error=errno.EBUSY, says="is busy: another driver holds it, which /proc/iomem names")
    driver.load()
    check.equal(len(driver.nodes()), 2, "disks")
    driver.unload()


@case(loaded=False)
def auto_leaves_bound_ranges_alone(t):
    """Even those that nobody has claimed: e820_pmem alone owns them before nd_pmem comes."""
    shell.run("modprobe", "nd_e820")
    driver.refused(t, error=errno.EBUSY, says='auto: driver "e820_pmem" is bound')
    shell.write_text("/sys/bus/platform/drivers/e820_pmem/unbind", "e820_pmem")
    shell.run("modprobe", "-r", "nd_e820")


def foreign_format(t, mode, name):
    """ndctl formats a namespace; rpmem then refuses its region until ndctl has destroyed it."""
    with driver.nd_pmem_bound(t):
        shell.run("ndctl", "create-namespace", "--force", "--reconfig", "namespace0.0", "--mode", mode)
    try:
        first, second = driver.given_regions()
        says = f"carries a {name} info block of libnvdimm .*ndctl destroy-namespace"
        driver.refused(t, regions(first), error=errno.EBUSY, says=says)
        driver.refused(t, error=errno.EBUSY, says=says)
        # The disk of the good one may have been there already.
        driver.refused(t, regions(second, first), error=errno.EBUSY, says=says)
        driver.load(regions(second))
        driver.unload()
    finally:
        # Bound again, the namespace is what it was formatted as, with another driver for some modes.
        shell.run("modprobe", "nd_e820")
        shell.run("modprobe", "nd_pmem")
        shell.run("ndctl", "destroy-namespace", "--force", "namespace0.0")
        driver.unbind_nd_pmem()
    driver.load()
    check.equal(len(driver.nodes()), 2, "disks after the namespace was destroyed")
    driver.unload()


@case(loaded=False)
def fsdax_namespace(t):
    foreign_format(t, "fsdax", "pfn")


@case(loaded=False)
def devdax_namespace(t):
    foreign_format(t, "devdax", "dax")


@case(loaded=False)
def sector_namespace(t):
    foreign_format(t, "sector", "btt")


@case()
def loaded_already(t):
    """While the driver is there, another insertion changes nothing, and other drivers get nothing."""
    before = driver.traces()
    done = shell.attempt("modprobe", "--first-time", "rpmem")
    check.true(done.returncode != 0, "it was loaded twice")
    check.equal(driver.difference(before, driver.traces()), {}, "what is different")
    t.allow_log("could not reserve region|nd_pmem .* probe .* failed|namespace.*")
    shell.run("modprobe", "nd_e820")
    shell.run("modprobe", "nd_pmem")
    check.equal(glob.glob("/dev/pmem*"), [], "disks of nd_pmem on what rpmem has")
    driver.unbind_nd_pmem()
    with t.disk.open() as io:
        io.write(0, b"mine" * 1024)
        check.equal(io.read(0, 4096), b"mine" * 1024, "the disk")
