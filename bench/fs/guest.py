# SPDX-License-Identifier: GPL-2.0
"""What runs in the guest: makes a file system on the region, and has bench/fs/operations count.

usage: guest.py OPERATIONS TOOLS FILE_SYSTEM [ENTRIES]   (prints lines of JSON)
       guest.py OPERATIONS TOOLS FILE_SYSTEM --processes

TOOLS is the folder with mkfs.rdaxfs. With --processes: what one process does in a second, and what two do at once on two
processors, several times.
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
    "tmpfs": (None, ["-t", "tmpfs", "-o", "size=80%,nr_inodes=0", "tmpfs"]),
}
# More files than these get inodes for by default.
MANY = 100_000
FOR_MANY = {"ext4": ["-N", "1500000"], "xfs": ["-i", "maxpct=80"]}
# So often each: the machine may be busy with something else.
ROUNDS = 5


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def measure(name, operations, entries):
    make, options = FILE_SYSTEMS[name]
    print(f"{name}", file=sys.stderr, flush=True)
    if make:
        is_many = any(word.isdigit() and int(word) > MANY for word in entries)
        run(*make, *(FOR_MANY.get(name, []) if is_many else []), stdout=subprocess.DEVNULL)
    run("mount", *options, MOUNT)
    try:
        output = run(*operations, MOUNT, *entries, stdout=subprocess.PIPE, encoding="ascii").stdout
    finally:
        run("umount", MOUNT)
    for line in output.splitlines():
        print(json.dumps({"file_system": name} | json.loads(line)))
    sys.stdout.flush()


def main():
    operations, tools, name, *entries = sys.argv[1:]
    os.environ["PATH"] = f"{tools}:{os.environ['PATH']}"
    run("modprobe", "rpmem")
    run("modprobe", "rdaxfs")
    if entries == ["--processes"]:
        for _ in range(ROUNDS):
            for processes in ("1", "2"):
                measure(name, [operations, "--processes", processes], [])
    else:
        measure(name, [operations], entries)


if __name__ == "__main__":
    main()
