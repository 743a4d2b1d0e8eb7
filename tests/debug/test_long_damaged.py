# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: thousands of volumes damaged at random, mounted and used."""

import os
import random

from harness.cases import case
from harness.damaged import try_volumes

VOLUMES = 3000


@case(guests=("rdaxfs",), limit=900)
def volumes_that_are_damaged_by_chance(t):
    """Other ones each time; RPMEM_FULL has ten times as many."""
    first = random.randrange(1 << 40)
    print(f"{t.case.name}: volumes from {first}", flush=True)
    try_volumes(t, range(first, first + VOLUMES * (10 if os.environ.get("RPMEM_FULL") else 1)))
