# SPDX-License-Identifier: GPL-2.0
"""What tests say must hold; the message has what was found instead."""

import errno as errnos
import time
from contextlib import contextmanager


class Failed(AssertionError):
    """Something that must hold does not."""


def equal(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: {shortened(found)}, not {shortened(wanted)}")


def true(condition, what):
    if not condition:
        raise Failed(what)


@contextmanager
def fails(*numbers):
    """The block must raise an OSError with one of these errnos."""
    wanted = " or ".join(errnos.errorcode[number] for number in numbers)
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise Failed(f"{error}, not {wanted}") from error
    else:
        raise Failed(f"it worked; {wanted} was due")


def wait_until(condition, what, seconds=120):
    """For what the kernel does in its own time; much longer than it takes."""
    end = time.monotonic() + seconds
    while not condition():
        true(time.monotonic() < end, f"it did not happen within {seconds} s: {what}")
        time.sleep(0.02)


def shortened(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:100]} … {text[-80:]}"
