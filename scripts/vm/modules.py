# SPDX-License-Identifier: GPL-2.0
"""The project's own modules as a layer above the guest's /usr/lib/modules, with the indexes of both, so
that modprobe finds them."""

import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

from cpio import Archive

KEPT_LAYERS = 8


def identity(folder):
    """What is in a folder: every file's name, size and time, so that what was made anew at the same place
    is another."""
    digest = hashlib.sha256()
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = f"{place}/{name}"
            status = os.lstat(path)
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.digest()


def layer(cache, guest, release, paths):
    """The path of an archive with the modules and indexes; made when it is not in the cache yet."""
    if not paths:
        return None
    contents = {}
    for path in paths:
        name = os.path.basename(path)
        if name in contents:
            raise ValueError(f"two modules are called '{name}'; each needs its own name")
        with open(path, "rb") as file:
            contents[name] = file.read()
    stock = f"{guest}/modules/usr/lib/modules/{release}"
    digest = hashlib.sha256(identity(stock))
    for name in sorted(contents):
        digest.update(name.encode() + b"\0" + hashlib.sha256(contents[name]).digest())
    target = f"{cache}/modules-{digest.hexdigest()[:16]}.cpio"
    if os.path.exists(target):
        os.utime(target)
        return target

    with tempfile.TemporaryDirectory(dir=f"{cache}/runs", prefix="depmod.") as work:
        ours = f"{work}/lib/modules/{release}"
        os.makedirs(f"{ours}/updates")
        os.symlink(f"{stock}/kernel", f"{ours}/kernel")
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            if os.path.exists(f"{stock}/{name}"):
                shutil.copy(f"{stock}/{name}", ours)
        for name, data in contents.items():
            with open(f"{ours}/updates/{name}", "wb") as file:
                file.write(data)
        depmod = subprocess.run(["depmod", "--basedir", work, release], check=False, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if depmod.returncode:
            raise ValueError(f"depmod failed: {depmod.stdout.strip()}")
        archive = Archive()
        base = f"layer/usr/lib/modules/{release}"
        for name, data in contents.items():
            archive.file(f"{base}/updates/{name}", data)
        for path in sorted(glob.glob(f"{ours}/modules.*")):
            with open(path, "rb") as file:
                archive.file(f"{base}/{os.path.basename(path)}", file.read())
        part = f"{work}/layer.cpio"
        with open(part, "wb") as file:
            file.write(archive.finish())
        os.rename(part, target)

    # Every rebuild of a module leaves one; the last few are enough.
    old = sorted(glob.glob(f"{cache}/modules-*.cpio"), key=os.path.getmtime, reverse=True)[KEPT_LAYERS:]
    for path in old:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass  # another run was faster
    return target
