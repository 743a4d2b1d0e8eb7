# SPDX-License-Identifier: GPL-2.0
"""The program rpmemctl, as make tools has built it."""

import json
import shutil
from pathlib import Path

from . import shell

TOOLS = Path(__file__).parents[2] / "build" / "tools"
# A copy in memory: the project's folder comes over 9p, and starting a program from there takes seconds.
_COPY = Path("/run/rpmemctl")


def attempt(*arguments):
    """Runs it; returns what became of it."""
    if not _COPY.exists():
        shutil.copy(TOOLS / "sbin" / "rpmemctl", _COPY)
    return shell.attempt(_COPY, *arguments)


def answer(*arguments, status=0):
    """What it says as JSON; it must end with this status."""
    done = attempt("--json", *arguments)
    if done.returncode != status:
        raise shell.CommandFailed(
            f"rpmemctl {' '.join(map(str, arguments))}: status {done.returncode}, not {status}: "
            f"{done.stdout.strip()} {done.stderr.strip()}"
        )
    return json.loads(done.stdout)


def findings(*target, status=1):
    """What its doctor has found: the findings by their ids, without mere advice."""
    found = answer("doctor", *target, status=status)["findings"]
    return {finding["id"]: finding for finding in found if finding["severity"] == "problem"}
