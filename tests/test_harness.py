# SPDX-License-Identifier: GPL-2.0
"""The tests' own machinery: what must fail, fails."""

import fcntl
import os
import struct
import time

from harness import check, driver, memory, runner
from harness.cases import Case, case
from harness.disk import Disk


def outcome_of(function, limit=20, block_size=None):
    return runner.run(Case("inner", "memmap", function, block_size, None, limit))


def fails(function, because, **options):
    """A test that does what `function` does must fail, for this reason."""
    outcome = outcome_of(function, **options)
    check.true(outcome.reason is not None, f"{function.__name__} passed")
    check.true(because in outcome.reason, f"{function.__name__} failed, but not for {because!r}: {outcome.reason}")


def say(text):
    with open("/dev/kmsg", "w", encoding="ascii") as log:
        log.write(text + "\n")


@case(loaded=False)
def unexpected_messages_fail(t):
    t.expect_log("made up")

    def warning(_):
        say("<4>made up")

    def harmless(_):
        say("<6>made up")

    def trouble_at_any_level(_):
        say("<6>WARNING: made up")

    def late_warning(_):
        if os.fork() == 0:
            say("<3>made up")
            os._exit(0)
        os.wait()

    def unfinished(_):
        """A line whose end may still come is not visible at once."""
        with open("/dev/kmsg", "wb", buffering=0) as log:
            log.write(b"<4>made up")

    for function in (warning, trouble_at_any_level, late_warning):
        fails(function, "unexpected kernel message")
    check.equal(outcome_of(harmless).reason, None, "a message of no weight")
    fails(unfinished, "unexpected kernel message")


@case(loaded=False)
def expected_messages_must_come(t):
    t.expect_log("made up")

    def said(inner):
        inner.expect_log("made up")
        say("<4>made up")

    def unsaid(inner):
        inner.expect_log("made up")

    check.equal(outcome_of(said).reason, None, "an expected warning")
    fails(unsaid, "no kernel message matches")


@case(loaded=False)
def wrong_ends_fail(t):
    t.allow_log("sysrq|Show Blocked State|Workqueue|task:")

    def wrong(_):
        check.equal(1, 2, "one")

    def dies(_):
        os.kill(os.getpid(), 9)

    def hangs(_):
        time.sleep(60)

    fails(wrong, "one: 1, not 2")
    fails(dies, "ended without a result")
    fails(hangs, "took more than 2 s", limit=2)


@case(loaded=False)
def leftovers_fail(t):
    t.allow_log("XFS|EXT4")

    def bad_block(inner):
        inner.disk.badblocks.inject(8, 1)

    def read_only(inner):
        with open(inner.disk.node, "rb") as node:
            set_read_only(node)

    def set_read_only(node):
        fcntl.ioctl(node, 0x125D, struct.pack("i", 1))  # BLKROSET

    fails(bad_block, "left bad blocks on rpmem0: ['8 1']", block_size=512)
    check.true(not driver.is_loaded(), "after a failure the driver must be loaded anew")
    fails(read_only, "left rpmem0 read-only", block_size=512)


@case()
def a_check_that_cannot_hold_fails(t):
    """Reading what was not written: the tools that tests are made of do tell the difference."""
    with t.disk.open() as io:
        io.write(0, b"a" * 4096)
        check.equal(io.read(0, 4096), b"a" * 4096, "what was written")

    def reads_other(_):
        with Disk(0).open() as io:
            check.equal(io.read(0, 4096), b"b" * 4096, "what was not written")

    fails(reads_other, "what was not written", block_size=512)


@case(loaded=False)
def a_child_reports_its_signal(_):
    check.equal(memory.in_child(os.kill, os.getpid(), 0), 0, "a child that ends well")
    check.equal(memory.in_child(lambda: os.kill(os.getpid(), 7)), -7, "a child that SIGBUS ends")
