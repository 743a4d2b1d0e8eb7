# SPDX-License-Identifier: GPL-2.0
"""rdaxfs: names. Files that cannot be told from those of tmpfs by whoever only looks at names."""

import ctypes
import errno
import os
import random
import stat
import threading

from harness import check, shell
from harness.cases import case
from harness.files import EXCHANGE, NOREPLACE, WHITEOUT, renameat2
from harness.rdaxfs import Volume

LIBC = ctypes.CDLL(None, use_errno=True)


class Twins:
    """Every operation on two trees, which must end alike."""

    def __init__(self, *roots):
        self.roots = [str(root) for root in roots]

    def both(self, what, operation):
        outcomes = []
        for root in self.roots:
            try:
                outcomes.append((operation(root), None))
            except OSError as error:
                outcomes.append((None, errno.errorcode[error.errno]))
        ours, theirs = outcomes
        check.equal(ours, theirs, what)
        return ours

    def compare(self):
        ours, theirs = (self.tree(root) for root in self.roots)
        for path in sorted(ours.keys() | theirs.keys()):
            check.equal(ours.get(path), theirs.get(path), path)

    def tree(self, root):
        """What is where; numbers of inodes are told by the first of their paths."""
        first = {}
        found = {}
        for folder, directories, files in os.walk(root):
            for name in sorted(directories + files):
                path = os.path.join(folder, name)
                here = os.lstat(path)
                relative = os.path.relpath(path, root)
                target = os.readlink(path) if stat.S_ISLNK(here.st_mode) else None
                found[relative] = [oct(here.st_mode), here.st_nlink, here.st_rdev, here.st_uid, target, here.st_ino]
        for path in sorted(found):
            ino = found[path].pop()
            found[path].append(first.setdefault(ino, path))
        return found


def random_operation(chance, names):
    """What one of many users does next: a text, and a function of the tree's root."""
    one, other = chance.choice(names), chance.choice(names)
    mode = chance.choice((0o644, 0o600, 0o4755))
    operations = {
        "mkdir": lambda root: os.mkdir(f"{root}/{one}"),
        "mknod file": lambda root: os.mknod(f"{root}/{one}", mode | stat.S_IFREG),
        "mknod fifo": lambda root: os.mknod(f"{root}/{one}", mode | stat.S_IFIFO),
        "mknod device": lambda root: os.mknod(f"{root}/{one}", mode | stat.S_IFCHR, os.makedev(1, 3)),
        "symlink": lambda root: os.symlink(other * 7, f"{root}/{one}"),
        "long symlink": lambda root: os.symlink(other * 300, f"{root}/{one}"),
        "link": lambda root: os.link(f"{root}/{one}", f"{root}/{other}", follow_symlinks=False),
        "unlink": lambda root: os.unlink(f"{root}/{one}"),
        "rmdir": lambda root: os.rmdir(f"{root}/{one}"),
        "rename": lambda root: os.rename(f"{root}/{one}", f"{root}/{other}"),
        "rename, noreplace": lambda root: renameat2(f"{root}/{one}", f"{root}/{other}", NOREPLACE),
        "exchange": lambda root: renameat2(f"{root}/{one}", f"{root}/{other}", EXCHANGE),
        "whiteout": lambda root: renameat2(f"{root}/{one}", f"{root}/{other}", WHITEOUT),
        "lstat": lambda root: stat.S_IFMT(os.lstat(f"{root}/{one}").st_mode),
        "readlink": lambda root: os.readlink(f"{root}/{one}"),
    }
    weights = [6, 4, 1, 1, 3, 2, 5, 6, 4, 8, 3, 4, 2, 3, 2]
    word = chance.choices(list(operations), weights)[0]
    return f"{word} {one} {other}", operations[word]


@case(limit=600)
def whatever_happens_is_as_on_tmpfs(t):
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    parts = ["a", "b", "c", "long-" * 40]
    names = [*parts, *(f"{one}/{two}" for one in parts for two in parts), "a/b/c", "b/a/c", "b/a/c/a", "c/c/c/c"]
    with Volume(t.disk.node) as volume:
        model = "/tmp/rdaxfs-model"
        os.mkdir(model)
        twins = Twins(volume.directory, model)
        done = []
        try:
            for _ in range(4):
                for _ in range(500):
                    text, operation = random_operation(chance, names)
                    done.append(text)
                    twins.both(text, operation)
                twins.compare()
                volume.again()
                twins.compare()
        except check.Failed as failed:
            raise check.Failed(f"seed {seed}, after {len(done)} operations ({done[-8:]}): {failed}") from failed
        finally:
            shell.run("rm", "-rf", model)


