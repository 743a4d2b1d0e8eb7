# SPDX-License-Identifier: GPL-2.0
"""Damaged volumes of rdaxfs: mounted, and used by every kind of call. Calls may fail; the kernel may not."""

import array
import ctypes
import errno
import fcntl
import mmap
import os
import random
import shutil
import stat
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

from . import check, files, kernel_log

PAGE = 4096
PROGRAM = Path(__file__).parents[2] / "build" / "test-programs" / "damage"
DIRECTORY = "/mnt/damaged"
# How many inodes of a volume are looked at, and operations done.
LOOKED_AT, OPERATIONS = 40, 12
# A device number of a damaged inode may be that of anything.
MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4
OPTIONS = ("dax=always", "dax=inode", "dax=never")
# What rdaxfs says of a damaged volume.
SAID = r"^rdaxfs: rpmem\d+: (?!.*panicked)"
# What the kernel itself says of many errors in a short time.
SUPPRESSED = r"^fserror_report: \d+ callbacks suppressed$"

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result, what):
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


@dataclass
class Tally:
    """What was done."""

    volumes: int = 0
    mounted: int = 0
    inodes: int = 0
    operations: int = 0
    succeeded: int = 0

    def __str__(self):
        return ", ".join(f"{getattr(self, field.name)} {field.name}" for field in fields(self))


