# SPDX-License-Identifier: GPL-2.0
"""How a guest of tests/network/run is told what to do."""

import sys
import traceback


def serve(tasks):
    """Reads lines, a task's name and its words; prints "done ANSWER" or "failed WHY" for each."""
    print("done ready", flush=True)
    for line in sys.stdin:
        name, *words = line.split()
        try:
            answer = tasks[name](*words)
            print("done", "" if answer is None else answer, flush=True)
        except Exception as error:  # every error is reported to the host
            traceback.print_exc()
            print("failed", " ".join(f"{name}: {error}".split()), flush=True)
