# SPDX-License-Identifier: GPL-2.0
"""Mappings of files, and what becomes of a process that touches one."""

import ctypes
import mmap
import os
import resource
import signal
import struct
import traceback
from contextlib import contextmanager

PAGE = mmap.PAGESIZE
HUGE = 2 << 20  # what one page table entry of the second level maps

# <asm-generic/mman-common.h>, <linux/mman.h>; Python has no names for these.
MAP_SHARED_VALIDATE = 0x03
MAP_SYNC = 0x80000
BUS_ADRERR, BUS_MCEERR_AR = 2, 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


@contextmanager
def mapped(path, sync=True, length=0):
    """A file, mapped shared; with `sync` (MAP_SYNC) the kernel refuses where a page cache is between."""
    flags = MAP_SHARED_VALIDATE | MAP_SYNC if sync else mmap.MAP_SHARED
    fd = os.open(path, os.O_RDWR)
    try:
        with mmap.mmap(fd, length, flags=flags) as memory:
            yield memory
    finally:
        os.close(fd)


@contextmanager
def mapped_at_huge_boundary(path, length):
    """As `mapped`, at an address where huge pages are possible; yields an array of the bytes."""
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    nowhere = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    reserved = _checked(_libc.mmap(None, length + HUGE, 0, nowhere, -1, 0))
    address = (reserved + HUGE - 1) // HUGE * HUGE
    fd = os.open(path, os.O_RDWR)
    try:
        fixed = 0x10  # MAP_FIXED, over the reservation
        _checked(_libc.mmap(address, length, protection, mmap.MAP_SHARED | fixed, fd, 0))
        yield (ctypes.c_ubyte * length).from_address(address)
    finally:
        os.close(fd)
        _libc.munmap(reserved, length + HUGE)


def _checked(address):
    if address is None or address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return address


def faults():
    """Page faults that this process has taken."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt + usage.ru_majflt


def start_child(function, *arguments):
    """Calls a function in a child process, whose exit status is 0 if it returns; the process's id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function(*arguments)
            status = 0
        except BaseException:  # pylint: disable=broad-except  # the parent's handlers are not for it
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def end_of(pid):
    """Waits for a child; its exit status, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_child(function, *arguments):
    return end_of(start_child(function, *arguments))


class _Sigaction(ctypes.Structure):  # pylint: disable=too-few-public-methods
    """glibc's struct sigaction on x86-64."""

    _fields_ = [
        ("handler", ctypes.c_void_p), ("mask", ctypes.c_ubyte * 128), ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]


_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_SA_SIGINFO = 4


def bus_error_of(path, offset, store=False):
    """Maps a file in a child and touches a byte of it: None if that works, else what SIGBUS said:
    (si_code, the byte of the file that si_addr stands for)."""
    reader, writer = os.pipe()
    status = in_child(_touch, path, offset, store, writer)
    os.close(writer)
    answer = os.read(reader, 64)
    os.close(reader)
    if status != 0:
        raise ChildProcessError(f"the child that touched {path} ended with {status}")
    return struct.unpack("=iq", answer) if answer else None


def _touch(path, offset, store, writer):
    with mapped(path, sync=False) as memory:
        base = ctypes.addressof(ctypes.c_ubyte.from_buffer(memory))

        def on_signal(_number, info, _context):
            code = ctypes.c_int.from_address(info + 8).value
            address = ctypes.c_uint64.from_address(info + 16).value
            os.write(writer, struct.pack("=iq", code, address - base))
            os._exit(0)

        handler = _Handler(on_signal)
        action = _Sigaction(ctypes.cast(handler, ctypes.c_void_p).value, flags=_SA_SIGINFO)
        if _libc.sigaction(signal.SIGBUS, ctypes.byref(action), None):
            raise OSError(ctypes.get_errno(), "sigaction")
        if store:
            ctypes.memset(base + offset, 0x5A, 1)
        else:
            ctypes.string_at(base + offset, 1)
        os._exit(0)