class Writer:
    """Writes damaged volumes to a disk."""

    def __init__(self, node):
        # From the project's folder a program takes seconds to start.
        copy = shutil.copy(PROGRAM, "/run/damage")
        self.process = subprocess.Popen([copy, node], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def write(self, number):
        """The volume of that number; returns what it was before it was damaged."""
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        name = self.process.stdout.readline().strip()
        check.true(name, "the program that damages volumes has ended")
        return name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


@contextmanager
def opened(path, flags):
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield fd
    finally:
        os.close(fd)


class Session:
    """A damaged volume that is mounted."""

    def __init__(self, choose, tally):
        self.choose = choose
        self.tally = tally
        self.paths = [DIRECTORY]
        self.directories = [DIRECTORY]
        self.operations = (
            self.create, self.make_directory, self.symlink, self.node, self.link, self.unlink, self.unlink,
            self.remove_directory, self.rename, self.rename, self.append, self.write, self.truncate, self.allocate,
            self.allocate, self.attribute, self.attribute, self.change, self.store, self.load, self.sync, self.temporary,
            self.flags,
        )  # fmt: skip

    def any(self):
        return self.choose.choice(self.paths)

    def new(self):
        name = "".join(self.choose.choices("abcdefgh", k=self.choose.choice((1, 2, 60, 255))))
        return f"{self.choose.choice(self.directories)}/{name}"

    def attempt(self, operation, *arguments):
        """An error is what a damaged volume may give."""
        self.tally.operations += 1
        try:
            result = operation(*arguments)
        except OSError as error:
            # Nothing of the test's own.
            check.true(error.errno not in (errno.EBADF, errno.EFAULT), f"{operation.__name__}: {error}")
            return None
        self.tally.succeeded += 1
        return result

    def look(self):
        """Everything that can be reached, up to a limit: a damaged directory may have itself in it."""
        todo = [DIRECTORY]
        while todo and len(self.paths) < LOOKED_AT:
            directory = todo.pop(0)
            for name in self.attempt(os.listdir, directory) or ():
                path = f"{directory}/{name}"
                here = self.attempt(os.lstat, path)
                if here is None:
                    continue
                self.tally.inodes += 1
                self.paths.append(path)
                if stat.S_ISDIR(here.st_mode):
                    todo.append(path)
                    self.directories.append(path)
                self.attempt(self.read_all, path, here.st_mode)
                if len(self.paths) >= LOOKED_AT:
                    break

    def read_all(self, path, mode):
        for name in os.listxattr(path, follow_symlinks=False):
            os.getxattr(path, name, follow_symlinks=False)
        if stat.S_ISLNK(mode):
            os.readlink(path)
        if stat.S_ISREG(mode):
            with opened(path, os.O_RDONLY) as fd:
                size = os.fstat(fd).st_size
                for at in (0, size // 2, max(size - 5000, 0)):
                    os.pread(fd, 5000, at)
                for _, _ in zip(range(20), files.segments(fd)):
                    pass
                for flags in (0, files.FIEMAP_FLAG_XATTR):
                    files.fiemap(fd, flags)

    # Operations.

    def create(self):
        os.close(os.open(self.new(), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def make_directory(self):
        os.mkdir(self.new())

    def symlink(self):
        os.symlink("t" * self.choose.choice((3, 70, 3000)), self.new())

    def node(self):
        os.mknod(self.new(), stat.S_IFCHR | 0o600, os.makedev(1, 3))

    def link(self):
        os.link(self.any(), self.new(), follow_symlinks=False)

    def unlink(self):
        os.unlink(self.any())

    def remove_directory(self):
        os.rmdir(self.choose.choice(self.directories))

    def rename(self):
        how = self.choose.choice((0, 0, files.NOREPLACE, files.EXCHANGE, files.WHITEOUT))
        new = self.choose.choice((self.any(), self.new()))
        files.renameat2(self.any(), new, how)

    def append(self):
        with opened(self.any(), os.O_WRONLY | os.O_APPEND) as fd:
            os.write(fd, b"a" * self.choose.choice((10, 5000, 40000)))

    def place(self):
        return self.choose.randrange(600) * PAGE + self.choose.choice((0, 0, 77))

    def write(self):
        with opened(self.any(), os.O_WRONLY) as fd:
            os.pwrite(fd, b"w" * self.choose.choice((10, PAGE, 9000)), self.place())

    def truncate(self):
        with opened(self.any(), os.O_WRONLY) as fd:
            os.ftruncate(fd, self.choose.choice((0, self.place())))

    def allocate(self):
        modes = (
            0, files.KEEP_SIZE, files.PUNCH_HOLE | files.KEEP_SIZE, files.ZERO_RANGE, files.COLLAPSE_RANGE,
            files.INSERT_RANGE,
        )  # fmt: skip
        with opened(self.any(), os.O_RDWR) as fd:
            start, pages = self.choose.randrange(40) * PAGE, self.choose.choice((1, 3, 30))
            files.fallocate(fd, self.choose.choice(modes), start, pages * PAGE)

    def attribute(self):
        name = self.choose.choice(("user.colour", "user.long", "user.large", "user.new", "trusted.new"))
        if self.choose.randrange(3):
            value = b"v" * self.choose.choice((0, 5, 90, 4000, 30000))
            os.setxattr(self.any(), name, value, follow_symlinks=False)
        else:
            os.removexattr(self.any(), name, follow_symlinks=False)

    def change(self):
        path = self.any()
        os.chown(path, 1000, 1000, follow_symlinks=False)
        os.utime(path, (1, 1), follow_symlinks=False)

    def store(self):
        with self.mapped(os.O_RDWR, mmap.PROT_READ | mmap.PROT_WRITE) as (memory, pieces):
            with opened("/dev/zero", os.O_RDONLY) as zero:
                for piece in pieces:
                    touched(os.readv, zero, [memory[piece : piece + 100]])

    def load(self):
        with self.mapped(os.O_RDONLY, mmap.PROT_READ) as (memory, pieces):
            reader, writer = os.pipe()
            try:
                for piece in pieces:
                    touched(os.writev, writer, [memory[piece : piece + 100]])
            finally:
                os.close(reader)
                os.close(writer)

    @contextmanager
    def mapped(self, flags, protection):
        """A file, and some places in it. The kernel touches them for us: that is an error, not a signal."""
        with opened(self.any(), flags) as fd:
            size = min(os.fstat(fd).st_size, 1 << 22)
            if not size or not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.ENODATA, "nothing to map")
            with mmap.mmap(fd, size, mmap.MAP_SHARED, protection) as mapping, memoryview(mapping) as memory:
                yield memory, [self.choose.randrange(size) for _ in range(4)]

    def sync(self):
        with opened(self.any(), os.O_RDONLY) as fd:
            os.fsync(fd)

    def temporary(self):
        fd = os.open(self.choose.choice(self.directories), os.O_TMPFILE | os.O_RDWR, 0o600)
        try:
            os.write(fd, b"t" * 5000)
            if self.choose.randrange(2):
                os.link(f"/proc/self/fd/{fd}", self.new(), follow_symlinks=True)
        finally:
            os.close(fd)

    def flags(self):
        """FS_IOC_GETFLAGS; FS_IOC_SETFLAGS with noatime turned round."""
        with opened(self.any(), os.O_RDONLY) as fd:
            flags = array.array("L", [0])
            fcntl.ioctl(fd, 0x80086601, flags, True)
            flags[0] ^= 0x80
            fcntl.ioctl(fd, 0x40086602, flags, True)


def touched(call, *arguments):
    """A page that cannot be mapped is EFAULT here, which is not the test's fault."""
    with suppress(OSError):
        call(*arguments)


def trial(writer, node, number, tally):
    """One volume: written, mounted, used, unmounted."""
    choose = random.Random(number)
    writer.write(number)
    tally.volumes += 1
    flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if choose.randrange(4) == 0 else 0)
    options = f"errors=continue,{choose.choice(OPTIONS)}"
    if _libc.mount(node.encode(), DIRECTORY.encode(), b"rdaxfs", flags, options.encode()):
        return
    tally.mounted += 1
    try:
        session = Session(choose, tally)
        session.attempt(os.statvfs, DIRECTORY)
        session.look()
        for _ in range(OPERATIONS):
            session.attempt(choose.choice(session.operations))
    finally:
        _checked(_libc.umount2(DIRECTORY.encode(), 0), "umount2")


def try_volumes(t, numbers, seconds=float("inf")):
    """Tries the volumes of these numbers, as far as the time allows; the kernel must not say anything else than what is
    damaged."""
    end = time.monotonic() + seconds
    t.allow_log(SAID)
    t.allow_log(SUPPRESSED)
    # This reads along, since there may be more lines than are kept until the test ends.
    t.allow_log(r"^\(the log lost \d+ lines here\)$")
    tally = Tally()
    os.makedirs(DIRECTORY, exist_ok=True)
    with Writer(t.disk.node) as writer, kernel_log.KernelLog() as log:
        for number in numbers:
            if time.monotonic() > end:
                break
            log.mark(f"damaged volume {number}")
            try:
                trial(writer, t.disk.node, number, tally)
            except check.Failed as error:
                raise check.Failed(f"volume {number}: {error}") from error
            complaints = kernel_log.judge(log.take(), [], [SAID, SUPPRESSED])
            check.true(not complaints, f"volume {number}: {complaints}")
    print(f"{t.case.name}: {tally}", flush=True)
    check.true(tally.mounted * 4 > tally.volumes, f"most could not be mounted: {tally}")
    check.true(tally.succeeded * 4 > tally.operations, f"most operations failed: {tally}")
