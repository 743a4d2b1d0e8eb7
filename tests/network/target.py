#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The machine that has the memory; it exports a disk of rpmem, and a file on rdaxfs, by the kernel's NVMe target.
See service.py."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import service  # noqa: E402  # found by the line above
from harness import check, driver, shell  # noqa: E402

CONFIG = HERE.parent.parent / "contrib" / "nvmet"
VOLUME, FILE = "/srv/rdaxfs", "/srv/rdaxfs/disk"
FILE_SIZE = 64 << 20


def mount():
    os.makedirs(VOLUME, exist_ok=True)
    shell.run("mount", "-t", "rdaxfs", "-o", "dax", "/dev/rpmem1", VOLUME)


def export():
    """What an administrator does at each boot."""
    driver.load(*driver.usual_arguments())
    shell.run("modprobe", "rdaxfs")
    mount()
    shell.run(CONFIG / "nvmet", "restore", CONFIG / "rpmem.json")


def make():
    """The first time."""
    driver.load(*driver.usual_arguments())
    shell.run("modprobe", "rdaxfs")
    shell.run("mkfs.rdaxfs", "-q", "-f", "/dev/rpmem1")
    mount()
    shell.run("fallocate", "--length", FILE_SIZE, FILE)
    shell.run("umount", VOLUME)
    driver.unload()
    export()


def take_over():
    """The other machine has gone: its mirror's leg here is what is left. Returns the number in its file."""
    shell.run(CONFIG / "nvmet", "clear")
    check.equal(os.listdir("/sys/kernel/config/nvmet/subsystems"), [], "subsystems after clear")
    shell.run("umount", VOLUME)
    shell.run("fsck.rdaxfs", "-f", "-n", "/dev/rpmem1")
    shell.run("modprobe", "raid1")
    shell.run("mdadm", "--assemble", "--run", "/dev/md0", "/dev/rpmem0")
    shell.run("mount", "/dev/md0", "/mnt")
    number = int(shell.read_text("/mnt/number"))
    shell.run("umount", "/mnt")
    shell.run("mdadm", "--stop", "/dev/md0")
    return number


service.serve({"make": make, "export": export, "take-over": take_over})
