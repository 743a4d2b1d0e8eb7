# SPDX-License-Identifier: GPL-2.0
"""mkfs.rdaxfs, fsck.rdaxfs and dump.rdaxfs."""

import json

from . import tools


def attempt(program, *arguments):
    """Runs mkfs, fsck or dump; returns what became of it."""
    return tools.attempt(f"{program}.rdaxfs", *arguments)


def run(program, *arguments, status=0):
    """What it says; it must end with this status."""
    done = tools.run(f"{program}.rdaxfs", *arguments, status=status)
    return done.stdout + done.stderr


def dump(*arguments):
    return json.loads(run("dump", "--json", *arguments))
