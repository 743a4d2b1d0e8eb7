# SPDX-License-Identifier: GPL-2.0
"""Regions that have no memory behind them, or only behind a part: refused with the reason; and what is
there is not changed by looking."""

import errno

from harness import check, driver, rpmemctl, shell
from harness.cases import EVERYWHERE, case
from harness.disk import Disk

MEGA = 1 << 20
LINE = 64
# The guest "absent" has RAM up to 5248 MiB: half of the first range is behind that, all of the second.
HALF = (256 * MEGA, 5120 * MEGA)
NOTHING = (64 * MEGA, 32 * 1024 * MEGA)
BESIDE = (960 * MEGA, 32832 * MEGA)
OTHER_END = "the guest has another size there, so that its memory ends elsewhere"


def regions(*pairs):
    return f"regions={driver.text_of(pairs)}"


@case(guests=("absent",), loaded=False, not_watched=OTHER_END)
def regions_without_memory(t):
    """Wholly or in part, named or found; the part that is there can be used."""
    driver.refused(t, regions(NOTHING), error=errno.ENXIO, says=r"0x800000000-.* has no memory at byte 0x0")
    half = r"0x140000000-.* has no memory at byte 0x8000000"
    driver.refused(t, regions(HALF), error=errno.ENXIO, says=half)
    driver.refused(t, error=errno.ENXIO, says="has no memory at byte 0x0")
    # Each is a resource of its own in /proc/iomem, which nobody can claim as one.
    both = (NOTHING[0] + BESIDE[0], NOTHING[1])
    says = "is in pieces in /proc/iomem; name each on its own, such as regions=64M@32G"
    driver.refused(t, regions(both), error=errno.EINVAL, says=says)
    size, start = HALF
    # 2 MiB more than there are, and less at the other end.
    wrong = (size // 2 - 2 * MEGA, start + 4 * MEGA)
    driver.refused(t, regions(wrong), error=errno.ENXIO, says=r"has no memory at byte 0x7c00000")
    driver.load(regions((size // 2, start)))
    check.equal([Disk(0).bytes], [size // 2], "bytes of the disk")
    with Disk(0).open() as io:
        check.equal(io.read(size // 2 - 4096, 4096), bytes(4096), "the last page")
        io.write(size // 2 - 4096, b"last" * 1024)
        check.equal(io.read(size // 2 - 4096, 4096), b"last" * 1024, "the last page, written")
    driver.unload()


@case(guests=("absent",), loaded=False, not_watched=OTHER_END)
def the_doctor_says_so(t):
    """memmap= does not change /sys/firmware/memmap, and what is suggested is memory."""
    found = rpmemctl.answer("doctor", status=1)["findings"]
    missing = [finding for finding in found if finding["id"] == "no-memory"]
    check.equal(len(missing), 3, f"findings of memory that is not there: {found}")
    seen = " ".join(seen for finding in missing for seen in finding["seen"])
    check.true("nothing at 148000000-14fffffff, 128 MiB" in seen, seen)
    check.true("nothing at 800000000-803ffffff, 64 MiB" in seen, seen)
    suggested = rpmemctl.answer("suggest", "128M")
    check.equal(suggested["now"]["regions"], "regions=128M@5G", "what is suggested")
    driver.load(suggested["now"]["regions"])
    driver.unload()
    driver.refused(t, regions(NOTHING), error=errno.ENXIO, says="has no memory at byte 0x0")
    found = rpmemctl.findings()
    check.true("has no memory at byte 0x0" in found["refused"]["seen"][0], found)


@case(guests=EVERYWHERE)
def looking_changes_nothing(t):
    """Lines of zeroes, of ones and of data, where lines are looked at and beside: all as they were."""
    size = t.disk.bytes
    places = {0: b"\xff", 8 * MEGA: b"\xff", 16 * MEGA: b"\0", 24 * MEGA: b"data", size - 2 * MEGA: b"\xff"}
    with t.disk.open() as io:
        for offset, fill in places.items():
            io.write(offset, fill * (4096 // len(fill)))
        io.write(size - 4096, b"\xff" * 4096)
        before = [io.read(offset, 4096) for offset in (*places, size - 4096)]
    driver.unload()
    driver.load(*driver.usual_arguments())
    with t.disk.open() as io:
        check.equal([io.read(offset, 4096) for offset in (*places, size - 4096)], before, "what it held")
        for offset in (*places, size - 4096):
            io.zero_out(offset, 4096)
