# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: mounting, what is refused and with which words, and what a mount leaves behind: nothing."""

import errno
import os
import subprocess

from harness import check, driver, partition_table, rdaxfs, shell
from harness.cases import WITH_NAMESPACES, case
from harness.rdaxfs import Volume

BLOCK = 4096
DIRECTORY = "/mnt/rdaxfs"
# Of the superblock, in bytes: see Documentation/filesystems/rdaxfs/format.rst.
SUPERBLOCK = 256
CRC, COVERED, INCOMPAT, RO_COMPAT = 8, slice(12, 144), 20, 16


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def refused(t, node, words, *options):
    """The mount fails, with these words for who mounts and in the kernel's log; the device is free after."""
    t.expect_log(words)
    os.makedirs(DIRECTORY, exist_ok=True)
    done = rdaxfs.attempt_mount(node, DIRECTORY, *options)
    check.true(done.returncode != 0, f"it mounts, with {options}; refused was due: {words}")
    check.true(words in done.stderr, f"mount says '{done.stderr.strip()}', not '{words}'")
    os.close(os.open(node, os.O_RDONLY | os.O_EXCL))


def change_superblocks(disk, change):
    """Both copies, with a checksum that is right."""
    with disk.open() as io:
        for block in (0, disk.bytes // BLOCK - 1):
            data = bytearray(io.read(block * BLOCK, BLOCK))
            change(data)
            data[CRC : CRC + 4] = crc32c(data[COVERED]).to_bytes(4, "little")
            io.write(block * BLOCK, bytes(data))


@case(guests=WITH_NAMESPACES)
def a_volume_is_mounted_and_clean_after(t):
    with Volume(t.disk.node) as volume:
        check.equal(rdaxfs.dump(t.disk.node)["state"], "mounted", "the state while it is mounted")
        (volume.directory / "directory").mkdir()
        volume.again()
        check.equal(os.listdir(volume.directory), ["directory"], "what is there")
        volume.unmount()
        check.equal(rdaxfs.dump(t.disk.node)["state"], "clean", "the state afterwards")
    # Nobody holds the module.
    shell.run("modprobe", "-r", "rdaxfs")
    t.disk.wipe_ends()


@case()
def options_show(t):
    for options, shown in (
        ((), set()),
        (("dax",), {"dax=always"}),
        (("dax=always",), {"dax=always"}),
        (("dax=never",), {"dax=never"}),
        (("dax=inode",), set()),
        (("errors=continue", "nouuid"), {"errors=continue", "nouuid"}),
        (("errors=remount-ro",), set()),
        (("ro",), {"ro"}),
    ):
        with Volume(t.disk.node, *options) as volume:
            words = shell.run("findmnt", "-n", "-o", "OPTIONS", volume.directory).strip().split(",")
            found = set(words) - {"rw", "relatime"}
            check.equal(found, shown | ({"ro"} if "ro" in options else set()), f"options after {options}")
    for option, words in (
        ("dax=sometimes", "dax"),
        ("errors=ignore", "errors"),
        ("data=ordered", "Unknown parameter 'data'"),
    ):
        done = rdaxfs.attempt_mount(t.disk.node, DIRECTORY, option)
        check.true(done.returncode != 0 and words in done.stderr, f"{option}: {done.stderr.strip()}")


@case()
def statfs_counts(t):
    with Volume(t.disk.node) as volume:
        before = os.statvfs(volume.directory)
        check.equal((before.f_bsize, before.f_namemax), (BLOCK, 255), "block size, longest name")
        check.equal(before.f_blocks, t.disk.bytes // BLOCK, "blocks")
        check.equal(before.f_files - before.f_ffree, 1, "inodes in use")
        for number in range(100):
            (volume.directory / f"{number}").mkdir()
        after = os.statvfs(volume.directory)
        check.equal(after.f_files - after.f_ffree, 101, "inodes in use, with 100 directories")
        check.true(after.f_bfree < before.f_bfree, "directories take blocks")
        for number in range(100):
            (volume.directory / f"{number}").rmdir()
        again = os.statvfs(volume.directory)
        check.equal(again.f_files - again.f_ffree, 1, "inodes in use after they are removed")


@case()
def what_is_no_volume_is_refused(t):
    t.disk.wipe_ends()
    refused(t, t.disk.node, "is not an rdaxfs volume")
    shell.run("mkfs.ext4", "-q", "-F", t.disk.node)
    refused(t, t.disk.node, "is not an rdaxfs volume")
    refused(t, t.disk.node, "is not an rdaxfs volume", "ro")
    t.disk.wipe_ends()


@case()
def features_of_the_future_are_refused(t):
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)

    def set_bit(at):
        def change(data):
            data[at] |= 0x80

        return change

    change_superblocks(t.disk, set_bit(RO_COMPAT))
    t.expect_log("can only read")
    os.makedirs(DIRECTORY, exist_ok=True)
    # mount(8) tries again, read-only, and says so.
    done = rdaxfs.attempt_mount(t.disk.node, DIRECTORY)
    check.true(done.returncode == 0 and "read-only" in done.stderr, done.stderr)
    shell.run("umount", DIRECTORY)
    change_superblocks(t.disk, set_bit(INCOMPAT))
    refused(t, t.disk.node, "features that this version does not know")
    refused(t, t.disk.node, "features that this version does not know", "ro")
    t.disk.wipe_ends()


@case()
def a_damaged_superblock_names_fsck(t):
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
    with t.disk.open() as io:
        first = bytearray(io.read(0, BLOCK))
        first[40] ^= 1
        io.write(0, bytes(first))
    t.expect_log("mounted read-only from the copy of the superblock; run fsck.rdaxfs")
    done = rdaxfs.attempt_mount(t.disk.node, DIRECTORY)
    check.equal(done.returncode, 0, f"mounts from the copy: {done.stderr}")
    with check.fails(errno.EROFS):
        os.mkdir(f"{DIRECTORY}/more")
    shell.run("umount", DIRECTORY)
    with t.disk.open() as io:
        check.equal(io.read(0, BLOCK), bytes(first), "the first superblock")
    with t.disk.open() as io:
        io.write(t.disk.bytes - BLOCK, bytes(first))
    refused(t, t.disk.node, "the superblock is damaged")
    t.disk.wipe_ends()


@case()
def a_bad_superblock_is_not_used(t):
    """The device knows that block 0 is bad, though it can be read still: the mount says so, and is read-only."""
    with Volume(t.disk.node) as volume:
        (volume.directory / "kept").mkdir()
    for sector in (0, 7):
        t.disk.badblocks.inject(sector, 1)
        for options in ((), ("ro",)):
            t.expect_log("mounted read-only from the copy of the superblock; run fsck.rdaxfs")
            volume = Volume(t.disk.node, *options, make=False)
            check.equal(os.listdir(volume.directory), ["kept"], "what is there")
            with check.fails(errno.EROFS):
                (volume.directory / "more").mkdir()
            shown = shell.run("findmnt", "-n", "-o", "FS-OPTIONS", volume.directory).strip().split(",")
            check.true({"ro", "superblock=copy"} <= set(shown), f"what shows: {shown}")
            t.allow_log("mounted from the copy of the superblock: run fsck.rdaxfs")
            check.true(shell.attempt("mount", "-o", "remount,rw", volume.directory).returncode != 0, "made read-write")
            volume.unmount()
        check.equal(t.disk.badblocks.list(), [(sector, 1)], "bad blocks")
        t.disk.badblocks.clear(sector, 1)
    with Volume(t.disk.node, make=False) as volume:
        (volume.directory / "more").mkdir()
    t.disk.wipe_ends()


@case()
def the_copy_of_another_time_is_not_taken(t):
    """Another file system has the device now; the copy at its end is still there."""
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
    with t.disk.open() as io:
        last = io.read(t.disk.bytes - BLOCK, BLOCK)
    shell.run("mkfs.ext4", "-q", "-F", t.disk.node)
    with t.disk.open() as io:
        io.write(t.disk.bytes - BLOCK, last)
    refused(t, t.disk.node, "is not an rdaxfs volume")
    refused(t, t.disk.node, "is not an rdaxfs volume", "ro")
    t.disk.wipe_ends()


@case()
def the_copy_can_be_asked_for(t):
    with Volume(t.disk.node) as volume:
        (volume.directory / "kept").mkdir()
    with t.disk.open() as io:
        first = io.read(0, BLOCK)
        io.write(0, bytes(BLOCK))
    refused(t, t.disk.node, "is not an rdaxfs volume")
    t.allow_log("mounted read-only from the copy")
    volume = Volume(t.disk.node, "superblock=copy", make=False)
    check.equal(os.listdir(volume.directory), ["kept"], "what is there")
    with check.fails(errno.EROFS):
        (volume.directory / "more").mkdir()
    volume.unmount()
    with t.disk.open() as io:
        io.write(0, first)
    volume.check()
    t.disk.wipe_ends()


@case()
def a_device_that_is_too_short_is_refused(t):
    """A volume that was copied to a shorter place."""
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
    with t.disk.open() as io:
        head = io.read(0, BLOCK)
    partition_table.write(t.disk, f"label: gpt\nstart={(1 << 20) // 512}, size={(64 << 20) // 512}\n")
    node = f"{t.disk.node}p1"
    with open(node, "wb", buffering=0) as file:
        file.write(head)
    refused(t, node, "the device is shorter than the volume")
    partition_table.remove(t.disk)


@case()
def partitions_are_mounted(t):
    partition_table.write(t.disk, "label: gpt\nsize=64M\nsize=96M\n")
    first, second = (f"{t.disk.node}p{number}" for number in (1, 2))
    with Volume(first) as one, Volume(second, directory="/mnt/rdaxfs-2") as two:
        (one.directory / "a").mkdir()
        (two.directory / "b").mkdir()
        check.equal((os.listdir(one.directory), os.listdir(two.directory)), (["a"], ["b"]), "what is where")
    partition_table.remove(t.disk)


@case()
def a_twin_is_refused(t):
    """A copy of a mounted volume, unless it is said that it is wanted."""
    partition_table.write(t.disk, "label: gpt\nsize=32M\nsize=32M\n")
    first, second = (f"{t.disk.node}p{number}" for number in (1, 2))
    rdaxfs.run("mkfs", "-f", "-q", first)
    shell.run("dd", f"if={first}", f"of={second}", "bs=1M", "oflag=direct", "status=none")
    with Volume(first, make=False, directory="/mnt/rdaxfs-1") as one:
        (one.directory / "first").mkdir()
        refused(t, second, "nouuid")
        with Volume(second, "nouuid", make=False) as two:
            check.equal(os.listdir(two.directory), [], "the copy")
    with Volume(second, make=False):
        pass
    partition_table.remove(t.disk)


@case()
def devices_without_dax_are_refused(t):
    image = "/tmp/image"
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    rdaxfs.run("mkfs", "-f", "-q", image)
    shell.run("modprobe", "loop")
    loop = shell.run("losetup", "--find", "--show", image).strip()
    try:
        refused(t, loop, "has no DAX")
        refused(t, loop, "has no DAX", "ro", "dax=never")
    finally:
        shell.run("losetup", "--detach", loop)
        os.unlink(image)


@case()
def device_mapper_is_refused(t):
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
    shell.run("dmsetup", "create", "--noudevsync", "rdaxfs-test", "--table", f"0 {t.disk.sectors} linear {t.disk.node} 0")
    number = int(shell.run("dmsetup", "info", "-c", "--noheadings", "-o", "minor", "rdaxfs-test"))
    try:
        refused(t, f"/dev/dm-{number}", "device-mapper")
    finally:
        shell.run("dmsetup", "remove", "--noudevsync", "rdaxfs-test")
    t.disk.wipe_ends()


@case()
def a_read_only_device_gets_no_store(t):
    with Volume(t.disk.node) as volume:
        (volume.directory / "kept").mkdir()
    with t.disk.open() as io:
        before = io.read(0, 16 * BLOCK)
    shell.run("blockdev", "--setro", t.disk.node)
    try:
        done = rdaxfs.attempt_mount(t.disk.node, DIRECTORY, "rw")
        # mount(8) tries again, read-only, and says so.
        if done.returncode == 0:
            check.true("read-only" in done.stderr, done.stderr)
            shell.run("umount", DIRECTORY)
        with Volume(t.disk.node, "ro", make=False) as volume:
            check.equal(os.listdir(volume.directory), ["kept"], "what is there")
            with check.fails(30):
                (volume.directory / "more").mkdir()
    finally:
        shell.run("blockdev", "--setrw", t.disk.node)
    with t.disk.open() as io:
        check.equal(io.read(0, 16 * BLOCK), before, "the first blocks")


@case()
def tools_and_kernel_see_the_same(t):
    """Whatever the device's page cache had before, between and after mounts."""
    for _ in range(3):
        with open(t.disk.node, "rb") as file:
            file.read(1 << 20)
        rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
        with Volume(t.disk.node, make=False) as volume:
            check.equal(os.listdir(volume.directory), [], "a fresh volume")
            (volume.directory / "made").mkdir()
        with open(t.disk.node, "rb") as file:
            file.read(1 << 20)
        with Volume(t.disk.node, make=False) as volume:
            check.equal(os.listdir(volume.directory), ["made"], "after a mount")


@case()
def two_mounts_are_one_volume(t):
    with Volume(t.disk.node) as volume:
        second = "/mnt/rdaxfs-2"
        os.makedirs(second, exist_ok=True)
        shell.run("mount", "-t", "rdaxfs", t.disk.node, second)
        (volume.directory / "here").mkdir()
        check.equal(os.listdir(second), ["here"], "the other mount")
        done = rdaxfs.attempt_mount(t.disk.node, second, "ro")
        check.true(done.returncode != 0, "read-only beside read-write")
        shell.run("umount", second)


@case(limit=300)
def a_mount_costs_nothing_that_stays(t):
    """200 mounts, refused and not: the module can go, and memory is back."""
    rdaxfs.run("mkfs", "-f", "-q", t.disk.node)
    os.makedirs(DIRECTORY, exist_ok=True)

    def round_trip(number):
        shell.run("mount", "-t", "rdaxfs", t.disk.node, DIRECTORY)
        os.mkdir(f"{DIRECTORY}/{number}")
        shell.run("umount", DIRECTORY)

    for number in range(50):
        round_trip(number)
    shell.run("modprobe", "-r", "rdaxfs")
    rdaxfs.run("fsck", "-f", "-n", t.disk.node)
    t.disk.wipe_ends()


@case(limit=300)
def what_a_crash_left_is_finished(t):
    """A copy of the memory while files without names are open is what a crash leaves: the copy mounts, the
    files are freed, and fsck has nothing to say."""
    partition_table.write(t.disk, "label: gpt\nsize=32M\nsize=32M\n")
    first, second = (f"{t.disk.node}p{number}" for number in (1, 2))
    with Volume(first, directory="/mnt/rdaxfs-1") as one:
        held = []
        for number in range(40):
            path = one.directory / f"held-{number}"
            path.mkdir()
            held.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
            path.rmdir()
        held += [os.open(one.directory, os.O_TMPFILE | os.O_RDWR) for _ in range(5)] if tmpfiles_open(one) else []
        (one.directory / "named").mkdir()
        shell.run("dd", f"if={first}", f"of={second}", "bs=1M", "iflag=direct", "oflag=direct", "status=none")
        for descriptor in held:
            os.close(descriptor)
        with Volume(second, "nouuid", make=False) as two:
            check.equal(os.listdir(two.directory), ["named"], "the copy")
            found = os.statvfs(two.directory)
            check.equal(found.f_files - found.f_ffree, 2, "inodes in use")
    partition_table.remove(t.disk)


@case()
def remount_goes_both_ways(t):
    def options(volume):
        return shell.run("findmnt", "-n", "-o", "FS-OPTIONS", volume.directory).strip().split(",")

    with Volume(t.disk.node) as volume:
        (volume.directory / "first").mkdir()
        with open(volume.directory / "open", "wb") as file:
            done = shell.attempt("mount", "-o", "remount,ro", volume.directory)
            check.true(done.returncode != 0 and "busy" in done.stderr, done.stderr)
            file.write(b"written")
        nameless = os.open(volume.directory, os.O_TMPFILE | os.O_RDWR)
        check.true(shell.attempt("mount", "-o", "remount,ro", volume.directory).returncode != 0, "a file without a name")
        os.close(nameless)

        for number in range(3):
            shell.run("mount", "-o", "remount,ro", volume.directory)
            check.true("ro" in options(volume), "read-only")
            check.equal(rdaxfs.dump(t.disk.node)["state"], "clean", "the state while it is read-only")
            volume.check()
            check.equal((volume.directory / "open").read_bytes(), b"written", "what is read")
            with check.fails(errno.EROFS):
                (volume.directory / "refused").mkdir()
            # Other options change without it.
            shell.run("mount", "-o", "remount,errors=continue", volume.directory)
            check.true("ro" in options(volume), "still read-only")
            shell.run("mount", "-o", "remount,rw", volume.directory)
            check.true("rw" in options(volume), "read-write")
            check.equal(rdaxfs.dump(t.disk.node)["state"], "mounted", "the state while it is read-write")
            (volume.directory / f"more-{number}").mkdir()
        volume.again()
        check.equal(sorted(os.listdir(volume.directory)), ["first", "more-0", "more-1", "more-2", "open"], "what is there")


@case(limit=300)
def what_a_crash_left_is_read_without_a_store(t):
    """A read-only mount of what a crash left reads what the journal's replay would leave, and stores nothing, also
    on a device that refuses stores; made read-write, it is as after any other mount."""
    partition_table.write(t.disk, "label: gpt\nsize=32M\nsize=32M\n")
    first, second = (f"{t.disk.node}p{number}" for number in (1, 2))
    # With DAX a write is durable when it returns.
    with Volume(first, "dax=always", directory="/mnt/rdaxfs-1") as one:
        for number in range(100):
            (one.directory / f"file-{number}").write_bytes(b"%d" % number * 5000)
        nameless = os.open(one.directory, os.O_TMPFILE | os.O_RDWR)
        os.write(nameless, bytes(100_000))
        shell.run("dd", f"if={first}", f"of={second}", "bs=1M", "iflag=direct", "oflag=direct", "status=none")
        os.close(nameless)
    before = shell.run("sha256sum", second)
    shell.run("blockdev", "--setro", second)
    try:
        volume = Volume(second, "ro", make=False)
        for number in range(100):
            check.equal((volume.directory / f"file-{number}").read_bytes(), b"%d" % number * 5000, "a file")
        check.true(shell.attempt("mount", "-o", "remount,rw", volume.directory).returncode != 0, "the device is read-only")
        check.equal(shell.run("sha256sum", second), before, "the device")
    finally:
        shell.run("blockdev", "--setrw", second)
    shell.run("mount", "-o", "remount,rw", volume.directory)
    (volume.directory / "more").mkdir()
    check.equal(len(os.listdir(volume.directory)), 101, "what is there")
    found = os.statvfs(volume.directory)
    check.equal(found.f_files - found.f_ffree, 102, "inodes in use: the nameless one is freed")
    volume.unmount()
    volume.check()
    partition_table.remove(t.disk)


@case(limit=300)
def a_frozen_volume_can_be_copied(t):
    partition_table.write(t.disk, "label: gpt\nsize=32M\nsize=32M\n")
    first, second = (f"{t.disk.node}p{number}" for number in (1, 2))
    with Volume(first, directory="/mnt/rdaxfs-1") as one:
        for number in range(50):
            (one.directory / f"file-{number}").write_bytes(b"frozen" * number)
        (one.directory / "mapped").write_bytes(bytes(BLOCK))
        shell.run("fsfreeze", "-f", one.directory)
        try:
            writer = subprocess.Popen(["mkdir", one.directory / "late"])
            shell.run("dd", f"if={first}", f"of={second}", "bs=1M", "iflag=direct", "oflag=direct", "status=none")
            check.true(writer.poll() is None, "a task that changes something waits")
            check.equal((one.directory / "file-7").read_bytes(), b"frozen" * 7, "reading goes on")
        finally:
            shell.run("fsfreeze", "-u", one.directory)
        check.equal(writer.wait(timeout=60), 0, "the task after the thaw")
        check.true((one.directory / "late").is_dir(), "what it made")
        before = shell.run("sha256sum", second)
        two = Volume(second, "ro", "nouuid", make=False)
        check.equal(len(os.listdir(two.directory)), 51, "the copy")
        two.unmount()
        check.equal(shell.run("sha256sum", second), before, "the copy's device")
        with Volume(second, "nouuid", make=False) as two:
            check.equal((two.directory / "file-9").read_bytes(), b"frozen" * 9, "the copy, read-write")
    partition_table.remove(t.disk)


def tmpfiles_open(volume):
    """Whether regular files can be opened."""
    try:
        os.close(os.open(volume.directory, os.O_TMPFILE | os.O_RDWR))
    except OSError:
        return False
    return True


@case()
def a_busy_volume_stays(t):
    with Volume(t.disk.node) as volume:
        (volume.directory / "busy").mkdir()
        with subprocess.Popen(["sleep", "60"], cwd=volume.directory / "busy") as sleeper:
            done = shell.attempt("umount", volume.directory)
            check.true(done.returncode != 0 and "busy" in done.stderr, done.stderr)
            check.true(driver.is_loaded(), "the driver")
            sleeper.kill()


def damage_inode(disk, ino):
    """Another checksum, so that it is judged to be damaged when it comes into memory."""
    block, slot = divmod(ino, 16)
    with disk.open() as io:
        data = bytearray(io.read(block * BLOCK, BLOCK))
        data[slot * 256 + 4] ^= 1
        io.write(block * BLOCK, bytes(data))


@case()
def damage_leads_to_what_errors_says(t):
    t.expect_log("something is damaged; run fsck.rdaxfs")
    t.expect_log("read-only from now on")
    t.expect_log("errors that were met before")
    t.expect_log("mounted read-only; run fsck.rdaxfs")
    with Volume(t.disk.node) as volume:
        (volume.directory / "damaged").mkdir()
        ino = os.stat(volume.directory / "damaged").st_ino
    damage_inode(t.disk, ino)
    # First it is met, then the mount knows of it.
    for option, is_writable in (("errors=remount-ro", False), ("errors=continue", True), ("errors=remount-ro", False)):
        volume = Volume(t.disk.node, option, make=False)
        for _ in range(20):
            with check.fails(errno.EUCLEAN):
                os.stat(volume.directory / "damaged")
        check.true("damaged" in os.listdir(volume.directory), "the name")
        if is_writable:
            (volume.directory / "more").mkdir()
        else:
            with check.fails(errno.EROFS):
                (volume.directory / "no-more").mkdir()
            words = shell.run("findmnt", "-n", "-o", "FS-OPTIONS", volume.directory)
            check.true("ro" in words.strip().split(","), words)
        volume.unmount()
    said = rdaxfs.run("fsck", "-f", "-n", t.disk.node, status=4)
    check.true("inode" in said, said)
    t.disk.wipe_ends()