@case()
def names_may_be_any_bytes(t):
    with Volume(t.disk.node) as volume:
        root = os.fsencode(volume.directory)
        names = [bytes([byte]) for byte in range(1, 256) if byte not in b"/."]
        names += [b"\xff" * 255, b"x" * 255, "ünïcödé".encode(), b"..."]
        for name in names:
            os.mkdir(root + b"/" + name)
        check.equal(set(os.listdir(root)), set(names), "the names")
        volume.again()
        check.equal(set(os.listdir(root)), set(names), "the names, mounted again")
        for name in (b"y" * 256, b"\xff" * 300):
            for operation in (os.mkdir, os.lstat, os.unlink):
                with check.fails(errno.ENAMETOOLONG):
                    operation(root + b"/" + name)
        for name in names:
            os.rmdir(root + b"/" + name)
        with check.fails(errno.ENOENT, errno.ENAMETOOLONG):
            os.symlink("x" * 4096, root + b"/link")
        os.symlink(b"x" * 4095, root + b"/link")
        check.equal(len(os.readlink(root + b"/link")), 4095, "the longest target")


@case(limit=300)
def large_directories_are_read_whole(t):
    """Once each, whatever comes and goes meanwhile, and from any place that telldir gave."""
    count = 3000
    with Volume(t.disk.node) as volume:
        folder = volume.directory / "many"
        folder.mkdir()
        for number in range(count):
            os.mknod(folder / f"file-{number}")
        check.equal(len(set(os.listdir(folder))), count, "names")
        # Entries that stay are seen once, while others go and come.
        seen = []
        with os.scandir(folder) as entries:
            for at, entry in enumerate(entries):
                seen.append(entry.name)
                os.unlink(folder / entry.name) if at % 3 == 0 else None
                os.mknod(folder / f"new-{at}") if at % 5 == 0 else None
        old = [name for name in seen if name.startswith("file-")]
        check.equal((len(old), len(set(old))), (count, count), "names seen, and different ones")
        kept = {name for at, name in enumerate(seen) if at % 3 and name.startswith("file-")}
        volume.again()
        check.true(kept <= set(os.listdir(folder)), "what was kept is there")
        positions(folder)
        shell.run("rm", "-r", folder)
        check.equal(os.listdir(volume.directory), [], "what is left")


class Dirent(ctypes.Structure):
    _fields_ = [
        ("d_ino", ctypes.c_uint64),
        ("d_off", ctypes.c_int64),
        ("d_reclen", ctypes.c_ushort),
        ("d_type", ctypes.c_ubyte),
        ("d_name", ctypes.c_char * 256),
    ]


