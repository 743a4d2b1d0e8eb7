# SPDX-License-Identifier: GPL-2.0
"""Boots machines from images of a root file system, and counts. Inside the build root; called by bench/microvm/run.

usage: vm.py GUEST RELEASE MODULES WORK RESULT [--kvm] [--together] [--only ROOT]

GUEST is what scripts/make-guest has filled, MODULES the folder with the project's modules, WORK has the images.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../../scripts/vm")
import cpio  # pylint: disable=wrong-import-position
import machine  # pylint: disable=wrong-import-position

MIB = 1 << 20
MEMORY = 1024 * MIB
ADDRESS = 4 << 30
# How often each machine is booted.
RUNS = 3
LIMIT_SECONDS, LOOK_SECONDS = 900, 2

# The disk that the image is, and the modules for it, by what QEMU makes of the image.
DEVICES = {
    "nvdimm": ("/dev/rpmem0", ("nfit", "rpmem")),
    "virtio-pmem": ("/dev/rpmem0.0", ("virtio_pci", "virtio_pmem", "nd_rpmem")),
    "virtio-blk": ("/dev/vda", ("virtio_blk", "virtio_pci")),
}
# What the root is, by name: image and type, options of mount, and what QEMU makes of the image.
ROOTS = {
    "rdaxfs": ("rdaxfs", "ro,dax=always", "nvdimm"),
    "rdaxfs on virtio-pmem": ("rdaxfs", "ro,dax=always", "virtio-pmem"),
    "ext4 with DAX": ("ext4", "ro,dax=always", "nvdimm"),
    "erofs with DAX": ("erofs", "ro,dax=always", "nvdimm"),
    "ext4 on virtio-blk": ("ext4", "ro", "virtio-blk"),
}
# Of those, the ones from which two machines boot at the same time.
SHARED = ("rdaxfs", "rdaxfs on virtio-pmem")


def order(guest, release, ours, names):
    """The paths of the modules and of what they need, in the order in which they are loaded."""
    stock = f"{guest}/modules/usr"
    found = []

    def add(name):
        path = f"{ours}/{name}.ko"
        if os.path.exists(path):
            said = subprocess.run(["modinfo", "-F", "depends", path], check=True, stdout=subprocess.PIPE, text=True).stdout
            for needed in filter(None, said.strip().split(",")):
                add(needed)
            paths = [path]
        else:
            paths = depends(stock, release, name)
        found.extend(path for path in paths if path not in found)

    for name in names:
        add(name)
    return found


def depends(stock, release, name):
    said = subprocess.run(["modprobe", "--config", "/dev/null", "--dirname", stock, "--set-version", release,
                           "--show-depends", name], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [line.split()[1] for line in said.splitlines() if line.startswith("insmod ")]


def without_debugging(module):
    """A module as a distribution ships it."""
    with tempfile.NamedTemporaryFile(suffix=".ko") as copy:
        subprocess.run(["strip", "--strip-debug", "-o", copy.name, module], check=True)
        return copy.read()


def initramfs(path, guest, ours, release, root, size):
    """What the machine begins with."""
    kind, options, device = ROOTS[root]
    disk, names = DEVICES[device]
    archive = cpio.Archive()
    with open("/usr/bin/busybox", "rb") as file:
        archive.file("bin/busybox", file.read(), 0o755)
    with open(f"{os.path.dirname(os.path.abspath(__file__))}/initramfs-init", "rb") as file:
        archive.file("init", file.read(), 0o755)
    for folder in ("dev", "proc", "sys", "root"):
        archive.folder(folder)
    modules = order(guest, release, ours, (*names, kind))
    for module in modules:
        archive.file(f"modules/{os.path.basename(module)}", without_debugging(module))
    archive.file("modules/order", "".join(f"{os.path.basename(module)}\n" for module in modules).encode())
    words = [kind, options, disk]
    if device == "nvdimm":
        words.append(f"{size // MIB}M@{ADDRESS // MIB}M:ro")
    archive.file("root-is", (" ".join(words) + "\n").encode())
    with open(path, "wb") as file:
        file.write(archive.finish())


def command(arguments, root, image, console, initrd, wait):
    """QEMU's command line. The image is shared and read-only."""
    size = os.path.getsize(image)
    device = ROOTS[root][2]
    kind = "pc,i8042=off" + (",nvdimm=on" if device == "nvdimm" else "")
    memory = f"{MEMORY // MIB}M"
    if device != "virtio-blk":
        memory += f",slots=1,maxmem={(ADDRESS + size) // MIB + 4096}M"
    accel, cpu, smp = (["-accel", "kvm"], "host", 1) if arguments.kvm else (
        ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"], "max", 1)
    if wait and not arguments.kvm:
        # The clock is the host's: both run side by side.
        accel = ["-accel", "tcg,thread=multi"]
    line = machine.base_command(arguments.guest, kind) + accel + [
        "-cpu", cpu, "-smp", str(smp), "-m", memory, "-initrd", initrd,
        "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console"]
    if device != "virtio-blk":
        line += ["-object", f"memory-backend-file,id=root,share=on,readonly=on,mem-path={image},size={size},align=2M"]
    if device == "nvdimm":
        line += ["-device", f"nvdimm,memdev=root,unarmed=on,addr={ADDRESS:#x}"]
    elif device == "virtio-pmem":
        line += ["-device", f"virtio-pmem-pci,memdev=root,memaddr={ADDRESS:#x}"]
    else:
        line += ["-blockdev", f"driver=raw,node-name=root,read-only=on,file.driver=file,file.filename={image}",
                 "-device", "virtio-blk-pci,drive=root"]
    words = ["console=ttyS0", "panic=-1", "mitigations=off", "nokaslr", "tsc=reliable", "no_timer_check",
             "printk.devkmsg=on", "norandmaps"]
    if wait:
        words.append(f"microvm.wait={wait}")
    return line + ["-append", " ".join(words)]


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


LINE = re.compile(r"\[ *(\d+\.\d+)\] microvm: (.*?)\r?$", re.MULTILINE)


def heard(console):
    """What the machine said, and when, in instructions."""
    with open(console, encoding="utf-8", errors="replace") as file:
        text = file.read()
    found = [(round(float(at) * 1e9), said) for at, said in LINE.findall(text)]
    failed = [said for _, said in found if said.startswith("failed")]
    if failed or not any(said == "done" for _, said in found):
        tail = "\n".join(text.splitlines()[-25:])
        sys.exit(f"microvm: {failed or 'no end'}; the last of the console:\n{tail}")
    return found


def counted(found):
    """The row of a machine."""
    at = {said: when for when, said in found}
    row = {"elapsed": at["ready"] - at["mount"], "before": at["mount"]}
    faults = {}
    for _, said in found:
        word, *rest = said.split()
        if word == "before":
            faults[rest[0]] = int(rest[1])
        elif word == "count" and rest[0] in faults:
            row[rest[0]] = int(rest[1]) - faults[rest[0]]
        elif word == "count":
            row[rest[0]] = int(rest[1])
    return row


def start(arguments, root, number, wait=None):
    image = f"{arguments.work}/{ROOTS[root][0]}.image"
    name = f"{arguments.work}/{root.replace(' ', '-')}{number}"
    initramfs(f"{name}.cpio", arguments.guest, arguments.modules, arguments.release, root, os.path.getsize(image))
    line = command(arguments, root, image, f"{name}.console", f"{name}.cpio", wait)
    return subprocess.Popen(line, stdin=subprocess.DEVNULL, preexec_fn=machine.die_with_parent), f"{name}.console"


def finish(started):
    process, console = started
    for _ in range(LIMIT_SECONDS // LOOK_SECONDS):
        try:
            process.wait(LOOK_SECONDS)
            break
        except subprocess.TimeoutExpired:
            # A machine that has panicked may hang.
            with open(console, "rb") as file:
                if b"Kernel panic" in file.read():
                    break
    process.kill()
    process.wait()
    return heard(console)


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("guest", "release", "modules", "work", "result"):
        parser.add_argument(name)
    parser.add_argument("--kvm", action="store_true")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--only", action="append")
    arguments = parser.parse_args()
    result = {"release": arguments.release, "rows": {}}
    for root, (image, *_) in ROOTS.items():
        if arguments.only and root not in arguments.only:
            continue
        path = f"{arguments.work}/{image}.image"
        before = sum_of(path)
        print(f"microvm: {root}", file=sys.stderr, flush=True)
        runs = [counted(finish(start(arguments, root, ""))) for _ in range(1 if arguments.only else RUNS)]
        # The server has threads and timers: what is counted differs a little, and the least is what it takes.
        row = min(runs, key=lambda run: run["ran"])
        row["image"] = os.path.getsize(path)
        row["unchanged"] = sum_of(path) == before
        result["rows"][root] = row
    for root in SHARED if arguments.together else ():
        path = f"{arguments.work}/rdaxfs.image"
        before = sum_of(path)
        print(f"microvm: two machines with one image: {root}", file=sys.stderr, flush=True)
        both = [start(arguments, root, number, wait=5) for number in (1, 2)]
        said = [finish(started) for started in both]
        sums = [text.split()[1] for found in said for _, text in found if text.startswith("sum ")]
        result.setdefault("together", {})[root] = {
            "sums": sums, "unchanged": sum_of(path) == before,
            "page_cache": [counted(found)["page_cache"] for found in said]}
    with open(arguments.result, "w", encoding="ascii") as file:
        json.dump(result, file, indent=2)


if __name__ == "__main__":
    main()
