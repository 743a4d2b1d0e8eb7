# SPDX-License-Identifier: GPL-2.0
"""Which test cases there are: a test function makes one case for each guest, kind of target and block
size that it names."""

import dataclasses
import re
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


# Guests on arm64, and whose cases they run too. Emulating another processor is slow: without `whole` the first one
# runs a few of them, the others none.
ON_ARM64 = {"arm64": "reserved", "arm64-nvdimm": "nvdimm", "arm64-pmem-region": "namespaces"}
ON_ARM64_ALWAYS = re.compile(
    r"^reserved/(disk/data_in_and_out/512|dax/stores_reach_the_medium/(ext4|rdaxfs)/512"
    r"|media_errors/(mappings_raise_sigbus|reads_fail_with_eio)/rdaxfs/512|media_errors/overwriting_repairs/ext4"
    r"|rdaxfs_file/contents_are_what_a_model_has|rdaxfs_mount/a_volume_is_mounted_and_clean_after)$"
)


def borrowed(guest, whole):
    """The cases that a guest has from another one."""
    other = ON_ARM64.get(guest)
    for one in _cases:
        if one.guest == other and (whole or guest == "arm64" and ON_ARM64_ALWAYS.search(one.name)):
            yield dataclasses.replace(one, guest=guest, name=guest + one.name.removeprefix(other), limit=one.limit * 3)


def of_guest(guest, whole=False):
    """The cases of a guest, so ordered that the driver is loaded as seldom as can be."""

    def order(numbered):
        number, one = numbered
        return (one.last, one.block_size or 0, one.function.__module__, number)

    mine = [one for one in _cases if one.guest == guest] + list(borrowed(guest, whole))
    return [one for _, one in sorted(enumerate(mine), key=order)]
