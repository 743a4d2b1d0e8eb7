# SPDX-License-Identifier: GPL-2.0
"""Files on rdaxfs: contents, sizes, mappings, holes, media errors; with their pages on the medium and in the
page cache."""

import ctypes
import ctypes.util
import errno
import hashlib
import mmap
import os
import random
import resource
import signal
import time
from contextlib import suppress

from harness import check, files, memory, rdaxfs, shell
from harness.cases import WITH_NAMESPACES, case
from harness.disk import SECTOR, first_sectors
from harness.files import KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE

PAGE = 4096
HUGE = 2 << 20
MODES = ("dax=always", "dax=never")


class Volume(rdaxfs.Volume):
    """Files that a test which fails leaves open are closed, so that the volume can be unmounted."""

    def __enter__(self):
        self.left_open = []
        return self

    def __exit__(self, kind, *rest):
        if kind is not None:
            for fd in self.left_open:
                with suppress(OSError):
                    os.close(fd)
        super().__exit__(kind, *rest)


def opened(volume, name="file", flags=0):
    fd = os.open(volume.directory / name, os.O_RDWR | os.O_CREAT | flags, 0o644)
    volume.left_open.append(fd)
    return fd


class Model:
    """A file, and what it has to hold."""

    MAX = 5 << 20
    LENGTHS = (1, 3, 100, PAGE, PAGE + 1, 5000, 70000, 300000)

    def __init__(self, fd, seed):
        self.fd = fd
        self.bytes = bytearray()
        self.random = random.Random(seed)

    def place(self):
        """A range that the file may have."""
        length = self.random.choice(self.LENGTHS)
        offset = self.random.randrange(self.MAX - length)
        if self.random.randrange(3) == 0:
            offset -= offset % PAGE
        return offset, length

    def inside(self):
        """A range of what there is."""
        offset, length = self.place()
        offset %= len(self.bytes) or 1
        return offset, min(length, len(self.bytes) - offset)

    def put(self, offset, data):
        if offset > len(self.bytes):
            self.bytes += bytes(offset - len(self.bytes))
        self.bytes[offset : offset + len(data)] = data

    def write(self):
        offset, length = self.place()
        data = self.random.randbytes(length)
        check.equal(os.pwrite(self.fd, data, offset), length, "bytes written")
        self.put(offset, data)

    def append(self):
        _, length = self.place()
        if len(self.bytes) + length > self.MAX:
            return
        data = self.random.randbytes(length)
        check.equal(os.pwrite(self.fd, data, len(self.bytes)), length, "bytes appended")
        self.bytes += data

    def truncate(self):
        size, _ = self.place()
        os.ftruncate(self.fd, size)
        if size < len(self.bytes):
            del self.bytes[size:]
        else:
            self.bytes += bytes(size - len(self.bytes))

    def read(self):
        offset, length = self.place()
        check.true(os.pread(self.fd, length, offset) == self.bytes[offset : offset + length], f"{length} at {offset}")

    def store(self):
        offset, length = self.inside()
        if length == 0:
            return
        data = self.random.randbytes(length)
        with mmap.mmap(self.fd, len(self.bytes)) as mapping:
            mapping[offset : offset + length] = data
            self.bytes[offset : offset + length] = data
            other, length = self.inside()
            check.true(mapping[other : other + length] == self.bytes[other : other + length], f"mapped at {other}")
            if self.random.randrange(2):
                mapping.flush()

    def punch(self):
        offset, length = self.place()
        files.fallocate(self.fd, KEEP_SIZE | PUNCH_HOLE, offset, length)
        end = min(offset + length, len(self.bytes))
        if offset < end:
            self.bytes[offset:end] = bytes(end - offset)

    def zero(self):
        offset, length = self.place()
        keep = self.random.choice((0, KEEP_SIZE))
        files.fallocate(self.fd, keep | ZERO_RANGE, offset, length)
        if keep:
            length = max(0, min(offset + length, len(self.bytes)) - offset)
        if length:
            self.put(offset, bytes(length))

    def allocate(self):
        offset, length = self.place()
        keep = self.random.choice((0, KEEP_SIZE))
        files.fallocate(self.fd, keep, offset, length)
        if not keep and offset + length > len(self.bytes):
            self.bytes += bytes(offset + length - len(self.bytes))

    def collapse(self):
        offset, length = self.place()
        offset, length = offset - offset % PAGE, (length + PAGE - 1) // PAGE * PAGE
        if offset + length < len(self.bytes):
            files.fallocate(self.fd, files.COLLAPSE_RANGE, offset, length)
            del self.bytes[offset : offset + length]

    def insert(self):
        offset, length = self.place()
        offset, length = offset - offset % PAGE, (length + PAGE - 1) // PAGE * PAGE
        if offset < len(self.bytes) <= self.MAX - length:
            files.fallocate(self.fd, files.INSERT_RANGE, offset, length)
            self.bytes[offset:offset] = bytes(length)

    def step(self):
        steps = (self.write, self.write, self.append, self.truncate, self.read, self.store, self.punch, self.zero)
        self.random.choice((*steps, self.allocate, self.collapse, self.insert))()

    def compare(self, fd=None):
        fd = self.fd if fd is None else fd
        check.equal(os.fstat(fd).st_size, len(self.bytes), "the size")
        check.true(os.pread(fd, self.MAX, 0) == self.bytes, "the contents")


