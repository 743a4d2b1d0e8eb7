# SPDX-License-Identifier: GPL-2.0
"""What guests of tests/kill have in common: the volume, its users, and whether it has what they were told."""

import os
import subprocess
import sys

from database import Database
from model import Model

ROOT = "/mnt"
# What each does: files, or LMDB by pwrite and by stores.
USERS = [Model] * 3 + [lambda seed: Database(seed, by_stores=False), lambda seed: Database(seed, by_stores=True)]
NODE = "/dev/rpmem0"


def say(text):
    os.write(1, (text + "\n").encode())


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        say(f"bad {' '.join(command)}: status {done.returncode}: {done.stdout} {done.stderr}")
        sys.exit(1)


def mount():
    run("mount", "-t", "rdaxfs", "-o", "dax=always", NODE, ROOT)


def start_of(user, seed):
    return USERS[user](f"{seed} {user}")


def state_of(user, seed, done, unheard):
    """The model that the directory agrees with: of as many operations as were acknowledged, or of some more, up to
    `unheard` of which the acknowledgement may not have arrived, and the one that had begun."""
    reasons = []
    model = start_of(user, seed).copy_at(done)
    for _ in range(unheard + 2):
        reason = model.difference(f"{ROOT}/{user}")
        if not reason or model.complete(f"{ROOT}/{user}"):
            return model
        reasons.append(f"after {model.done} operations: {reason}")
        model.step(None)
    say(f"bad user {user}: {'; '.join(reasons[:2])}; nor is it the state after up to {model.done - 1}")
    sys.exit(1)


def make(seed):
    """The volume, mounted; the models of its users."""
    run("mkfs.rdaxfs", "-f", "-q", NODE)
    mount()
    models = [start_of(user, seed) for user in range(len(USERS))]
    for user, model in enumerate(models):
        os.mkdir(f"{ROOT}/{user}")
        model.make(f"{ROOT}/{user}")
    return models


def find(seed, acknowledged, unheard=0):
    """The volume as the guest before left it, looked at, and mounted again; the models of its users."""
    mount()
    models = [state_of(user, seed, done, unheard) for user, done in enumerate(acknowledged)]
    run("umount", ROOT)
    run("fsck.rdaxfs", "-f", "-n", NODE)
    mount()
    return models


def work(models, acknowledge):
    """Starts a process for each user, which tells `acknowledge` of each operation that has returned."""
    processes = []
    for user, model in enumerate(models):
        process = os.fork()
        if process == 0:
            while True:
                model.step(f"{ROOT}/{user}")
                acknowledge(user, model.done)
        processes.append(process)
    return processes
