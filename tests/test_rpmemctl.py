# SPDX-License-Identifier: GPL-2.0
"""rpmemctl: what it says of real disks, real damage and real obstacles, and that what it suggests works."""

import ctypes
import errno
import mmap
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

from harness import check, driver, memory, partition_table, rdaxfs, rpmemctl, shell, tools
from harness.cases import EVERYWHERE, FILE_SYSTEMS, case
from harness.disk import SECTOR, Disk, first_sectors
from harness.files import attribute_extents
from harness.target import FileSystem

PAGE = 4096
MEGA = 1 << 20
MADV_HWPOISON = 100


@case(guests=EVERYWHERE)
def lists(t):
    t.disk.badblocks.inject(8, 2)
    t.disk.badblocks.inject(100, 1)
    listed = rpmemctl.answer("list")["devices"]
    memory_kind = {"memmap": "legacy", "reserved": "reserved", "nvdimm": "nvdimm"}[driver.kind()]
    regions = driver.given_regions()
    check.equal([device["name"] for device in listed], [disk.name for disk in t.disks], "disks")
    for device, disk, (size, address) in zip(listed, t.disks, regions):
        wanted = {
            "path": disk.node, "size": size, "start": address, "memory": memory_kind,
            "named": driver.kind() != "memmap", "logical_block_size": 512, "dax": True, "read_only": False,
            "mount_points": [], "holders": [], "partitions": [],
        }
        check.equal({name: device[name] for name in wanted}, wanted, disk.name)
        bad = (3, 2) if disk.name == t.disk.name else (0, 0)
        check.equal((device["bad_sectors"], device["bad_ranges"]), bad, f"{disk.name}: bad sectors, ranges")
    table = rpmemctl.attempt("list", t.disk.node).stdout.splitlines()
    check.equal(len(table), 2, "lines of the table for one disk")
    check.true(table[1].startswith(t.disk.name), table[1])
    t.disk.badblocks.clear(0, 200)


@case()
def injects_and_clears(t):
    """In sectors or bytes, on disks and partitions, and nothing at all if the range is wrong."""
    rpmemctl.answer("inject", t.disk.name, "8", "16")
    done = rpmemctl.answer("inject", t.disk.node, "1M", "512B")
    check.equal((done["bad_sectors"], done["bad_ranges"]), (17, 2), "sectors, ranges")
    check.equal(t.disk.badblocks.list(), [(8, 16), (2048, 1)], "the list")
    rpmemctl.answer("clear", t.disk.name, "10", "0x2")
    check.equal(t.disk.badblocks.list(), [(8, 2), (12, 12), (2048, 1)], "after clearing")
    last = t.disk.sectors
    for arguments, status, says in (
        ((t.disk.name, last, 1), 1, f"ends beyond {t.disk.name}, which has {last} sectors"),
        ((t.disk.name, last - 1, 2), 1, "ends beyond"),
        ((t.disk.name, 2**64 - 1, 1), 1, "ends beyond"),
        ((t.disk.name, 0, 0), 2, "name at least one"),
        ((t.disk.name, "100B", 1), 2, "not whole sectors"),
        (("/dev/null", 0, 1), 1, "is not a block device"),
        (("loop0", 0, 1), 1, "loop0"),
    ):
        for command in ("inject", "clear"):
            done = rpmemctl.attempt(command, *arguments)
            check.equal((done.returncode, done.stdout), (status, ""), f"{command} {arguments}: status, output")
            check.true(says in done.stderr, f"{command} {arguments}: {done.stderr}")
    check.equal(t.disk.badblocks.list(), [(8, 2), (12, 12), (2048, 1)], "after refusals")
    t.disk.badblocks.clear(0, last)

    partition_table.write(t.disk, "label: gpt\nstart=4096, size=8192\n")
    done = rpmemctl.answer("inject", f"{t.disk.node}p1", 8, 1)
    check.equal((done["device"], done["start"]), (t.disk.name, 4104), "sector of the disk")
    check.equal(t.disk.badblocks.list(), [(4104, 1)], "the list")
    done = rpmemctl.attempt("inject", f"{t.disk.node}p1", 8192, 1)
    check.equal(done.returncode, 1, "status of a range behind the partition")
    rpmemctl.answer("clear", f"{t.disk.name}p1", 0, 8192)
    partition_table.remove(t.disk)


@case(on=("ext4",))
def clears_failed_pages_whole(t):
    """The driver refuses to clear a part of a page that has failed; what it says is passed on."""
    t.allow_log("Memory failure: 0x|memory failure: 8 sectors|Injecting memory failure|hardware memory corruption")
    t.allow_log("Sending SIGBUS to|recovery action for dax page|covers a part of a page that has failed")
    t.target.write(0, b"x" * PAGE)
    sector = t.target.sector_of(0)
    libc = ctypes.CDLL(None, use_errno=True)

    def fail():
        with memory.mapped(t.target.path, sync=False) as mapping:
            address = ctypes.addressof(ctypes.c_ubyte.from_buffer(mapping))
            mapping[0]
            libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(PAGE), MADV_HWPOISON)

    memory.in_child(fail)
    check.equal(t.disk.badblocks.list(), [(sector, 8)], "bad blocks after the failure")
    done = rpmemctl.attempt("clear", t.disk.name, sector, 1)
    check.equal(done.returncode, 1, "status")
    check.true("clear all 8 sectors of the page" in done.stderr, done.stderr)
    rpmemctl.answer("clear", t.disk.name, sector, 8)
    check.equal(t.disk.badblocks.list(), [], "bad blocks")