def model_test(t, mode, rounds, seeds=range(3)):
    with Volume(t.disk.node, mode) as volume:
        for seed in seeds:
            fd = opened(volume, f"model{seed}")
            model = Model(fd, seed)
            for number in range(rounds):
                model.step()
                if number % 50 == 0:
                    model.compare()
            model.compare()
            os.close(fd)
            volume.again()
            fd = opened(volume, f"model{seed}")
            model.compare(fd)
            os.close(fd)


@case(guests=WITH_NAMESPACES)
def contents_are_what_a_model_has(t):
    model_test(t, "dax=always", 400)


@case()
def contents_in_the_page_cache_are_what_a_model_has(t):
    model_test(t, "dax=never", 400)


def touch(fd, size):
    """Stores to each page of a file; how many faults that takes. The kernel chooses the address."""
    with mmap.mmap(fd, size) as mapping, mmap.mmap(-1, HUGE) as other:
        # The interpreter has faults of its own the first time.
        for mapped, length in ((other, HUGE), (mapping, size)):
            before = memory.faults()
            for at in range(0, length, PAGE):
                mapped[at] = 1
            found = memory.faults() - before
        return found


@case(guests=WITH_NAMESPACES)
def a_fresh_file_has_huge_pages(t):
    """On a volume from plain mkfs: 32 for 64 MiB, and one that the counting may add."""
    size = 64 << 20
    with Volume(t.disk.node, "dax=always") as volume:
        for name, prepare in (
            ("truncated", lambda fd: os.ftruncate(fd, size)),
            ("allocated", lambda fd: files.fallocate(fd, 0, 0, size)),
            ("written", lambda fd: [os.write(fd, bytes(1 << 20)) for _ in range(64)]),
        ):
            fd = opened(volume, name)
            prepare(fd)
            found = touch(fd, size)
            check.true(found <= 33, f"{found} faults for a file that was {name}")
            check.equal(files.blocks(fd), size // PAGE, "blocks")
            os.close(fd)
            os.unlink(volume.directory / name)


@case()
def small_appends_come_to_huge_pages(t):
    """A file that grew by 64 KiB at a time: its first pages have moved to where a huge page has them."""
    size = 8 << 20
    with Volume(t.disk.node, "dax=always") as volume:
        fd = opened(volume)
        data = random.Random(1).randbytes(size)
        for at in range(0, size, 1 << 16):
            os.write(fd, data[at : at + (1 << 16)])
        found = touch(fd, size)
        check.true(found <= 5, f"{found} faults")
        expected = bytearray(data)
        expected[::PAGE] = b"\1" * (size // PAGE)
        check.true(os.pread(fd, size, 0) == expected, "the contents")
        os.close(fd)


@case()
def synchronous_mappings(t):
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            fd = opened(volume)
            os.ftruncate(fd, 1 << 20)
            path = volume.directory / "file"
            if mode == "dax=never":
                with check.fails(errno.EOPNOTSUPP):
                    with memory.mapped(path):
                        pass
            else:
                with memory.mapped(path) as mapping:
                    mapping[5 * PAGE : 5 * PAGE + 4] = b"sync"
                check.equal(os.pread(fd, 4, 5 * PAGE), b"sync", "the file")
            os.close(fd)


@case()
def what_is_flushed_is_on_the_medium(t):
    """Also with both kinds of files."""
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            fd = opened(volume)
            os.write(fd, bytes(64 * PAGE))
            os.fsync(fd)
            with mmap.mmap(fd, 64 * PAGE) as mapping:
                for number, flush in enumerate(
                    (mapping.flush, lambda: os.fsync(fd), lambda: os.fdatasync(fd), os.sync)
                ):
                    mapping[40 * PAGE + number] = 0x41 + number
                    flush()
                    sector = first_sectors(volume.directory / "file")[40]
                    with t.disk.open(os.O_RDONLY) as io:
                        check.equal(io.read(sector * SECTOR, PAGE)[number], 0x41 + number, f"{mode}, flush {number}")
            os.close(fd)


@case()
def private_mappings_keep_stores_to_themselves(t):
    with Volume(t.disk.node, "dax=always") as volume:
        fd = opened(volume)
        os.write(fd, b"s" * (8 * PAGE))
        with mmap.mmap(fd, 0, access=mmap.ACCESS_COPY) as mapping:
            mapping[PAGE : PAGE + 7] = b"private"
            check.equal(mapping[:4], b"ssss", "a page that nobody stored to")
            os.pwrite(fd, b"t" * PAGE, 0)
            check.equal(mapping[:4], b"tttt", "it after a write")
            check.equal(mapping[PAGE : PAGE + 8], b"privates", "the private page")
        check.equal(os.pread(fd, 7, PAGE), b"s" * 7, "the file")
        os.close(fd)


@case()
def holes(t):
    """SEEK_DATA, SEEK_HOLE, fiemap and st_blocks agree, before and after punching."""
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            fd = opened(volume)
            os.ftruncate(fd, 40 * PAGE)
            check.equal(list(files.segments(fd)), [], "data of a file of holes")
            for page in (3, 4, 20):
                os.pwrite(fd, b"d" * PAGE, page * PAGE)
            os.fsync(fd)
            segments = [(3 * PAGE, 5 * PAGE), (20 * PAGE, 21 * PAGE)]
            check.equal(list(files.segments(fd)), segments, f"{mode}: data")
            path = volume.directory / "file"
            check.equal(sorted(first_sectors(path)), [3, 4, 20], f"{mode}: fiemap")
            check.equal(files.blocks(fd), 3, f"{mode}: blocks")
            files.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 4 * PAGE - 10, PAGE + 20)
            check.equal(sorted(first_sectors(path)), [3, 20], f"{mode}: fiemap after a punch")
            check.equal(os.pread(fd, PAGE, 3 * PAGE), b"d" * (PAGE - 10) + bytes(10), f"{mode}: the edge")
            with check.fails(errno.ENXIO):
                os.lseek(fd, 40 * PAGE, os.SEEK_DATA)
            files.fallocate(fd, KEEP_SIZE, 50 * PAGE, 5 * PAGE)
            check.equal(os.fstat(fd).st_size, 40 * PAGE, f"{mode}: the size")
            check.equal(files.blocks(fd), 7, f"{mode}: blocks")
            os.ftruncate(fd, 0)
            check.equal(files.blocks(fd), 0, f"{mode}: blocks of an empty file")
            os.close(fd)


@case()
def fallocate_refuses_what_makes_no_sense(t):
    with Volume(t.disk.node, "dax=always") as volume:
        fd = opened(volume)
        os.write(fd, b"x" * (4 * PAGE))
        for mode, offset, length, code in (
            (files.COLLAPSE_RANGE, 1, PAGE, errno.EINVAL),
            (files.COLLAPSE_RANGE, 0, 4 * PAGE, errno.EINVAL),
            (files.INSERT_RANGE, 4 * PAGE, PAGE, errno.EINVAL),
            (files.INSERT_RANGE, PAGE, 7, errno.EINVAL),
            (files.INSERT_RANGE, PAGE, 1 << 62, errno.EFBIG),
            (0, 0, (1 << 63) - 1, errno.EFBIG),
            (0x40, 0, PAGE, errno.EOPNOTSUPP),
            (0, 0, 1 << 40, errno.ENOSPC),
        ):
            with check.fails(code):
                files.fallocate(fd, mode, offset, length)
            check.equal(os.fstat(fd).st_size, 4 * PAGE, f"the size after mode {mode:#x}")
        check.equal(os.pread(fd, 4 * PAGE, 0), b"x" * (4 * PAGE), "the contents")
        os.close(fd)


@case()
def direct_and_nonblocking(t):
    """O_DIRECT; RWF_NOWAIT reads and overwrites, and an extension that would have to wait is EAGAIN."""
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            fd = opened(volume)
            os.write(fd, b"n" * (16 * PAGE))
            os.fsync(fd)
            buffer = bytearray(PAGE)
            check.equal(os.preadv(fd, [buffer], PAGE, os.RWF_NOWAIT), PAGE, f"{mode}: read")
            check.equal(bytes(buffer), b"n" * PAGE, f"{mode}: what was read")
            with check.fails(errno.EAGAIN):
                os.pwritev(fd, [b"m" * PAGE], 16 * PAGE, os.RWF_NOWAIT)
            check.equal(os.fstat(fd).st_size, 16 * PAGE, "the size")
            os.close(fd)
            with memory_for_direct_io(8 * PAGE) as view:
                fd = opened(volume, "direct", os.O_DIRECT)
                view[:] = b"D" * (8 * PAGE)
                check.equal(os.pwritev(fd, [view], 0), 8 * PAGE, f"{mode}: written")
                check.equal(os.pwritev(fd, [view[:PAGE]], 20 * PAGE), PAGE, f"{mode}: written behind a hole")
                view[:] = bytes(8 * PAGE)
                check.equal(os.preadv(fd, [view], 0), 8 * PAGE, f"{mode}: read")
                check.true(bytes(view) == b"D" * (8 * PAGE), f"{mode}: what O_DIRECT read")
                os.preadv(fd, [view], 14 * PAGE)
                check.true(bytes(view[: 7 * PAGE]) == bytes(6 * PAGE) + b"D" * PAGE, f"{mode}: behind the hole")
                os.close(fd)
            volume.again()
            data = (volume.directory / "direct").read_bytes()
            check.true(data == b"D" * (8 * PAGE) + bytes(12 * PAGE) + b"D" * PAGE, f"{mode}: the file")


def memory_for_direct_io(length):
    return memoryview(mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE))


