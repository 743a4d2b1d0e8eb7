# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: what inodes say beside their contents: owners, modes, times, flags, attributes, access control
lists, handles. All is read again from the medium after an unmount."""

import ctypes
import errno
import os
import re
import stat
import struct

from harness import check, files, shell
from harness.cases import case
from harness.rdaxfs import Volume

LIBC = ctypes.CDLL(None, use_errno=True)
SOMEBODY = 1000


def xfs_io(path, *commands):
    return shell.run("xfs_io", "-r", *(word for command in commands for word in ("-c", command)), path)


def as_user(uid, operation):
    """What becomes of it for a task of that user and group, without capabilities."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        number = 0
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            operation()
        except OSError as error:
            number = error.errno
        finally:
            os.write(write, bytes([number]))
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read, "rb") as file:
        (number,) = file.read()
    return errno.errorcode.get(number)


def shown(path):
    found = os.lstat(path)
    return (oct(found.st_mode), found.st_uid, found.st_gid, found.st_atime_ns, found.st_mtime_ns, found.st_size)


@case()
def where_attributes_are(t):
    """FIEMAP_FLAG_XATTR: the blocks of attributes that have some, as the disk shows; none of a file without."""
    with Volume(t.disk.node, "dax=always") as volume:
        path = volume.directory / "file"
        path.write_bytes(b"d" * 5000)
        check.equal(files.attribute_extents(path), [], "without attributes")
        value = os.urandom(30_000)
        os.setxattr(path, "user.long", value)
        ((logical, physical, length, flags),) = files.attribute_extents(path)
        check.equal((logical, length % 4096, flags & 1), (0, 0, 1), "the extent of its attributes")
        check.true(length >= len(value), f"it has {length} bytes")
        volume.unmount()
        with t.disk.open() as io:
            check.true(value in io.read(physical, length), "they are somewhere else")
        volume.mount()
        os.removexattr(path, "user.long")
        check.equal(files.attribute_extents(path), [], "without attributes again")


@case()
def owners_modes_and_times(t):
    with Volume(t.disk.node, "dax=always") as volume:
        made = {}
        for name, mode in (("file", 0o4711), ("directory", 0o2755), ("fifo", 0o600)):
            path = volume.directory / name
            if name == "directory":
                path.mkdir()
            else:
                os.mknod(path, (stat.S_IFIFO if name == "fifo" else stat.S_IFREG) | 0o644)
            os.chown(path, 4_000_000_000, 3_000_000_000)
            os.chmod(path, mode)
            os.utime(path, ns=(-1_500_000_001, 10_000_000_000_123_456_789 % (1 << 62)))
            made[path] = shown(path)
            check.equal(stat.S_IMODE(os.stat(path).st_mode), mode, name)
        link = volume.directory / "link"
        link.symlink_to("nowhere")
        os.lchown(link, 7, 8)
        os.utime(link, ns=(1, 2), follow_symlinks=False)
        made[link] = shown(link)
        born = os.stat(volume.directory / "file").st_ctime_ns
        volume.again()
        for path, before in made.items():
            check.equal(shown(path), before, path.name)
        check.equal(os.stat(volume.directory / "file").st_ctime_ns, born, "the time of the last change")


@case()
def times_out_of_range(t):
    """The kernel sets a time that does not fit to the nearest end, a whole second; it does not become another one."""
    first, last = -(1 << 33), (1 << 33) - 1
    times = {
        "early": ((first - 1, 5), first * 10**9),
        "very early": ((-(1 << 61), 0), first * 10**9),
        "first": ((first + 1, 5), (first + 1) * 10**9 + 5),
        "last": ((last - 1, 999_999_999), last * 10**9 - 1),
        "late": ((last + 1, 5), last * 10**9),
        "very late": ((1 << 61, 0), last * 10**9),
    }
    with Volume(t.disk.node, "dax=always") as volume:
        for name, ((seconds, nanoseconds), _) in times.items():
            path = volume.directory / name
            path.touch()
            os.utime(path, ns=(seconds * 10**9 + nanoseconds,) * 2)
        for mounts in ("first", "second"):
            for name, (_, wanted) in times.items():
                status = os.stat(volume.directory / name)
                check.equal((status.st_atime_ns, status.st_mtime_ns), (wanted, wanted), f"{name}, {mounts} mount")
            volume.again()


