#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest of tests/kill/rounds: looks at what the one before it left, then works until the machine is switched off.

usage: guest.py SEED DONE…

DONE is how many operations of each user were acknowledged to the host; nothing of it: the places are made first.
Prints "good" when all of it is there, with "at USER OPERATIONS" for each user, then "ack USER OPERATIONS" after each
operation; "bad" and the reason otherwise."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))
import users  # noqa: E402  # found by the lines above
from harness import driver, nd  # noqa: E402
from users import say  # noqa: E402

# Lines that a guest has written and QEMU has not passed on when it is killed.
ON_THEIR_WAY = 200
# What is made of the namespaces, one for each place; their labels say so to the guests after.
MODES = (("raw",), ("fsdax", "--map=dev"), ("fsdax", "--map=mem"))


def main():
    seed, acknowledged = sys.argv[1], [int(word) for word in sys.argv[2:]]
    driver.load(*driver.usual_arguments())
    if driver.is_nd() and not acknowledged:
        for region, mode in enumerate(MODES):
            nd.create(*mode, region=region)
    here = users.Users(users.ON_NAMESPACES if driver.is_nd() else users.ON_A_REGION, seed)
    if acknowledged:
        here.find(acknowledged, ON_THEIR_WAY)
    else:
        here.make()
    for user, model in enumerate(here.models):
        say(f"at {user} {model.done}")
    say("good")
    here.work(lambda user, done: say(f"ack {user} {done}"))
    os.wait()
    say("bad a user has ended")


main()