@case()
def appends_of_many_are_whole(t):
    """O_APPEND from four processes: each record once, none torn."""
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            path = volume.directory / "log"
            path.touch()

            def append(who, path=path):
                fd = os.open(path, os.O_WRONLY | os.O_APPEND)
                for number in range(200):
                    record = f"{who} {number:04} ".encode() * (1 + number % 30) + b"\n"
                    if os.write(fd, record) != len(record):
                        raise ValueError("short write")

            children = [memory.start_child(append, who) for who in range(4)]
            check.equal([memory.end_of(child) for child in children], [0] * 4, "the children")
            lines = path.read_bytes().splitlines()
            check.equal(len(lines), 800, "records")
            seen = set()
            for line in lines:
                words = line.split()
                head = (words[0], words[1])
                check.equal(words, list(head) * (1 + int(head[1]) % 30), "a record")
                seen.add(head)
            check.equal(len(seen), 800, "different records")


@case()
def a_write_from_a_mapping_of_the_same_file(t):
    """Its pages are not there yet, so that the write faults on the file that it writes to."""
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            fd = opened(volume)
            data = random.Random(2).randbytes(32 * PAGE)
            os.write(fd, data)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            with mmap.mmap(fd, 32 * PAGE) as mapping:
                os.pwrite(fd, memoryview(mapping)[:16 * PAGE], 32 * PAGE)
                os.pwrite(fd, memoryview(mapping)[16 * PAGE : 20 * PAGE], 0)
                # Onto itself.
                os.pwrite(fd, memoryview(mapping)[20 * PAGE : 24 * PAGE], 20 * PAGE)
            expected = data[16 * PAGE : 20 * PAGE] + data[4 * PAGE :] + data[: 16 * PAGE]
            check.true(os.pread(fd, 64 * PAGE, 0) == expected, f"{mode}: the file")
            os.close(fd)