@case()
def who_may_change_what(t):
    with Volume(t.disk.node, "dax=always") as volume:
        path = volume.directory / "file"
        os.mknod(path, stat.S_IFREG | 0o644)
        before = shown(path)
        for what, operation in {
            "chmod": lambda: os.chmod(path, 0o777),
            "chown": lambda: os.chown(path, SOMEBODY, SOMEBODY),
            "utime": lambda: os.utime(path, ns=(1, 2)),
        }.items():
            check.equal(as_user(SOMEBODY, operation), "EPERM", what)
        check.equal(shown(path), before, "the file")
        os.chown(path, SOMEBODY, 5)
        # A set-group-ID bit is not for a group that one is not in.
        check.equal(as_user(SOMEBODY, lambda: os.chmod(path, 0o2755)), None, "chmod")
        check.equal(stat.S_IMODE(os.stat(path).st_mode), 0o755, "the mode")
        # A new owner does not get the old one's privileges.
        os.chmod(path, 0o6755)
        os.chown(path, 6, 6)
        check.equal(stat.S_IMODE(os.stat(path).st_mode), 0o755, "the mode after chown")


@case()
def what_is_inherited_of_a_directory(t):
    """The examples A, B and C of Documentation/filesystems/dax.rst, groups, projects, and umask."""
    with Volume(t.disk.node, "dax=always") as volume:
        root = volume.directory

        def flags(path):
            return xfs_io(path, "lsattr").split()[0]

        def with_dax(base, *paths):
            return [path for path in paths if "x" in flags(base / path)]

        for name, make in {
            "A": (["a/b/c"], "a", ["a/b/c/d", "a/e"]),
            "B": (["a"], "a", ["a/b/c/d"]),
            "C": (["a/b/c"], "a/b/c", ["a/b/c/d"]),
        }.items():
            first, flagged, then = make
            for path in first:
                (root / name / path).mkdir(parents=True)
            xfs_io(root / name / flagged, "chattr +x")
            for path in then:
                (root / name / path).mkdir(parents=True, exist_ok=True)

        def all_of_them():
            return {
                "A": with_dax(root / "A", "a", "a/b", "a/b/c", "a/b/c/d", "a/e"),
                "B": with_dax(root / "B", "a", "a/b", "a/b/c", "a/b/c/d"),
                "C": with_dax(root / "C", "a", "a/b", "a/b/c", "a/b/c/d"),
            }

        wanted = {"A": ["a", "a/e"], "B": ["a", "a/b", "a/b/c", "a/b/c/d"], "C": ["a/b/c", "a/b/c/d"]}
        check.equal(all_of_them(), wanted, "what has the flag")

        group = root / "group"
        group.mkdir()
        os.chown(group, 0, 77)
        os.chmod(group, 0o2777)
        (group / "below").mkdir()
        os.mknod(group / "file", stat.S_IFREG | 0o600)
        check.equal([os.stat(group / name).st_gid for name in ("below", "file")], [77, 77], "the group")
        check.true(os.stat(group / "below").st_mode & stat.S_ISGID, "the directory does not pass it on")

        project = root / "project"
        project.mkdir()
        xfs_io(project, "chproj 42", "chattr +P")
        (project / "below").mkdir()
        check.true("= 42" in xfs_io(project / "below", "lsproj"), "the project")

        before = os.umask(0o077)
        try:
            os.mknod(root / "private", stat.S_IFREG | 0o666)
        finally:
            os.umask(before)
        check.equal(stat.S_IMODE(os.stat(root / "private").st_mode), 0o600, "the mode with a umask")
        volume.again()
        check.equal(all_of_them(), wanted, "what has the flag after a mount")


