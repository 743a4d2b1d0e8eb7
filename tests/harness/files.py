# SPDX-License-Identifier: GPL-2.0
"""What Python's os has no names for: fallocate(2) with a mode, renameat2(2), and a file's blocks."""

import ctypes
import fcntl
import os
import struct

KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE = 0x01, 0x02, 0x08, 0x10, 0x20

AT_FDCWD = -100
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def fallocate(fd, mode, offset, length):
    if _libc.fallocate(fd, mode, offset, length):
        code = ctypes.get_errno()
        raise OSError(code, f"fallocate {mode:#x} of {length} at {offset}: {os.strerror(code)}")


def renameat2(old, new, flags):
    if _libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(old))


def blocks(fd):
    """How many blocks of 4096 bytes it has."""
    return os.fstat(fd).st_blocks // 8


def segments(fd):
    """What SEEK_DATA and SEEK_HOLE say: the (start, end) of data, in order."""
    size = os.fstat(fd).st_size
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, at


FS_IOC_FIEMAP = 0xC020660B
FIEMAP_FLAG_SYNC, FIEMAP_FLAG_XATTR = 1, 2
FIEMAP_EXTENT_LAST = 1
_FIEMAP, _EXTENT = struct.Struct("=QQIIII"), struct.Struct("=QQQ16xI12x")


def fiemap(fd, flags=0, start=0, most=32):
    """The (logical, physical, length, flags) of a file's first extents from a byte on."""
    header = _FIEMAP.pack(start, (1 << 63) - 1 - start, flags, 0, most, 0)
    buffer = bytearray(header + bytes(_EXTENT.size * most))
    fcntl.ioctl(fd, FS_IOC_FIEMAP, buffer, True)
    mapped = _FIEMAP.unpack_from(buffer)[3]
    return [_EXTENT.unpack_from(buffer, _FIEMAP.size + at * _EXTENT.size) for at in range(mapped)]


def attribute_extents(path):
    """Those of its extended attributes."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return fiemap(fd, FIEMAP_FLAG_XATTR)
    finally:
        os.close(fd)
