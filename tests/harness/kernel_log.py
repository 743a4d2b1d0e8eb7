# SPDX-License-Identifier: GPL-2.0
"""The kernel's log during a test: every line that looks like trouble must be one that it expects."""

import errno
import os
import re
from dataclasses import dataclass

# Said once a boot about every module that the kernel's maker has not signed.
ALWAYS_ALLOWED = (
    r"(kernel_ext|rpmem_core|rpmem|nd_rpmem|rdaxfs): loading out-of-tree module taints kernel",
    r"(kernel_ext|rpmem_core|rpmem|nd_rpmem|rdaxfs): module verification failed: signature and/or required key missing - tainting kernel",
    # ext4 says at most ten times in five seconds that it was mounted or unmounted, and then how often it did not.
    r"EXT4-fs (un)?mount: \d+ callbacks suppressed",
    # It comes with an EIO or a SIGBUS, which a test sees that has put no error there.
    r"rdaxfs: [\w.]+: (memory has failed at bytes|inode \d+: bytes \d+ to \d+ cannot be)",
    # fserror_report() of what leaves memory, or more at once than are kept.
    r"\w+: lost (file I/O|filesystem) error report for",
)

MARK = "rpmem-tests: "
WARNING = 4  # the level; smaller is worse
# At any level: what the kernel prints around its own faults.
TROUBLE = re.compile(
    r"WARNING:|\bBUG\b|\bOops\b|Call Trace:|cut here|possible (circular|recursive) locking|lockdep"
    r"|inconsistent lock|suspicious RCU|rcu.*(stall|self-detected)|soft lockup|blocked for more than"
    r"|general protection|KASAN|UBSAN|ODEBUG|KFENCE|refcount_t:|list_(add|del) corruption|Bad page"
    r"|still has .* objects|unable to handle|rpmem.*panicked",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    level: int
    sequence: int
    seconds: float
    text: str

    def __str__(self):
        return f"<{self.level}>[{self.seconds:12.6f}] {self.text}"

    def is_trouble(self):
        return self.level <= WARNING or TROUBLE.search(self.text) is not None


class KernelLog:
    """What the kernel has logged since this was made."""

    def __init__(self):
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)
        self._sequence = None

    def close(self):
        os.close(self._fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def mark(self, text):
        """Says something in the log itself, for who reads the console. A line without a newline at its
        end becomes visible only with the line after it: this is such a one."""
        with open("/dev/kmsg", "w", encoding="ascii") as log:
            log.write(f"<6>{MARK}{text}\n")

    def take(self):
        """The lines that came since the last time, but marks; a gap in their numbers is a line of its
        own."""
        lines = []
        while True:
            try:
                record = os.read(self._fd, 16384).decode(errors="replace")
            except BlockingIOError:
                return lines
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                continue  # overwritten before it was read: the next record's number tells
            head, _, body = record.partition(";")
            priority, sequence, microseconds = (int(word) for word in head.split(",")[:3])
            if self._sequence is not None and sequence != self._sequence + 1:
                lost = sequence - self._sequence - 1
                lines.append(Line(0, sequence, microseconds / 1e6, f"(the log lost {lost} lines here)"))
            self._sequence = sequence
            # Lines that follow, with a blank in front, are the device's properties.
            text = body.split("\n", 1)[0]
            if not text.startswith(MARK):
                lines.append(Line(priority & 7, sequence, microseconds / 1e6, text))


def judge(lines, expected, allowed):
    """Why these lines are not what a test asked for, a text each: one that nobody expected, or one
    that was expected and did not come."""
    known = [re.compile(pattern) for pattern in (*expected, *allowed, *ALWAYS_ALLOWED)]
    complaints = [
        f"unexpected kernel message: {line}"
        for line in lines
        if line.is_trouble() and not any(pattern.search(line.text) for pattern in known)
    ]
    complaints += [
        f"no kernel message matches /{pattern}/"
        for pattern in expected
        if not any(re.search(pattern, line.text) for line in lines)
    ]
    return complaints
