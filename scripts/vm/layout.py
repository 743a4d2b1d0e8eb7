# SPDX-License-Identifier: GPL-2.0
"""Where the guest's memory and its persistent regions are.

On arm64's virt machine RAM is one piece from 1 GiB on, and what the kernel must not take for RAM is behind what
mem= leaves it.

The pc machine maps RAM up to a limit below 4 GiB (above it are PCI and firmware) and the rest from
4 GiB on.  All of what a region needs is placed there: below 4 GiB a range set aside with memmap= runs
into the ACPI tables.
"""

import dataclasses

MIB = 1 << 20
GIB = 1 << 30

HIGH = 4 * GIB
# RAM below 4 GiB that the pc machine can map whatever else it has.
LOW_MAX = 3 * GIB
# RAM kept between two memmap ranges, or the kernel would see one range of their sum.  A memory section,
# so that no section is shared by two regions.
GAP = 128 * MIB
SECTION = 128 * MIB
# QEMU cuts the label area off the end of the backing file and rounds the rest down to 2 MiB.
LABEL_SIZE = 128 << 10
LABEL_ROOM = 2 * MIB
# Kinds of regions that are memory devices of the guest, from files of this machine.
MEMORY_DEVICES = ("nvdimm", "virtio-pmem")
# Kinds of regions that are RAM behind what mem= leaves the kernel: unknown to it, or a node of the device tree.
BEHIND = ("mem", "pmem-region")
# Kinds of regions that are RAM which memmap= sets aside.
IN_RAM = {"memmap": "!", "ramdax": "!", "reserved": "$"}
# RAM below 4 GiB on the q35 machine, which CXL needs: from 2816 MiB on are PCI Express's registers.
Q35_LOW_MAX = 2 * GIB
# Where the virt machine's RAM begins.
VIRT_RAM = GIB


def align_up(value, to):
    return (value + to - 1) // to * to


def size_text(value):
    """The size as Linux's memparse and QEMU both read it."""
    for unit, shift in (("G", 30), ("M", 20), ("K", 10)):
        if value % (1 << shift) == 0:
            return f"{value >> shift}{unit}"
    return str(value)


@dataclasses.dataclass
class Region:
    kind: str
    size: int
    address: int

    def __str__(self):
        return f"{size_text(self.size)}@{self.address:#x}"


@dataclasses.dataclass
class Layout:
    """What follows for QEMU and for the kernel's command line."""

    regions: list
    low: int  # RAM below 4 GiB
    total: int  # QEMU's -m
    max_total: int  # with memory devices, its maxmem

    @property
    def kind(self):
        """The kinds, each once, in the order of the regions."""
        return ",".join(dict.fromkeys(region.kind for region in self.regions)) or "none"

    def of_kind(self, *kinds):
        return [region for region in self.regions if region.kind in kinds]

    @property
    def kernel_arguments(self):
        if self.of_kind(*BEHIND):
            return [f"mem={size_text(self.low)}"]
        return [f"memmap={size_text(r.size)}{IN_RAM[r.kind]}{r.address:#x}" for r in self.of_kind(*IN_RAM)]


def plan_virt(kind, memory, sizes):
    """The layout on arm64, where all regions are of one kind."""
    regions, start = [], align_up(VIRT_RAM + memory, SECTION if kind in BEHIND else GIB)
    first = start
    for size in sizes:
        regions.append(Region(kind, size, start))
        start = align_up(start + size, SECTION) if kind in BEHIND else align_up(start + size + LABEL_ROOM, GIB)
    total = start - VIRT_RAM if kind in BEHIND else memory
    return Layout(regions, memory, total, memory + (start - first))


def plan(kinds, memory, sizes, arch="amd64"):
    """The layout for `memory` bytes of normal RAM and regions of these kinds and sizes."""
    if arch == "arm64":
        return plan_virt(kinds[0] if kinds else "none", memory, sizes)
    regions = [Region(kind, size, 0) for kind, size in zip(kinds, sizes)]
    # Of CXL's, firmware says where the window is, and the guest's driver where in it.
    low = min(memory, Q35_LOW_MAX if "cxl" in kinds else LOW_MAX)
    total = memory

    in_ram = [region for region in regions if region.kind in IN_RAM]
    if in_ram:
        low = min(low, memory - GAP * (len(in_ram) - (in_ram[0].kind != "reserved")))
        end = HIGH
        for number, region in enumerate(in_ram):
            # What ends at 4 GiB is the firmware's, reserved too, and reserved ranges that touch become one.
            apart = number or region.kind == "reserved"
            region.address = align_up(end + GAP, SECTION) if apart else end
            end = region.address + region.size
        # A last region that ends within a section leaves its rest as RAM, after which comes what of the
        # normal RAM did not fit below.
        inside = end - HIGH - sum(region.size for region in in_ram)
        total = low + (end - HIGH) + max(0, memory - low - inside)

    start = first = align_up(HIGH + total - low, GIB)  # where the machine's memory devices begin
    for region in regions:
        if region.kind in MEMORY_DEVICES:
            region.address = start
            label_room = LABEL_ROOM if region.kind == "nvdimm" else 0
            start = align_up(start + region.size + label_room, GIB)
    return Layout(regions, low, total, total + (start - first))
