# SPDX-License-Identifier: GPL-2.0
"""What a user of one file or disk does, page by page, each time until it is durable, and what is in it then.

As in model.py, which operation comes next follows from the seed and from what there is.  An operation has returned when
fsync has, when a direct write with O_DSYNC has, or, in a mapping with MAP_SYNC, when the lines that were stored to are
flushed and a fence is behind them."""

import ctypes
import fcntl
import mmap
import os
import random
import stat
import struct

from harness import memory
from model import fallocate
from replay import Replayed

PAGE, LINE = 4096, 64
COUNT = 512
BLKZEROOUT = 0x127F
PUNCH_HOLE = 3
ZEROES = bytes(PAGE)


class Pages(Replayed):
    """The first pages of a disk, or those of a file, after `done` operations of the user with that seed."""

    def __init__(self, seed):
        super().__init__(seed)
        self.pages = [ZEROES] * COUNT
        # The page, and what was there before, of the last operation.
        self.last = None
        self._opened = None

    def make(self, root):
        """Nothing but zeroes."""
        fd = os.open(root, os.O_RDWR | os.O_CREAT, 0o600)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.ftruncate(fd, COUNT * PAGE)
            folder = os.open(os.path.dirname(root), os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        else:
            fcntl.ioctl(fd, BLKZEROOUT, struct.pack("=QQ", 0, COUNT * PAGE))
        os.fsync(fd)
        os.close(fd)

    def step(self, root):
        """The next operation, in the model and, if there is one, in the file or disk `root`."""
        chance = random.Random(f"{self.seed} {self.done}")
        number = chance.randrange(COUNT)
        way = chance.choice((write, write, write_direct, store, store, remove))
        page = ZEROES if way is remove else chance.randbytes(32) * (PAGE // 32)
        self.last = (number, self.pages[number])
        self.pages[number] = page
        if root:
            # Open until the process ends: a child has one of its own.
            self._opened = self._opened or Opened(root)
            way(self._opened, number * PAGE, page)
        self.done += 1

    def complete(self, root):
        """Whether the last operation is there in part: some bytes of the page (a copy may be one by one),
        and the others as they were.  Then it is done again."""
        if not self.last:
            return False
        number, before = self.last
        here = self._read(root)
        if any(page != here[at] for at, page in enumerate(self.pages) if at != number):
            return False
        if any(byte not in either for byte, *either in zip(here[number], before, self.pages[number])):
            return False
        write(Opened(root), number * PAGE, self.pages[number])
        return True

    def difference(self, root):
        """What in it is not as it must be; an empty text if all is."""
        others = [number for number, (page, here) in enumerate(zip(self.pages, self._read(root))) if page != here]
        return f"the pages {others} are others" if others else ""

    def _read(self, root):
        with open(root, "rb") as file:
            content = file.read(COUNT * PAGE)
        return [content[at:at + PAGE] for at in range(0, COUNT * PAGE, PAGE)]


class Opened:
    """A file or a disk that is open in the ways that the operations need."""

    def __init__(self, root):
        self.is_file = stat.S_ISREG(os.stat(root).st_mode)
        self.fd = os.open(root, os.O_RDWR)
        self.direct = os.open(root, os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
        self.buffer = mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if self.is_file:
            # For as long as the process is there.
            self._keeper = memory.mapped(root)
            self.mapping = self._keeper.__enter__()  # pylint: disable=unnecessary-dunder-call
            self.address = ctypes.addressof(ctypes.c_ubyte.from_buffer(self.mapping))
            self.flush = flush_function()


def flush_function():
    """Writes a line at an address back to memory, with a fence; Python has no such instruction."""
    # clflush [rdi]; sfence; ret
    code = mmap.mmap(-1, PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("0fae3f0faef8c3"))
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.addressof(ctypes.c_ubyte.from_buffer(code)))
    # What is called must not go.
    function.code = code
    return function


def write(opened, at, page):
    os.pwrite(opened.fd, page, at)
    os.fsync(opened.fd)


def write_direct(opened, at, page):
    # The page cache of a disk may have it; a file with DAX has none.
    opened.buffer[:] = page
    os.pwrite(opened.direct, opened.buffer, at)


def store(opened, at, page):
    """By a mapping that says when it is durable; a disk has none."""
    if not opened.is_file:
        write_direct(opened, at, page)
        return
    opened.mapping[at:at + PAGE] = page
    for line in range(at, at + PAGE, LINE):
        opened.flush(opened.address + line)


def remove(opened, at, _page):
    if opened.is_file:
        fallocate(opened.fd, PUNCH_HOLE, at, PAGE)
    else:
        fcntl.ioctl(opened.fd, BLKZEROOUT, struct.pack("=QQ", at, PAGE))
    os.fsync(opened.fd)
