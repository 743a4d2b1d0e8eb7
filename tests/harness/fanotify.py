# SPDX-License-Identifier: GPL-2.0
"""Listens to errors of a file system (fanotify(7), FAN_FS_ERROR)."""

import ctypes
import os
import select
import struct
from collections import namedtuple

# <linux/fanotify.h>
_CLASS_NOTIF, _REPORT_FID = 0, 0x200
_MARK_ADD, _MARK_FILESYSTEM = 1, 0x100
_FS_ERROR = 0x8000
_INFO_FID, _INFO_ERROR = 1, 5
_METADATA = struct.Struct("=IBBHQii")
_HEADER = struct.Struct("=BBH")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]

# An error (a positive errno), how often it came, and the number of the inode: 0 if it is no file's.
Report = namedtuple("Report", "error count ino")


def _checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Listener:
    """Hears of the errors of the file system that a directory is on."""

    def __init__(self, directory):
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self._fd = _checked(_libc.fanotify_init(_CLASS_NOTIF | _REPORT_FID, os.O_RDONLY))
        path = os.fsencode(directory)
        _checked(_libc.fanotify_mark(self._fd, _MARK_ADD | _MARK_FILESYSTEM, _FS_ERROR, -1, path))

    def reports(self, seconds=10):
        """What has been reported; waits for the first one. Until it is read, later errors are only counted."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return []
        data = os.read(self._fd, 65536)
        found = []
        while data:
            length, _version, _, header_length, mask, _fd, _pid = _METADATA.unpack_from(data)
            if mask & _FS_ERROR:
                found.append(self._report(data[header_length:length]))
            data = data[length:]
        return found

    def _report(self, data):
        error = count = ino = 0
        while data:
            kind, _, length = _HEADER.unpack_from(data)
            body = data[_HEADER.size:length]
            if kind == _INFO_ERROR:
                error, count = struct.unpack_from("=iI", body)
            elif kind == _INFO_FID:
                ino = self._number(body[8:])
            data = data[length:]
        return Report(error, count, ino)

    def _number(self, handle):
        """The number of the inode that has a file handle."""
        size, kind = struct.unpack_from("=Ii", handle)
        if size == 0 or kind == 0:
            return 0
        buffer = ctypes.create_string_buffer(handle[:8 + size])
        fd = _checked(_libc.open_by_handle_at(self._directory, buffer, os.O_PATH))
        try:
            return os.fstat(fd).st_ino
        finally:
            os.close(fd)

    def close(self):
        os.close(self._fd)
        os.close(self._directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
