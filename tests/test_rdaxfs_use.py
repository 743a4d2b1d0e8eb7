# SPDX-License-Identifier: GPL-2.0
"""What users do with files on rdaxfs besides reading and writing them: loop devices, core dumps, io_uring,
userfaultfd; with their pages on the medium and in the page cache."""

import ctypes
import errno
import mmap
import os
import random
import resource
import signal
import struct

from harness import check, files, memory, shell
from harness.cases import case
from harness.rdaxfs import Volume

PAGE = 4096
MODES = ("dax=always", "dax=never")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mmap.restype = ctypes.c_void_p


def _called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@case()
def loop_devices(t):
    """ext4 in a file, written and punched through a loop device, and there again after a mount; without and with
    direct I/O to the file."""
    shell.run("modprobe", "loop")
    for mode in MODES:
        for direct in ("off", "on"):
            with Volume(t.disk.node, mode) as volume:
                image = volume.directory / "image"
                with open(image, "wb") as file:
                    file.truncate(32 << 20)
                data = random.Random(5).randbytes(3 << 20)
                for first in (True, False):
                    loop = shell.run("losetup", "--find", "--show", f"--direct-io={direct}", image).strip()
                    try:
                        if first:
                            shell.run("mkfs.ext4", "-q", "-F", loop)
                        os.makedirs("/mnt/in-file", exist_ok=True)
                        shell.run("mount", "-o", "discard", loop, "/mnt/in-file")
                        try:
                            path = "/mnt/in-file/file"
                            if first:
                                with open(path, "wb") as file:
                                    file.write(data)
                            else:
                                with open(path, "rb") as file:
                                    check.true(file.read() == data, f"{mode}, direct I/O {direct}: the file in the file")
                                before = os.stat(image).st_blocks
                                os.unlink(path)
                                shell.run("fstrim", "/mnt/in-file")
                                os.sync()
                                check.true(os.stat(image).st_blocks < before, f"{mode}: what is discarded is punched")
                        finally:
                            shell.run("umount", "/mnt/in-file")
                        shell.run("fsck.ext4", "-f", "-n", loop)
                    finally:
                        shell.run("losetup", "-d", loop)
                    if first:
                        volume.again()


@case()
def a_busy_loop_device_keeps_the_volume(t):
    """A volume with a loop device on a file is busy, and goes when that does."""
    shell.run("modprobe", "loop")
    with Volume(t.disk.node, "dax=always") as volume:
        image = volume.directory / "image"
        image.write_bytes(bytes(1 << 20))
        loop = shell.run("losetup", "--find", "--show", image).strip()
        try:
            check.true(shell.attempt("umount", volume.directory).returncode != 0, "unmounted under a loop device")
            image.unlink()
            with open(loop, "r+b", buffering=0) as file:
                file.write(b"x" * PAGE)
                os.fsync(file.fileno())
        finally:
            shell.run("losetup", "-d", loop)


@case()
def core_dumps(t):
    """A core with a stretch of zeroes, which is a hole in the file."""
    pattern = shell.read_text("/proc/sys/kernel/core_pattern")
    try:
        for mode in MODES:
            with Volume(t.disk.node, mode) as volume:
                shell.write_text("/proc/sys/kernel/core_pattern", f"{volume.directory}/core")

                def crash():
                    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                    area = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
                    area[0:16] = b"the first marker"
                    area[(32 << 20) - 16 :] = b"the other marker"
                    os.kill(os.getpid(), signal.SIGABRT)

                check.equal(memory.in_child(crash), -signal.SIGABRT, "the child's end")
                core = volume.directory / "core"
                data = core.read_bytes()
                check.equal(data[:4], b"\x7fELF", f"{mode}: the core's begin")
                at = data.find(b"the first marker" + bytes(PAGE - 16))
                check.true(at > 0, f"{mode}: the first page is in the core")
                check.equal(data[at + (32 << 20) - 16 : at + (32 << 20)], b"the other marker", f"{mode}: 32 MiB on")
                check.true(os.stat(core).st_blocks * 512 < len(data) - (24 << 20), f"{mode}: zeroes are a hole, of {len(data)} bytes")
    finally:
        shell.write_text("/proc/sys/kernel/core_pattern", pattern)


class Uring:
    """io_uring by its system calls: one entry at a time."""

    SETUP, ENTER, REGISTER = 425, 426, 427
    REGISTER_BUFFERS = 0
    ENTER_GETEVENTS = 1
    NOP, READV, WRITEV, FSYNC, READ_FIXED, WRITE_FIXED = 0, 1, 2, 3, 4, 5
    FALLOCATE, READ, WRITE = 17, 22, 23
    FSYNC_DATASYNC = 1
    # Offsets that mmap(2) of the ring understands.
    OFF_SQ, OFF_SQES = 0, 0x10000000

    def __init__(self, entries=4):
        parameters = (ctypes.c_uint32 * 30)()
        self.fd = _called(_libc.syscall(self.SETUP, entries, ctypes.byref(parameters)))
        sq_entries, cq_entries = parameters[0], parameters[1]
        self.sq = parameters[10:17]
        self.cq = parameters[20:27]
        length = max(self.sq[6] + sq_entries * 4, self.cq[5] + cq_entries * 16)
        self.ring = mmap.mmap(self.fd, length, mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=self.OFF_SQ)
        self.entries = mmap.mmap(self.fd, sq_entries * 64, mmap.MAP_SHARED, offset=self.OFF_SQES)

    def word(self, offset, value=None):
        if value is not None:
            self.ring[offset : offset + 4] = struct.pack("=I", value)
        return struct.unpack_from("=I", self.ring, offset)[0]

    def do(self, operation, fd, address=0, length=0, offset=0, flags=0):
        """Submits one entry and waits: its result, or OSError."""
        tail = self.word(self.sq[1])
        slot = tail & self.word(self.sq[2])
        self.entries[slot * 64 : slot * 64 + 64] = struct.pack(
            "=BBHiQQIIQ24x", operation, 0, 0, fd, offset, address, length, flags, 7
        )
        self.word(self.sq[6] + 4 * slot, slot)
        self.word(self.sq[1], tail + 1)
        _called(_libc.syscall(self.ENTER, self.fd, 1, 1, self.ENTER_GETEVENTS, None, 0))
        head = self.word(self.cq[0])
        check.true(head != self.word(self.cq[1]), "a completion")
        at = self.cq[5] + 16 * (head & self.word(self.cq[2]))
        user_data, result, _ = struct.unpack_from("=QiI", self.ring, at)
        self.word(self.cq[0], head + 1)
        check.equal(user_data, 7, "the completion's entry")
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def close(self):
        self.ring.close()
        self.entries.close()
        os.close(self.fd)


