# SPDX-License-Identifier: GPL-2.0
"""Runs test cases, each in a process of its own: one that dies or hangs takes no other with it."""

import json
import os
import select
import signal
import time
import traceback
from dataclasses import dataclass

from . import kernel_log
from .context import Context, LeftBehind, restore

# Seconds. It takes a few.
RESTORE_LIMIT = 300


@dataclass(frozen=True)
class Outcome:
    """`reason` is None when it passed; `hung` when its process could not even be killed, or what it
    has left not be cleared up."""

    reason: str | None
    details: str
    hung: bool = False


def run(case):
    """Runs one case and clears up after it, whatever it has done."""
    with kernel_log.KernelLog() as log:
        log.mark(f"{case.name} begins")
        result, hung = _run_process(case)
        log.mark(f"{case.name} has ended")
        lines = log.take()
        complaints = [result["failure"]] if result["failure"] else []
        complaints += kernel_log.judge(lines, result["expected"], result["allowed"])
        details = "\n".join([
            *complaints, "", result["traceback"], "kernel messages during the test:", *map(str, lines), ""
        ])
        if complaints and not hung:
            hung = not _restore()
    return Outcome(complaints[0] if complaints else None, details, hung)


def _restore():
    """Whether clearing up comes to an end: it may wait for what a task held that died in the kernel."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            restore()
        finally:
            os._exit(0)
    end = time.monotonic() + RESTORE_LIMIT
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.1)
    _kill(-pid)
    return False


def _run_process(case):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            # A group of its own, so that its children can be ended with it.
            os.setpgid(0, 0)
            os.close(reader)
            _report(writer, _run_case(case))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    text, hung = _collect(reader, pid, case.limit)
    os.close(reader)
    ended = None if hung else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    _kill(-pid)
    if text is None:
        why = f"took more than {case.limit} s" + (" and cannot be killed" if hung else "")
        return _result(failure=why), hung
    if not text:
        return _result(failure=f"its process ended without a result (status {ended})"), hung
    return json.loads(text), hung


def _collect(reader, pid, limit):
    """What the process says until it ends; None when it takes too long. And whether it is stuck."""
    end = time.monotonic() + limit
    text = b""
    while (left := end - time.monotonic()) > 0:
        if select.select([reader], [], [], left)[0]:
            piece = os.read(reader, 65536)
            if not piece:
                return text, False
            text += piece
    with open("/proc/sysrq-trigger", "w") as trigger:
        trigger.write("w")  # where blocked tasks wait, for the log
    _kill(-pid)
    for _ in range(100):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return None, False
        time.sleep(0.1)
    return None, True


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _report(fd, result):
    text = json.dumps(result).encode()
    while text:
        text = text[os.write(fd, text):]


def _result(failure=None, trace="", expected=(), allowed=()):
    return {"failure": failure, "traceback": trace, "expected": list(expected), "allowed": list(allowed)}


def _run_case(case):
    context = None
    failure, trace = None, ""
    try:
        context = Context(case)
        case.function(context)
        context.close()
        context.check_nothing_left()
    except LeftBehind as error:
        failure = str(error)
    except BaseException as error:  # pylint: disable=broad-except  # whatever it is, it is the result
        failure = f"{type(error).__name__}: {error}"
        trace = traceback.format_exc()
    if context is None:
        return _result(failure, trace)
    return _result(failure, trace, context.expected, context.allowed)