@case()
def immutable_and_append_only(t):
    with Volume(t.disk.node, "dax=always") as volume:
        directory = volume.directory / "directory"
        directory.mkdir()
        os.mknod(directory / "file", stat.S_IFREG | 0o600)
        shell.run("chattr", "+i", directory)
        for what, operation in {
            "create": lambda: os.mknod(directory / "other", stat.S_IFREG | 0o600),
            "unlink": lambda: os.unlink(directory / "file"),
            "chmod": lambda: os.chmod(directory, 0o700),
            "setxattr": lambda: os.setxattr(directory, "user.x", b""),
        }.items():
            with check.fails(errno.EPERM):
                operation()
        volume.again()
        with check.fails(errno.EPERM):
            os.unlink(directory / "file")
        shell.run("chattr", "-i", "+a", directory)
        os.mknod(directory / "other", stat.S_IFREG | 0o600)
        with check.fails(errno.EPERM):
            os.unlink(directory / "other")
        shell.run("chattr", "-a", directory)
        os.unlink(directory / "other")


@case()
def extended_attributes(t):
    with Volume(t.disk.node, "dax=always") as volume:
        path = volume.directory / "directory"
        path.mkdir()
        sizes = (0, 1, 40, 255, 4000, 4096, 65536)
        wanted = {f"user.{size}": bytes([size % 251]) * size for size in sizes if size != 65536}
        wanted |= {"trusted.t": b"t", "security.s": b"s", f"user.{'n' * 250}": b"long name"}
        for name, value in wanted.items():
            os.setxattr(path, name, value, os.XATTR_CREATE)

        def found():
            return {name: os.getxattr(path, name) for name in os.listxattr(path)}

        check.equal(found(), wanted, "the attributes")
        volume.again()
        check.equal(found(), wanted, "the attributes after a mount")
        for number, operation in (
            (errno.EEXIST, lambda: os.setxattr(path, "user.1", b"", os.XATTR_CREATE)),
            (errno.ENODATA, lambda: os.setxattr(path, "user.none", b"", os.XATTR_REPLACE)),
            (errno.ENODATA, lambda: os.getxattr(path, "user.none")),
            (errno.ENODATA, lambda: os.removexattr(path, "user.none")),
            (errno.ERANGE, lambda: os.setxattr(path, f"user.{'n' * 251}", b"")),
            (errno.EOPNOTSUPP, lambda: os.setxattr(path, "nobodys.x", b"")),
        ):
            with check.fails(number):
                operation()
        os.setxattr(path, "user.1", b"another one", os.XATTR_REPLACE)
        os.removexattr(path, "user.4096")
        del wanted["user.4096"]
        wanted["user.1"] = b"another one"
        check.equal(found(), wanted, "the attributes after changes")
        # 128 KiB is what all of them together may have.
        with check.fails(errno.E2BIG, errno.ENOSPC):
            for number in range(40):
                os.setxattr(path, f"user.large-{number}", bytes(60000))
        os.mkdir(volume.directory / "open", 0o777)
        os.chmod(volume.directory / "open", 0o777)
        os.setxattr(volume.directory / "open", "trusted.t", b"")

        def lists():
            if os.listxattr(volume.directory / "open"):
                raise OSError(errno.EIO, "the names of trusted attributes are for the administrator")

        check.equal(as_user(SOMEBODY, lists), None, "listing as somebody")


@case()
def access_control_lists(t):
    with Volume(t.disk.node, "dax=always") as volume:
        directory = volume.directory / "directory"
        directory.mkdir(mode=0o700)
        os.chmod(directory, 0o700)
        enter = lambda: os.listdir(directory)
        check.equal(as_user(SOMEBODY, enter), "EACCES", "without a list")
        shell.run("setfacl", "-m", f"u:{SOMEBODY}:rx", directory)
        check.equal(as_user(SOMEBODY, enter), None, "with a list")
        check.equal(as_user(SOMEBODY + 1, enter), "EACCES", "somebody else")
        volume.again()
        check.equal(as_user(SOMEBODY, enter), None, "with a list, after a mount")
        # chmod changes the list's mask.
        os.chmod(directory, 0o700)
        check.equal(as_user(SOMEBODY, enter), "EACCES", "after chmod")
        volume.again()
        check.equal(as_user(SOMEBODY, enter), "EACCES", "after chmod, after a mount")
        os.chmod(directory, 0o750)
        check.equal(as_user(SOMEBODY, enter), None, "after another chmod")

        shell.run("setfacl", "-d", "-m", f"u:{SOMEBODY}:rwx", directory)
        (directory / "below").mkdir()
        os.mknod(directory / "file", stat.S_IFREG | 0o640)
        volume.again()
        text = shell.run("getfacl", "-cn", "--omit-header", directory / "below")
        for line in (f"user:{SOMEBODY}:rwx", f"default:user:{SOMEBODY}:rwx"):
            check.true(line in text.split(), f"{line}: {text}")
        text = shell.run("getfacl", "-cn", "--omit-header", directory / "file")
        check.true(re.search(rf"^user:{SOMEBODY}:rwx\s+#effective:r--$", text, re.M), text)

        # A list that says what a mode says becomes the mode.
        shell.run("setfacl", "-b", directory)
        check.equal(os.listxattr(directory), [], "attributes left")
        check.equal(as_user(SOMEBODY, enter), "EACCES", "without the list again")
        with check.fails(errno.EACCES):
            os.setxattr(directory / "file", "system.posix_acl_default", os.getxattr(directory / "below", "system.posix_acl_default"))


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_ubyte * 128)]


