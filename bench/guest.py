# SPDX-License-Identifier: GPL-2.0
"""What runs in the guest: puts each driver on the same region in turn, and has bench/calls count.

usage: guest.py CALLS   (prints lines of JSON)
"""

import contextlib
import json
import os
import subprocess
import sys
import time

RPMEM_RANGES = 1_000_000
NDPMEM_RANGES = 200
# Every driver is measured this many times, loaded anew each time: what differs between the passes is
# what the figures depend on besides the driver.
PASSES = 2
# The bytes that rpmem's file takes at a time, and nd_pmem's: one line.
RPMEM_WRITE, NDPMEM_WRITE = 4096, 1


def sysfs(path, text=None):
    with open(path, "r" if text is None else "w", encoding="ascii") as file:
        return file.read().strip() if text is None else file.write(text)


def run(*command):
    subprocess.run(command, check=True)


@contextlib.contextmanager
def loaded(disk, modules, release=lambda: None):
    """A disk, as long as its driver's modules are loaded.  The region is another's afterwards."""
    for module in modules:
        run("modprobe", *module)
    deadline = time.monotonic() + 20
    while not os.path.exists(f"/dev/{disk}"):
        if time.monotonic() > deadline:
            sys.exit(f"bench/guest.py: /dev/{disk} has not appeared; the console says why")
        time.sleep(0.05)
    yield f"/sys/block/{disk}"
    release()
    for name, *_ in reversed(modules):
        run("modprobe", "-r", name)


def release_regions():
    """libnvdimm's regions hold the module that made them."""
    for region in os.listdir("/sys/bus/nd/drivers/nd_region"):
        if region.startswith("region"):
            sysfs("/sys/bus/nd/drivers/nd_region/unbind", region)


def chunks(ranges, sectors, most):
    """The lines of bad ranges of one sector, evenly over the first `sectors`, no two touching; as many
    together as are no longer than `most` bytes, at least one."""
    stride = sectors // ranges
    if stride < 2:
        sys.exit(f"bench/guest.py: {ranges} ranges that do not touch need more than {sectors} sectors")
    chunk = ""
    for number in range(ranges):
        line = f"{number * stride} 1\n"
        if chunk and len(chunk) + len(line) > most:
            yield chunk
            chunk = ""
        chunk += line
    yield chunk


def inject(block, ranges, most):
    """Fills the first half of the disk with bad ranges; returns how many the disk then has."""
    half = int(sysfs(f"{block}/size")) // 2
    path = f"{block}/badblocks"
    with open(path, "wb", buffering=0) as file:
        for chunk in chunks(ranges, half, most):
            if file.write(chunk.encode()) != len(chunk):
                sys.exit(f"bench/guest.py: {path} has not taken all of {len(chunk)} bytes")
    with open(path, encoding="ascii") as shown:
        return sum(1 for _ in shown)


def measure(calls, number, series, block, bad_ranges=0):
    """Behind the middle of the disk: the bad ranges are all before it."""
    size = int(sysfs(f"{block}/size")) * 512
    start = size // 4 * 3 >> 20 << 20
    about = {"series": series, "pass": number, "device_bytes": size, "bad_ranges": bad_ranges,
             "iostats": int(sysfs(f"{block}/queue/iostats"))}
    print(f"{series}, pass {number} of {PASSES}", file=sys.stderr, flush=True)
    output = subprocess.run([calls, f"/dev/{os.path.basename(block)}", str(start)], check=True,
                            stdout=subprocess.PIPE, encoding="ascii").stdout
    for line in output.splitlines():
        print(json.dumps(about | json.loads(line)))
    sys.stdout.flush()


def main():
    calls = sys.argv[1]
    [region] = os.environ["RPMEM_REGIONS"].split()
    print(json.dumps({"kernel": os.uname().release, "version": os.uname().version, "region": region}))
    sysfs("/proc/sys/vm/nr_hugepages", "4")
    kib = None
    for number in range(1, PASSES + 1):
        with loaded("rpmem0", [["rpmem"]]) as block:
            kib = int(sysfs(f"{block}/size")) // 2
            measure(calls, number, "rpmem", block)
            sysfs(f"{block}/queue/iostats", "0")
            measure(calls, number, "rpmem-nostat", block)
            sysfs(f"{block}/queue/iostats", "1")
            count = inject(block, RPMEM_RANGES, RPMEM_WRITE)
            measure(calls, number, "rpmem-bad", block, count)
        with loaded("pmem0", [["nd_e820"], ["nd_pmem"]], release_regions) as block:
            measure(calls, number, "nd_pmem", block)
            sysfs(f"{block}/queue/iostats", "1")
            measure(calls, number, "nd_pmem-stat", block)
            sysfs(f"{block}/queue/iostats", "0")
            count = inject(block, NDPMEM_RANGES, NDPMEM_WRITE)
            measure(calls, number, "nd_pmem-bad", block, count)
        with loaded("ram0", [["brd", "rd_nr=1", f"rd_size={kib}"]]) as block:
            measure(calls, number, "brd", block)


if __name__ == "__main__":
    main()
