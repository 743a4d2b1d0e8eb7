# SPDX-License-Identifier: GPL-2.0
"""What guests of tests/kill have in common: the places where users work, and whether they have what they were told."""

import os
import subprocess
import sys
from dataclasses import dataclass

from database import Database
from model import Model
from pages import Pages


@dataclass
class Place:
    """A disk, or a file system on one, and what its users do."""

    node: str
    kind: str
    directory: str
    users: list

    def make(self):
        if self.kind == "raw":
            return
        # Small volumes of ext4 have small blocks, which do not go with DAX.
        options = ("-F", "-b", "4096") if self.kind == "ext4" else ("-f",)
        run(f"mkfs.{self.kind}", *options, "-q", self.node)

    def mount(self):
        if self.kind != "raw":
            os.makedirs(self.directory, exist_ok=True)
            run("mount", "-t", self.kind, "-o", "dax=always", self.node, self.directory)

    def check(self):
        """Unmounts and mounts again; between the two nothing may be wrong."""
        match self.kind:
            case "rdaxfs":
                run("umount", self.directory)
                run("fsck.rdaxfs", "-f", "-n", self.node)
                self.mount()
            case "ext4":
                run("umount", self.directory)
                run("e2fsck", "-f", "-n", self.node)
                self.mount()


def _database(by_stores):
    return lambda seed: Database(seed, by_stores)


# What each user does: files, or LMDB by pwrite and by stores.
FILES = [Model] * 3 + [_database(False), _database(True)]
ON_A_REGION = [Place("/dev/rpmem0", "rdaxfs", "/mnt", FILES)]
# What is made durable by calls, everywhere, and on rdaxfs what is so without.
ON_NAMESPACES = [
    Place("/dev/rpmem0.0", "raw", "", [Pages]),
    Place("/dev/rpmem1.0", "ext4", "/mnt/ext4", [Pages, Pages]),
    Place("/dev/rpmem2.0", "rdaxfs", "/mnt/rdaxfs", [Pages, Pages, Model, _database(False), _database(True)]),
]


class Users:
    """All users of some places, in order."""

    def __init__(self, places, seed):
        self.places = places
        users = [(place, new) for place in places for new in place.users]
        self.models = [new(f"{seed} {number}") for number, (_, new) in enumerate(users)]
        # A user's own directory, or file, or disk.
        self.roots = [f"{place.directory}/{number}" if place.directory else place.node for number, (place, _) in enumerate(users)]

    def __len__(self):
        return len(self.models)

    def make(self):
        """The places, mounted, with nothing of the users there."""
        for place in self.places:
            place.make()
            place.mount()
        for root, model in zip(self.roots, self.models):
            if not isinstance(model, Pages):
                os.mkdir(root)
            model.make(root)

    def find(self, acknowledged, unheard=0):
        """The places as the guest before left them, looked at, and mounted again."""
        for place in self.places:
            place.mount()
        self.models = [
            state_of(number, model.copy_at(done), root, unheard)
            for number, (model, root, done) in enumerate(zip(self.models, self.roots, acknowledged))
        ]
        for place in self.places:
            place.check()

    def work(self, acknowledge):
        """Starts a process for each user, which tells `acknowledge` of each operation that has returned."""
        for number, (model, root) in enumerate(zip(self.models, self.roots)):
            if os.fork() == 0:
                while True:
                    model.step(root)
                    acknowledge(number, model.done)


def say(text):
    os.write(1, (text + "\n").encode())


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        say(f"bad {' '.join(command)}: status {done.returncode}: {done.stdout} {done.stderr}")
        sys.exit(1)


def state_of(user, model, root, unheard):
    """The model that `root` agrees with: of as many operations as were acknowledged, or of some more, up to
    `unheard` of which the acknowledgement may not have arrived, and the one that had begun."""
    reasons = []
    for _ in range(unheard + 2):
        reason = model.difference(root)
        if not reason or model.complete(root):
            return model
        reasons.append(f"after {model.done} operations: {reason}")
        model.step(None)
    say(f"bad user {user}: {'; '.join(reasons[:2])}; nor is it the state after up to {model.done - 1}")
    sys.exit(1)