def handle_of(path, follow=False):
    handle, mount = Handle(bytes=128), ctypes.c_int()
    if LIBC.name_to_handle_at(-100, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount), 0x400 if follow else 0):
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    return handle


def open_handle(directory, handle):
    at = os.open(directory, os.O_RDONLY)
    try:
        fd = LIBC.open_by_handle_at(at, ctypes.byref(handle), os.O_PATH)
        if fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return fd
    finally:
        os.close(at)


@case()
def handles(t):
    with Volume(t.disk.node, "dax=always") as volume:
        deep = volume.directory / "a" / "b" / "c"
        deep.mkdir(parents=True)
        os.mknod(deep / "file", stat.S_IFREG | 0o600)
        kept = {path: (handle_of(path), os.stat(path).st_ino) for path in (deep, deep / "file")}
        volume.again()
        for path, (handle, ino) in kept.items():
            fd = open_handle(volume.directory, handle)
            check.equal(os.fstat(fd).st_ino, ino, f"the inode of {path.name}'s handle")
            if path == deep:
                check.equal(os.readlink(f"/proc/self/fd/{fd}"), str(deep), "the path of a handle's directory")
            os.close(fd)
        # The number is used again; the handle is not for the new file.
        handle, ino = kept[deep / "file"]
        os.unlink(deep / "file")
        with check.fails(errno.ESTALE):
            open_handle(volume.directory, handle)
        os.mknod(deep / "another", stat.S_IFREG | 0o600)
        check.equal(os.stat(deep / "another").st_ino, ino, "the number is not used again: the test shows nothing")
        with check.fails(errno.ESTALE):
            open_handle(volume.directory, handle)
        # While a task has a file open, its handle is good without a name too.
        unnamed = [os.open(volume.directory, os.O_TMPFILE | os.O_RDWR, 0o600)]
        unnamed.append(os.open(deep / "another", os.O_RDWR))
        handles_of = [handle_of(f"/proc/self/fd/{fd}", follow=True) for fd in unnamed]
        os.unlink(deep / "another")
        for fd, handle in zip(unnamed, handles_of):
            again = open_handle(volume.directory, handle)
            found = os.fstat(again)
            check.equal((found.st_ino, found.st_nlink), (os.fstat(fd).st_ino, 0), "what a handle without a name is for")
            os.close(fd)
            os.close(open_handle(volume.directory, handle))
            os.close(again)
            with check.fails(errno.ESTALE):
                open_handle(volume.directory, handle)
        # A directory that has gone stays so.
        os.mkdir(volume.directory / "gone")
        fd = os.open(volume.directory / "gone", os.O_RDONLY)
        handle = handle_of(volume.directory / "gone")
        os.rmdir(volume.directory / "gone")
        with check.fails(errno.ESTALE):
            open_handle(volume.directory, handle)
        os.close(fd)
        # Anything may come from outside.
        for number in (0, 1, 16, 17, ino ^ 1, 1 << 51, (1 << 64) - 1):
            struct.pack_into("<QI", handle.data, 0, number, 1)
            with check.fails(errno.ESTALE):
                os.close(open_handle(volume.directory, handle))
