# SPDX-License-Identifier: GPL-2.0
"""rdaxfs with one allocation after the other failing: a call is made whole, or fails with ENOMEM and nothing
has changed."""

import ctypes
import mmap
import os

from harness import check, faults, files, rdaxfs, shell
from harness.cases import case
from harness.rdaxfs import Volume
from test_faults import libc, stride, sweep

PAGE = 4096
SIZE = 16 * PAGE


@case(guests=("faults",), limit=1200)
def mounting_rdaxfs(t):
    """A mount fails or works; then the volume is as it was."""
    faults.allow_complaints(t)
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
    shell.run("modprobe", "rdaxfs")
    node, place = t.disk.node.encode(), b"/mnt/faults"
    os.makedirs(place, exist_ok=True)

    def mount():
        if libc.mount(node, place, b"rdaxfs", ctypes.c_ulong(0), b"dax=always"):
            raise OSError(ctypes.get_errno(), "mount")

    def mounted(error):
        check.equal(os.path.ismount(place), error == 0, f"whether it is mounted, with errno {error}")
        if error == 0:
            shell.run("umount", place.decode())

    for within, step in ((faults.MODULES, stride(7)), (faults.EVERYWHERE, stride(40))):
        check.true(sweep(mount, mounted, within, step=step) > 0, "no allocation failed")
    rdaxfs.run("fsck", "-f", "-n", t.disk.node)
    shell.run("modprobe", "-r", "rdaxfs")


class Tree:
    """What the calls are made on; each is undone when it has worked."""

    def __init__(self, root):
        self.root = root
        self.file = f"{root}/file"
        self.new = f"{root}/new"
        with open(self.file, "wb") as file:
            file.write(b"o" * SIZE)
        os.setxattr(self.file, "user.old", b"v" * 600)
        os.mkdir(f"{root}/folder")
        self.fd = os.open(self.file, os.O_RDWR)

    def names(self):
        return sorted(os.listdir(self.root))

    def contents(self):
        return os.pread(self.fd, 2 * SIZE, 0)

    def attributes(self):
        return {name: os.getxattr(self.file, name) for name in os.listxattr(self.file)}

    def state(self):
        links = [(name, os.lstat(f"{self.root}/{name}").st_nlink) for name in self.names()]
        return links, self.contents(), self.attributes(), os.statvfs(self.root).f_bfree

    def calls(self):
        """(a call, and what undoes it)"""
        file, new, fd = self.file, self.new, self.fd

        def remake():
            with open(file + "2", "wb") as made:
                made.write(b"o" * SIZE)

        remake()
        os.mkdir(f"{self.root}/folder2")
        os.truncate(file, SIZE)
        files.fallocate(fd, files.KEEP_SIZE, SIZE, PAGE)
        return (
            (lambda: os.mknod(new), lambda: os.unlink(new)),
            (lambda: os.mkdir(new), lambda: os.rmdir(new)),
            (lambda: os.symlink("t" * 500, new), lambda: os.unlink(new)),
            (lambda: os.link(file, new), lambda: os.unlink(new)),
            (lambda: os.rename(file, new), lambda: os.rename(new, file)),
            (lambda: os.rename(f"{self.root}/folder", new), lambda: os.rename(new, f"{self.root}/folder")),
            (lambda: os.unlink(file + "2"), remake),
            (lambda: os.rmdir(f"{self.root}/folder2"), lambda: os.mkdir(f"{self.root}/folder2")),
            (lambda: os.setxattr(file, "user.new", b"n" * 2000), lambda: os.removexattr(file, "user.new")),
            (lambda: os.removexattr(file, "user.old"), lambda: os.setxattr(file, "user.old", b"v" * 600)),
            (lambda: os.pwrite(fd, b"n" * 10, SIZE), lambda: os.truncate(file, SIZE)),
            (lambda: os.truncate(file, 100), lambda: self.restore(0)),
            (lambda: files.fallocate(fd, files.KEEP_SIZE | files.PUNCH_HOLE, 0, 3 * PAGE), lambda: self.restore(0)),
            (lambda: files.fallocate(fd, files.INSERT_RANGE, PAGE, PAGE), self.collapse),
            (lambda: os.chmod(file, 0o600), lambda: os.chmod(file, 0o644)),
            (self.contents, lambda: None),
            (self.names, lambda: None),
            (lambda: os.fsync(fd), lambda: None),
        )

    def restore(self, offset):
        os.pwrite(self.fd, b"o" * (SIZE - offset), offset)
        files.fallocate(self.fd, files.KEEP_SIZE, SIZE, PAGE)

    def collapse(self):
        files.fallocate(self.fd, files.COLLAPSE_RANGE, PAGE, PAGE)


def calls_on(t, mode):
    """Free blocks are compared too: what a call that failed has taken, it has given back."""
    faults.allow_complaints(t)
    with Volume(t.disk.node, mode) as volume:
        tree = Tree(str(volume.directory))
        try:
            for number, (call, undo) in enumerate(tree.calls()):
                before = [tree.state()]

                def verify(error, before=before, undo=undo):
                    if error == 0:
                        undo()
                        # A folder, or a list of extents, may have another shape now.
                        before[0] = before[0][:-1] + tree.state()[-1:]
                    check.equal(tree.state(), before[0], "what is there")

                def operation(call=call):
                    call()

                operation.__name__ = f"call {number}"
                sweep(operation, verify, faults.MODULES, step=stride(2))
                sweep(operation, verify, faults.EVERYWHERE, step=stride(5))
        finally:
            os.close(tree.fd)
        volume.again()


@case(guests=("faults",), limit=1200)
def calls_on_rdaxfs_with_dax(t):
    calls_on(t, "dax=always")


@case(guests=("faults",), limit=1200)
def calls_on_rdaxfs_in_the_page_cache(t):
    calls_on(t, "dax=never")


@case(guests=("faults",), limit=600)
def page_faults_on_rdaxfs(t):
    """A page fault without memory is taken again: a store to a hole arrives, and an inode without links
    always gives back its blocks."""
    faults.allow_complaints(t)
    for mode in ("dax=always", "dax=never"):
        with Volume(t.disk.node, mode) as volume:
            path = volume.directory / "file"
            path.touch()
            free = os.statvfs(volume.directory).f_bfree

            def touch(path=path):
                fd = os.open(path, os.O_RDWR | os.O_CREAT)
                try:
                    os.ftruncate(fd, SIZE)
                    with mmap.mmap(fd, SIZE) as mapping:
                        for page in range(SIZE // PAGE):
                            mapping[page * PAGE] = 1
                        check.equal(mapping[::PAGE], b"\1" * (SIZE // PAGE), "what was stored")
                finally:
                    os.close(fd)

            def touched(error, path=path, volume=volume, free=free):
                if error == 0:
                    check.equal(path.read_bytes()[::PAGE], b"\1" * (SIZE // PAGE), "the file")
                path.unlink(missing_ok=True)
                path.touch()
                check.equal(os.statvfs(volume.directory).f_bfree, free, "free blocks")

            sweep(touch, touched, faults.MODULES)
            sweep(touch, touched, faults.EVERYWHERE, step=stride(3))
