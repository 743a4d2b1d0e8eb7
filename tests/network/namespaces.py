# SPDX-License-Identifier: GPL-2.0
"""Which disk is which namespace."""

import os
from pathlib import Path

from harness import check


def disks(count):
    """Waits for the disks of namespaces 1 to count; their nodes, by the namespaces' numbers.

    Not by the disks' names: the kernel scans namespaces side by side and numbers the disks as they come, so that nvme0n1 may be
    namespace 2."""
    found = {}

    def all_there():
        for entry in Path("/sys/block").glob("nvme*"):
            # A path below a multipath disk has a number of a namespace as well, and no node.
            if os.path.exists(node := f"/dev/{entry.name}"):
                found[int((entry / "nsid").read_text())] = node
        return all(number in found for number in range(1, count + 1))

    check.wait_until(all_there, f"the disks of {count} namespaces")
    return found
