# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: volumes damaged at random for minutes, mounted and used."""

import itertools
import os
import random

from harness.cases import case
from harness.damaged import try_volumes

SECONDS = 600


@case(guests=("rdaxfs",), limit=1200)
def volumes_that_are_damaged_by_chance(t):
    """Other ones each time; RPMEM_FULL takes ten times as long."""
    first = random.randrange(1 << 40)
    print(f"{t.case.name}: volumes from {first}", flush=True)
    try_volumes(t, itertools.count(first), SECONDS * (10 if os.environ.get("RPMEM_FULL") else 1))
