# SPDX-License-Identifier: GPL-2.0
"""The program rpmemctl."""

import json

from . import tools


def attempt(*arguments):
    """Runs it; returns what became of it."""
    return tools.attempt("rpmemctl", *arguments)


def answer(*arguments, status=0):
    """What it says as JSON; it must end with this status."""
    return json.loads(tools.run("rpmemctl", "--json", *arguments, status=status).stdout)


def findings(*target, status=1):
    """What its doctor has found: the findings by their ids, without mere advice."""
    found = answer("doctor", *target, status=status)["findings"]
    return {finding["id"]: finding for finding in found if finding["severity"] == "problem"}
