# SPDX-License-Identifier: GPL-2.0
"""A guest of tests/kill/rounds: looks at what the one before it left, then works until the machine is switched off.

usage: guest.py SEED DONE…

DONE is how many operations of each user were acknowledged to the host; nothing of it: the volume is made first.
Prints "good" when all of it is there, with "at USER OPERATIONS" for each user, then "ack USER OPERATIONS" after each
operation; "bad" and the reason otherwise."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))
from harness import driver  # noqa: E402  # found by the lines above
from model import Model  # noqa: E402

ROOT = "/mnt"
USERS = 3
NODE = "/dev/rpmem0"


def say(text):
    os.write(1, (text + "\n").encode())


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        say(f"bad {' '.join(command)}: status {done.returncode}: {done.stdout} {done.stderr}")
        sys.exit(1)


def state_of(user, seed, done):
    """The model that the directory agrees with: of as many operations as were acknowledged, or of one more."""
    reasons = []
    model = Model(f"{seed} {user}").copy_at(done)
    for _ in range(2):
        reason = model.difference(f"{ROOT}/{user}")
        if not reason:
            return model
        reasons.append(f"after {model.done} operations: {reason}")
        model.step(None)
    say(f"bad user {user}: {'; '.join(reasons)}")
    sys.exit(1)


def main():
    seed, acknowledged = sys.argv[1], [int(word) for word in sys.argv[2:]]
    driver.load(*driver.usual_arguments())
    if not acknowledged:
        run("mkfs.rdaxfs", "-f", "-q", NODE)
    run("mount", "-t", "rdaxfs", "-o", "dax=always", NODE, ROOT)
    if acknowledged:
        models = [state_of(user, seed, done) for user, done in enumerate(acknowledged)]
        run("umount", ROOT)
        run("fsck.rdaxfs", "-f", "-n", NODE)
        run("mount", "-t", "rdaxfs", "-o", "dax=always", NODE, ROOT)
    else:
        models = [Model(f"{seed} {user}") for user in range(USERS)]
        for user in range(USERS):
            os.mkdir(f"{ROOT}/{user}")
    for user, model in enumerate(models):
        say(f"at {user} {model.done}")
    say("good")
    for user, model in enumerate(models):
        if os.fork() == 0:
            while True:
                model.step(f"{ROOT}/{user}")
                say(f"ack {user} {model.done}")
    os.wait()
    say("bad a user has ended")


main()
