# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: many processes at the same few names and files, by every kind of call; then fsck, and the tree
that a new mount finds."""

import ctypes
import errno
import mmap
import os
import random
import signal
import stat
import struct
import time
from contextlib import suppress

from harness import check, files, memory, shell
from harness.cases import case
from harness.files import AT_FDCWD, EXCHANGE, NOREPLACE, WHITEOUT, renameat2
from harness.rdaxfs import Volume
from test_rdaxfs_names import LIBC, Twins

PAGE = 4096
SECONDS = 25
MAX_SIZE = 1 << 20
AT_SYMLINK_FOLLOW = 0x400
# What such a race may bring, whoever comes first. EACCES: a default ACL of what is no directory. ENXIO: a
# whiteout, or nothing behind SEEK_DATA's place.
ALLOWED = {
    errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.ELOOP,
    errno.ENODATA, errno.ENOSPC, errno.ENXIO, errno.EPERM, errno.ESTALE, errno.ETXTBSY, errno.EAGAIN, errno.EBUSY, errno.EACCES,
}  # fmt: skip


def letter_of(fd):
    """All bytes of a file are this one or 0, wherever its name goes: bytes of another would be seen."""
    return bytes([os.fstat(fd).st_ino % 255 + 1])


def access_list(user):
    """A POSIX ACL as the xattr has it, with an entry for a user."""
    nobody = 0xFFFFFFFF
    entries = ((0x01, 7, nobody), (0x02, 5, user), (0x04, 5, nobody), (0x10, 7, nobody), (0x20, 1, nobody))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


class Handles:
    """Files by handle, which outlives the name and the inode."""

    class Handle(ctypes.Structure):  # pylint: disable=too-few-public-methods
        _fields_ = [("bytes", ctypes.c_uint), ("kind", ctypes.c_int), ("handle", ctypes.c_ubyte * 128)]

    def __init__(self, root):
        self.root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self.known = []

    def remember(self, path):
        handle, mount = self.Handle(bytes=128), ctypes.c_int()
        if LIBC.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount), 0):
            raise OSError(ctypes.get_errno(), "name_to_handle_at")
        self.known = [*self.known[-20:], handle]

    def open(self, pick):
        if not self.known:
            return None
        fd = LIBC.open_by_handle_at(self.root, ctypes.byref(pick.choice(self.known)), os.O_RDONLY)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "open_by_handle_at")
        return fd


class Racer:
    """One process: what it does next is by chance."""

    def __init__(self, root):
        self.root = root
        self.pick = random.Random(os.getpid())
        self.open_files = []
        self.handles = Handles(root)
        self.operations = [
            (9, self.create), (2, self.temporary), (6, self.write), (3, self.read), (3, self.truncate),
            (4, self.allocate), (2, self.shift), (3, self.sync), (2, self.segments), (4, self.attribute),
            (1, self.mode), (7, self.rename), (4, self.link), (8, self.unlink), (2, self.symlink), (3, self.mkdir),
            (3, self.rmdir), (2, self.list), (3, self.handle), (4, self.close),
        ]  # fmt: skip

    def name(self):
        depth = self.pick.choice((2, 2, 2, 3))
        return "/".join((self.root, self.pick.choice("01"), *(self.pick.choice("abcdef") for _ in range(depth - 1))))

    def file(self):
        """One that is open, perhaps without a name by now."""
        if not self.open_files:
            self.create()
        return self.pick.choice(self.open_files)

    def keep(self, fd):
        if stat.S_ISREG(os.fstat(fd).st_mode):
            self.open_files.append(fd)
        else:
            os.close(fd)
        if len(self.open_files) > 6:
            self.close()

    def close(self):
        if self.open_files:
            os.close(self.open_files.pop(self.pick.randrange(len(self.open_files))))

    def place(self):
        return self.pick.randrange(MAX_SIZE), self.pick.choice((1, 100, PAGE, 5000, 70000))

    def create(self):
        flags = self.pick.choice((0, 0, os.O_EXCL, os.O_TRUNC, os.O_APPEND))
        self.keep(os.open(self.name(), os.O_RDWR | os.O_CREAT | flags, self.pick.choice((0o644, 0o600))))

    def temporary(self):
        fd = os.open(os.path.dirname(self.name()), os.O_RDWR | os.O_TMPFILE, 0o600)
        try:
            os.write(fd, letter_of(fd) * self.pick.choice((0, 10, 5000)))
            # Python's os.link() does not follow the link in /proc.
            if self.pick.randrange(2) and LIBC.linkat(
                AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, os.fsencode(self.name()), AT_SYMLINK_FOLLOW
            ):
                raise OSError(ctypes.get_errno(), "linkat")
        finally:
            self.keep(fd)

    def write(self):
        fd, (offset, length) = self.file(), self.place()
        os.pwrite(fd, letter_of(fd) * length, offset)

    def read(self):
        fd, (offset, length) = self.file(), self.place()
        found = os.pread(fd, length, offset)
        check.equal(found.translate(None, letter_of(fd) + b"\0"), b"", "bytes of another file")

    def truncate(self):
        os.ftruncate(self.file(), self.pick.choice((0, self.pick.randrange(MAX_SIZE))))

    def allocate(self):
        mode = self.pick.choice((0, files.KEEP_SIZE, files.KEEP_SIZE | files.PUNCH_HOLE, files.ZERO_RANGE))
        files.fallocate(self.file(), mode, *self.place())

    def shift(self):
        fd = self.file()
        if os.fstat(fd).st_size < 2 * MAX_SIZE:
            mode = self.pick.choice((files.COLLAPSE_RANGE, files.INSERT_RANGE))
            files.fallocate(fd, mode, self.pick.randrange(64) * PAGE, self.pick.randrange(1, 20) * PAGE)

    def sync(self):
        self.pick.choice((os.fsync, os.fdatasync))(self.file())

    def segments(self):
        list(files.segments(self.file()))

    def attribute(self):
        target = self.pick.choice((self.file(), self.name()))
        name = f"user.{self.pick.choice('abc')}"
        match self.pick.randrange(6):
            case 0 | 1:
                os.setxattr(target, name, b"v" * self.pick.choice((0, 10, 300, 5000)), self.pick.choice((0, 0, 1, 2)))
            case 2:
                check.equal(os.getxattr(target, name).strip(b"v"), b"", "a value")
            case 3:
                os.removexattr(target, name)
            case 4:
                os.listxattr(target)
            case 5:
                kind = self.pick.choice(("access", "default"))
                os.setxattr(target, f"system.posix_acl_{kind}", access_list(self.pick.randrange(1000, 1003)))

    def mode(self):
        if self.pick.randrange(2):
            os.fchmod(self.file(), self.pick.choice((0o644, 0o4755)))
        else:
            os.chown(self.name(), self.pick.randrange(3), self.pick.randrange(3), follow_symlinks=False)

    def rename(self):
        flags = self.pick.choice((0, 0, 0, NOREPLACE, EXCHANGE, WHITEOUT))
        renameat2(self.name(), self.name(), flags)

    def link(self):
        os.link(self.name(), self.name(), follow_symlinks=False)

    def unlink(self):
        os.unlink(self.name())

    def symlink(self):
        name = self.name()
        os.symlink(self.pick.choice("abc") if self.pick.randrange(2) else "a/" * 150, name)
        os.readlink(name)

    def mkdir(self):
        os.mkdir(self.name())

    def rmdir(self):
        os.rmdir(self.name())

    def list(self):
        for entry in os.scandir(os.path.dirname(self.name())):
            with suppress(FileNotFoundError):
                entry.stat(follow_symlinks=False)

    def handle(self):
        if self.pick.randrange(2):
            self.handles.remember(self.name())
        elif (fd := self.handles.open(self.pick)) is not None:
            os.close(fd)

    def run(self, seconds):
        weights, operations = zip(*self.operations)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            operation = self.pick.choices(operations, weights)[0]
            try:
                operation()
            except OSError as error:
                check.true(error.errno in ALLOWED, f"{operation.__name__}: {error}")


def call_everything(root, seconds):
    Racer(root).run(seconds)


def map_files(root, seconds):
    """Stores and loads through mappings meanwhile. Who touches a page behind the end gets SIGBUS: another
    process comes then."""

    def run():
        racer = Racer(root)
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        while time.monotonic() < end:
            with suppress(OSError):
                racer.create()
            for fd in racer.open_files:
                letter = letter_of(fd)[0]
                with suppress(ValueError, OSError), mmap.mmap(fd, 0) as mapping:
                    for _ in range(100):
                        at = racer.pick.randrange(len(mapping))
                        if racer.pick.randrange(2):
                            mapping[at] = letter
                        else:
                            check.true(mapping[at] in (0, letter), "a byte of another file")
                    if racer.pick.randrange(4) == 0:
                        mapping.flush()

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = memory.in_child(run)
        check.true(status in (0, -signal.SIGBUS), f"who maps files ended with {status}")


def disturb(root, seconds):
    """Inodes leave the cache, the volume freezes and thaws, and all of it is written back."""
    pick = random.Random(os.getpid())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        match pick.randrange(4):
            case 0 | 1:
                shell.write_text("/proc/sys/vm/drop_caches", pick.choice("23"))
            case 2:
                os.sync()
                os.statvfs(root)
            case 3:
                shell.run("fsfreeze", "--freeze", root)
                time.sleep(0.1)
                shell.run("fsfreeze", "--unfreeze", root)
        time.sleep(pick.random() / 2)


def race(volume, seconds, racers=6):
    """Half of the files have their pages on the medium, half in the page cache."""
    root = str(volume.directory)
    for number in "01":
        os.mkdir(f"{root}/{number}")
    shell.run("xfs_io", "-r", "-c", "chattr +x", f"{root}/1")
    children = {f"racer {number}": memory.start_child(call_everything, root, seconds) for number in range(racers)}
    for number in range(2):
        children[f"who maps files ({number})"] = memory.start_child(map_files, root, seconds)
    children["who disturbs"] = memory.start_child(disturb, root, seconds)
    ends = {name: memory.end_of(pid) for name, pid in children.items()}
    check.equal(ends, dict.fromkeys(ends, 0), "exit statuses")
    before = Twins(root).tree(root)
    volume.again()
    check.equal(Twins(root).tree(root), before, "the tree, mounted again")


@case(limit=300)
def every_call_at_once(t):
    with Volume(t.disk.node, "dax=inode") as volume:
        race(volume, SECONDS)