def positions(folder):
    """seekdir to where telldir was goes on with the entry behind it."""
    LIBC.opendir.restype = ctypes.c_void_p
    LIBC.readdir64.restype = ctypes.POINTER(Dirent)
    LIBC.telldir.restype = ctypes.c_long
    LIBC.readdir64.argtypes = LIBC.telldir.argtypes = LIBC.closedir.argtypes = [ctypes.c_void_p]
    LIBC.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
    stream = LIBC.opendir(os.fsencode(folder))
    order = []
    while entry := LIBC.readdir64(stream):
        order.append((entry.contents.d_name, LIBC.telldir(stream)))
    check.equal([name for name, _ in order[:2]], [b".", b".."], "the first two")
    for at in (0, 1, 2, 3, len(order) // 2, len(order) - 2):
        LIBC.seekdir(stream, order[at][1])
        check.equal(LIBC.readdir64(stream).contents.d_name, order[at + 1][0], f"behind entry {at}")
    LIBC.seekdir(stream, order[-1][1])
    check.true(not LIBC.readdir64(stream), "there is nothing behind the last one")
    LIBC.closedir(stream)


@case()
def times_and_links_follow(t):
    with Volume(t.disk.node) as volume:
        root = volume.directory

        def later(path, operation, *which):
            before = os.stat(path)
            operation()
            after = os.stat(path)
            for field in which:
                check.true(getattr(after, field) > getattr(before, field), f"{field} of {path}")

        later(root, lambda: os.mkdir(root / "d"), "st_mtime_ns", "st_ctime_ns")
        check.equal(os.stat(root).st_nlink, 3, "links of the root with a directory")
        later(root / "d", lambda: os.mknod(root / "d" / "f"), "st_mtime_ns", "st_ctime_ns")
        later(root / "d" / "f", lambda: os.link(root / "d" / "f", root / "g"), "st_ctime_ns")
        check.equal(os.stat(root / "g").st_nlink, 2, "links")
        later(root / "d" / "f", lambda: os.unlink(root / "g"), "st_ctime_ns")
        later(root, lambda: os.rename(root / "d", root / "e"), "st_mtime_ns", "st_ctime_ns")
        os.mkdir(root / "other")
        later(root / "other", lambda: os.rename(root / "e", root / "other" / "e"), "st_mtime_ns", "st_ctime_ns")
        check.equal((os.stat(root).st_nlink, os.stat(root / "other").st_nlink), (3, 3), "links after a move")
        listed = {path: os.lstat(path) for path in (root, root / "other", root / "other" / "e" / "f")}
        volume.again()
        for path, before in listed.items():
            after = os.lstat(path)
            for field in ("st_mode", "st_nlink", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"):
                check.equal(getattr(after, field), getattr(before, field), f"{field} of {path}, mounted again")


@case()
def new_inodes_inherit(t):
    """The group of a directory with its bit, and the bit itself for directories."""
    with Volume(t.disk.node) as volume:
        root = volume.directory
        shell.run("chmod", "1777", root)
        os.mkdir(root / "d")
        os.chown(root / "d", 1000, 1234)
        os.chmod(root / "d", 0o2775)
        if os.stat(root / "d").st_gid != 1234:
            raise check.Failed("chown does nothing")
        os.mkdir(root / "d" / "sub")
        os.mknod(root / "d" / "file")
        for name, mode in (("sub", 0o42755), ("file", 0o100600)):
            found = os.stat(root / "d" / name)
            check.equal((found.st_gid, oct(found.st_mode)), (1234, oct(mode)), name)


@case(limit=600)
def many_at_once(t):
    """Threads that create, link, rename, remove and look in the same few directories; then fsck."""
    with Volume(t.disk.node) as volume:
        root = str(volume.directory)
        for number in range(4):
            os.mkdir(f"{root}/{number}")
        unexpected = []
        allowed = {errno.EPERM, errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR, errno.EINVAL}

        def work(seed):
            chance = random.Random(seed)
            names = [f"{a}/{b}" for a in range(4) for b in "abcdef"]
            names += [f"{a}/{b}/{c}" for a in range(4) for b in "ab" for c in "xyz"]
            for _ in range(700):
                text, operation = random_operation(chance, names)
                try:
                    operation(root)
                except OSError as error:
                    if error.errno not in allowed:
                        unexpected.append(f"{text}: {error}")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check.equal(unexpected, [], "errors")
        before = Twins(root).tree(root)
        volume.again()
        check.equal(Twins(root).tree(root), before, "the tree, mounted again")


@case()
def overlayfs_has_it_as_upper(t):
    """What is removed from the lower one leaves a whiteout, what is renamed a redirection."""
    with Volume(t.disk.node) as volume:
        lower, merged = "/tmp/rdaxfs-lower", "/mnt/rdaxfs-merged"
        upper, work = volume.directory / "upper", volume.directory / "work"
        for folder in (lower, f"{lower}/d", merged, upper, work):
            os.makedirs(folder, exist_ok=True)
        for name in ("kept", "removed", "renamed", "d/inner"):
            with open(f"{lower}/{name}", "w", encoding="ascii") as file:
                file.write(name)
        options = f"lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=on"
        shell.run("mount", "-t", "overlay", "-o", options, "overlay", merged)
        try:
            os.unlink(f"{merged}/removed")
            os.rename(f"{merged}/renamed", f"{merged}/moved")
            os.rename(f"{merged}/d", f"{merged}/e")
            os.mkdir(f"{merged}/d")
            check.equal(set(os.listdir(merged)), {"kept", "moved", "d", "e"}, "what is there")
            check.equal((os.listdir(f"{merged}/d"), os.listdir(f"{merged}/e")), ([], ["inner"]), "the folders")
            check.equal(shell.read_text(f"{merged}/moved"), "renamed", "the copied file")
            for name in ("removed", "renamed"):
                found = os.lstat(upper / name)
                check.true(stat.S_ISCHR(found.st_mode) and found.st_rdev == 0, f"whiteout of {name}")
        finally:
            shell.run("umount", merged)
            shell.run("rm", "-rf", lower)
