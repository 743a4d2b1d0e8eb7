# SPDX-License-Identifier: GPL-2.0
"""What udevd makes of the disks: links that do not depend on the order of regions=, and follow what is on
the disks."""

import os
import struct
import uuid

from harness import check, driver, partition_table, rdaxfs, shell, tools
from harness.cases import case

LABEL_SECTOR = 512


def settle():
    shell.run("udevadm", "settle", "--timeout=60")


def links(disk, partition=None):
    """The links to a disk or partition that its node in udev's database has, below /dev/disk."""
    settle()
    node = disk.node if partition is None else f"{disk.node}p{partition}"
    names = shell.run("udevadm", "info", "--query=symlink", node).split()
    found = {name.removeprefix("disk/") for name in names}
    # What the database says is so.
    for name in names:
        check.equal(os.path.realpath(f"/dev/{name}"), node, f"/dev/{name}")
    return found


def always(disk):
    """The links that a disk has whatever is on it."""
    number = disk.name.removeprefix("rpmem")
    return {f"by-path/platform-rpmem.{number}", f"by-diskseq/{disk.attribute('diskseq')}"}


@case(guests=("udev",))
def links_by_place(t):
    for disk in t.disks:
        check.equal(links(disk), always(disk), f"links of {disk.name}")


@case(guests=("udev",))
def links_follow_the_file_system(t):
    """Made, given another label, another UUID, and wiped: each program closes the disk, and udev looks."""
    for kind, make, relabel in (
        ("ext4", ("mkfs.ext4", "-q", "-F"), ("e2label",)),
        ("xfs", ("mkfs.xfs", "-q", "-f"), ("xfs_admin", "-L")),
    ):
        first, second = str(uuid.uuid4()), str(uuid.uuid4())
        of_uuid = ("-U", first) if kind == "ext4" else ("-m", f"uuid={first}")
        shell.run(*make, *of_uuid, "-L", "one label", t.disk.node)
        check.equal(
            links(t.disk) - always(t.disk), {f"by-uuid/{first}", "by-label/one\\x20label"}, f"{kind}, made"
        )
        if kind == "ext4":
            shell.run(*relabel, t.disk.node, "other")
            shell.run("tune2fs", "-U", second, t.disk.node)
        else:
            shell.run(*relabel, "other", t.disk.node)
            shell.run("xfs_admin", "-U", second, t.disk.node)
        check.equal(links(t.disk) - always(t.disk), {f"by-uuid/{second}", "by-label/other"}, f"{kind}, with others")
        check.true(not os.path.lexists("/dev/disk/by-label/one\\x20label"), "the old label has a link still")
        shell.run("wipefs", "--quiet", "--all", t.disk.node)
        check.equal(links(t.disk), always(t.disk), f"{kind}, wiped")


@case(guests=("udev",))
def links_follow_rdaxfs(t):
    """libblkid does not know it: the rule asks dump.rdaxfs, which is where make install puts it."""
    check.equal(shell.attempt("blkid", "-p", t.disk.node).returncode, 2, "something is on the disk")
    tools.install("dump.rdaxfs")
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    rdaxfs.run("mkfs", "-q", "-f", "-L", "one label", "-U", first, t.disk.node)
    check.equal(links(t.disk) - always(t.disk), {f"by-uuid/{first}", "by-label/one\\x20label"}, "made")
    properties = shell.run("udevadm", "info", "--query=property", t.disk.node).splitlines()
    for wanted in ("ID_FS_TYPE=rdaxfs", "ID_FS_USAGE=filesystem", f"ID_FS_UUID={first}"):
        check.true(wanted in properties, f"{wanted}: {properties}")
    # As /etc/fstab names it.
    os.makedirs("/mnt/by-uuid", exist_ok=True)
    shell.run("modprobe", "rdaxfs")
    shell.run("mount", "-t", "rdaxfs", f"/dev/disk/by-uuid/{first}", "/mnt/by-uuid")
    shell.run("umount", "/mnt/by-uuid")
    shell.run("modprobe", "-r", "rdaxfs")
    rdaxfs.run("mkfs", "-q", "-f", "-U", second, t.disk.node)
    check.equal(links(t.disk) - always(t.disk), {f"by-uuid/{second}"}, "made anew, without a label")
    # What takes the volume's place leaves no link of it, though the copy of the superblock is there.
    shell.run("mkfs.ext4", "-q", "-F", "-U", first, t.disk.node)
    check.equal(links(t.disk) - always(t.disk), {f"by-uuid/{first}"}, "ext4 in its place")
    shell.run("wipefs", "--quiet", "--all", t.disk.node)
    t.disk.wipe_ends()
    settle()
    check.equal(links(t.disk), always(t.disk), "wiped")
    tools.uninstall("dump.rdaxfs")