@case()
def a_write_from_bad_memory_ends_before_it(t):
    """The part before is written; nothing of the blocks that were taken for the rest is left."""
    libc = ctypes.CDLL(None, use_errno=True)

    def write_half(fd):
        # In a child, for a hole is left in its memory.
        buffer = mmap.mmap(-1, 4 * PAGE)
        base = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        libc.munmap(ctypes.c_void_p(base + 2 * PAGE), 2 * PAGE)
        done = libc.write(fd, ctypes.c_void_p(base), 4 * PAGE)
        if not 0 < done <= 2 * PAGE or os.fstat(fd).st_size != done:
            raise ValueError(f"wrote {done}, size {os.fstat(fd).st_size}")

    with Volume(t.disk.node, "dax=always") as volume:
        fd = opened(volume)
        check.equal(libc.write(fd, ctypes.c_void_p(1), 100000), -1, "write(2) from nowhere")
        check.equal(ctypes.get_errno(), errno.EFAULT, "errno")
        check.equal((os.fstat(fd).st_size, files.blocks(fd)), (0, 0), "size and blocks")
        check.equal(memory.in_child(write_half, fd), 0, "the child")
        os.close(fd)


def fill(fd):
    """Writes until there is no space; how many bytes."""
    chunk = bytes([7]) * (8 << 20)
    total = 0
    while True:
        try:
            total += os.write(fd, chunk)
        except OSError as error:
            check.equal(error.errno, errno.ENOSPC, "errno")
            if len(chunk) == PAGE:
                return total
            chunk = chunk[:PAGE]