def pieces(file):
    return {(piece["what"], piece["offset"], piece["length"], piece["sector"]) for piece in file["pieces"]}


def by_path(report):
    return {path: file for file in report["files"] for path in file["paths"]}


@case(on=FILE_SYSTEMS)
def names_damaged_files(t):
    """Files with their offsets, whatever their shape; attributes; free space; nothing twice."""
    place = t.file_system.directory
    check.equal(rpmemctl.answer("damage", place)["files"], [], "damage without bad blocks")
    path = t.file_system.file("file", b"d" * (10 * PAGE + 100))
    os.link(path, f"{place}/second name")
    # A name that is neither UTF-8 nor fit for a terminal.
    with open(os.fsencode(place) + b"/odd\xff\x1b[31m", "wb") as file:
        file.write(b"o" * PAGE)
        os.fsync(file.fileno())
        odd = first_sectors(file.name)[0]
    sparse = t.file_system.file("sparse")
    with open(sparse, "r+b") as file:
        for page in (50, 300):
            file.seek(page * PAGE)
            file.write(b"s" * PAGE)
    unwritten = t.file_system.file("unwritten")
    shell.run("fallocate", "--length", 16 * PAGE, unwritten)
    beyond = t.file_system.file("beyond", b"b" * 10)
    shell.run("fallocate", "--keep-size", "--length", 16 * PAGE, beyond)
    gone = t.file_system.file("gone", b"g" * PAGE)
    whole = t.file_system.file("whole", b"w" * PAGE)
    shared = t.file_system.file("shared", b"r" * PAGE)
    clones = {shared}
    if t.case.target == "xfs":
        shell.run("cp", "--reflink=always", shared, f"{place}/clone")
        clones.add(f"{place}/clone")
    os.sync()
    sectors = {name: first_sectors(name) for name in (path, sparse, unwritten, beyond, gone, whole, shared)}
    os.unlink(gone)
    os.sync()
    for sector, count in (
        (sectors[path][2] + 3, 2), (sectors[path][10], 8), (sectors[sparse][300], 1),
        (sectors[unwritten][5], 8), (sectors[beyond][0], 8), (sectors[gone][0], 1),
        (sectors[shared][0] + 7, 1),
    ):
        t.disk.badblocks.inject(sector, count)
    t.disk.badblocks.inject(odd, 1)
    before = t.disk.badblocks.list()
    report = rpmemctl.answer("damage", place, status=1)
    check.equal(t.disk.badblocks.list(), before, "looking changes nothing")
    files = by_path(report)
    check.equal(
        sorted(files),
        sorted([path, f"{place}/second name", f"{place}/odd\\xff\\u{{1b}}[31m", sparse, unwritten, beyond, *clones]),
        "damaged files",
    )
    check.equal(sorted(files[path]["paths"]), sorted([path, f"{place}/second name"]), "names of a file")
    check.equal(
        pieces(files[path]),
        {
            ("data", 2 * PAGE + 3 * SECTOR, 2 * SECTOR, sectors[path][2] + 3),
            ("data", 10 * PAGE, 100, sectors[path][10]),
            ("beyond-end", 10 * PAGE + SECTOR, PAGE - SECTOR, sectors[path][10] + 1),
        },
        "the file",
    )
    check.equal(pieces(files[sparse]), {("data", 300 * PAGE, SECTOR, sectors[sparse][300])}, "a sparse file")
    check.equal(
        pieces(files[unwritten]), {("unwritten", 5 * PAGE, PAGE, sectors[unwritten][5])}, "a file without data"
    )
    check.equal({what for what, *_ in pieces(files[beyond])}, {"data", "beyond-end"}, "beyond the end")
    check.equal([(free["sector"], free["sectors"]) for free in report["free"]], [(sectors[gone][0], 1)], "free")
    check.equal((report["unexamined"], report["complete"]), ([], True), "what was left out")

    # What it says is lost cannot be read, and what it does not name can.
    for name, page in ((path, 2), (path, 10), (sparse, 300)):
        with check.fails(errno.EIO), open(name, "rb") as file:
            os.pread(file.fileno(), PAGE, page * PAGE)
    for name, page in ((path, 1), (sparse, 50), (unwritten, 5), (whole, 0)):
        with open(name, "rb") as file:
            os.pread(file.fileno(), PAGE, page * PAGE)
    # Overwriting the named pages is the cure.
    for name, page in ((path, 2), (path, 10), (sparse, 300), (beyond, 0)):
        with open(name, "r+b") as file:
            os.pwrite(file.fileno(), b"n" * PAGE, page * PAGE)
    text = rpmemctl.attempt("damage", place)
    check.true("odd\\xff\\u{1b}[31m" in text.stdout, text.stdout)
    rpmemctl.answer("clear", t.disk.name, odd, 1)
    rpmemctl.answer("clear", t.disk.name, sectors[shared][0], "4K")
    text = rpmemctl.attempt("damage", place)
    check.equal(text.returncode, 0, f"status with no loss left: {text.stdout} {text.stderr}")
    check.true("not written yet, nothing lost" in text.stdout and "Free space" in text.stdout, text.stdout)
    t.disk.badblocks.clear(0, t.disk.sectors)


