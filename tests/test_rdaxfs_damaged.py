# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: volumes damaged at random, mounted and used. `tests/debug` has more of them."""

from harness.cases import case
from harness.damaged import try_volumes

VOLUMES = 300


@case(limit=600, not_watched="tests/debug has more of them")
def volumes_that_are_damaged_by_chance(t):
    """Every kind of call on each: errors, and nothing worse."""
    try_volumes(t, range(VOLUMES))
