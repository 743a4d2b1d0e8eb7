#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The machine that makes the calls.  See tests/network/service.py."""

import mmap
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT / "tests" / "network"), str(PROJECT / "tests")]
import namespaces  # noqa: E402  # found by the line above
import service  # noqa: E402
from harness import check, shell  # noqa: E402

AREA = 64 << 20

disks = {}


def connect(count):
    shell.run("modprobe", "nvme-tcp")
    # As "nvme connect" writes it.
    shell.write_text("/dev/nvme-fabrics", "transport=tcp,traddr=192.0.2.1,trsvcid=4420,nqn=nqn.2026-11.example:rpmem,keep_alive_tmo=600,nr_io_queues=1")
    disks.update(namespaces.disks(int(count)))


def calls(number, call, size, count):
    """One after the other, at places that jump."""
    size, count = int(size), int(count)
    file = os.open(disks[int(number)], os.O_RDWR | os.O_DIRECT)
    memory = mmap.mmap(-1, max(size, 4096))
    memory[:] = os.urandom(len(memory))
    for n in range(count):
        place = n * 7 * 65536 % AREA
        match call:
            case "read":
                check.equal(os.preadv(file, [memory], place), size, "bytes read")
            case "write":
                check.equal(os.pwritev(file, [memory], place), size, "bytes written")
            case "flush":
                os.fsync(file)
    os.close(file)


service.serve({"connect": connect, "calls": calls})
