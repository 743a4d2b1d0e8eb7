# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: ioctl(2): generation, label, UUID, path in sysfs, shutdown."""

import errno
import fcntl
import mmap
import os
import struct
import subprocess

from harness import check, shell
from harness.cases import case
from harness.rdaxfs import Volume, dump

GETVERSION = 0x80087601
GETVERSION32 = 0x80047601
GETFSLABEL, SETFSLABEL = 0x81009431, 0x41009432
GETFSUUID = 0x80111500
GETFSSYSFSPATH = 0x80811501
SHUTDOWN = 0x8004587D
DEFAULT, LOGFLUSH, NOLOGFLUSH = range(3)


def shut_down(directory, how):
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", how))
    finally:
        os.close(fd)


@case()
def what_it_tells(t):
    with Volume(t.disk.node) as volume:
        path = volume.directory / "file"
        generations = []
        for _ in range(2):
            path.write_bytes(b"")
            fd = os.open(path, os.O_RDONLY)
            for command in (GETVERSION, GETVERSION32):
                generations.append(struct.unpack("i", fcntl.ioctl(fd, command, bytes(4)))[0])
            os.close(fd)
            os.unlink(path)
        check.equal(generations[0], generations[1], "the same generation")
        check.true(generations[0] != generations[2], f"the generations of one number: {generations}")
        fd = os.open(volume.directory, os.O_RDONLY)
        length, uuid = struct.unpack("B16s", fcntl.ioctl(fd, GETFSUUID, bytes(17)))
        check.equal((length, uuid.hex()), (16, dump(t.disk.node)["uuid"].replace("-", "")), "the UUID")
        length, name = struct.unpack("B128s", fcntl.ioctl(fd, GETFSSYSFSPATH, bytes(129)))
        check.equal(name[:length].decode(), f"rdaxfs/{t.disk.name}", "the path in sysfs")
        with check.fails(errno.ENOTTY):
            fcntl.ioctl(fd, 0x80047699, bytes(4))
        with check.fails(errno.EINVAL):
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", 3))
        os.close(fd)


@case()
def the_label_changes_while_it_is_mounted(t):
    with Volume(t.disk.node, make_options=("-L", "before")) as volume:
        fd = os.open(volume.directory, os.O_RDONLY)

        def label():
            return fcntl.ioctl(fd, GETFSLABEL, bytes(256)).split(b"\0", 1)[0].decode()

        check.equal(label(), "before", "the label of mkfs")
        for text in ("after", "", "ä" * 16):
            fcntl.ioctl(fd, SETFSLABEL, text.encode().ljust(256, b"\0"))
            check.equal(label(), text, "the label")
        for text in (b"x" * 33, b"\xff", b"\x1b[31m"):
            with check.fails(errno.EINVAL):
                fcntl.ioctl(fd, SETFSLABEL, text.ljust(256, b"\0"))
        shell.run("mount", "-o", "remount,ro", volume.directory)
        with check.fails(errno.EROFS):
            fcntl.ioctl(fd, SETFSLABEL, b"more".ljust(256, b"\0"))
        os.close(fd)
        volume.again()
        check.equal(dump(t.disk.node)["label"], "ä" * 16, "the label on the medium")
        shell.run("xfs_io", "-c", "label -s of-xfs_io", volume.directory)
        check.true("of-xfs_io" in shell.run("xfs_io", "-c", "label", volume.directory), "what xfs_io sees")


@case()
def only_the_administrator_shuts_down(t):
    with Volume(t.disk.node) as volume:
        os.chmod(volume.directory, 0o777)
        code = (
            "import fcntl, os, sys; os.setuid(65534); fd = os.open(sys.argv[1], os.O_RDONLY)\n"
            "try: fcntl.ioctl(fd, 0x8004587d, b'\\0' * 4)\n"
            "except PermissionError: sys.exit(7)\n"
        )
        done = subprocess.run(["python3", "-c", code, volume.directory], check=False)
        check.equal(done.returncode, 7, "what somebody else gets")
        (volume.directory / "alive").mkdir()


@case(limit=300)
def after_a_shutdown_everything_fails(t):
    t.expect_log("shut down, as was asked for")
    for dax in ("always", "never"):
        for how in (DEFAULT, LOGFLUSH, NOLOGFLUSH):
            volume = Volume(t.disk.node, f"dax={dax}")
            root = volume.directory
            (root / "directory").mkdir()
            (root / "file").write_bytes(b"kept" * 4096)
            os.sync()
            fd = os.open(root / "file", os.O_RDWR)
            with open(root / "file", "r+b") as file:
                memory = mmap.mmap(file.fileno(), 4096)
            (root / "written").write_bytes(b"late" * 4096)
            shut_down(root, how)
            operations = {
                "mkdir": lambda: os.mkdir(root / "more"),
                "create": lambda: (root / "more").write_bytes(b""),
                "unlink": lambda: os.unlink(root / "file"),
                "rename": lambda: os.rename(root / "file", root / "other"),
                "write": lambda: os.pwrite(fd, b"lost", 0),
                "append": lambda: os.pwrite(fd, b"lost", 16384),
                "read": lambda: os.pread(fd, 4, 0) if dax == "always" else os.pread(fd, 4, 1 << 20) or os.mkdir(root / "x"),
                "truncate": lambda: os.ftruncate(fd, 0),
                "chmod": lambda: os.chmod(root / "file", 0o600),
                "fsync": lambda: os.fsync(fd),
            }
            for name, operation in operations.items():
                with check.fails(errno.EIO):
                    operation()
                    raise check.Failed(f"dax={dax}, shutdown {how}: {name} works")
            # Again is no error, and it can be unmounted.
            shut_down(root, LOGFLUSH)
            memory.close()
            os.close(fd)
            volume.unmount()
            volume.mount()
            check.equal((root / "file").read_bytes(), b"kept" * 4096, "what was there")
            check.true((root / "directory").is_dir(), "the directory")
            if dax == "always" or how == DEFAULT:
                check.equal((root / "written").read_bytes(), b"late" * 4096, "what had been written")
            check.equal(sorted(os.listdir(root)), ["directory", "file", "written"], "the names")
            volume.unmount()
            volume.check()


@case()
def xfs_io_knows_it(t):
    t.expect_log("shut down, as was asked for")
    volume = Volume(t.disk.node, "dax=always")
    shell.run("xfs_io", "-x", "-c", "shutdown -f", volume.directory)
    with check.fails(errno.EIO):
        (volume.directory / "more").mkdir()
    volume.unmount()
    volume.mount()
    volume.unmount()
    volume.check()