@case()
def uring(t):
    """Reads, writes, fallocate and fsync; with registered buffers that are a mapping of a file on the same volume."""
    data = random.Random(6).randbytes(5 * PAGE + 100)
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            ring = Uring()
            fd = os.open(volume.directory / "file", os.O_RDWR | os.O_CREAT)
            buffer = ctypes.create_string_buffer(data, len(data))
            address = ctypes.addressof(buffer)
            check.equal(ring.do(Uring.WRITE, fd, address, len(data), 4000), len(data), f"{mode}: written")
            check.equal(ring.do(Uring.FSYNC, fd, flags=Uring.FSYNC_DATASYNC), 0, f"{mode}: fdatasync")
            check.true(os.pread(fd, len(data) + 9999, 0) == bytes(4000) + data, f"{mode}: what was written")
            ctypes.memset(address, 0, len(data))
            check.equal(ring.do(Uring.READ, fd, address, len(data), 4000), len(data), f"{mode}: read")
            check.true(buffer.raw == data, f"{mode}: what was read")
            check.equal(ring.do(Uring.READ, fd, address, 10, 1 << 30), 0, f"{mode}: behind the end")
            # The length of fallocate is in the address, its mode in the length.
            check.equal(ring.do(Uring.FALLOCATE, fd, 2 * PAGE, files.KEEP_SIZE | files.PUNCH_HOLE, 0), 0, f"{mode}: punch")
            check.true(os.pread(fd, 2 * PAGE, 0) == bytes(2 * PAGE), f"{mode}: what was punched")
            with check.fails(errno.EOPNOTSUPP):
                ring.do(Uring.FALLOCATE, fd, PAGE, 0x80, 0)
            with check.fails(errno.EBADF):
                reader = os.open(volume.directory / "file", os.O_RDONLY)
                try:
                    ring.do(Uring.WRITE, reader, address, 1, 0)
                finally:
                    os.close(reader)
            os.close(fd)
            ring.close()


USERFAULTFD, UFFDIO_API, UFFDIO_REGISTER = 323, 0xC018AA3F, 0xC020AA00
MISSING, MINOR = 1, 4


@case(not_watched="that kernel has no userfaultfd")
def userfaultfd_is_refused(t):
    """Nobody else can serve the faults of a file's mapping. A private mapping on the medium is refused as well as a
    shared one."""
    with Volume(t.disk.node, "dax=always") as volume:
        path = volume.directory / "file"
        path.write_bytes(b"x" * (4 * PAGE))
        check.equal(memory.in_child(_refused_by_userfaultfd, path), 0, "the child's end")


def _refused_by_userfaultfd(path):
    handle = _called(_libc.syscall(USERFAULTFD, os.O_CLOEXEC))
    api = ctypes.create_string_buffer(struct.pack("=QQQ", 0xAA, 0, 0), 24)
    _called(_libc.ioctl(handle, ctypes.c_ulong(UFFDIO_API), api))
    # A private mapping's missing pages are the file's, as a shared one's are.
    for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
        fd = os.open(path, os.O_RDWR)
        area = mmap.mmap(fd, 4 * PAGE, flags=flags)
        os.close(fd)
        address = ctypes.addressof(ctypes.c_ubyte.from_buffer(area))
        for wanted in (MISSING, MINOR):
            request = ctypes.create_string_buffer(struct.pack("=QQQQ", address, 4 * PAGE, wanted, 0), 32)
            with check.fails(errno.EINVAL):
                _called(_libc.ioctl(handle, ctypes.c_ulong(UFFDIO_REGISTER), request))
        check.equal(area[:1], b"x", "the mapping works on")


@case()
def a_volume_is_copied_by_dd(t):
    """To another place of the same length, and back from there: the file system knows no addresses."""
    data = random.Random(8).randbytes(1 << 20)
    copy = "/tmp/copy"
    with Volume(t.disk.node) as volume:
        (volume.directory / "file").write_bytes(data)
    shell.run("dd", f"if={t.disk.node}", f"of={copy}", "bs=1M", "conv=sparse")
    with Volume(t.disk.node, make_options=("-L", "other")) as volume:
        check.equal(os.listdir(volume.directory), [], "what a new volume has")
    shell.run("dd", f"if={copy}", f"of={t.disk.node}", "bs=1M", "oflag=direct")
    os.unlink(copy)
    with Volume(t.disk.node, make=False) as volume:
        check.true((volume.directory / "file").read_bytes() == data, "the file after the volume's return")
