# SPDX-License-Identifier: GPL-2.0
"""Mappings of files, and what becomes of a process that touches one."""

import ctypes
import mmap
import os
import resource
import select
import signal
import struct
import traceback
from contextlib import contextmanager

PAGE = mmap.PAGESIZE
HUGE = 2 << 20  # what one page table entry of the second level maps

# <asm-generic/mman-common.h>, <linux/mman.h>; Python has no names for these.
MAP_SHARED_VALIDATE = 0x03
MAP_SYNC = 0x80000
BUS_ADRERR, BUS_MCEERR_AR, BUS_MCEERR_AO = 2, 4, 5
MADV_HWPOISON = 100

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
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


# <linux/prctl.h>: PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY; PR_SET_PDEATHSIG
_TELL_EARLY = (33, 1, 1)
_SET_PDEATHSIG = 1


def start_child(function, *arguments):
    """Calls a function in a child process, whose exit status is 0 if it returns; the process's id."""
    pid = os.fork()
    if pid == 0:
        # A test that fails leaves no child behind.
        _libc.prctl(_SET_PDEATHSIG, signal.SIGKILL)
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
    return _bus_error(path, lambda base: _touch(base + offset, store))


def bus_error_of_failing(path, offset):
    """The same, of a child that maps a page, loads from it and then has it fail (MADV_HWPOISON)."""

    def fail(base):
        _touch(base + offset, False)
        if _libc.madvise(base + offset // PAGE * PAGE, PAGE, MADV_HWPOISON):
            raise OSError(ctypes.get_errno(), "madvise")
        _touch(base + offset, False)

    return _bus_error(path, fail)


def _touch(address, store):
    if store:
        ctypes.memset(address, 0x5A, 1)
    else:
        ctypes.string_at(address, 1)


def _bus_error(path, function):
    reader, writer = os.pipe()
    status = end_of(_start_with_handler(path, function, writer))
    os.close(writer)
    answer = os.read(reader, 64)
    os.close(reader)
    if status != 0:
        raise ChildProcessError(f"the child that mapped {path} ended with {status}")
    return struct.unpack("=iq", answer) if answer else None


def _start_with_handler(path, function, writer):
    """A child that maps a file and calls a function with the address; SIGBUS ends it, once it has said
    which."""

    def main():
        with mapped(path, sync=False) as memory:
            base = ctypes.addressof(ctypes.c_ubyte.from_buffer(memory))

            def on_signal(_number, info, _context):
                code, address, _ = _siginfo(info)
                os.write(writer, struct.pack("=iq", code, address - base))
                os._exit(0)

            handler = _Handler(on_signal)
            action = _Sigaction(ctypes.cast(handler, ctypes.c_void_p).value, flags=_SA_SIGINFO)
            if _libc.sigaction(signal.SIGBUS, ctypes.byref(action), None):
                raise OSError(ctypes.get_errno(), "sigaction")
            function(base)
            os._exit(0)

    return start_child(main)


def _siginfo(address):
    """si_code, si_addr, si_addr_lsb."""
    return (
        ctypes.c_int.from_address(address + 8).value,
        ctypes.c_uint64.from_address(address + 16).value,
        ctypes.c_short.from_address(address + 24).value,
    )


class Looper:
    """A process that loads a byte of a mapped file again and again, with one instruction at `rip`, on
    one processor."""

    _LOOP = bytes.fromhex("8a07ebfc")  # mov al, [rdi]; jmp back to it

    def __init__(self, path, offset, cpu):
        self._code = mmap.mmap(-1, PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._code.write(self._LOOP)
        self.rip = ctypes.addressof(ctypes.c_ubyte.from_buffer(self._code))
        loop = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.rip)
        self._reader, writer = os.pipe()

        def run(base):
            os.sched_setaffinity(0, {cpu})
            loop(base + offset)

        self._pid = _start_with_handler(path, run, writer)
        os.close(writer)

    def bus_error(self):
        """Waits for its end: what SIGBUS said, as of `bus_error_of`."""
        status = end_of(self._pid)
        answer = os.read(self._reader, 64)
        os.close(self._reader)
        if status != 0:
            raise ChildProcessError(f"the child that looped ended with {status}")
        return struct.unpack("=iq", answer)


class Bystander:
    """A process that has a page of a file mapped, does nothing, and notes a SIGBUS that comes. It asks
    to be told early (prctl(2), PR_MCE_KILL_EARLY): who does not is told when it touches the page."""

    def __init__(self, path, offset, huge=False):
        self._reader, writer = os.pipe()
        self._pid = start_child(self._watch, path, offset, huge, writer)
        os.close(writer)
        if os.read(self._reader, 1) != b"r":
            raise ChildProcessError(f"the child that maps {path} did not get as far")

    @staticmethod
    def _watch(path, offset, huge, writer):
        if _libc.prctl(*_TELL_EARLY, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        # Blocked: whoever waits for a signal can be told what it says, without a handler.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGBUS})
        signals = (ctypes.c_ubyte * 128)()
        _libc.sigaddset(signals, signal.SIGBUS)
        info = (ctypes.c_ubyte * 128)()

        def watch(base):
            _touch(base + offset, False)
            os.write(writer, b"r")
            while _libc.sigwaitinfo(signals, info) < 0:
                pass
            code, address, granule = _siginfo(ctypes.addressof(info))
            os.write(writer, struct.pack("=iqh", code, address - base, granule))
            signal.pause()

        if huge:
            with mapped_at_huge_boundary(path, os.path.getsize(path)) as memory:
                watch(ctypes.addressof(memory))
        else:
            with mapped(path, sync=False) as memory:
                watch(ctypes.addressof(ctypes.c_ubyte.from_buffer(memory)))

    def bus_error(self, seconds=60):
        """Waits for a SIGBUS: (si_code, the byte of the file that si_addr stands for, si_addr_lsb: how
        many bits of that mean nothing); None if none comes in time."""
        if not select.select([self._reader], [], [], seconds)[0]:
            return None
        answer = os.read(self._reader, 64)
        return struct.unpack("=iqh", answer) if answer else None

    def end(self):
        """Ends it; whether it had lived on until now."""
        lives = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        os.kill(self._pid, signal.SIGKILL)
        end_of(self._pid)
        os.close(self._reader)
        return lives
