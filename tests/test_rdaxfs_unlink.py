# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: the last name of a file goes. A file that nobody else uses is freed in the transaction that takes it, so
that whoever does use it, or is about to, must not be passed over."""

import ctypes
import errno
import mmap
import os
import stat
import threading
import time

from harness import check
from harness.cases import case
from harness.files import AT_FDCWD, EXCHANGE, renameat2
from harness.rdaxfs import Volume
from test_rdaxfs_attributes import handle_of, open_handle
from test_rdaxfs_ioctl import NOLOGFLUSH, shut_down
from test_rdaxfs_names import LIBC

PAGE = 4096


def filled(path, byte, pages=3):
    path.write_bytes(bytes([byte]) * PAGE * pages)
    return path


def link_open_file(fd, path):
    """linkat(2) with AT_SYMLINK_FOLLOW, which Python's os.link leaves out."""
    if LIBC.linkat(AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, os.fsencode(path), 0x400):
        raise OSError(ctypes.get_errno(), "linkat")


def used(volume):
    """Bytes in use."""
    found = os.statvfs(volume.directory)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def overwrite_what_is_free(volume, byte=0xFF):
    """New files take the blocks and numbers that others have left."""
    for number in range(64):
        filled(volume.directory / f"taker-{number}", byte, 4)


@case()
def a_file_in_use_outlives_its_names(t):
    with Volume(t.disk.node, "dax=always") as volume:
        root = volume.directory
        first = filled(root / "first", 1)
        os.link(first, root / "second")
        fd = os.open(root / "second", os.O_RDWR)
        os.unlink(root / "second")
        os.unlink(first)
        overwrite_what_is_free(volume)
        check.equal(os.fstat(fd).st_nlink, 0, "links")
        check.equal(os.pread(fd, PAGE, PAGE), b"\1" * PAGE, "the contents")
        os.pwrite(fd, b"more" * 1024, 5 * PAGE)
        check.equal(os.pread(fd, 4, 5 * PAGE), b"more", "what was written after")
        os.close(fd)

        # One without a name gets one, and loses it.
        fd = os.open(root, os.O_TMPFILE | os.O_RDWR, 0o600)
        os.write(fd, b"\2" * PAGE)
        link_open_file(fd, root / "named")
        os.unlink(root / "named")
        overwrite_what_is_free(volume)
        check.equal(os.pread(fd, PAGE, 0), b"\2" * PAGE, "the contents of a file without a name")
        os.close(fd)

        # One that only a mapping has.
        mapped = filled(root / "mapped", 3)
        with open(mapped, "r+b") as file:
            memory = mmap.mmap(file.fileno(), 3 * PAGE)
        check.equal(memory[PAGE], 3, "a page, mapped")
        os.unlink(mapped)
        overwrite_what_is_free(volume)
        check.equal(memory[:], b"\3" * PAGE * 3, "the mapping")
        memory.close()

        # A directory that somebody is in.
        (root / "inside").mkdir()
        fd = os.open(root / "inside", os.O_RDONLY)
        os.rmdir(root / "inside")
        overwrite_what_is_free(volume)
        check.equal(os.listdir(fd), [], "the directory")
        with check.fails(errno.ENOENT):
            os.mkdir("more", dir_fd=fd)
        os.close(fd)

        # One that is replaced.
        filled(root / "new", 5)
        old = filled(root / "old", 4)
        fd = os.open(old, os.O_RDONLY)
        os.rename(root / "new", old)
        overwrite_what_is_free(volume)
        check.equal(os.pread(fd, PAGE, 0), b"\4" * PAGE, "the contents of what was replaced")
        check.equal(old.read_bytes(), b"\5" * PAGE * 3, "the contents of what replaced it")
        os.close(fd)