@case()
def names_damage_on_rdaxfs(t):
    """It keeps no map of the disk: what no file has may be free, and that is said."""
    with rdaxfs.Volume(t.disk.node, "dax=always") as volume:
        path = f"{volume.directory}/file"
        with open(path, "wb") as file:
            file.write(b"d" * 4 * PAGE)
        os.setxattr(path, "user.large", b"v" * PAGE)
        os.sync()
        data = first_sectors(path)[0] + 8
        ((_, attributes, _, _),) = attribute_extents(path)
        attributes //= SECTOR
        free = t.disk.sectors // 2 + 1
        for sector in (data, attributes, free):
            t.disk.badblocks.inject(sector, 1)
        report = rpmemctl.answer("damage", path, status=1)
        text = rpmemctl.attempt("damage", path)
        t.disk.badblocks.clear(0, t.disk.sectors)
        found = {(what, sector) for what, _, _, sector in pieces(by_path(report)[path])}
        check.equal(found, {("data", data), ("attributes", attributes)}, "the file")
        check.equal([piece["sector"] for piece in report["unknown"]], [free], "what no file has")
        check.true("\nFree space, metadata, or a file that was deleted" in text.stdout, text.stdout)
        check.true("dump.rdaxfs --block N" in text.stdout and "was not tried" not in text.stdout, text.stdout)
        text = rpmemctl.attempt("damage", t.disk.node)
        check.true(text.returncode == 1 and "is a device; name the place" in text.stderr, text.stderr)


@case(on=FILE_SYSTEMS)
def names_damage_outside_of_files(t):
    """Folders, attributes and the file system's own blocks."""
    t.allow_log("(EXT4-fs|XFS).*")
    place = t.file_system.directory
    folder = f"{place}/folder"
    os.mkdir(folder)
    for number in range(400):
        with open(f"{folder}/{'x' * 60}{number}", "wb"):
            pass
    path = t.file_system.file("attributes", b"a" * PAGE)
    os.setxattr(path, "user.large", b"v" * 3000)
    os.sync()
    # Their blocks, as the file systems' own tools see them.
    if t.case.target == "ext4":
        def blocks(request):
            return shell.run("debugfs", "-R", request, t.disk.node)

        attributes = int(re.search(r"File ACL: (\d+)", blocks("stat /attributes"))[1]) * 8
        entries = int(re.search(r"\(0[^)]*\):(\d+)", blocks("stat /folder"))[1]) * 8
        metadata, owner = 16, "reserved group descriptors"
    else:
        def blocks(*arguments):
            text = shell.run("xfs_bmap", *arguments)
            return int(re.search(r"^\s*0: \[0\.\.\d+\]: (\d+)\.\.", text, re.M)[1])

        attributes = blocks("-a", path)
        entries = blocks(folder)
        metadata, owner = 8, "superblock and other static metadata"
    for sector in (attributes, entries, metadata):
        t.disk.badblocks.inject(sector, 1)
    report = rpmemctl.answer("damage", place, status=1)
    t.disk.badblocks.clear(0, t.disk.sectors)
    files = by_path(report)
    check.equal({(what, sector) for what, _, _, sector in pieces(files[path])}, {("attributes", attributes)}, "attributes")
    check.equal(files[folder]["kind"], "directory", "kind")
    check.equal({(what, sector) for what, _, _, sector in pieces(files[folder])}, {("data", entries)}, "entries")
    check.equal([(one["owner"], one["sector"]) for one in report["metadata"]], [(owner, metadata)], "metadata")
    check.equal((report["free"], report["unknown"]), ([], []), "others")

    # When the entries have left the cache, the folder cannot be searched; that is said.
    t.file_system.unmount()
    t.disk.badblocks.inject(entries, 1)
    t.file_system.mount()
    report = rpmemctl.answer("damage", place, status=1)
    t.disk.badblocks.clear(0, t.disk.sectors)
    check.equal([one["path"] for one in report["unexamined"]], [folder], "what cannot be searched")
    check.equal(report["complete"], False, "complete")
    check.equal(list(by_path(report)), [folder], "what is damaged")


