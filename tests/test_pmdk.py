# SPDX-License-Identifier: GPL-2.0
"""What programs that use PMDK find on a namespace of ours: persistent memory, deep flushes, and bad blocks of a pool."""

import ctypes
import os
import re
import signal
import struct

from harness import check, nd, shell
from harness.disk import first_sectors
from harness.target import FileSystem
from test_nd import nd_case

LAYOUT = b"tests"
PAGE_SECTORS = 8
# Far behind the pool's header.
BAD_PAGE = 2048
# Where the header has the shutdown state: count of unsafe shutdowns, what tells the DIMMs, whether it is in use, checksum.
STATE_AT, STATE = 4024, struct.Struct("<QQB39xQ")


def libpmem():
    library = ctypes.CDLL("libpmem.so.1")
    library.pmem_map_file.restype = ctypes.c_void_p
    library.pmem_map_file.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_int)
    ]
    for name in ("pmem_is_pmem", "pmem_deep_persist", "pmem_unmap"):
        getattr(library, name).argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.pmem_errormsg.restype = ctypes.c_char_p
    return library


class Pools:
    """What libpmemobj does with a pool."""

    def __init__(self):
        self._library = ctypes.CDLL("libpmemobj.so.1")
        self._library.pmemobj_open.restype = ctypes.c_void_p
        self._library.pmemobj_close.argtypes = [ctypes.c_void_p]
        self._library.pmemobj_errormsg.restype = ctypes.c_char_p

    def attempt(self, path):
        """Opens it and closes it; what was wrong, or nothing."""
        pool = self._library.pmemobj_open(path.encode(), LAYOUT)
        if pool:
            self._library.pmemobj_close(pool)
            return ""
        return self._library.pmemobj_errormsg().decode()

    def die_with(self, path):
        """Opens it in a child, which is killed before it closes it."""
        child = os.fork()
        if child == 0:
            try:
                if self._library.pmemobj_open(path.encode(), LAYOUT):
                    os.kill(os.getpid(), signal.SIGKILL)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        check.true(os.WIFSIGNALED(status), f"opening it: {self._library.pmemobj_errormsg()}")


@nd_case(guests=("pmdk",), on=("ext4", "rdaxfs"))
def a_file_is_persistent_memory(t):
    """pmem_is_pmem says so; a deep persist goes as far as the region's flush."""
    nd.create("fsdax", "--map=mem")
    library = libpmem()
    with FileSystem(t.case.target, nd.disk().node) as made:
        path = made.file("file", bytes(1 << 20))
        length, is_pmem = ctypes.c_size_t(), ctypes.c_int()
        address = library.pmem_map_file(path.encode(), 0, 0, 0, length, is_pmem)
        check.true(address, f"pmem_map_file: {library.pmem_errormsg()}")
        check.equal((length.value, is_pmem.value), (1 << 20, 1), "length, is_pmem")
        check.equal(library.pmem_is_pmem(address, length), 1, "pmem_is_pmem")
        ctypes.memmove(address + 4096, b"deep", 4)
        check.equal(library.pmem_deep_persist(address + 4096, 4), 0, f"pmem_deep_persist: {library.pmem_errormsg()}")
        check.equal(library.pmem_unmap(address, length), 0, "pmem_unmap")
        with open(path, "rb") as file:
            check.equal(file.read(4100)[4096:], b"deep", "the file")


def checksum(words):
    """Fletcher's, of 32-bit words."""
    low = high = 0
    for word in words:
        low = (low + word) & 0xFFFFFFFF
        high = (high + low) & 0xFFFFFFFF
    return high << 32 | low


def state_of(path):
    with open(path, "rb") as file:
        file.seek(STATE_AT)
        return STATE.unpack(file.read(STATE.size))[:3]


def set_state(path, *state):
    """As another machine would have left it."""
    packed = STATE.pack(*state, 0)
    with open(path, "r+b", buffering=0) as file:
        file.seek(STATE_AT)
        file.write(STATE.pack(*state, checksum(struct.unpack("<16I", packed))))


@nd_case(guests=("pmdk",), on=("ext4", "rdaxfs"))
def the_shutdown_state_of_a_pool(t):
    """libpmemobj finds the NVDIMM behind our disk and keeps its identity in a pool's shutdown state. A pool that was in
    use when its process died is opened on that NVDIMM, and neither with another count of unsafe shutdowns nor as
    another NVDIMM's."""
    nd.create("fsdax", "--map=mem")
    pools = Pools()
    with FileSystem(t.case.target, nd.disk().node) as made:
        path = f"{made.directory}/pool"
        shell.run("pmempool", "create", "--layout", LAYOUT.decode(), "--size", "32M", "obj", path)
        check.equal(shell.run("pmempool", "feature", "--query", "SHUTDOWN_STATE", path).strip(), "1", "SHUTDOWN_STATE")
        check.equal(pools.attempt(path), "", "opening it")
        count, dimms, used = state_of(path)
        check.true(dimms != 0, "no NVDIMM in the shutdown state")
        check.equal(used, 0, "in use after closing")
        pools.die_with(path)
        check.equal(state_of(path), (count, dimms, 1), "the state that a killed process leaves")
        check.equal(pools.attempt(path), "", "opening what a killed process left")
        check.equal(state_of(path), (count, dimms, 0), "the state after closing")
        for what, state in (("ADR failure", (count + 1, dimms, 1)), ("", (count, dimms ^ 1, 1))):
            set_state(path, *state)
            said = pools.attempt(path)
            check.true(said and what in said, f"opening it with the state {state}: {said!r}")
        set_state(path, count, dimms, 1)
        check.equal(pools.attempt(path), "", "opening it with its own state")


@nd_case(guests=("pmdk",), on=("ext4", "rdaxfs"))
def bad_blocks_of_a_pool(t):
    """pmempool lists what was injected, a pool that checks for them is not opened, and is when they are repaired."""
    nd.create("fsdax", "--map=mem")
    found, pools = nd.disk(), Pools()
    with FileSystem(t.case.target, found.node) as made:
        path = f"{made.directory}/pool"
        shell.run("pmempool", "create", "--layout", LAYOUT.decode(), "--size", "32M", "obj", path)
        shell.run("pmempool", "feature", "--enable", "CHECK_BAD_BLOCKS", path)
        check.equal(pools.attempt(path), "", "opening it")
        sector = first_sectors(path)[BAD_PAGE]
        found.badblocks.inject(sector, PAGE_SECTORS)
        listed = re.findall(r"^\s*(\d+)\s+(\d+)\s*$", shell.run("pmempool", "info", "--bad-blocks=yes", path), re.M)
        check.equal(listed, [(f"{BAD_PAGE * PAGE_SECTORS}", f"{PAGE_SECTORS}")], "what pmempool lists")
        said = pools.attempt(path)
        check.true("bad blocks" in said, f"opening it with bad blocks: {said}")
        with open(path, "r+b", buffering=0) as file:
            file.seek(BAD_PAGE * 4096)
            file.write(bytes(4096))
        check.equal(found.badblocks.text(), "", "the list after a write")
        check.equal(pools.attempt(path), "", "opening the repaired one")
        shell.run("pmempool", "check", path)
