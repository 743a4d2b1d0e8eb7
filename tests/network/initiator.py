#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The machine that uses the other one's memory.  See service.py."""

import glob
import itertools
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import namespaces  # noqa: E402  # found by the line above
import service  # noqa: E402
from harness import check, driver, shell  # noqa: E402
from harness.kernel_log import KernelLog  # noqa: E402

NAME = "nqn.2026-11.example:rpmem"
HOST = "nqn.2014-08.org.nvmexpress:uuid:6d1f3a52-5a43-4c6e-9a0f-3d2f7e1b8c10"
HOST_ID = "6d1f3a52-5a43-4c6e-9a0f-3d2f7e1b8c10"
LOCAL, MIRROR, DIR = "/dev/rpmem0", "/dev/md0", "/mnt"
MD = Path("/sys/block/md0/md")
# Each block is written once, at a rate at which there is time for the other machine to be killed.
LOAD = ["--ioengine=libaio", "--iodepth=8", "--direct=1", "--rw=randwrite", "--bsrange=4k-64k", "--verify=crc32c", "--verify_state_save=0",
        "--name=load"]  # fmt: skip
SIZE = 12 << 20

# Where "disk", a disk of rpmem, and "file", one on rdaxfs, are.
remote = {}
running = []


def connect(*options):
    shell.run("modprobe", "nvme-tcp")
    shell.run("nvme", "connect", "--transport=tcp", "--traddr=192.0.2.1", "--trsvcid=4420", f"--nqn={NAME}",
              f"--hostnqn={HOST}", f"--hostid={HOST_ID}", "--reconnect-delay=1", "--keep-alive-tmo=3", *options)  # fmt: skip
    found = namespaces.disks(2)
    remote.update(disk=found[1], file=found[2])


def disconnect():
    shell.run("nvme", "disconnect", f"--nqn={NAME}")


def statistics(node, field):
    return int(shell.read_text(f"/sys/block/{node.removeprefix('/dev/')}/stat").split()[field])


def written():
    """Sectors that have been written to the other machine and acknowledged."""
    return sum(statistics(node, 6) for node in remote.values())


def place(target):
    """A file's name, or what the other machine's "disk" or "file" is called here."""
    return remote.get(target, target)


def load(*targets):
    """Starts writing to all of them."""
    for target in map(place, targets):
        running.append(subprocess.Popen(
            ["fio", *LOAD, f"--filename={target}", f"--size={SIZE}", "--rate=1500k", "--do_verify=0"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))  # fmt: skip


def is_loaded():
    return int(bool(running) and all(one.poll() is None for one in running))


def verify(*targets):
    """That the writing ended without an error, and that what was acknowledged is there."""
    while running:
        said, _ = (one := running.pop()).communicate()
        check.equal(one.returncode, 0, f"fio's status, after {said[-500:]!r}")
    for target in map(place, targets):
        shell.run("fio", *LOAD, f"--filename={target}", f"--size={SIZE}", "--verify_only", "--verify_fatal=1")


def is_live():
    states = [shell.read_text(path).strip() for path in glob.glob("/sys/class/nvme/nvme*/state")]
    return int(states == ["live"])


def in_sync():
    return (MD / "degraded").read_text() == "0\n" and (MD / "sync_action").read_text() == "idle\n"


def mirror():
    """One leg here, one there, which is read only if it must be."""
    driver.load()
    shell.run("modprobe", "raid1")
    shell.run("mdadm", "--create", MIRROR, "--run", "--level=1", "--raid-devices=2", "--bitmap=internal", "--size=48M",
              LOCAL, "--write-mostly", remote["disk"])  # fmt: skip
    check.wait_until(in_sync, "the mirror's first copy")
    shell.run("mkfs.ext4", "-q", MIRROR)
    shell.run("mount", MIRROR, DIR)
    load(f"{DIR}/first")
    # In sectors: nvme's multipath counts a flush as a read of nothing.
    before = statistics(remote["disk"], 2), statistics(LOCAL, 2)
    verify(f"{DIR}/first")
    after = statistics(remote["disk"], 2), statistics(LOCAL, 2)
    check.equal(after[0] - before[0], 0, "sectors read from the other machine")
    check.true(after[1] - before[1] >= SIZE // 512, f"{after[1] - before[1]} sectors were read from this one")


def is_degraded():
    return int((MD / "degraded").read_text() == "1\n")


def add_again():
    """The leg is there again: what it has missed is copied, and both are the same."""
    shell.run("mdadm", MIRROR, "--re-add", remote["disk"])
    check.wait_until(in_sync, "the copy of what the leg has missed")
    shell.run("sync")
    # sync_action says "idle" before it begins as well as afterwards.
    with KernelLog() as log:
        (MD / "sync_action").write_text("check")
        check.wait_until(lambda: any(line.text == "md: md0: check done." for line in log.take()), "the comparison")
    check.equal((MD / "mismatch_cnt").read_text(), "0\n", "sectors that differ")


def count():
    """Overwrites a number for ever, and tells each one that is stored."""
    file = os.open(f"{DIR}/number", os.O_WRONLY | os.O_CREAT | os.O_DSYNC, 0o600)
    os.pwrite(file, b"%08d\n" % 0, 0)
    os.fsync(file)
    for number in itertools.count(1):
        os.pwrite(file, b"%08d\n" % number, 0)
        print("number", number, flush=True)


service.serve({
    "connect": connect, "disconnect": disconnect, "load": load, "is-loaded": is_loaded, "written": written,
    "verify": verify, "is-live": is_live, "mirror": mirror, "is-degraded": is_degraded, "add-again": add_again,
    "count": count,
})  # fmt: skip
