# SPDX-License-Identifier: GPL-2.0
"""Machine checks, as QEMU raises them when it is asked, and the registers that describe them."""

import os

from . import shell

# <asm/mce.h>: bits of MCG_STATUS; the last says that only this processor is concerned.
RIPV, EIPV, MCIP, LMCES = 1 << 0, 1 << 1, 1 << 2, 1 << 3
# Bits of MCi_STATUS: valid, uncorrected, enabled, MISC valid, ADDR valid; signalled, action required.
VAL, UC, EN, MISCV, ADDRV, S, AR = 1 << 63, 1 << 61, 1 << 60, 1 << 59, 1 << 58, 1 << 56, 1 << 55
SCRUBBING, DATA_LOAD = 0x00C0, 0x0134  # what was done when it was found
RAISED = VAL | UC | EN | MISCV | ADDRV | S
# What software may recover from, but need not at once: found by the memory's own patrol.
ACTION_OPTIONAL = RAISED | SCRUBBING
# What software must recover from: a load has met it.
ACTION_REQUIRED = RAISED | AR | DATA_LOAD
# Found, and nobody was told: no exception, no action.
NO_ACTION = VAL | UC | EN | MISCV | ADDRV | DATA_LOAD
BANK = 9  # one that machine-check code has no opinion of its own about


def misc(granule):
    """MCi_MISC: a physical address, whose low `granule` bits mean nothing."""
    return 2 << 6 | granule


def request(*words):
    """Asks the program that runs this machine; see scripts/vm/monitor.py."""
    line = " ".join(hex(word) if isinstance(word, int) else word for word in words)
    with open(os.environ["RPMEM_CONTROL"], "r+b", buffering=0) as port:
        port.write(line.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += port.read(4096)
    word, _, rest = answer.decode().strip().partition(" ")
    if word != "ok":
        raise RuntimeError(f"{line}: {answer.decode().strip()}")
    return rest


def inject(address, status, granule=6, cpu=0, rip=None):
    """Raises a machine check for a physical address, on a processor; with `rip` when that is about to
    execute the instruction there, as if that had found the error."""
    mcg_status = MCIP | RIPV | LMCES | (0 if rip is None else EIPV)
    place = () if rip is None else (rip,)
    request("mce", cpu, BANK, status, mcg_status, address, misc(granule), *place)


def is_mapped(address):
    """Whether the kernel has the page with a physical address in its own mapping of all memory."""
    return request("mapped", 0, direct_map() + address) == "yes"


def direct_map():
    """Where that mapping is; the guests are started with nokaslr."""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        five_levels = " la57 " in file.read()
    return 0xFF11000000000000 if five_levels else 0xFFFF888000000000


def copy_instruction():
    """Where the kernel's copy function that survives machine checks has its one instruction for all of a
    copy, or None if it copies in another way here."""
    name, instruction = "copy_mc_enhanced_fast_string", b"\xf3\xa4"  # rep movsb
    with open("/proc/cpuinfo", encoding="ascii") as file:
        if " erms " not in file.read():
            return None
    start = next(int(line.split()[0], 16) for line in open("/proc/kallsyms", encoding="ascii") if line.split()[2] == name)
    return start + bytes.fromhex(request("bytes", 0, start, 64)).index(instruction)


class Injector:
    """mce-inject in its software mode: a record that the kernel logs as if it had been found, without
    the exception, and so without its handling."""

    FOLDER = "/sys/kernel/debug/mce-inject"

    def __enter__(self):
        shell.run("modprobe", "mce-inject")
        return self

    def __exit__(self, *_):
        shell.run("modprobe", "-r", "mce-inject")

    def log(self, address, status, granule=6):
        for name, value in (("flags", "sw\n"), ("status", hex(status)), ("misc", hex(misc(granule))), ("addr", hex(address))):
            shell.write_text(f"{self.FOLDER}/{name}", value)
        # The last one sets it off.
        shell.write_text(f"{self.FOLDER}/bank", str(BANK))
