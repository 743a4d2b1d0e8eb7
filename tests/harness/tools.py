# SPDX-License-Identifier: GPL-2.0
"""The project's programs, as make tools has built them."""

import os
import shutil
from pathlib import Path

from . import shell

TOOLS = Path(__file__).parents[2] / "build" / ("tools-arm64" if os.uname().machine == "aarch64" else "tools")
# Copies in memory: the project's folder comes over 9p, and starting a program from there takes seconds.
_COPIES = Path("/run/rpmem-tools")


def attempt(program, *arguments):
    """Runs it; returns what became of it."""
    copy = _COPIES / program
    if not copy.exists():
        _COPIES.mkdir(exist_ok=True)
        shutil.copy(TOOLS / "sbin" / program, copy)
    return shell.attempt(copy, *arguments)


def run(program, *arguments, status=0):
    """Runs it; it must end with this status."""
    done = attempt(program, *arguments)
    if done.returncode != status:
        raise shell.CommandFailed(
            f"{program} {' '.join(map(str, arguments))}: status {done.returncode}, not {status}: "
            f"{done.stdout.strip()} {done.stderr.strip()}"
        )
    return done


def install(program):
    """Puts it where make install does, for what has its path."""
    shutil.copy(TOOLS / "sbin" / program, f"/usr/sbin/{program}")


def uninstall(program):
    """Takes it away again."""
    (Path("/usr/sbin") / program).unlink()
