# SPDX-License-Identifier: GPL-2.0
"""What a kernel of tests/debug/config knows at the end beyond what it has logged: memory that nobody
points to any more, and whether it has watched all the time."""

import re
import time

from . import check, shell
from .cases import Case

KMEMLEAK = "/sys/kernel/debug/kmemleak"
# An object younger than this is not reported, for its pointer may still be in a register.
YOUNG_SECONDS = 5
# kmemleak's list is long when something leaks in a loop.
SHOWN = 20
# Guests in which the kernel has reason to report.
MISBEHAVING = ("reports",)
# After a machine check the kernel does not trust its locks any more, and does not watch them.
UNTRUSTED = ("machine-checks", "nd-machine-checks")


class Leaked(Exception):
    """Memory that nothing points to any more. A kernel that has just been started has none of it."""


def forget():
    """What is lost by now is not listed any more."""
    shell.write_text(KMEMLEAK, "clear")


def leaks():
    """The objects that nothing points to, kmemleak's text for each. Two scans: an object must be
    unreferenced and unchanged in both, or it was on its way from one list to another."""
    for _ in range(2):
        time.sleep(YOUNG_SECONDS + 1)
        shell.write_text(KMEMLEAK, "scan")
    text = shell.read_text(KMEMLEAK)
    return [part for part in re.split(r"^(?=unreferenced object)", text, flags=re.M) if part.strip()]


def nothing_is_lost(_):
    """The driver is not loaded any more: all of its memory must be free."""
    found = leaks()
    if found:
        raise Leaked(f"{len(found)} objects, such as\n" + "\n".join(found[:SHOWN]))


def lockdep_is_on(_):
    """A report that no test's log shows would have switched it off."""
    text = shell.read_text("/proc/lockdep_stats")
    check.equal(re.findall(r"debug_locks: +(\d+)", text), ["1"], "whether lockdep is still at work")


def end_of(guest):
    """The cases that come after a guest's last one."""
    ends = () if guest in MISBEHAVING else (nothing_is_lost,)
    if guest not in (*MISBEHAVING, *UNTRUSTED):
        ends += (lockdep_is_on,)
    return [Case(f"{guest}/watch/{end.__name__}", guest, end, None, None, 180) for end in ends]
