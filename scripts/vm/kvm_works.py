# SPDX-License-Identifier: GPL-2.0
"""Says by its exit status whether guests run under KVM here, for those who start them by other means.

usage: scripts/in-root -- python3 -B scripts/vm/kvm_works.py CACHE GUEST
"""

import sys

import machine

if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.exit(0 if machine.kvm_works(*sys.argv[1:]) else 1)
