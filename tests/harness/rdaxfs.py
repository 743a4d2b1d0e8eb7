# SPDX-License-Identifier: GPL-2.0
"""The programs of rdaxfs, as make tools has built them."""

import json
import shutil
from pathlib import Path

from . import shell
from .rpmemctl import TOOLS

# As for rpmemctl: a program starts from memory, not from the project's folder.
_COPIES = Path("/run/rdaxfs")


def attempt(program, *arguments):
    """Runs mkfs, fsck or dump; returns what became of it."""
    copy = _COPIES / f"{program}.rdaxfs"
    if not copy.exists():
        _COPIES.mkdir(exist_ok=True)
        shutil.copy(TOOLS / "sbin" / copy.name, copy)
    return shell.attempt(copy, *arguments)


def run(program, *arguments, status=0):
    """What it says; it must end with this status."""
    done = attempt(program, *arguments)
    if done.returncode != status:
        raise shell.CommandFailed(
            f"{program}.rdaxfs {' '.join(map(str, arguments))}: status {done.returncode}, not {status}: "
            f"{done.stdout.strip()} {done.stderr.strip()}"
        )
    return done.stdout + done.stderr


def dump(*arguments):
    return json.loads(run("dump", "--json", *arguments))