@case(guests=("udev",))
def links_of_partitions(t):
    partition_table.write(t.disk, 'label: gpt\nname="first part", size=64M\nname=second, size=64M\n')
    settle()
    for number, name in ((1, "first\\x20part"), (2, "second")):
        part = shell.run("sfdisk", "--part-uuid", t.disk.node, str(number)).strip().lower()
        ours = {f"{link}-part{number}" for link in always(t.disk)}
        check.equal(
            links(t.disk, number), ours | {f"by-partuuid/{part}", f"by-partlabel/{name}"}, f"links of partition {number}"
        )
    shell.run("mkfs.ext4", "-q", "-L", "inside", f"{t.disk.node}p2")
    check.true("by-label/inside" in links(t.disk, 2), "the label of a file system in a partition")
    check.equal(os.path.realpath("/dev/disk/by-label/inside"), f"{t.disk.node}p2", "what it links to")
    shell.run("wipefs", "--quiet", "--all", f"{t.disk.node}p2")
    settle()
    partition_table.remove(t.disk)
    check.equal(links(t.disk), always(t.disk), "without partitions")


def physical_volume(name, size):
    """The label and header of an LVM2 physical volume, as libblkid checks them."""
    label = bytearray(LABEL_SECTOR)
    header = name.replace("-", "").encode() + struct.pack("<Q", size) + bytes(32)
    struct.pack_into("<8sQLL8s", label, 0, b"LABELONE", 1, 0, 32, b"LVM2 001")
    label[32:32 + len(header)] = header
    struct.pack_into("<L", label, 16, checksum(label[20:]))
    return bytes(label)


def checksum(data):
    """CRC-32 from LVM's start value, not inverted."""
    crc = 0xF597A6CF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc


@case(guests=("udev",))
def links_of_physical_volumes(t):
    name = "abcdef-ghij-klmn-opqr-stuv-wxyz-012345"
    with t.disk.open() as io:
        io.write(0, bytes(LABEL_SECTOR) + physical_volume(name, t.disk.bytes) + bytes(4096 - 2 * LABEL_SECTOR))
    check.equal(links(t.disk) - always(t.disk), {f"by-id/lvm-pv-uuid-{name}"}, "links of a physical volume")
    with t.disk.open() as io:
        io.write(0, bytes(4096))
    check.equal(links(t.disk), always(t.disk), "without it")


@case(guests=("udev",))
def device_mapper_has_its_nodes(t):
    """dmsetup waits for udevd, which makes the link."""
    shell.run("modprobe", "dm-mod")
    shell.run("dmsetup", "create", "linear", stdin=f"0 65536 linear {t.disk.node} 0")
    check.true(os.path.exists("/dev/mapper/linear"), "there is no node")
    shell.run("udevadm", "wait", "--timeout=30", "/dev/mapper/linear")
    settle()
    shell.run("dmsetup", "remove", "linear")
    check.true(not os.path.lexists("/dev/mapper/linear"), "the node is still there")


@case(guests=("udev",), loaded=False)
def loaded_by_its_alias(t):
    """As at boot: the kernel's device for memmap= ranges has udevd load rpmem, and not nd_e820."""
    shell.run("udevadm", "trigger", "--action=add", "--subsystem-match=platform")
    settle()
    check.equal(len(driver.nodes()), 2, "disks")
    check.true(not os.path.exists("/sys/module/nd_e820"), "nd_e820 is loaded, too")
    settle()
    driver.unload()


@case()
def without_udevd_nothing_waits_for_it(t):
    """In the other guests device mapper makes its nodes itself."""
    shell.run("modprobe", "dm-mod")
    shell.run("dmsetup", "create", "linear", stdin=f"0 65536 linear {t.disk.node} 0")
    check.true(os.path.exists("/dev/mapper/linear"), "there is no node")
    shell.run("dmsetup", "remove", "linear")
    check.true(not os.path.lexists("/dev/mapper/linear"), "the node is still there")