@case()
def a_full_volume(t):
    """ENOSPC, short writes, SIGBUS for a store to a hole; what is freed can be used again."""
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            sparse, filled = opened(volume, "sparse"), opened(volume, "filled")
            os.ftruncate(sparse, 4 << 20)
            total = fill(filled)
            check.equal(os.fstat(filled).st_size, total, f"{mode}: the size")
            check.true(total > t.disk.bytes * 9 // 10, f"{mode}: {total} bytes of {t.disk.bytes}")
            found = memory.bus_error_of(volume.directory / "sparse", 2 << 20, store=True)
            check.true(found is not None and found[0] == memory.BUS_ADRERR, f"{mode}: a store to a hole: {found}")
            with check.fails(errno.ENOSPC):
                os.pwrite(sparse, b"x", 3 << 20)
            check.equal(os.pread(sparse, 10, 3 << 20), bytes(10), f"{mode}: the hole")
            files.fallocate(filled, KEEP_SIZE | PUNCH_HOLE, 1 << 20, 1 << 20)
            os.pwrite(sparse, b"x" * 100, 3 << 20)
            os.ftruncate(filled, 12345)
            os.close(sparse)
            os.close(filled)
            volume.again()
            check.true((volume.directory / "filled").read_bytes() == b"\7" * 12345, f"{mode}: what is left")


@case()
def limits(t):
    """The largest offset, the process's limit, and names for what is too large."""
    with Volume(t.disk.node, "dax=always") as volume:
        fd = opened(volume)
        largest = 1 << 44
        with check.fails(errno.EFBIG):
            os.pwrite(fd, b"x", largest)
        os.pwrite(fd, b"end", largest - 3)
        check.equal(os.fstat(fd).st_size, largest, "the size of the largest file")
        check.equal(os.pread(fd, 10, largest - 3), b"end", "its end")
        check.equal(os.pwrite(fd, b"12345", largest - 2), 2, "a write over the limit")
        check.equal(os.lseek(fd, 0, os.SEEK_DATA), largest - PAGE, "the only data")
        with check.fails(errno.EFBIG):
            os.ftruncate(fd, largest + 1)
        os.ftruncate(fd, 0)

        def limited(fd):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
            if os.pwrite(fd, bytes(20000), 0) != 10000:
                raise ValueError("the write was not cut off")
            for grow in (lambda: os.pwrite(fd, b"x", 10000), lambda: os.ftruncate(fd, 10001)):
                with check.fails(errno.EFBIG):
                    grow()
            with check.fails(errno.EFBIG):
                files.fallocate(fd, 0, 0, 10001)

        check.equal(memory.in_child(limited, fd), 0, "the child")
        check.equal(os.fstat(fd).st_size, 10000, "the size")
        os.close(fd)


@case()
def media_errors(t):
    """EIO from a read, SIGBUS from a mapping; repaired by a write, by a hole, by a truncation, by deletion."""
    t.expect_killed_log()
    with Volume(t.disk.node, "dax=always") as volume:
        path = volume.directory / "file"
        fd = opened(volume)
        os.write(fd, b"".join(bytes([page + 1]) * PAGE for page in range(16)))

        def spoil(page):
            t.disk.badblocks.inject(first_sectors(path)[page] + 2, 1)

        spoil(3)
        for offset, length in ((3 * PAGE, PAGE), (0, 16 * PAGE)):
            read = None
            try:
                read = os.pread(fd, length, offset)
            except OSError as error:
                check.equal(error.errno, errno.EIO, "errno")
            check.true(read is None or len(read) <= 3 * PAGE, "a read over the bad block")
        check.equal(os.pread(fd, 1, 4 * PAGE), b"\5", "the page behind")
        for store in (False, True):
            code, where = memory.bus_error_of(path, 3 * PAGE + 99, store)
            check.equal((code, where // PAGE), (memory.BUS_MCEERR_AR, 3), "the signal")
        check.equal(memory.bus_error_of(path, 2 * PAGE), None, "the page before")
        os.pwrite(fd, b"r" * PAGE, 3 * PAGE)
        check.equal(os.pread(fd, PAGE, 3 * PAGE), b"r" * PAGE, "the page that was overwritten")
        check.equal(memory.bus_error_of(path, 3 * PAGE), None, "it, mapped")
        spoil(5)
        files.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 5 * PAGE, PAGE)
        check.equal(os.pread(fd, PAGE, 5 * PAGE), bytes(PAGE), "the page that was punched")
        # At an edge it cannot be zeroed in part: nothing has changed then.
        spoil(7)
        with check.fails(errno.EIO):
            files.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 7 * PAGE + 10, PAGE)
        with check.fails(errno.EIO):
            os.ftruncate(fd, 7 * PAGE + 100)
        check.equal(os.fstat(fd).st_size, 16 * PAGE, "the size")
        os.ftruncate(fd, 7 * PAGE)
        os.close(fd)
        os.unlink(path)
    # What was freed while it was bad is on no list of the volume's: it is repaired when it is used.
    t.disk.badblocks.clear(0, t.disk.sectors)


class _Iovec(ctypes.Structure):  # pylint: disable=too-few-public-methods
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def pinned(mapping, offset, length):
    """A pipe that holds pages of a mapping until it is read (vmsplice); its ends."""
    reader, writer = os.pipe()
    base = ctypes.addressof(ctypes.c_char.from_buffer(mapping)) + offset
    done = ctypes.CDLL(None, use_errno=True).vmsplice(writer, ctypes.byref(_Iovec(base, length)), 1, 0)
    check.equal(done, length, "bytes that vmsplice took")
    return reader, writer


@case()
def who_takes_pages_waits_for_transfers(t):
    """truncate(2) and punching wait until a pipe that has the pages is read. The file can be used meanwhile through
    its mapping, and who waits can be killed."""
    with Volume(t.disk.node, "dax=always") as volume:
        fd = opened(volume)
        data = random.Random(6).randbytes(16 * PAGE)
        os.write(fd, data)
        mapping = mmap.mmap(fd, 16 * PAGE)
        for take, size in (
            (lambda: files.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 4 * PAGE + 100, 2 * PAGE), 16 * PAGE),
            (lambda: os.ftruncate(fd, 5 * PAGE + 7), 5 * PAGE + 7),
        ):
            # A store, for the page of zeros that a hole shows is nobody's.
            mapping[5 * PAGE : 5 * PAGE + 4] = b"page"
            reader, writer = pinned(mapping, 5 * PAGE, PAGE)
            held = bytes(mapping[5 * PAGE : 6 * PAGE])
            killed = memory.start_child(take)
            time.sleep(0.5)
            os.kill(killed, signal.SIGKILL)
            check.equal(memory.end_of(killed), -signal.SIGKILL, "a child that was killed")
            check.equal(os.fstat(fd).st_size, 16 * PAGE, "the size after that")
            child = memory.start_child(take)
            time.sleep(0.5)
            check.true(os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None, "it did not wait")
            mapping[9 * PAGE] = 0x39
            check.equal(bytes(mapping[5 * PAGE : 6 * PAGE]), held, "the page through the mapping")
            check.equal(os.read(reader, PAGE), held, "what the pipe had")
            check.equal(memory.end_of(child), 0, "who waited")
            check.equal(os.fstat(fd).st_size, size, "the size")
            os.close(reader)
            os.close(writer)
        # Of the first page that was punched, the part before stays; then comes what was stored since.
        expected = data[: 4 * PAGE + 100] + bytes(PAGE - 100) + b"page" + bytes(3)
        check.true(os.pread(fd, 16 * PAGE, 0) == expected, "the contents")
        mapping.close()
        os.close(fd)


