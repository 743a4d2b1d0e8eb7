#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The machine that exports disks and files; its clock counts instructions.  See tests/network/service.py."""

import json
import os
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT / "tests" / "network"), str(PROJECT / "tests")]
import service  # noqa: E402  # found by the line above
from harness import driver, shell  # noqa: E402

CONFIG = PROJECT / "contrib" / "nvmet"
SIZE = 64 << 20


def export():
    """The same size of each, all of it written before."""
    driver.load(*driver.usual_arguments())
    shell.run("modprobe", "brd", "rd_size=131072", "rd_nr=1")
    shell.run("modprobe", "rdaxfs")
    paths = ["/dev/rpmem0", "/dev/ram0"]
    for number, (kind, *mkfs) in enumerate((("rdaxfs", "mkfs.rdaxfs", "-q", "-f"), ("ext4", "mkfs.ext4", "-q", "-b", "4096", "-E", "lazy_itable_init=0")), 1):
        shell.run(*mkfs, f"/dev/rpmem{number}")
        os.makedirs(f"/srv/{kind}")
        shell.run("mount", "-t", kind, "-o", "dax", f"/dev/rpmem{number}", f"/srv/{kind}")
        paths.append(f"/srv/{kind}/disk")
    for path in paths:
        shell.run("dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={SIZE >> 20}", "conv=fsync", "status=none")
    shell.run("sync")
    config = json.loads((CONFIG / "rpmem.json").read_text())
    config["subsystems"][0]["namespaces"] = [
        {"device": {"path": path}, "enable": 1, "nsid": number} for number, path in enumerate(paths, 1)
    ]
    Path("/tmp/config.json").write_text(json.dumps(config))
    shell.run(CONFIG / "nvmet", "restore", "/tmp/config.json")


def busy():
    """How long tasks have run, in nanoseconds: instructions. Interrupts are threads here (threadirqs)."""
    return int(re.search(r"^cpu0 (.*)", Path("/proc/schedstat").read_text(), re.M)[1].split()[6])


service.serve({"export": export, "busy": busy})
