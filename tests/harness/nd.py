# SPDX-License-Identifier: GPL-2.0
"""Namespaces of NVDIMMs, and the driver of ours that has them."""

import glob
import json
import os
import re
import time

from . import driver, shell
from .disk import Disk

DRIVER = "nd_rpmem"
DRIVERS = "/sys/bus/nd/drivers"
DEVICES = "/sys/bus/nd/devices"
# What nd_pmem says too, where no NVDIMM is named.
NO_FLUSH = r"nd_(rpmem|pmem) .*: unable to guarantee persistence of writes"
PATIENCE = 60


TAKE_EVERYTHING = "/etc/modprobe.d/take-everything.conf"


def take_everything():
    """As the installed file says: with nd_pmem kept away, what loads a driver by alias loads ours."""
    lines = shell.read_text("/etc/modprobe.d/rpmem.conf").splitlines()
    wanted = [line[1:] for line in lines if line.startswith(("#blacklist nd_pmem", "#alias nd:"))]
    with open(TAKE_EVERYTHING, "w", encoding="ascii") as file:
        file.write("\n".join(wanted) + "\n")


def find():
    """Has libnvdimm know of this guest's memory, which is ours as far as aliases go."""
    take_everything()
    match driver.kind():
        case "nvdimm":
            shell.run("modprobe", "nfit")
        case "virtio-pmem":
            shell.run("modprobe", "virtio_pmem")
        case "pmem-region":
            shell.run("modprobe", "of_pmem")
        case "cxl":
            find_cxl()
        case "ramdax":
            shell.write_text("/sys/bus/platform/devices/e820_pmem/driver_override", "ramdax")
            shell.run("modprobe", "ramdax")


def find_cxl():
    """A region of each device's own, which is as firmware leaves it: not there."""
    shell.run("modprobe", "-a", "cxl_acpi", "cxl_pci", "cxl_mem", "cxl_pmem")
    for number in range(len(driver.given_regions())):
        until(f"cxl/mem{number}", lambda: os.path.exists(f"/sys/bus/cxl/devices/pmem{number}/driver"))
        if not os.path.exists(f"{DEVICES}/region{number}"):
            shell.run("cxl", "create-region", "-t", "pmem", "-d", "decoder0.0", "-m", f"mem{number}")


def load(*arguments):
    """The driver, and the one that finds the memory."""
    find()
    shell.run("modprobe", DRIVER, *arguments)


def unload():
    shell.run("modprobe", "-r", DRIVER)


def is_loaded():
    return os.path.isdir(f"/sys/module/{DRIVER}")


def bound(driver=DRIVER):
    """The devices that a driver is bound to."""
    return sorted(os.path.basename(path) for path in glob.glob(f"{DRIVERS}/{driver}/*[0-9].[0-9]*"))


def unbind(device, driver=DRIVER):
    shell.write_text(f"{DRIVERS}/{driver}/unbind", device)


def bind(device, driver=DRIVER):
    shell.write_text(f"{DRIVERS}/{driver}/bind", device)


def nodes():
    """The disks' nodes, without partitions."""
    return sorted(path for path in glob.glob("/dev/rpmem*") if re.fullmatch(r"/dev/rpmem\d+\.\d+", path))


def until(what, probe):
    """Waits for what libnvdimm does in the background; what `probe` says in the end."""
    end = time.monotonic() + PATIENCE
    while not (found := probe()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {PATIENCE} s")
        time.sleep(0.05)
    return found


def disk(region=0, namespace=0):
    """The disk of a namespace, as soon as it is there."""
    found = Disk(f"{region}.{namespace}")
    until(found.node, lambda: os.path.exists(found.node) and os.path.exists(found.badblocks.path))
    return found


def ndctl(*words):
    """Runs ndctl; what it has printed, as the objects that it is."""
    text = shell.run("ndctl", *words).strip()
    return json.loads(text) if text.startswith(("[", "{")) else text


def namespaces(region=0):
    """What ndctl lists of a region."""
    return ndctl("list", "-N", "-r", f"region{region}") or []


def create(mode, *options, region=0):
    """A new namespace that fills its region, in place of what was there; what ndctl says of it."""
    shell.attempt("ndctl", "destroy-namespace", "-f", "-r", f"region{region}", "all")
    return ndctl("create-namespace", "-f", "-r", f"region{region}", "-m", mode, *options)


def traces():
    """Everything in which a driver that has gone could still show."""
    return {
        "iomem": shell.read_text("/proc/iomem").splitlines(),
        "nodes": glob.glob("/dev/rpmem*"),
        "disks": [name for name in os.listdir("/sys/class/block") if "rpmem" in name],
        "drivers": sorted(os.listdir(DRIVERS)),
        "bdis": sorted(os.listdir("/sys/class/bdi")),
        "module": is_loaded(),
    }