@case()
def programs_run(t):
    """A program and a shared library, with their pages on the medium and in the cache."""
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            program = volume.directory / "program"
            shell.run("cp", "/bin/sha256sum", program)
            expected = hashlib.sha256(program.read_bytes()).hexdigest()
            check.equal(shell.run(program, program).split()[0], expected, mode)
            with check.fails(errno.ENOEXEC):
                os.execv(_made_executable(volume.directory / "no-program"), ["x"])
            libm = ctypes.util.find_library("m")
            source = next(line.split()[-1] for line in shell.run("ldconfig", "-p").splitlines() if libm in line)
            shell.run("cp", "-L", source, volume.directory / "library.so")
            load = "import ctypes,sys; m=ctypes.CDLL(sys.argv[1]); m.floor.restype=ctypes.c_double; " \
                "m.floor.argtypes=[ctypes.c_double]; print(m.floor(2.5))"
            check.equal(shell.run("python3", "-c", load, volume.directory / "library.so"), "2.0\n", mode)


def _made_executable(path):
    path.write_bytes(b"neither")
    path.chmod(0o755)
    return path


@case()
def copies_without_user_space(t):
    """sendfile, splice, copy_file_range."""
    data = random.Random(4).randbytes(300001)
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            source = opened(volume, "source")
            os.write(source, data)
            target = opened(volume, "sendfile")
            at = 0
            while at < len(data):
                at += os.sendfile(target, source, at, len(data) - at)
            check.true(os.pread(target, len(data) + 1, 0) == data, f"{mode}: sendfile")
            os.close(target)
            target = opened(volume, "splice")
            reader, writer = os.pipe()
            at = 0
            while at < len(data):
                moved = os.splice(source, writer, 30000, offset_src=at)
                at += moved
                while moved:
                    moved -= os.splice(reader, target, moved)
            check.true(os.pread(target, len(data) + 1, 0) == data, f"{mode}: splice")
            os.close(target)
            target = opened(volume, "copy_file_range")
            at = 0
            while at < len(data):
                at += os.copy_file_range(source, target, len(data) - at, at, at)
            check.true(os.pread(target, len(data) + 1, 0) == data, f"{mode}: copy_file_range")
            for fd in (target, source, reader, writer):
                os.close(fd)


