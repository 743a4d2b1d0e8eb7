# SPDX-License-Identifier: GPL-2.0
"""Writes archives that the kernel unpacks as initramfs ("newc", see
Documentation/driver-api/early-userspace/buffer-format.rst)."""

import os
import stat


class Archive:
    def __init__(self):
        self._parts = []
        self._inode = 0
        self._folders = set()

    def _add(self, name, mode, data=b""):
        self._inode += 1
        path = os.fsencode(name) + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
        for part in (header, data):
            self._parts += [part, b"\0" * (-len(part) % 4)]

    def folder(self, name):
        """The folder and all above it."""
        name = name.strip("/")
        if name and name not in self._folders:
            self.folder(os.path.dirname(name))
            self._folders.add(name)
            self._add(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self.folder(os.path.dirname(name))
        self._add(name.strip("/"), stat.S_IFREG | mode, data)

    def finish(self):
        self._add("TRAILER!!!", 0)
        data = b"".join(self._parts)
        # The kernel looks for the next archive at a multiple of four; a whole sector costs nothing.
        return data + b"\0" * (-len(data) % 512)