@case(on=("ext4",))
def damage_is_seen_through_other_mounts(t):
    """Files hidden below another mount, a folder mounted elsewhere, a file that cannot be looked at."""
    place = t.file_system.directory
    os.mkdir(f"{place}/hidden")
    path = t.file_system.file("hidden/file", b"h" * PAGE)
    deleted = t.file_system.file("deleted", b"d" * PAGE)
    os.sync()
    sector, lost = first_sectors(path)[0], first_sectors(deleted)[0]
    t.disk.badblocks.inject(sector, 1)
    t.disk.badblocks.inject(lost, 1)
    os.makedirs("/mnt/bound", exist_ok=True)
    shell.run("mount", "--bind", f"{place}/hidden", "/mnt/bound")
    with open(deleted, "rb"):
        os.unlink(deleted)
        shell.run("mount", "-t", "tmpfs", "none", f"{place}/hidden")
        for asked in (place, "/mnt/bound"):
            report = rpmemctl.answer("damage", asked, status=1)
            check.equal(list(by_path(report)), [path], f"damaged files below {asked}")
            check.equal([piece["sector"] for piece in report["unknown"]], [lost], "a deleted file that is open")
        shell.run("umount", f"{place}/hidden")
    shell.run("umount", "/mnt/bound")
    t.disk.badblocks.clear(0, t.disk.sectors)


@contextmanager
def mapped_device(name, *lines):
    """A device of device-mapper; the table's lines have the disks' nodes."""
    shell.run("modprobe", "dm_mod")
    shell.run("dmsetup", "create", name, stdin="\n".join(lines))
    shell.run("dmsetup", "mknodes")
    try:
        yield f"/dev/mapper/{name}"
    finally:
        shell.run("dmsetup", "remove", name)