@case()
def swap_files(t):
    """One in the page cache works if it has all its blocks; one on the medium is refused."""
    with Volume(t.disk.node, "dax=never") as volume:
        path = volume.directory / "swap"
        fd = opened(volume, "swap")
        os.fchmod(fd, 0o600)
        files.fallocate(fd, 0, 0, 16 << 20)
        shell.run("mkswap", path)
        shell.run("swapon", path)
        for change in (
            lambda: os.ftruncate(fd, 0),
            lambda: os.pwrite(fd, b"x", 0),
            lambda: files.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 0, PAGE),
        ):
            with check.fails(errno.ETXTBSY):
                change()
        shell.run("swapoff", path)
        os.ftruncate(fd, 0)
        os.ftruncate(fd, 16 << 20)
        shell.run("mkswap", path)
        t.allow_log("swapon: file .* has unallocated extents")
        check.true(shell.attempt("swapon", path).returncode != 0, "a swap file with holes")
        os.close(fd)
    with Volume(t.disk.node, "dax=always") as volume:
        path = volume.directory / "swap"
        fd = opened(volume, "swap")
        os.fchmod(fd, 0o600)
        files.fallocate(fd, 0, 0, 16 << 20)
        shell.run("mkswap", path)
        done = shell.attempt("swapon", path)
        check.true(done.returncode != 0 and "Invalid argument" in done.stderr, f"a swap file with DAX: {done}")
        os.close(fd)


