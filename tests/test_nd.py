# SPDX-License-Identifier: GPL-2.0
"""Namespaces of NVDIMMs, driven by nd_rpmem: raw, fsdax with both places of struct pages, sector, devdax; what
ndctl does with them; handing over to nd_pmem and back."""

import errno
import hashlib
import json
import os
import random
import time

from harness import check, driver, machine_check, memory, nd, rdaxfs, shell
from harness.cases import FILE_SYSTEMS, case
from harness.disk import Disk, use_until_gone
from harness.target import FileSystem

MIB = 1 << 20
# Of the guest's other NVDIMM, when ACPI's driver comes.
NOT_ARMED = r"acpi-nfit .*: Error found in NVDIMM nmem\d flags: not_armed"
DATA = random.Random(13).randbytes(300_000)


def nd_case(guests=("namespaces",), **options):
    """A test with nd_rpmem loaded, and unloaded afterwards."""

    def register(function):
        def with_driver(t):
            t.allow_log(nd.NO_FLUSH)
            nd.load()
            try:
                function(t)
            finally:
                nd.unload()
            check.equal(nd.nodes(), [], "nodes without the driver")

        with_driver.__name__ = function.__name__
        with_driver.__module__ = function.__module__
        case(guests=guests, loaded=False, **options)(with_driver)
        return with_driver

    return register


@case(guests=("memmap",))
def memory_that_is_named_needs_no_libnvdimm(_):
    # Other tests of the guest may have loaded it.
    for module in ("rpmem", "rpmem_core", "kernel_ext", "rdaxfs"):
        needed = shell.run("modinfo", "-F", "depends", module).strip().split(",")
        check.true("libnvdimm" not in needed, f"{module} needs {needed}")
    check.true("libnvdimm" in shell.run("modinfo", "-F", "depends", "nd_rpmem"), "nd_rpmem does not: the test shows nothing")


@case(guests=("namespaces",), loaded=False)
def taken_when_loaded_only(_):
    """No alias: nothing but who wants it loads it. It takes what has no driver, and leaves no trace."""
    check.equal(shell.run("modinfo", "-F", "alias", "nd_rpmem").strip(), "", "aliases")
    nd.find()
    nd.until("namespaces", lambda: len(nd.ndctl("list", "-Ni")) >= 2)
    before = nd.traces()
    for _ in range(3):
        nd.load()
        check.equal(nd.nodes(), ["/dev/rpmem0.0", "/dev/rpmem1.0"], "nodes")
        check.equal(nd.bound(), ["namespace0.0", "namespace1.0"], "bound")
        check.true(" : rpmem1.0\n" in shell.read_text("/proc/iomem"), "the memory is not claimed")
        nd.unload()
        check.equal(driver.difference(before, nd.traces()), {}, "what is different")


@nd_case(on=FILE_SYSTEMS)
def raw_with_dax(t):
    """What nd_pmem refuses: files of a raw namespace are mapped, synchronously too."""
    found = nd.disk(1)
    (listed,) = nd.namespaces(1)
    check.equal((listed["mode"], listed["blockdev"]), ("raw", "rpmem1.0"), "as ndctl sees it")
    check.equal(found.bytes, listed["size"], "bytes")
    check.equal([found.queue(name) for name in ("fua", "dax", "write_cache")], ["1", "1", "write back"], "queue")
    kept_on_a_file_system(t.case.target, found)


def kept_on_a_file_system(kind, found, again=lambda: None):
    """Writes and stores; what was written is there after unloading, `again` and loading."""
    with FileSystem(kind, found.node) as made:
        made.file("kept", DATA)
        with memory.mapped(made.file("stored", bytes(MIB))) as mapping:
            mapping[4096:4096 + len(DATA)] = DATA
            mapping.flush()
    nd.unload()
    again()
    nd.load()
    found = nd.disk(*map(int, found.name.removeprefix("rpmem").split(".")))
    with FileSystem(kind, found.node, make=False) as same:
        with open(os.path.join(same.directory, "kept"), "rb") as file:
            check.true(file.read() == DATA, "what was written")
        with memory.mapped(os.path.join(same.directory, "stored")) as mapping:
            check.true(mapping[4096:4096 + len(DATA)] == DATA, "what was stored")