@case()
def damage_on_partitions_and_device_mapper(t):
    """Offsets of all layers add up, whichever disk the file is on."""
    t.allow_log("device-mapper: .*")
    first, second = t.disks
    partition_table.write(first, "label: gpt\nstart=4096, size=655360\n")
    with FileSystem("ext4", f"{first.node}p1") as made:
        path = made.file("file", bytes(3 * PAGE))
        sector = first_sectors(path)[1]
        first.badblocks.inject(4096 + sector + 1, 1)
        # Another part of the disk, none of the file system's.
        first.badblocks.inject(100, 1)
        report = rpmemctl.answer("damage", made.directory, status=1)
        check.equal(pieces(by_path(report)[path]), {("data", PAGE + SECTOR, SECTOR, 4096 + sector + 1)}, "partition")
        check.equal((len(report["files"]), report["free"], report["unknown"]), (1, [], []), "nothing else")
        first.badblocks.clear(0, first.sectors)
    partition_table.remove(first)

    chunk, each = 256, 655360
    striped = f"0 {2 * each} striped 2 {chunk} {first.node} 2048 {second.node} 4096"
    with mapped_device("striped", striped) as node, FileSystem("ext4", node) as made:
        check.equal(rpmemctl.findings(made.directory, status=0), {}, "what the doctor says")
        path = made.file("file", bytes(MEGA))
        sectors = first_sectors(path)
        disks = set()
        for page in (0, 40, 77, 150):
            nth, offset = divmod(sectors[page], chunk)
            disk, start = ((first, 2048), (second, 4096))[nth % 2]
            disks.add(disk.name)
            disk.badblocks.inject(start + nth // 2 * chunk + offset, 1)
        check.equal(len(disks), 2, "the pages are on both disks")
        report = rpmemctl.answer("damage", made.directory, status=1)
        found = {(piece["offset"], piece["disk"]) for piece in by_path(report)[path]["pieces"]}
        check.equal({offset for offset, _ in found}, {page * PAGE for page in (0, 40, 77, 150)}, "offsets")
        check.equal({disk for _, disk in found}, disks, "disks")
        for disk in t.disks:
            disk.badblocks.clear(0, disk.sectors)
    with first.open() as io:
        io.zero_out(0, 4 * MEGA)


@case()
def damage_in_a_log_on_another_disk(t):
    """A file system is not one device: the log of XFS and the journal of ext4 may be on another."""
    first, second = t.disks
    partition_table.write(second, "label: gpt\nstart=4096, size=262144\n")
    other = f"{second.node}p1"
    os.makedirs("/mnt/log", exist_ok=True)
    journal = ("-q", "-F", "-b", "4096")
    for role, make, options in (
        ("log", (("mkfs.xfs", "-q", "-f", "-l", f"logdev={other}", first.node),), ("-o", f"logdev={other}")),
        ("journal", (
            ("mkfs.ext4", *journal, "-O", "journal_dev", other),
            ("mkfs.ext4", *journal, "-J", f"device={other}", first.node),
        ), ()),
    ):
        for command in make:
            shell.run(*command)
        shell.run("mount", *options, first.node, "/mnt/log")
        try:
            report = rpmemctl.answer("damage", "/mnt/log", status=0)
            check.equal({disk["name"] for disk in report["disks"]}, {first.name, second.name}, f"{role}: disks")
            listed = {device["name"]: device for device in rpmemctl.answer("list")["devices"]}
            check.equal(listed[second.name]["partitions"][0]["uses"], [f"{role} of /mnt/log"], "who uses it")
            # In the last MiB, which neither has come to yet.
            second.badblocks.inject(4096 + 262144 - 1024, 1024)
            report = rpmemctl.answer("damage", "/mnt/log", status=1)
            found = [(piece["owner"], piece["disk"], piece["sectors"]) for piece in report["metadata"]]
            check.equal(found, [(f"{role} on {second.name}p1", second.name, 1024)], f"{role}: what is bad")
            if role == "log":
                text = rpmemctl.attempt("damage", "/mnt/log").stdout
                check.true(f"xfs_repair -l {other} {first.node}" in text, text)
        finally:
            second.badblocks.clear(0, second.sectors)
            shell.run("umount", "/mnt/log")
    partition_table.remove(second)
    for disk in t.disks:
        with disk.open() as io:
            io.zero_out(0, 4 * MEGA)


@case()
def damage_in_a_realtime_section(t):
    """Data of some files of XFS is on another disk, at bytes at which the first one has something else."""
    first, second = t.disks
    other = second.node
    shell.run("mkfs.xfs", "-q", "-f", "-r", f"rtdev={other}", first.node)
    os.makedirs("/mnt/realtime", exist_ok=True)
    shell.run("mount", "-o", f"rtdev={other}", first.node, "/mnt/realtime")
    try:
        there, here = "/mnt/realtime/there", "/mnt/realtime/here"
        Path(here).write_bytes(bytes(MEGA))
        shell.run("xfs_io", "-f", "-R", "-c", f"pwrite -q 0 {MEGA}", there)
        shell.run("sync")
        report = rpmemctl.answer("damage", "/mnt/realtime", status=0)
        check.equal({disk["name"] for disk in report["disks"]}, {first.name, second.name}, "disks")
        sector = first_sectors(there)[0]
        second.badblocks.inject(sector + 8, 1)
        report = rpmemctl.answer("damage", "/mnt/realtime", status=1)
        check.equal([file["paths"] for file in report["files"]], [[there]], "who has the bad sector")
        check.equal([(piece["disk"], piece["offset"], piece["sector"]) for piece in report["files"][0]["pieces"]],
                    [(second.name, PAGE, sector + 8)], "where it is")
        check.equal((report["metadata"], report["unknown"]), ([], []), "nothing else")
        # The same bytes of the first disk are another's.
        second.badblocks.clear(0, second.sectors)
        first.badblocks.inject(first_sectors(here)[0] + 8, 1)
        report = rpmemctl.answer("damage", "/mnt/realtime", status=1)
        check.equal([file["paths"] for file in report["files"]], [[here]], "on the first disk")
        check.equal(report["files"][0]["pieces"][0]["disk"], first.name, "its disk")
        first.badblocks.clear(0, first.sectors)
        # Behind all files.
        second.badblocks.inject(second.sectors // 8 * 6, 8)
        report = rpmemctl.answer("damage", "/mnt/realtime")
        check.equal(report["files"], [], "no file has it")
        found = [piece["disk"] for piece in report["free"] + report["unknown"]]
        check.equal(set(found), {second.name}, "where it is free")
    finally:
        for disk in t.disks:
            disk.badblocks.clear(0, disk.sectors)
        shell.run("umount", "/mnt/realtime")
    for disk in t.disks:
        with disk.open() as io:
            io.zero_out(0, 4 * MEGA)


@case()
def the_doctor_knows_that_encryption_has_no_dax(t):
    """It gives no advice that does not help: a mount option, on a device that has no DAX."""
    t.allow_log("device-mapper: .*")
    t.allow_log("alg: .*")
    shell.run("modprobe", "dm_crypt")
    table = f"0 524288 crypt aes-xts-plain64 {'0123456789abcdef' * 4} 0 {t.disk.node} 0"
    with mapped_device("encrypted", table) as node:
        shell.run("mkfs.ext4", "-q", "-F", "-b", "4096", node)
        os.makedirs("/mnt/encrypted", exist_ok=True)
        shell.run("mount", node, "/mnt/encrypted")
        try:
            Path("/mnt/encrypted/file").write_bytes(bytes(PAGE))
            for target in ("/mnt/encrypted", "/mnt/encrypted/file", None):
                found = rpmemctl.findings(*filter(None, [target]))
                check.equal(set(found), {"no-dax"}, f"{target}")
                check.true("dax=" not in str(found), str(found))
        finally:
            shell.run("umount", "/mnt/encrypted")
    with t.disk.open() as io:
        io.zero_out(0, 4 * MEGA)


@case(on=("ext4",))
def the_doctor_sees_how_huge_pages_can_map_a_file(t):
    """As much as is in one piece where huge pages begin; and what it advises helps."""
    made = t.file_system
    shell.run("fallocate", "-l", "16M", f"{made.directory}/big")
    looked_at = " ".join(rpmemctl.answer("doctor", f"{made.directory}/big")["looked_at"])
    check.true(re.search(r"huge pages can map [78] of 8 ranges", looked_at), looked_at)
    # How it is mapped: as the kernel chooses, and as a program may ask for.
    with open(f"{made.directory}/big", "r+b") as file, mmap.mmap(file.fileno(), 16 * MEGA) as memory:
        for chunk in range(8):
            memory[chunk * 2 * MEGA] = 1
        answer = rpmemctl.answer("doctor", f"{made.directory}/big")
        mapped = re.search(rf"process {os.getpid()} .* maps (\d+) KiB of .*, (\d+) KiB of them by huge pages", " ".join(answer["looked_at"]))
        check.true(mapped and int(mapped[2]) >= 7 * 2048, str(answer))
    with open(f"{made.directory}/big", "r+b") as file, mmap.mmap(file.fileno(), 16 * MEGA) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        memory[0] = 1
        found = rpmemctl.answer("doctor", f"{made.directory}/big")["findings"]
        check.equal([finding["id"] for finding in found], ["mapping-without-huge-pages"], "a mapping by pages of 4 KiB")
        check.true("maps 4 KiB" in str(found), str(found))
    # A file whose blocks are one page off.
    place = f"{made.directory}/off"
    with open(place, "wb") as file:
        for chunk in range(4):
            os.posix_fallocate(file.fileno(), chunk * 2 * MEGA + PAGE, 2 * MEGA - PAGE)
        os.ftruncate(file.fileno(), 8 * MEGA)
    found = rpmemctl.answer("doctor", place)["findings"]
    check.equal([finding["id"] for finding in found], ["file-without-huge-pages"], "a file with holes in each range")
    shell.run("sh", "-c", found[0]["todo"][0].split("; then copy the file: ")[1].replace("cp ", "cp --sparse=never "))
    check.equal(rpmemctl.findings(place, status=0), {}, "after what it said was done")


@case(loaded=False)
def the_doctor_finds_who_holds_it(t):
    check.equal(set(rpmemctl.findings()), {"module-not-loaded"}, "before anything is loaded")
    with driver.nd_pmem_bound(t):
        found = rpmemctl.findings()
        check.equal(set(found), {"held", "module-not-loaded"}, "problems")
        check.true("of the driver nd_pmem" in found["held"]["what"], found["held"]["what"])
        unbind, load = found["held"]["todo"][:2]
        driver.refused(t, f"regions={driver.text_of(driver.given_regions()[:1])}", error=errno.EBUSY, says="is busy")
        refused = rpmemctl.findings()["refused"]
        check.true("is busy" in refused["seen"][0], refused["seen"])
        # The commands that it names repair it.
        shell.run("sh", "-c", unbind)
        shell.run("sh", "-c", load)
        check.equal(rpmemctl.findings(status=0), {}, "after what it said was done")
        driver.unload()
        shell.run("modprobe", "-r", "nd_pmem", "nd_e820")
        shell.run("modprobe", "nd_e820")
        check.equal(set(rpmemctl.findings()), {"e820-held", "module-not-loaded"}, "without nd_pmem")
        shell.run("modprobe", "nd_pmem")


@case(guests=("nvdimm",), loaded=False)
def the_doctor_finds_raw_namespaces(t):
    regions = driver.nvdimm_regions()
    found = rpmemctl.findings()
    check.equal(set(found), {"not-named", "module-not-loaded"}, "NVDIMMs that nobody has")
    shell.run("modprobe", "nd_pmem")
    found = rpmemctl.findings()
    check.equal(set(found), {"held", "no-dax", "module-not-loaded"}, "with nd_pmem")
    check.true("mode raw" in " ".join(found["no-dax"]["seen"]), found["no-dax"]["seen"])
    disable, load = found["held"]["todo"][:2]
    shell.run("sh", "-c", disable)
    shell.run("sh", "-c", load)
    check.equal(len(driver.nodes()), 1, "disks after what it said was done")
    driver.unload()
    shell.run("ndctl", "disable-namespace", "all")
    shell.run("modprobe", "-r", "nd_pmem")
    check.equal(len(regions), 2, "regions")


def finding_of_mkfs(t, kind, node, *options):
    """What the doctor says of a file system that was made with these options, and is not mounted."""
    shell.run(*{"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}[kind], *options, node)
    found = rpmemctl.answer("doctor", node, status=1)["findings"]
    return [finding["id"] for finding in found if finding["severity"] == "problem"]


@case()
def the_doctor_finds_unfit_file_systems(t):
    check.equal(finding_of_mkfs(t, "ext4", t.disk.node, "-b", "1024"), ["block-size"], "small blocks")
    options = ("-b", "4096", "-O", "inline_data")
    check.equal(finding_of_mkfs(t, "ext4", t.disk.node, *options), ["inline-data"], "inline data")
    check.equal(finding_of_mkfs(t, "xfs", t.disk.node, "-b", "size=1024"), ["block-size"], "small blocks of XFS")
    t.disk.badblocks.inject(0, 8)
    t.allow_log("Buffer I/O error on dev rpmem")
    found = rpmemctl.findings(t.disk.node)
    check.equal(set(found), {"bad-blocks", "superblock-unreadable"}, "a bad superblock")
    t.disk.badblocks.clear(0, 8)
    partition_table.write(t.disk, "label: gpt\nstart=2048, size=655360\nstart=657409, size=65536\n")
    check.equal(finding_of_mkfs(t, "xfs", f"{t.disk.node}p1"), ["reflink-on-partition"], "XFS on a partition")
    found = rpmemctl.answer("doctor", f"{t.disk.node}p1", status=1)["findings"]
    check.true("partition-without-huge-pages" in {finding["id"] for finding in found}, "a partition from 1 MiB on")
    check.equal(finding_of_mkfs(t, "ext4", f"{t.disk.node}p2", "-b", "4096"), ["partition-misaligned"], "odd partition")
    partition_table.remove(t.disk)


@case(on=FILE_SYSTEMS)
def the_doctor_finds_files_without_dax(t):
    made = t.file_system
    check.equal(rpmemctl.findings(made.directory, status=0), {}, "dax=always")
    check.equal(rpmemctl.findings(t.target.path, status=0), {}, "a file with DAX")
    made.unmount()
    made.options = "dax=inode"
    made.mount()
    check.equal(set(rpmemctl.findings(made.directory)), {"dax-inode"}, "dax=inode")
    check.equal(set(rpmemctl.findings(t.target.path)), {"file-without-dax"}, "a file without the flag")
    shell.run("xfs_io", "-c", "chattr +x", made.directory)
    check.equal(rpmemctl.findings(made.directory, status=0), {}, "with the flag")
    check.equal(rpmemctl.findings(made.file("new"), status=0), {}, "a new file in it")
    made.unmount()
    made.options = "dax=never"
    made.mount()
    found = rpmemctl.findings()
    check.equal(set(found), {"dax-never"}, "dax=never, without being asked about it")
    shell.run("sh", "-c", found["dax-never"]["todo"][0])
    check.equal(rpmemctl.findings(made.directory, status=0), {}, "after what it said was done")
    check.equal(set(rpmemctl.findings("/run")), {"no-block-device", "file-system-without-dax"}, "a tmpfs")


@case(loaded=False)
def takes_what_it_suggests_at_once(t):
    """regions= of memory that is set aside already."""
    suggested = rpmemctl.answer("suggest", "128M")["now"]
    check.true(suggested is not None, "it suggests nothing")
    driver.load(suggested["regions"])
    check.equal([Disk(0).bytes], [128 * MEGA], "bytes of the disk")
    taken = rpmemctl.answer("list")["devices"][0]
    check.equal((taken["start"], taken["named"]), (suggested["start"], True), "where it is")
    again = rpmemctl.answer("suggest", "128M")["now"]
    check.true(again["start"] >= suggested["start"] + 128 * MEGA, "it suggests what is in use")
    driver.unload()


# The guest "suggested" is booted with what the program says in the guest "plain", which has the same memory.
SUGGESTED_SIZE = "512M"


@case(guests=("large",))
def the_doctor_finds_two_xfs_on_a_disk(t):
    """One of them is told of the memory's failures, and has DAX: the first that is mounted."""
    t.allow_log(r"XFS \(.*\): DAX unsupported by block device. Turning off DAX.")
    partition_table.write(t.disk, "label: gpt\nstart=4096, size=1048576\nsize=1048576\n")
    options = ("-m", "reflink=0")
    with (
        FileSystem("xfs", f"{t.disk.node}p1", make_options=options) as first,
        FileSystem("xfs", f"{t.disk.node}p2", directory="/mnt2", make_options=options) as second,
    ):
        check.equal(rpmemctl.findings(first.directory, status=0), {}, "the first one")
        found = rpmemctl.findings(second.directory)
        check.equal(set(found), {"dax-never"}, "the second one")
        check.true(any(first.directory in seen for seen in found["dax-never"]["seen"]), str(found))
    partition_table.remove(t.disk)


def arguments_of_guest(name):
    text = (Path(__file__).parent / "guests").read_text(encoding="ascii")
    return next(line.split() for line in text.splitlines() if line.startswith(f"{name} "))


@case(guests=("plain",), loaded=False)
def suggests_what_the_next_guest_boots_with(t):
    found = rpmemctl.findings()
    check.equal(set(found), {"nothing-set-aside", "module-not-loaded"}, "what the doctor says")
    suggested = rpmemctl.answer("suggest", SUGGESTED_SIZE)
    check.equal(suggested["now"], None, "there is none yet")
    check.true(suggested["boot"]["memmap"] in arguments_of_guest("suggested"), f"{suggested['boot']} is not tried")
    low = rpmemctl.answer("suggest", "2G")["boot"]
    check.true(low["start"] + (2 << 30) <= 4 << 30, "more than there is above 4 GiB must be below, in one piece")
    check.true(low["memmap"] in arguments_of_guest("suggested-low"), f"{low} is not tried")


def check_suggestion(name):
    words = Path("/proc/cmdline").read_text(encoding="ascii").split()
    (memmap,) = [word for word in words if word.startswith("memmap=")]
    size, address = map(driver.number, memmap.removeprefix("memmap=").split("!"))
    legacy = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : Persistent Memory", Path("/proc/iomem").read_text(), re.M)
    check.equal(
        [(int(first, 16), int(last, 16) + 1) for first, last in legacy], [(address, address + size)], "ranges"
    )
    check.equal(set(rpmemctl.findings()), {"module-not-loaded"}, "what the doctor says")
    driver.load()
    check.equal(Disk(0).bytes, size, f"bytes of the disk of {name}")
    with FileSystem("ext4", "/dev/rpmem0") as made:
        check.equal(rpmemctl.findings(made.directory, status=0), {}, "DAX")
    driver.unload()


@case(guests=("suggested",), loaded=False)
def the_suggestion_works(t):
    check_suggestion("suggested")


@case(guests=("suggested-low",), loaded=False)
def the_suggestion_below_4g_works(t):
    check_suggestion("suggested-low")


@case(guests=("odd",), loaded=False)
def the_doctor_finds_odd_ranges(t):
    """A range that begins within 2 MiB, and one that meets firmware's tables."""
    found = rpmemctl.findings()
    check.equal(set(found), {"misaligned", "module-not-loaded"}, "problems")
    check.true("write regions=" in found["misaligned"]["what"], found["misaligned"]["what"])


@case(
    guests=("across",),
    loaded=False,
    last=True,
    not_watched="that kernel has no signatures of modules, which cannot be asked for then",
)
def the_doctor_finds_modules_that_cannot_be_loaded(t):
    """Not installed, unknown to modprobe, for another kernel, and not signed where that is asked for."""
    t.allow_log("module .*|rpmem: .*|Loading of unsigned module is rejected")
    tree = Path("/lib/modules") / os.uname().release
    (module,) = tree.rglob("rpmem.ko")
    original = module.read_bytes()

    def ids():
        # The ranges of this guest are odd ones, and one goes beyond the end of its memory.
        return set(rpmemctl.findings()) - {"memmap-in-pieces", "memmap-merged", "misaligned", "no-memory"}

    module.unlink()
    check.equal(ids(), {"module-missing"}, "without the file")
    release = os.uname().release.encode()
    other = release.replace(b"7.3", b"9.9")
    module.write_bytes(original.replace(b"vermagic=" + release, b"vermagic=" + other))
    check.equal(ids(), {"module-for-other-kernel", "module-not-loaded"}, "for another kernel")
    done = shell.attempt("modprobe", "rpmem")
    check.true("Exec format error" in done.stderr, f"the kernel takes it: {done.stderr}")
    module.write_bytes(original)
    known = (tree / "modules.dep").read_bytes()
    (tree / "modules.dep").write_bytes(b"")
    check.equal(ids(), {"module-not-indexed", "module-not-loaded"}, "without an index")
    (tree / "modules.dep").write_bytes(known)
    check.equal(ids(), {"module-not-loaded"}, "as it was")
    # There is no way back from that, but for a reboot.
    shell.write_text("/sys/module/module/parameters/sig_enforce", "Y")
    check.equal(ids(), {"module-unsigned", "module-not-loaded"}, "with signatures enforced")
    check.true("Key was rejected" in shell.attempt("modprobe", "rpmem").stderr, "the kernel takes it")


@case(
    guests=("across",),
    loaded=False,
    not_watched="the guest has more memory there, so that the range does not go beyond its end",
)
def the_doctor_finds_ranges_in_pieces(t):
    found = rpmemctl.findings()
    check.true({"memmap-in-pieces", "module-not-loaded"} <= set(found), f"problems: {set(found)}")
    check.true("came out as" in found["memmap-in-pieces"]["what"], found["memmap-in-pieces"]["what"])


@case(loaded=False)
def completes_in_bash(t):
    """The completions are those of the program, and the manual page has all commands."""
    script = tools.TOOLS / "share/bash-completion/completions/rpmemctl"
    complete = (
        f". {script}; COMP_WORDS=(rpmemctl da) COMP_CWORD=1; _rpmemctl rpmemctl da rpmemctl; echo ${{COMPREPLY[@]}}"
    )
    check.equal(shell.run("bash", "-c", complete).split(), ["damage"], "completion of da")
    page = (tools.TOOLS / "share/man/man8/rpmemctl.8").read_text(encoding="utf-8")
    for command in ("list", "inject", "clear", "damage", "suggest", "doctor"):
        check.true(f"rpmemctl {command}" in page, f"{command} is not in the manual page")
    check.equal(shutil.which("rpmemctl"), str(tools.TOOLS / "sbin/rpmemctl"), "the rpmemctl that is found in PATH")
