# SPDX-License-Identifier: GPL-2.0
"""What runs in the guest: makes each file system on the same region in turn, and has bench/fs/operations count.

usage: guest.py OPERATIONS TOOLS [ENTRIES]   (prints lines of JSON)

TOOLS is the folder with mkfs.rdaxfs.
"""

import json
import os
import subprocess
import sys

DISK = "/dev/rpmem0"
MOUNT = "/mnt"
# As they come: 4 KiB blocks are what DAX needs, and xfs has DAX without shared extents only.
FILE_SYSTEMS = {
    "rdaxfs": (["mkfs.rdaxfs", "-f", DISK], ["-t", "rdaxfs", "-o", "dax=always", DISK]),
    "ext4": (["mkfs.ext4", "-q", "-F", "-b", "4096", DISK], ["-t", "ext4", "-o", "dax=always", DISK]),
    "xfs": (["mkfs.xfs", "-q", "-f", "-m", "reflink=0", DISK], ["-t", "xfs", "-o", "dax=always", DISK]),
    "tmpfs": (None, ["-t", "tmpfs", "-o", "size=80%", "tmpfs"]),
}


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def measure(name, operations, entries):
    make, options = FILE_SYSTEMS[name]
    print(f"{name}", file=sys.stderr, flush=True)
    if make:
        run(*make, stdout=subprocess.DEVNULL)
    run("mount", *options, MOUNT)
    try:
        output = run(operations, MOUNT, *entries, stdout=subprocess.PIPE, encoding="ascii").stdout
    finally:
        run("umount", MOUNT)
    for line in output.splitlines():
        print(json.dumps({"file_system": name} | json.loads(line)))
    sys.stdout.flush()


def main():
    operations, tools, *entries = sys.argv[1:]
    os.environ["PATH"] = f"{tools}:{os.environ['PATH']}"
    print(json.dumps({"kernel": os.uname().release}))
    run("modprobe", "rpmem")
    run("modprobe", "rdaxfs")
    for name in FILE_SYSTEMS:
        measure(name, operations, entries)


if __name__ == "__main__":
    main()