@case()
def read_only_mounts(t):
    """Files are read and mapped, and nothing is written."""
    with Volume(t.disk.node, "dax=always") as volume:
        (volume.directory / "file").write_bytes(b"r" * (4 * PAGE))
        volume.unmount()
        volume.options = ("ro", "dax=always")
        volume.mount()
        fd = os.open(volume.directory / "file", os.O_RDONLY)
        check.equal(os.pread(fd, 5, PAGE), b"rrrrr", "read(2)")
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapping:
            check.equal(mapping[2 * PAGE : 2 * PAGE + 3], b"rrr", "the mapping")
        with check.fails(errno.EROFS):
            os.open(volume.directory / "file", os.O_RDWR)
        os.close(fd)


def racing(path, letter, seconds):
    """Writes, stores, truncates and punches in a file, whose bytes are all the letter or zero."""
    end = time.monotonic() + seconds
    pick = random.Random(os.getpid())
    size = 4 << 20
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    data = letter * (256 << 10)
    signal.signal(signal.SIGBUS, signal.SIG_DFL)
    while time.monotonic() < end:
        offset = pick.randrange(size - len(data))
        match pick.randrange(5):
            case 0:
                os.pwrite(fd, data[: pick.randrange(len(data))], offset)
            case 1:
                os.ftruncate(fd, pick.randrange(size))
            case 2:
                files.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, offset, pick.randrange(1, len(data)))
            case 3:
                files.fallocate(fd, ZERO_RANGE, offset, pick.randrange(1, len(data)))
            case 4:
                found = os.pread(fd, len(data), offset)
                if found.translate(None, letter + b"\0"):
                    raise ValueError("bytes of another file")


def mapping_racer(path, letter, seconds):
    """Loads and stores through a mapping meanwhile; a page behind the end kills it, and another one comes."""

    def run():
        pick = random.Random(os.getpid())
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            mapping = mmap.mmap(fd, 4 << 20)
        except ValueError:
            # Python looks at the size, which the other racer has changed.
            os.ftruncate(fd, 4 << 20)
            return
        with mapping:
            while time.monotonic() < end:
                at = pick.randrange(4 << 20)
                if pick.randrange(2):
                    mapping[at] = letter[0]
                elif mapping[at] not in (0, letter[0]):
                    os._exit(3)

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = memory.in_child(run)
        if status not in (0, -signal.SIGBUS):
            raise ValueError(f"a racer ended with {status}")


@case(limit=400)
def a_fault_sees_its_own_file_only(t):
    """Old data, new data or zeros, whatever races with it: each file has bytes that name it."""
    seconds = 20
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            children = []
            for letter in (b"A", b"B", b"C"):
                path = volume.directory / letter.decode()
                for racer in (racing, mapping_racer):
                    children.append(memory.start_child(racer, path, letter, seconds))
            check.equal([memory.end_of(child) for child in children], [0] * 6, f"{mode}: the children")
            for letter in (b"A", b"B", b"C"):
                left = (volume.directory / letter.decode()).read_bytes().translate(None, letter + b"\0")
                check.equal(left, b"", f"{mode}: bytes of another file")


@case(limit=600)
def fio_with_several_engines(t):
    """And what it wrote is verified."""
    for mode in MODES:
        with Volume(t.disk.node, mode) as volume:
            for engine in ("psync", "pvsync2", "mmap", "libaio", "io_uring", "posixaio", "splice"):
                done = shell.attempt(
                    "fio", "--name=verify", f"--directory={volume.directory}", f"--ioengine={engine}", "--rw=randrw",
                    "--bs=4k", "--size=8m", "--iodepth=8", "--verify=crc32c", "--do_verify=1",
                    "--fallocate=none", "--verify_state_save=0",
                    *(["--direct=1"] if engine in ("libaio", "io_uring") else []),
                )
                check.equal(done.returncode, 0, f"{mode}, {engine}: {done.stdout[-500:]} {done.stderr[-500:]}")
