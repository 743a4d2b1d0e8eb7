# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading the driver, and what the system has of it."""

import errno
import glob
import os
import re
from contextlib import contextmanager

from . import check, shell

PARAMETERS = "/sys/module/rpmem/parameters"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def number(text):
    """The number that memmap= notation stands for."""
    unit = UNITS.get(text[-1].upper())
    return int(text[:-1], 0) * unit if unit else int(text, 0)


def given_regions():
    """The (size, address) pairs that this guest was started with."""
    pairs = (word.split("@") for word in os.environ["RPMEM_REGIONS"].split())
    return [(number(size), number(address)) for size, address in pairs]


def kind():
    return os.environ["RPMEM_REGION_KIND"]


def nvdimm_regions():
    """The (size, address) pairs of NVDIMMs, as /proc/iomem shows them once ACPI's driver is there."""
    shell.run("modprobe", "nfit")
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : Persistent Memory$", shell.read_text("/proc/iomem"), re.M)
    return [(int(last, 16) + 1 - int(first, 16), int(first, 16)) for first, last in found]


def notation(value):
    """In the shortest form: a parameter has at most 1024 bytes."""
    return f"{value >> 20}M" if value and value % (1 << 20) == 0 else f"{value:#x}"


def text_of(regions):
    """As regions= wants it."""
    return ",".join(f"{notation(size)}@{notation(address)}" for size, address in regions)


def is_nd():
    """Whether the guest's disks are those of namespaces, which nd_rpmem drives."""
    return os.environ.get("RPMEM_DRIVER") == "nd_rpmem"


def module():
    return "nd_rpmem" if is_nd() else "rpmem"


def usual_arguments():
    """How the regions of this guest are taken."""
    if is_nd():
        return []
    match kind():
        case "memmap":
            return []
        case "reserved":
            return [f"regions={text_of(given_regions())}"]
        case "mem":
            # Memory that no map has.
            return [f"regions={text_of(given_regions())}", "force=1"]
        case "nvdimm":
            return [f"regions={text_of(nvdimm_regions())}"]


def is_loaded():
    return os.path.isdir(f"/sys/module/{module()}")


def load(*arguments):
    if is_nd():
        from . import nd  # which builds on this

        nd.find()
    shell.run("modprobe", module(), *arguments)
    if is_nd():
        # A pfn device is probed in the background.
        check.wait_until(lambda: len(nodes()) >= len(given_regions()), "the namespaces' disks")


def unload():
    shell.run("modprobe", "-r", module())


def ensure(block_size):
    """Has the driver loaded with this block size on this guest's regions, or not at all for None."""
    if is_loaded():
        if block_size is not None and _is_as_usual(block_size):
            return
        unload()
    if block_size is not None:
        # A namespace's blocks are what its label says.
        load(*usual_arguments(), *([] if is_nd() else [f"logical_block_size={block_size}"]))


def _is_as_usual(block_size):
    if is_nd():
        return len(nodes()) >= len(given_regions())
    usual = dict(argument.split("=", 1) for argument in usual_arguments())
    wanted = {
        "logical_block_size": str(block_size), "regions": usual.get("regions", "(null)"), "auto": "-1",
        "force": "Y" if "force" in usual else "N",
    }
    return parameters() == wanted and len(nodes()) == len(given_regions())


def parameters():
    return {name: shell.read_text(f"{PARAMETERS}/{name}").strip() for name in os.listdir(PARAMETERS)}


def nodes():
    """The disks' nodes, without partitions."""
    return sorted(path for path in glob.glob("/dev/rpmem*") if re.fullmatch(r"/dev/rpmem\d+(\.\d+)?", path))


def traces():
    """Everything in which a driver that has gone could still show."""
    return {
        "iomem": shell.read_text("/proc/iomem").splitlines(),
        "nodes": glob.glob("/dev/rpmem*"),
        "disks": [name for name in os.listdir("/sys/class/block") if "rpmem" in name],
        "devices": sorted(os.listdir("/sys/bus/platform/devices")),
        "drivers": sorted(os.listdir("/sys/bus/platform/drivers")),
        "bdis": sorted(os.listdir("/sys/class/bdi")),
        "module": is_loaded(),
    }


def difference(before, after):
    """What is there now and was not, or the reverse; empty if nothing."""
    return {
        what: (before[what], after[what]) for what in before if before[what] != after[what]
    }


class NotRefused(Exception):
    """The driver took what it must refuse, or refused it in another way."""


def refused(context, *arguments, error, says):
    """Loads the driver, which must fail with this errno and a message, and leave nothing behind."""
    context.expect_log(says)
    # What the device core adds when a probe has failed.
    context.allow_log(r"rpmem rpmem\.\d+: probe with driver rpmem failed with error -\d+")
    before = traces()
    done = shell.attempt("modprobe", "rpmem", *arguments)
    shown = " ".join(arguments)
    if done.returncode == 0:
        unload()
        raise NotRefused(f"modprobe rpmem {shown}: loaded")
    if os.strerror(error) not in done.stderr:
        raise NotRefused(f"modprobe rpmem {shown}: not {errno.errorcode[error]}: {done.stderr.strip()}")
    left = difference(before, traces())
    if left:
        raise NotRefused(f"modprobe rpmem {shown}: refused, but changed {left}")


@contextmanager
def nd_pmem_bound(context):
    """The kernel's own drivers have the regions, as they do where nothing keeps them away."""
    context.allow_log("nd_pmem .*: unable to guarantee persistence of writes")
    shell.run("modprobe", "nd_e820")
    shell.run("modprobe", "nd_pmem")
    check.equal(len(glob.glob("/sys/bus/nd/drivers/nd_pmem/namespace*")), 2, "namespaces that nd_pmem has")
    try:
        yield
    finally:
        unbind_nd_pmem()


def unbind_nd_pmem():
    """As the message of a refusal says."""
    shell.write_text("/sys/bus/platform/drivers/e820_pmem/unbind", "e820_pmem")
    shell.run("modprobe", "-r", "nd_pmem")
    shell.run("modprobe", "-r", "nd_e820")
