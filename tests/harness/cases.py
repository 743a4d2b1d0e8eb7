# SPDX-License-Identifier: GPL-2.0
"""Which test cases there are: a test function makes one case for each guest, kind of target and block
size that it names."""

from dataclasses import dataclass
from typing import Callable

# What runs the same checks wherever there is a region.
EVERYWHERE = ("memmap", "reserved", "nvdimm")
# And where the disks are namespaces' instead, with blocks of 512 bytes.
WITH_NAMESPACES = (*EVERYWHERE, "namespaces")
FILE_SYSTEMS = ("ext4", "xfs")
# With ours: what is asked of any file system on the driver.
DAX_FILE_SYSTEMS = (*FILE_SYSTEMS, "rdaxfs")
# Files on all of them, and the bare disk.
TARGETS = ("raw", *DAX_FILE_SYSTEMS)
BOTH_BLOCK_SIZES = (512, 4096)


@dataclass(frozen=True)
class Case:
    """One test in one guest. Without a block size the driver is not loaded when it begins; without a
    target it gets the disks only."""

    name: str
    guest: str
    function: Callable
    block_size: int | None
    target: str | None
    limit: int
    last: bool = False
    not_watched: str | None = None
    reboots: bool = False


_cases: list[Case] = []


def case(
    *, guests=("memmap",), blocks=(512,), on=(None,), loaded=True, limit=180, last=False, not_watched=None,
    reboots=False,
):
    """Registers a test function. It hangs when it takes more than `limit` seconds; that is much more
    than it takes, for an emulated guest is slow on a busy machine, and its clock may go wrong. `last`
    is for what other tests of the guest would destroy. `not_watched` says why it cannot run on the
    kernel of `make test-debug`. One that `reboots` passes if the machine does: it is the only one of
    its guest."""

    def register(function):
        for guest in guests:
            for block_size in blocks if loaded else (None,):
                if guest == "namespaces" and block_size not in (None, 512):
                    continue
                for target in on:
                    parts = [guest, function.__module__.removeprefix("test_"), function.__name__]
                    if target is not None:
                        parts.append(target)
                    if len(blocks) > 1:
                        parts.append(str(block_size))
                    _cases.append(
                        Case("/".join(parts), guest, function, block_size, target, limit, last, not_watched, reboots)
                    )
        return function

    return register


def of_guest(guest):
    """The cases of a guest, so ordered that the driver is loaded as seldom as can be."""

    def order(numbered):
        number, one = numbered
        return (one.last, one.block_size or 0, one.function.__module__, number)

    mine = [one for one in _cases if one.guest == guest]
    return [one for _, one in sorted(enumerate(mine), key=order)]