def fsdax(t, where):
    made = nd.create("fsdax", f"--map={where}")
    check.equal((made["mode"], made["map"], made["blockdev"]), ("fsdax", where, "rpmem0.0"), "as ndctl sees it")
    found = nd.disk()
    check.equal(found.bytes, made["size"], "bytes")
    check.equal(nd.bound()[-1][:3], "pfn", "what is bound")
    # Data begins behind the info block and, with map=dev, the struct pages.
    kept_on_a_file_system(t.case.target, found)
    (listed,) = nd.namespaces()
    check.equal({name: listed[name] for name in ("mode", "map", "size", "uuid")},
                {name: made[name] for name in ("mode", "map", "size", "uuid")}, "after loading anew")


@nd_case(on=FILE_SYSTEMS)
def fsdax_with_pages_in_memory(t):
    fsdax(t, "mem")


@nd_case(on=FILE_SYSTEMS)
def fsdax_with_pages_on_the_device(t):
    fsdax(t, "dev")


@nd_case()
def all_of_a_disk_is_its_own(_):
    """First and last bytes of two disks beside each other, with struct pages on the devices: what is written
    to one is nowhere else, and the info blocks stay."""
    patterns = {}
    for region in (0, 1):
        nd.create("fsdax", "--map=dev", region=region)
    disks = [nd.disk(region) for region in (0, 1)]
    for number, found in enumerate(disks):
        for at in (0, found.bytes // 2 // 4096 * 4096, found.bytes - 65536):
            patterns[number, at] = random.Random(number + at).randbytes(65536)
            with found.open() as io:
                io.write(at, patterns[number, at])
    nd.unload()
    nd.load()
    disks = [nd.disk(region) for region in (0, 1)]
    for (number, at), data in patterns.items():
        with disks[number].open() as io:
            check.true(io.read(at, 65536) == data, f"disk {number} at {at:#x}")


@nd_case()
def what_was_injected_is_repaired(_):
    """Errors that only we know of go by a write, though QEMU's bus cannot clear any."""
    found = nd.disk(1)
    found.badblocks.inject(100, 8)
    with found.open() as io:
        with check.fails(errno.EIO):
            io.read(48 << 10, 8192)
        io.write(48 << 10, b"new!" * 2048)
        check.equal(io.read(48 << 10, 8192), b"new!" * 2048, "what was written")
    check.equal(found.badblocks.text(), "", "the list")
    found.badblocks.inject(100, 8)
    found.badblocks.clear(100, 8)
    check.equal(found.badblocks.text(), "", "the list after clearing by hand")


@nd_case()
def the_list_does_not_end_at_512_ranges(_):
    found = nd.disk(1)
    found.badblocks.inject_all((4 * number, 1) for number in range(10_000))
    check.equal(len(found.badblocks.list()), 10_000, "ranges")
    with found.open() as io:
        io.zero_out(0, 40_000 * 512 + 4096 - 40_000 * 512 % 4096)
    check.equal(found.badblocks.text(), "", "the list")


@nd_case()
def a_region_may_become_read_only(t):
    """By its file in sysfs: then no write reaches the memory, by the disk or by DAX, until it is writable."""
    found = nd.disk(1)
    with found.open() as io:
        io.write(0, b"before" + bytes(4090))
        shell.write_text(f"{nd.DEVICES}/region1/read_only", "1")
        check.equal(found.attribute("ro"), "1", "ro")
        with check.fails(errno.EIO, errno.EPERM):
            io.write(0, b"after!" + bytes(4090))
    # And so it is when the driver comes.
    nd.unload()
    nd.load()
    found = nd.disk(1)
    check.equal(found.attribute("ro"), "1", "ro after loading")
    shell.write_text(f"{nd.DEVICES}/region1/read_only", "0")
    check.equal(found.attribute("ro"), "0", "ro at the end")
    with found.open() as io:
        check.equal(io.read(0, 512)[:6], b"before", "what is there")
        io.write(0, bytes(4096))


@nd_case()
def sector_mode_is_libnvdimms_own(_):
    """The BTT is bound to us, and its disk libnvdimm's: pmem0s."""
    made = nd.create("sector")
    check.equal((made["mode"], made["blockdev"]), ("sector", "pmem0s"), "as ndctl sees it")
    check.equal(nd.bound()[0][:3], "btt", "what is bound")
    for _ in range(2):
        nd.until("pmem0s", lambda: os.path.exists("/dev/pmem0s"))
        shell.run("mkfs.ext4", "-q", "-F", "/dev/pmem0s")
        shell.run("e2fsck", "-fn", "/dev/pmem0s")
        nd.unload()
        check.true(not os.path.exists("/dev/pmem0s"), "pmem0s is still there")
        nd.load()


@nd_case()
def devdax_is_left_alone(_):
    made = nd.create("devdax")
    check.equal(made["mode"], "devdax", "mode")
    check.equal(nd.nodes(), ["/dev/rpmem1.0"], "nodes")
    (listed,) = nd.namespaces()
    check.equal(listed["mode"], "devdax", "as ndctl lists it")


@nd_case()
def ndctl_does_what_it_does(_):
    """Disable, enable, change the mode in place, destroy; the name in ndctl's lists is ours."""
    made = nd.create("fsdax", "--map=mem")
    name = made["dev"]
    number = int(name.split(".")[1])
    nd.disk(0, number)
    nd.ndctl("disable-namespace", name)
    check.equal(nd.nodes(), ["/dev/rpmem1.0"], "nodes without it")
    nd.ndctl("enable-namespace", name)
    nd.disk(0, number)
    changed = nd.ndctl("create-namespace", "-f", "-e", name, "-m", "raw")
    check.equal((changed["mode"], changed["blockdev"]), ("raw", f"rpmem0.{number}"), "made raw")
    again = nd.ndctl("create-namespace", "-f", "-e", name, "-m", "fsdax", "--map=dev")
    check.equal((again["mode"], again["map"], again["blockdev"]), ("fsdax", "dev", f"rpmem0.{number}"), "made fsdax")
    everything = json.dumps(nd.ndctl("list", "-NRDM"))
    check.true(f'"rpmem0.{number}"' in everything, everything)
    nd.ndctl("destroy-namespace", "-f", name)
    check.equal(nd.namespaces(), [], "what is left")
    check.equal(nd.nodes(), ["/dev/rpmem1.0"], "nodes in the end")


@nd_case()
def two_namespaces_of_a_region(_):
    shell.attempt("ndctl", "destroy-namespace", "-f", "-r", "region0", "all")
    for number in (0, 1):
        made = nd.ndctl("create-namespace", "-r", "region0", "-m", "fsdax", "--map=mem", "-s", "128M")
        check.equal(made["blockdev"], f"rpmem{made['dev'].removeprefix('namespace')}", f"disk {number}")
    check.equal(len(nd.nodes()), 3, "disks")
    with open(nd.nodes()[0], "r+b") as first, open(nd.nodes()[1], "r+b") as second:
        first.write(b"1" * 4096)
        second.write(b"2" * 4096)
    nd.unload()
    nd.load()
    nd.until("both", lambda: len(nd.nodes()) == 3)
    for node, byte in zip(nd.nodes(), b"12"):
        with open(node, "rb") as file:
            check.equal(file.read(4096), bytes([byte]) * 4096, node)
    nd.create("raw")


@nd_case()
def handed_over_and_back(t):
    """One namespace goes to nd_pmem by sysfs, with what is on it, and comes back; the other one stays."""
    nd.create("fsdax", "--map=dev")
    found = nd.disk()
    check.equal(nd.nodes(), ["/dev/rpmem0.0", "/dev/rpmem1.0"], "nodes")
    with found.open() as io:
        io.write(MIB, DATA[:65536])
    (pfn,) = [device for device in nd.bound() if device.startswith("pfn0.")]
    shell.run("modprobe", "nd_pmem")
    check.equal(nd.bound("nd_pmem"), [], "what nd_pmem has taken of what is bound")
    for _ in range(2):
        nd.unbind(pfn)
        nd.bind(pfn, "nd_pmem")
        pmem = Disk("0")
        pmem.node = "/dev/pmem0"
        with pmem.open() as io:
            check.true(io.read(MIB, 65536) == DATA[:65536], "what nd_pmem reads")
        check.equal(nd.nodes(), ["/dev/rpmem1.0"], "nodes meanwhile")
        nd.unbind(pfn, "nd_pmem")
        nd.bind(pfn)
        with nd.disk().open() as io:
            check.true(io.read(MIB, 65536) == DATA[:65536], "what we read")
    shell.run("modprobe", "-r", "nd_pmem")


@nd_case(limit=300)
def unbinding_under_io(t):
    """Readers and writers end with an error, soon; the disk comes back. A mapping keeps the memory, and the
    message says so."""
    nd.create("fsdax", "--map=dev")
    found = nd.disk()
    (pfn,) = [device for device in nd.bound() if device.startswith("pfn0.")]

    for _ in range(3):
        users = [memory.start_child(use_until_gone, found, seed, True, True) for seed in range(4)]
        time.sleep(1)
        nd.unbind(pfn)
        for user in users:
            _, status = os.waitpid(user, 0)
            check.equal(os.waitstatus_to_exitcode(status), 0, "a process that used it")
        check.true(found.node not in nd.nodes(), "the node is still there")

        def bind():
            try:
                nd.bind(pfn)
            except OSError:
                return False
            return True

        t.allow_log(r"could not reserve region|probe with driver nd_rpmem failed|waiting for the last user")
        nd.until("bound again", bind)
        with nd.disk().open() as io:
            io.write(0, b"back" * 1024)
            check.equal(io.read(0, 4096), b"back" * 1024, "the disk that came back")


@nd_case()
def a_raw_namespace_without_struct_pages(t):
    """No DAX, and all else as before; nothing of it in the memory map. Too many struct pages are refused, with
    the figure and the way out."""
    made = nd.create("raw")
    nd.unload()
    nd.load("struct_pages=0")
    found = nd.disk(*numbers(made))
    check.equal(found.queue("dax"), "0", "dax")
    check.equal(found.bytes, made["size"], "bytes")
    found.badblocks.inject(found.sectors - 8, 8)
    with found.open() as io:
        for at in (0, found.bytes - 4096):
            io.write(at, b"raw!" * 1024)
            check.equal(io.read(at, 4096), b"raw!" * 1024, "what was written")
    check.equal(found.badblocks.text(), "", "the list")
    with FileSystem("ext4", found.node, options="defaults") as made_here:
        made_here.file("kept", DATA)
    t.allow_log(r"^EXT4-fs .*: DAX unsupported")
    done = shell.attempt("mount", "-o", "dax", found.node, "/mnt/rpmem")
    check.true(done.returncode != 0, "mounted with DAX")

    t.expect_log(r"struct pages would take \d+ MiB of \d+ MiB of available memory, more than 0 percent; make it an fsdax namespace with --map=dev")
    t.allow_log(r"probe with driver nd_rpmem failed with error -12")
    nd.unload()
    nd.load("struct_pages_share=0")
    check.equal([device for device in nd.bound() if device.startswith("namespace0")], [], "bound")
    nd.unload()
    done = shell.attempt("modprobe", nd.DRIVER, "struct_pages_share=101")
    t.expect_log(r"nd_rpmem: struct_pages_share=101: more than 100 percent")
    check.true(done.returncode != 0, "loaded with 101 percent")
    nd.load()


def numbers(made):
    """Region and namespace of what ndctl has made."""
    return tuple(map(int, made["dev"].removeprefix("namespace").split(".")))


@nd_case(guests=("virtio-pmem",), on=FILE_SYSTEMS)
def flushed_by_a_hypervisor(t):
    """DAX works, MAP_SYNC is refused, since a store is durable only when the hypervisor has been asked."""
    found = nd.disk()
    check.equal([found.queue(name) for name in ("dax", "write_cache")], ["1", "write back"], "queue")
    with FileSystem(t.case.target, found.node) as made:
        path = made.file("kept", DATA)
        with check.fails(errno.EOPNOTSUPP):
            with memory.mapped(path):
                pass
        with memory.mapped(path, sync=False) as mapping:
            mapping[4096:4100] = b"here"
            mapping.flush()
    with found.open(os.O_RDWR | os.O_DSYNC) as io:
        io.write(found.bytes - 4096, b"last" * 1024)
        io.sync()
    nd.unload()
    nd.load()
    with FileSystem(t.case.target, nd.disk().node, make=False) as same:
        with open(os.path.join(same.directory, "kept"), "rb") as file:
            check.true(file.read() == DATA[:4096] + b"here" + DATA[4100:], "the file")


@nd_case(guests=("virtio-pmem",))
def a_hypervisors_region_may_be_read_only(t):
    """Some hypervisors end a machine that writes to their image. What is said before the driver comes keeps all away."""
    found = nd.disk()
    rdaxfs.run("mkfs", "-f", "-q", found.node)
    size = found.bytes
    nd.unload()
    switch = f"{nd.DEVICES}/region0/read_only"
    shell.write_text(switch, "1")
    try:
        nd.load()
        found = nd.disk()
        check.equal([found.attribute("ro"), found.bytes], ["1", size], "ro and the size")
        before = contents(found)
        for direct in (True, False):
            with check.fails(errno.EPERM, errno.EROFS, errno.EACCES), found.open(direct=direct) as io:
                io.write(0, bytes(MIB))
        with check.fails(errno.EPERM, errno.EROFS, errno.EACCES), found.open() as io:
            io.zero_out(0, MIB)
        for program in ("mkfs.ext4 -F", "mkfs.xfs -f", "mkfs.rdaxfs -f", "fsck.rdaxfs -f -y", "tune.rdaxfs -L other",
                        "blkdiscard -z -f", "wipefs --all --force"):
            shell.attempt(*program.split(), found.node)
        shell.attempt("mount", "-t", "rdaxfs", "-o", "guest_crash_only,dax=always", found.node, "/mnt")
        shell.attempt("umount", "/mnt")
        shell.run("mount", "-t", "rdaxfs", "-o", "ro,dax=always", found.node, "/mnt")
        try:
            with check.fails(errno.EROFS), open("/mnt/file", "wb"):
                pass
            done = shell.attempt("mount", "-o", "remount,rw,guest_crash_only", "/mnt")
            check.true(done.returncode, "it was remounted for writing")
        finally:
            shell.run("umount", "/mnt")
        check.true(contents(found) == before, "what is on the device has changed")
        nd.unload()
    finally:
        shell.write_text(switch, "0")
        if not nd.is_loaded():
            nd.load()
    with nd.disk().open() as io:
        io.write(0, b"back" * 1024)
        check.equal(io.read(0, 4096), b"back" * 1024, "what is written when it is writable again")


def contents(found):
    """A checksum of a whole disk, past the page cache."""
    digest = hashlib.sha256()
    with found.open(os.O_RDONLY) as io:
        for offset in range(0, found.bytes, MIB):
            digest.update(io.read(offset, min(MIB, found.bytes - offset)))
    return digest.hexdigest()


@nd_case(guests=("virtio-pmem",), limit=300)
def unbound_while_the_hypervisor_flushes(t):
    """Bios whose flush is under way end; new ones fail."""
    found = nd.disk()

    users = [memory.start_child(use_until_gone, found, seed, False, True) for seed in range(4)]
    time.sleep(1)
    nd.unbind("namespace0.0")
    for user in users:
        check.equal(os.waitstatus_to_exitcode(os.waitpid(user, 0)[1]), 0, "a process that used it")
    nd.bind("namespace0.0")
    with nd.disk().open() as io:
        io.write(0, b"back" * 1024)
        io.sync()


@nd_case(guests=("ramdax",))
def namespaces_of_ramdax(_):
    """A memmap= range with labels: as many namespaces as one wants, in all modes; they are there again when the
    driver is."""
    shell.attempt("ndctl", "destroy-namespace", "-f", "all")
    wanted = [("fsdax", "--map=mem"), ("fsdax", "--map=dev"), ("raw",), ("sector",)]
    made = [nd.ndctl("create-namespace", "-m", mode, *options, "-s", "64M") for mode, *options in wanted]
    names = [f"rpmem0.{number}" for number in range(3)] + ["pmem0.3s"]
    check.equal([one["blockdev"] for one in made], names, "disks")
    for name in names:
        with open(f"/dev/{name}", "r+b") as disk:
            disk.write(name.encode().ljust(4096, b"."))
    nd.unload()
    nd.load()
    for name in names:
        nd.until(name, lambda: os.path.exists(f"/dev/{name}"))
        with open(f"/dev/{name}", "rb") as disk:
            check.equal(disk.read(4096), name.encode().ljust(4096, b"."), name)
    found = nd.disk(0, 1)
    found.badblocks.inject(8, 8)
    with found.open() as io:
        io.write(4096, bytes(4096))
    check.equal(found.badblocks.text(), "", "the list after a write")
    with FileSystem("ext4", nd.disk(0, 2).node) as file_system:
        file_system.file("kept", DATA)
    nd.ndctl("destroy-namespace", "-f", "all")
    check.equal(nd.nodes(), [], "nodes in the end")

@nd_case(guests=("ramdax",))
def a_raw_namespace_of_an_odd_size(t):
    """Its end is not where the memory map could end: it keeps its size, and comes without DAX, with the reason."""
    shell.attempt("ndctl", "destroy-namespace", "-f", "all")
    align = f"{nd.DEVICES}/region0/align"
    before = shell.read_text(align)
    shell.write_text(align, "0x1000")
    try:
        t.expect_log(r"rpmem0\.\d: no DAX: .* does not begin and end at multiples of 2048 KiB")
        size = (64 << 20) + 4096
        made = nd.ndctl("create-namespace", "-m", "raw", "-s", str(size))
        found = nd.disk(*numbers(made))
        check.equal((found.bytes, found.queue("dax")), (size, "0"), "bytes, dax")
        found.badblocks.inject(found.sectors - 8, 8)
        with found.open() as io:
            with check.fails(errno.EIO):
                io.read(size - 4096, 4096)
            io.write(size - 4096, b"last" * 1024)
            check.equal(io.read(size - 4096, 4096), b"last" * 1024, "the last page")
        nd.ndctl("destroy-namespace", "-f", "all")
    finally:
        shell.write_text(align, before)


@nd_case(guests=("nd-machine-checks",))
def an_nvdimm_that_would_lose_data(t):
    """It says that it is not armed: nothing is written to its disk. And each disk is on its NVDIMM's node."""
    t.allow_log(NOT_ARMED)
    # QEMU's firmware lists them in an order of its own. The number 0 is not armed, and on the first node.
    first, second = sorted((nd.disk(0), nd.disk(1)), key=lambda disk: disk.attribute("ro"))
    check.equal([disk.attribute("ro") for disk in (first, second)], ["0", "1"], "ro")
    check.equal([disk.attribute("device/numa_node") for disk in (first, second)], ["1", "0"], "nodes")
    with second.open(os.O_RDONLY) as io:
        before = io.read(0, MIB)
    with check.fails(errno.EPERM, errno.EROFS, errno.EACCES, errno.EIO), second.open() as io:
        io.write(0, b"lost" * 1024)
    done = shell.attempt("mkfs.ext4", "-q", "-F", second.node)
    check.true(done.returncode, "mkfs.ext4 wrote to it")
    with second.open(os.O_RDONLY) as io:
        check.true(io.read(0, MIB) == before, "what is on it has changed")
    # The other one has nothing of this.
    with first.open() as io:
        io.write(0, b"kept" * 1024)
        check.equal(io.read(0, 4096), b"kept" * 1024, "the other one")
        io.write(0, bytes(4096))


@nd_case(guests=("nd-machine-checks",))
def what_the_bus_lists_stays(t):
    """ACPI's driver keeps a list too. QEMU has no command that clears errors: so what is on that list stays on
    ours, writes to it fail, and it is there again when the driver is."""
    for pattern in (NOT_ARMED, r"mce: \[Hardware Error\]: ", r"^((TSC|ADDR|MISC) [0-9a-f]+ *)+$",
                    r"^Disabling lock debugging due to kernel taint$", r"^Memory failure: 0x",
                    r"^rpmem: rpmem0\.0: (machine check|memory failure): \d+ sectors from \d+ on are bad now$",
                    r"^rpmem: rpmem0\.0: the platform reports \d+ more bad sectors$"):
        t.allow_log(pattern)
    found = nd.disk()
    page = 40
    first = page * 8
    machine_check.inject(found.address + page * 4096 + 1024, machine_check.ACTION_OPTIONAL)
    check.wait_until(lambda: found.badblocks.list(), "an error is in the list")
    before = found.badblocks.list()
    found.badblocks.inject(8, 8)
    with found.open() as io:
        for length in (512, 4096):
            with check.fails(errno.EIO):
                io.read(page * 4096 + 1024, length)
        with check.fails(errno.EIO):
            io.write(page * 4096, bytes(4096))
        check.equal(found.badblocks.list(), [(8, 8), *before], "the list after writing")
        # One that only we know of goes.
        io.write(4096, bytes(4096))
        check.equal(found.badblocks.list(), before, "the list after writing elsewhere")
    found.badblocks.clear(first, 8)
    left = found.badblocks.list()
    check.true(left and all(start >= first and start + length <= first + 8 for start, length in left), f"{left}")
    nd.unload()
    nd.load()
    check.equal(nd.disk().badblocks.list(), left, "the list when the driver is there again")
