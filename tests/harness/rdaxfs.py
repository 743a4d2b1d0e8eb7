# SPDX-License-Identifier: GPL-2.0
"""mkfs.rdaxfs, fsck.rdaxfs and dump.rdaxfs, and mounted volumes."""

import json
from pathlib import Path

from . import shell, tools


def attempt(program, *arguments):
    """Runs mkfs, fsck or dump; returns what became of it."""
    return tools.attempt(f"{program}.rdaxfs", *arguments)


def run(program, *arguments, status=0):
    """What it says; it must end with this status."""
    done = tools.run(f"{program}.rdaxfs", *arguments, status=status)
    return done.stdout + done.stderr


def dump(*arguments):
    return json.loads(run("dump", "--json", *arguments))


class Volume:
    """A volume, mounted. When the block ends it is unmounted, and fsck -n has nothing to say of it."""

    def __init__(self, node, *options, directory="/mnt/rdaxfs", make=True, make_options=()):
        self.node = node
        self.directory = Path(directory)
        self.options = options
        if make:
            run("mkfs", "-f", "-q", *make_options, node)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.mounted = False
        self.mount()

    def mount(self, *options):
        done = attempt_mount(self.node, self.directory, *self.options, *options)
        if done.returncode:
            raise shell.CommandFailed(f"mount: status {done.returncode}: {done.stderr.strip()}")
        self.mounted = True

    def unmount(self):
        shell.run("umount", self.directory)
        self.mounted = False

    def again(self):
        """Unmounted, checked, and mounted: what is there is from the medium."""
        self.unmount()
        self.check()
        self.mount()

    def check(self):
        run("fsck", "-f", "-n", self.node)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.mounted:
            self.unmount()
        if kind is None:
            self.check()


def attempt_mount(node, directory, *options):
    """mount(8); returns what became of it."""
    words = ["-o", ",".join(options)] if options else []
    return shell.attempt("mount", "-t", "rdaxfs", *words, node, directory)
