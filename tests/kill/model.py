# SPDX-License-Identifier: GPL-2.0
"""What a user of a directory does, operation by operation, and what the directory is then.

Which operation comes next follows from the user's seed and from what there is, so that the host, a guest and the guest
after it agree on the state after so many operations without telling each other."""

import mmap
import os
import random
import stat

from replay import Replayed

PAGE = 4096
NAMES = [f"{letter}{number}" for letter in "abcdefgh" for number in range(4)]
MOST = 256 * 1024


class Node:
    """A file: what it is, and what it has."""

    def __init__(self, kind, content=b"", target=""):
        self.kind = kind
        self.content = bytearray(content)
        self.target = target
        self.attributes = {}


class Model(Replayed):
    """A directory after `done` operations of the user with that seed."""

    def __init__(self, seed):
        super().__init__(seed)
        self.names = {}
        # The name, place and data, if the last operation was one.
        self.last_write = None

    def make(self, root):
        """What is in the directory `root` before the first operation: nothing."""

    def step(self, root):
        """The next operation, in the model and, if there is one, in the directory `root`."""
        chance = random.Random(f"{self.seed} {self.done}")
        self.last_write = None
        kinds = {kind: [n for n, node in sorted(self.names.items()) if node.kind == kind] for kind in ("file", "directory", "link")}
        free = [name for name in NAMES if name not in self.names]
        choices = []
        if free:
            choices += [self.create] * 4 + [self.make_directory, self.symlink]
        if kinds["file"]:
            choices += [self.append] * 6 + [self.truncate, self.store, self.punch, self.collapse, self.attribute]
            choices += [self.unlink] * (1 if free else 6) + [self.rename, self.replace, self.write_once]
            if free:
                choices += [self.link]
        if kinds["directory"]:
            choices += [self.remove_directory]
        chance.choice(choices)(chance, kinds, free, root)
        self.done += 1

    def create(self, chance, _kinds, free, root):
        name = chance.choice(free)
        self.names[name] = Node("file")
        if root:
            os.close(os.open(f"{root}/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def make_directory(self, chance, _kinds, free, root):
        name = chance.choice(free)
        self.names[name] = Node("directory")
        if root:
            os.mkdir(f"{root}/{name}")

    def symlink(self, chance, _kinds, free, root):
        name, target = chance.choice(free), "t" * chance.choice((3, 70, 3000))
        self.names[name] = Node("link", target=target)
        if root:
            os.symlink(target, f"{root}/{name}")

    def link(self, chance, kinds, free, root):
        old, new = chance.choice(kinds["file"]), chance.choice(free)
        self.names[new] = self.names[old]
        if root:
            os.link(f"{root}/{old}", f"{root}/{new}")

    def unlink(self, chance, kinds, _free, root):
        name = chance.choice(kinds["file"] + kinds["link"])
        del self.names[name]
        if root:
            os.unlink(f"{root}/{name}")

    def remove_directory(self, chance, kinds, _free, root):
        name = chance.choice(kinds["directory"])
        del self.names[name]
        if root:
            os.rmdir(f"{root}/{name}")

    def rename(self, chance, kinds, free, root):
        old, new = chance.choice(kinds["file"]), chance.choice(free or kinds["file"])
        self._rename(old, new, root)

    def replace(self, chance, kinds, _free, root):
        self._rename(chance.choice(kinds["file"]), chance.choice(kinds["file"]), root)

    def _rename(self, old, new, root):
        # Two names of one file both stay.
        if self.names[old] is not self.names.get(new):
            self.names[new] = self.names.pop(old)
        if root:
            os.rename(f"{root}/{old}", f"{root}/{new}")

    def append(self, chance, kinds, _free, root):
        name = chance.choice(kinds["file"])
        content = self.names[name].content
        data = chance.randbytes(16) * chance.choice((1, 7, 256, 300, 1250))
        if len(content) + len(data) > MOST:
            return
        self._write(name, len(content), data, root)

    def write_once(self, chance, kinds, _free, root):
        """Behind the end, past a hole."""
        name = chance.choice(kinds["file"])
        at = len(self.names[name].content) + chance.choice((PAGE, 3 * PAGE + 77))
        if at < MOST:
            self._write(name, at, chance.randbytes(16) * 8, root)

    def _write(self, name, at, data, root):
        content = self.names[name].content
        self.last_write = name, at, data
        content.extend(bytes(at - len(content)))
        content.extend(data)
        if root:
            self._write_all(name, at, data, root)

    @staticmethod
    def _write_all(name, at, data, root):
        fd = os.open(f"{root}/{name}", os.O_WRONLY)
        written = os.pwrite(fd, data, at)
        os.close(fd)
        if written != len(data):
            raise OSError(f"{name}: {written} of {len(data)} bytes")

    def truncate(self, chance, kinds, _free, root):
        name = chance.choice(kinds["file"])
        content = self.names[name].content
        size = chance.randrange(min(len(content) * 2 + 1, MOST))
        if size > len(content):
            content.extend(bytes(size - len(content)))
        del content[size:]
        if root:
            os.truncate(f"{root}/{name}", size)

    def store(self, chance, kinds, _free, root):
        """A byte by a mapping: one byte, because a crash may leave part of more."""
        name = chance.choice(kinds["file"])
        content = self.names[name].content
        if not content:
            return
        at, byte = chance.randrange(len(content)), chance.randrange(256)
        content[at] = byte
        if root:
            with open(f"{root}/{name}", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
                mapping[at] = byte
                mapping.flush()

    def punch(self, chance, kinds, _free, root):
        self._fallocate(chance, kinds, root, 3)

    def collapse(self, chance, kinds, _free, root):
        self._fallocate(chance, kinds, root, 8)

    def _fallocate(self, chance, kinds, root, mode):
        """Whole pages, of which a crash leaves all or none."""
        name = chance.choice(kinds["file"])
        content = self.names[name].content
        pages = len(content) // PAGE
        if pages < 3:
            return
        first = chance.randrange(pages - 1)
        start, end = first * PAGE, chance.randrange(first + 1, pages) * PAGE
        if mode == 3:
            content[start:end] = bytes(end - start)
        else:
            del content[start:end]
        if root:
            fd = os.open(f"{root}/{name}", os.O_RDWR)
            try:
                fallocate(fd, mode, start, end - start)
            finally:
                os.close(fd)

    def attribute(self, chance, kinds, _free, root):
        name = chance.choice(kinds["file"])
        value = chance.randbytes(chance.choice((5, 40, 700)))
        self.names[name].attributes["user.it"] = value
        if root:
            os.setxattr(f"{root}/{name}", "user.it", value)

    def complete(self, root):
        """Whether the directory has the first pages of what the last operation wrote, and not the others: it does when
        they are in several runs of blocks.  Then those are written."""
        if not self.last_write:
            return False
        name, at, data = self.last_write
        content, whole = self.names[name].content, bytes(self.names[name].content)
        for end in range((at // PAGE + 1) * PAGE, at + len(data), PAGE):
            content[:] = whole[:end]
            is_there = not self.difference(root)
            content[:] = whole
            if is_there:
                self._write_all(name, end, whole[end:], root)
                return True
        return False

    def difference(self, root):
        """What in the directory is not as it must be; an empty text if all is."""
        if sorted(os.listdir(root)) != sorted(self.names):
            return f"the names are {sorted(os.listdir(root))}, not {sorted(self.names)}"
        inodes = {}
        for name, node in self.names.items():
            path = f"{root}/{name}"
            here = os.lstat(path)
            kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}[stat.S_IFMT(here.st_mode)]
            if kind != node.kind:
                return f"{name} is a {kind}, not a {node.kind}"
            if inodes.setdefault(here.st_ino, node) is not node:
                return f"{name} has the inode of another name"
            if kind == "link" and os.readlink(path) != node.target:
                return f"{name} has another target"
            if kind == "file":
                if here.st_nlink != sum(other is node for other in self.names.values()):
                    return f"{name} has {here.st_nlink} links"
                with open(path, "rb") as file:
                    content = file.read()
                if content != node.content:
                    at = next((i for i, (a, b) in enumerate(zip(content, node.content)) if a != b), -1)
                    return f"{name} has {len(content)} bytes, not {len(node.content)}, or others from {at} on"
                if {key: os.getxattr(path, key) for key in os.listxattr(path)} != node.attributes:
                    return f"{name} has other attributes"
        if len(inodes) != len({id(node) for node in self.names.values()}):
            return "names of one file have several inodes"
        return ""


def fallocate(fd, mode, offset, length):
    """fallocate(2), which Python's os has without modes."""
    import ctypes  # pylint: disable=import-outside-toplevel  # the host never comes here

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate64(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