@case()
def what_nobody_uses_leaves_nothing(t):
    with Volume(t.disk.node, "dax=always") as volume:
        root = volume.directory
        (root / "kept").mkdir()
        for round_ in range(8):
            if round_ == 4:
                # The chunks of inodes that were made stay.
                before = used(volume)
            filled(root / "file", round_, 100)
            os.symlink("t" * 4000, root / "link")
            os.mknod(root / "fifo", stat.S_IFIFO | 0o600)
            (root / "directory").mkdir()
            os.setxattr(root / "file", "user.attribute", b"value" * 100)
            filled(root / "over", round_)
            filled(root / "under", round_)
            os.rename(root / "over", root / "under")
            (root / "empty").mkdir()
            os.rename(root / "directory", root / "empty")
            os.rmdir(root / "empty")
            for name in ("file", "link", "fifo", "under"):
                os.unlink(root / name)
                with check.fails(errno.ENOENT):
                    os.lstat(root / name)
        check.equal(used(volume), before, "bytes in use")
        renamed = filled(root / "a", 1)
        filled(root / "b", 2)
        renameat2(renamed, root / "b", EXCHANGE)
        check.equal(renamed.read_bytes()[0], 2, "an exchange takes no name")


@case()
def a_removal_that_fails_leaves_the_name(t):
    """The name is taken out of the cache before, and put back."""
    t.expect_log("shut down, as was asked for")
    volume = Volume(t.disk.node, "dax=always")
    root = volume.directory
    filled(root / "file", 1)
    filled(root / "other", 2)
    (root / "directory").mkdir()
    before = {name: os.stat(root / name).st_ino for name in ("file", "other", "directory")}
    shut_down(root, NOLOGFLUSH)
    for operation in (
        lambda: os.unlink(root / "file"),
        lambda: os.rmdir(root / "directory"),
        lambda: os.rename(root / "file", root / "other"),
    ):
        with check.fails(errno.EIO):
            operation()
        # What is not in the cache has to be looked up, which fails.
        check.equal({name: os.stat(root / name).st_ino for name in before}, before, "the names")
    with check.fails(errno.EIO):
        os.stat(root / "not-in-the-cache")
    volume.again()
    check.equal(sorted(os.listdir(root)), sorted(before), "the names on the medium")
    (root / "directory" / "below").mkdir()
    with check.fails(errno.ENOTEMPTY):
        os.rmdir(root / "directory")
    check.equal(os.stat(root / "directory").st_ino, before["directory"], "a directory that is not empty")
    volume.unmount()
    volume.check()


@case(limit=300)
def handles_race_with_removals(t):
    """Whoever opens a file by its handle while it is removed gets the file, or ESTALE; never another's contents."""
    with Volume(t.disk.node, "dax=always") as volume:
        root = volume.directory
        handles, wrong, opened = {}, [], [0]
        end = time.monotonic() + 20

        def remover(number):
            path = root / f"file-{number}"
            round_ = 0
            while time.monotonic() < end:
                round_ += 1
                path.write_bytes(b"%08d" % number * 512)
                handles[number] = handle_of(path)
                if round_ % 3 == 0:
                    path.with_suffix(".new").write_bytes(b"%08d" % number * 512)
                    os.rename(path.with_suffix(".new"), path)
                os.unlink(path)

        def opener():
            while time.monotonic() < end:
                for number, handle in list(handles.items()):
                    try:
                        path = open_handle(root, handle)
                    except OSError as error:
                        if error.errno != errno.ESTALE:
                            wrong.append(error)
                        continue
                    try:
                        fd = os.open(f"/proc/self/fd/{path}", os.O_RDONLY)
                        data = os.pread(fd, PAGE, 0)
                        os.close(fd)
                        opened[0] += 1
                        if data.strip(b"%08d" % number) not in (b"",):
                            wrong.append(data[:32])
                    except OSError as error:
                        wrong.append(error)
                    finally:
                        os.close(path)

        threads = [threading.Thread(target=remover, args=(number,)) for number in range(3)]
        threads += [threading.Thread(target=opener) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check.equal(wrong, [], "what was met")
        check.true(opened[0] > 0, "no file was opened by its handle: the test shows nothing")
