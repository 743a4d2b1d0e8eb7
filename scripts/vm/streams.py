# SPDX-License-Identifier: GPL-2.0
"""What flows between the guest's ports and the runner's own standard streams."""

import os
import select
import stat


class MarkedOutput:
    """One output stream: everything up to its end mark is written on, byte for byte."""

    def __init__(self, target, mark):
        self.target = target
        self.finished = False
        self._mark = mark
        self._held = b""
        # poll() promises room for this much in a pipe; a file always has room.
        self._piece = 65536 if stat.S_ISREG(os.fstat(target).st_mode) else select.PIPE_BUF
        self._pending = b""

    @property
    def pending(self):
        return bool(self._pending)

    def feed(self, data):
        data = self._held + data
        if data.endswith(self._mark):
            self._held, self.finished = b"", True
            self._pending += data[: -len(self._mark)]
            return
        keep = next((n for n in range(min(len(self._mark) - 1, len(data)), 0, -1)
                     if self._mark.startswith(data[-n:])), 0)
        self._held = data[len(data) - keep:]
        self._pending += data[: len(data) - keep]

    def give_up(self):
        """The guest died before its mark: what was held back was output."""
        self._pending += self._held
        self._held = b""

    def write(self):
        """Writes a piece; call it when poll() says that there is room."""
        done = os.write(self.target, self._pending[: self._piece])
        self._pending = self._pending[done:]


class FramedInput:
    """Standard input for the guest, as pieces with their length before them: a port has no end."""

    def __init__(self, source):
        self.source = source
        self.finished = False
        self.pending = b""

    def read(self):
        data = os.read(self.source, 32768)
        self.finished = not data
        self.pending += b"%d\n" % len(data) + data
