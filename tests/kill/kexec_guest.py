#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A kernel of tests/kill/kexec: looks at what the one before it left, then works, and starts the next one.

usage: kexec_guest.py ROUNDS SEED

What is known of the rounds before is in the second region: the seed, how many there were, and how many operations of
each user were acknowledged."""

import ctypes
import mmap
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))
import users  # noqa: E402  # found by the lines above
from harness import driver  # noqa: E402
from users import say  # noqa: E402

NOTES = "/dev/rpmem1"
PAGE = 4096
# The numbers of two system calls, and <linux/reboot.h>.
SYS_KEXEC_FILE_LOAD, SYS_REBOOT = 320, 169
MAGIC1, MAGIC2, CMD_KEXEC = 0xFEE1DEAD, 0x28121969, 0x45584543

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.argtypes = [ctypes.c_long] * 6


class Notes:
    """Texts in memory that the next kernel finds: the page 0 for the rounds, one more for each user."""

    def __init__(self):
        self.disk = os.open(NOTES, os.O_RDWR | os.O_DIRECT)
        # Its own in each user, which is a fork.
        self.buffer = mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def read(self, page):
        os.preadv(self.disk, [self.buffer], page * PAGE)
        return self.buffer[:].rstrip(b"\0").decode(errors="replace")

    def write(self, page, text):
        self.buffer[:] = text.encode().ljust(PAGE, b"\0")
        os.pwrite(self.disk, self.buffer, page * PAGE)


def system_call(*arguments):
    if _libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def load_next():
    """The next kernel, with this one's command line."""
    folder = os.environ["RPMEM_KEXEC"]
    line = Path("/proc/cmdline").read_bytes().strip() + b"\0"
    kernel, initrd = (os.open(f"{folder}/{name}", os.O_RDONLY) for name in ("kernel", "initrd"))
    text = ctypes.create_string_buffer(line, len(line))
    system_call(SYS_KEXEC_FILE_LOAD, kernel, initrd, len(line), ctypes.addressof(text), 0)


def main():
    rounds, seed = int(sys.argv[1]), sys.argv[2]
    driver.load(*driver.usual_arguments())
    notes = Notes()
    here = users.Users(users.ON_A_REGION, seed)
    before = notes.read(0).split()
    if len(before) == 2 and before[0] == f"seed={seed}":
        number = int(before[1])
        acknowledged = [int(notes.read(1 + user)) for user in range(len(here))]
        here.find(acknowledged)
        done = sum(model.done for model in here.models)
        say(f"round {number}: {done} operations in all, and {sum(acknowledged)} were acknowledged")
    else:
        number, done = 0, 0
        here.make()
    if number == rounds:
        say(f"{rounds} rounds: all {done} operations that were acknowledged were there")
        return
    for user, model in enumerate(here.models):
        notes.write(1 + user, str(model.done))
    notes.write(0, f"seed={seed} {number + 1}")
    load_next()
    here.work(lambda user, count: notes.write(1 + user, str(count)))
    time.sleep(random.Random(f"{seed} {number}").uniform(0.05, 6))
    if os.waitpid(-1, os.WNOHANG)[0]:
        say("bad a user has ended")
        sys.exit(1)
    system_call(SYS_REBOOT, MAGIC1, MAGIC2, CMD_KEXEC, 0, 0)


main()
