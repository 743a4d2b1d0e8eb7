# SPDX-License-Identifier: GPL-2.0
"""Commands, as one would type them."""

import ctypes
import os
import subprocess


class CommandFailed(Exception):
    """A command failed that had to work."""


def run(*command, stdin=None):
    """Runs a command and returns its standard output; raises when it fails."""
    done = attempt(*command, stdin=stdin)
    if done.returncode:
        raise CommandFailed(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def attempt(*command, stdin=None):
    """Runs a command; returns what became of it."""
    words = [str(word) for word in command]
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)


def read_text(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def write_text(path, text):
    """One write(2), as echo does it: a sysfs file takes or refuses what one call brings."""
    with open(path, "wb", buffering=0) as file:
        data = text.encode()
        written = file.write(data)
        if written != len(data):
            raise OSError(f"{path}: took {written} of {len(data)} bytes")


def reboot():
    """reboot(2), LINUX_REBOOT_CMD_RESTART: at once, without a sync; what `reboot -f` does."""
    if ctypes.CDLL(None, use_errno=True).reboot(0x01234567):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
