# SPDX-License-Identifier: GPL-2.0
"""What runs in the guest: has nd_rpmem and nd_pmem drive the same namespace in turn, and bench/calls count.

usage: namespaces_guest.py CALLS   (prints lines of JSON)
"""

import json
import os
import subprocess
import sys
import time

from guest import PASSES, measure, run, sysfs

DRIVERS = {"nd_rpmem": "rpmem0.0", "nd_pmem": "pmem0"}


def appears(path):
    deadline = time.monotonic() + 60
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            sys.exit(f"bench/namespaces_guest.py: {path} has not appeared; the console says why")
        time.sleep(0.05)


def main():
    calls = sys.argv[1]
    print(json.dumps({"kernel": os.uname().release, "version": os.uname().version}))
    sysfs("/proc/sys/vm/nr_hugepages", "4")
    # Nothing is to load the one while the other is measured.
    with open("/etc/modprobe.d/by-hand.conf", "w", encoding="ascii") as file:
        file.write("".join(f"blacklist {driver}\n" for driver in DRIVERS))
    run("modprobe", "nfit")
    appears("/sys/bus/nd/devices/region0/namespace0.0")
    for where in ("mem", "dev"):
        run("modprobe", "nd_pmem")
        # What it prints is not for the report.
        subprocess.run(["ndctl", "create-namespace", "-f", "-e", "namespace0.0", "-m", "fsdax", f"--map={where}"],
                       check=True, stdout=subprocess.DEVNULL)
        run("modprobe", "-r", "nd_pmem")
        for number in range(1, PASSES + 1):
            for driver, disk in DRIVERS.items():
                run("modprobe", driver)
                appears(f"/sys/block/{disk}")
                # The same of both, which have it on and off when they come.
                sysfs(f"/sys/block/{disk}/queue/iostats", "0")
                measure(calls, number, f"{driver} {where}", f"/sys/block/{disk}")
                run("modprobe", "-r", driver)


if __name__ == "__main__":
    main()
