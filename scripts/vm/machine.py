# SPDX-License-Identifier: GPL-2.0
"""The QEMU command line, and the probe for a KVM that works."""

import ctypes
import glob
import hashlib
import os
import signal
import subprocess

from layout import LABEL_ROOM, LABEL_SIZE, MEMORY_DEVICES, align_up

QEMU, QEMU_ARM64 = "qemu-system-x86_64", "qemu-system-aarch64"
# UEFI, of the package qemu-efi-aarch64: without it there is no ACPI on arm64.
FIRMWARE = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
# All that an emulated processor can do, but for what makes it slow: pointer authentication by QEMU's own cipher.
CPU_ARM64 = "max,pauth-impdef=on,sve=off,sme=off"
PROBE_SECONDS = 10
# What a window of CXL consists of; and the labels' place in a device.
CXL_WINDOW_UNIT, CXL_LABEL_SIZE = 256 << 20, 256 << 10
# Kinds of regions that are files of this machine.
FILES = (*MEMORY_DEVICES, "cxl")
PORTS = ("control", "stdout", "stderr", "stdin")
# How long a guest waits for the other one to be there (again).
RECONNECT_MS = 200


def die_with_parent():
    """For preexec_fn: a runner that is killed without notice leaves no guest behind."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def escaped(path):
    """A path inside a QEMU option: commas separate there, a doubled one stands for itself."""
    return path.replace(",", ",,")


def base_command(guest, machine="pc", qemu=QEMU):
    # PVH boot of the ELF file: the stock image would decompress itself first, slowly when emulated.
    return [qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", machine, "-kernel", f"{guest}/vmlinux"]


def kvm_works(cache, guest):
    """Whether a guest runs under KVM.  The node alone tells nothing: there are machines where every guest
    hangs.  So a guest is booted, once for each boot of this machine, kernel and build root."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    key = hashlib.sha256(f"{boot} {guest} {os.getuid()}".encode()).hexdigest()[:16]
    answer = f"{cache}/kvm-{key}"
    try:
        with open(answer, encoding="ascii") as file:
            return file.read() == "yes\n"
    except FileNotFoundError:
        pass
    command = base_command(guest) + [
        "-accel", "kvm", "-cpu", "host", "-m", "512M", "-initrd", f"{guest}/initrd.cpio",
        "-append", "rpmem.probe panic=-1 quiet"]
    try:
        # A guest that panics ends QEMU too, but then with its reset, which is told from a power-off.
        # What counts is only that the processor runs.
        works = subprocess.run(command, timeout=PROBE_SECONDS, preexec_fn=die_with_parent, check=False,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL).returncode == 0
    except subprocess.TimeoutExpired:
        works = False
    for old in glob.glob(f"{cache}/kvm-*"):
        os.unlink(old)
    with open(f"{answer}.{os.getpid()}.tmp", "w", encoding="ascii") as file:
        file.write("yes\n" if works else "no\n")
    os.rename(file.name, answer)
    return works


def accelerator(options, cache, guest):
    if options.icount:
        # The clock counts instructions: no host time in it, and one thread.  Who waits for another machine is idle
        # for as long as that takes: time that is skipped would end before an answer can be there.
        sleep = "on" if options.network else "off"
        return ["-accel", "tcg,thread=single", "-icount", f"shift=0,sleep={sleep}"], "max"
    if options.arch == "arm64":
        # Another processor than this machine's.
        return ["-accel", "tcg,thread=multi"], CPU_ARM64
    if options.trace:
        # One thread for all processors: what they do has one order.
        return ["-accel", "tcg,thread=single"], "max"
    if options.accel != "tcg" and (options.accel == "kvm" or kvm_works(cache, guest)):
        return ["-accel", "kvm"], "host"
    return ["-accel", "tcg,thread=multi"], "max"


def programs_drive(options):
    """The second disk, after the guest's image: more programs."""
    if not options.programs:
        return []
    return ["-blockdev", f"driver=raw,node-name=programs,read-only=on,file.driver=file,"
                         f"file.filename={escaped(options.programs)}",
            "-device", "virtio-blk-pci,drive=programs"]


def memory_device(options, number, region, path):
    """A file that is memory of the guest."""
    size = region.size + (LABEL_ROOM if region.kind == "nvdimm" else 0)
    device = {
        "nvdimm": f"nvdimm,memdev=memory{number},label-size={LABEL_SIZE},addr={region.address:#x}",
        "virtio-pmem": f"virtio-pmem-pci,memdev=memory{number},memaddr={region.address:#x}",
    }[region.kind]
    if number in options.unarmed:
        device += ",unarmed=on"
    if options.numa:
        device += f",node={number % 2}"
    return ["-object", f"memory-backend-file,id=memory{number},share=on,mem-path={escaped(path)},size={size},align=2M",
            "-device", device]


def cxl_window(layout):
    """What the machine has for CXL: a window of physical addresses for all devices behind the one bridge."""
    size = align_up(sum(region.size for region in layout.of_kind("cxl")), CXL_WINDOW_UNIT)
    return f",cxl=on,cxl-fmw.0.targets.0=cxl,cxl-fmw.0.size={size}"


def cxl_bridge():
    # Behind the numbers that the machine's own bridges take.
    return ["-device", "pxb-cxl,bus_nr=128,bus=pcie.0,id=cxl"]


def cxl_device(number, region, path):
    """Persistent memory behind a port of the bridge, with an area for labels."""
    return ["-object", f"memory-backend-file,id=memory{number},share=on,mem-path={escaped(path)},size={region.size}",
            "-object", f"memory-backend-file,id=labels{number},share=on,mem-path={escaped(path)}.labels,size={CXL_LABEL_SIZE}",
            "-device", f"cxl-rp,port={number},bus=cxl,id=port{number},chassis=0,slot={number}",
            "-device", f"cxl-type3,bus=port{number},persistent-memdev=memory{number},lsa=labels{number},id=cxl{number},sn={number + 1}"]


def network(option):
    """A cable to the other guest of two: DIR,NUMBER.  The first one listens; the second one plugs in again
    whenever the first one is there."""
    if not option:
        return []
    folder, _, number = option.rpartition(",")
    side = "server=on" if number == "1" else f"reconnect-ms={RECONNECT_MS}"
    return ["-netdev", f"stream,id=network,addr.type=unix,addr.path={escaped(folder)}/cable,{side}",
            "-device", f"virtio-net-pci,netdev=network,romfile=,mac=52:54:00:00:00:0{number}"]


def two_nodes(layout):
    """Half of the memory on each; one has all processors."""
    half = layout.total // 2 >> 21 << 21
    line = []
    for number, size in enumerate((half, layout.total - half)):
        line += ["-object", f"memory-backend-ram,id=node{number},size={size}", "-numa", f"node,nodeid={number},memdev=node{number}"]
    return line


def memory_file(layout, path):
    """A file behind the one region that memmap= sets aside: a node of its own, for RAM is one piece otherwise."""
    region, = layout.regions
    low = layout.total - region.size
    return ["-object", f"memory-backend-ram,id=ram,size={low}", "-numa", "node,memdev=ram",
            "-object", f"memory-backend-file,id=region,share=on,mem-path={escaped(path)},size={region.size}",
            "-numa", "node,memdev=region"]


def tracer(options, layout):
    """The plugin that writes down what is done to the first region."""
    if not options.trace:
        return []
    region = layout.regions[0]
    return ["-plugin", f"{escaped(options.plugin)},start={region.address:#x},len={region.size},trace={escaped(options.trace)}"]


def command(options, layout, cache, guest, initrd, console, sockets, backing):
    """The whole command line.  `sockets` maps each of PORTS, and "monitor", to a file descriptor,
    `backing` names the files behind memory devices."""
    accel, cpu = accelerator(options, cache, guest)
    # No keyboard controller: the kernel would take its time to find no keyboard.
    machine = f"pc,i8042=off,max-ram-below-4g={layout.low}" if options.arch == "amd64" else "virt,gic-version=3"
    if layout.of_kind("cxl"):
        machine = machine.replace("pc,", "q35,", 1) + cxl_window(layout)
        # In what it takes for a virtual machine the kernel makes no region: it has no way there to write the caches of
        # the host's processors back.
        cpu += ",hypervisor=off"
    memory = f"{layout.total >> 20}M"
    devices = layout.of_kind(*MEMORY_DEVICES)
    if devices:
        machine += ",nvdimm=on" if layout.of_kind("nvdimm") else ""
        memory += f",slots={len(devices)},maxmem={layout.max_total >> 20}M"
    line = base_command(guest, machine, QEMU if options.arch == "amd64" else QEMU_ARM64) + accel + [
        "-cpu", options.cpu or (CPU_ARM64 if options.arch == "arm64" else cpu), "-smp", str(1 if options.icount else options.smp), "-m", memory,
        "-initrd", initrd,
        "-chardev", f"file,id=console,path={escaped(console)},append=on", "-serial", "chardev:console",
        "-blockdev", f"driver=raw,node-name=image,read-only=on,file.driver=file,"
                     f"file.filename={escaped(guest)}/root.erofs",
        "-device", "virtio-blk-pci,drive=image",
        *programs_drive(options),
        *network(options.network),
        "-device", f"virtio-serial-pci,max_ports={len(PORTS) + 1}",
        "-chardev", f"socket,id=monitor,fd={sockets['monitor']}", "-mon", "chardev=monitor,mode=control"]
    if options.mode == "shell":
        # Ctrl-A is QEMU's escape character: Ctrl-A X switches the guest off.
        line += ["-chardev", "stdio,id=terminal,mux=on,signal=off", "-device", "virtconsole,chardev=terminal,nr=0"]
    for number, port in enumerate(PORTS, 1):
        line += ["-chardev", f"socket,id={port},fd={sockets[port]}",
                 "-device", f"virtserialport,chardev={port},name=rpmem.{port},nr={number}"]
    for number, path in enumerate(options.share):
        line += ["-fsdev", f"local,id=share{number},path={escaped(path)},security_model=passthrough,multidevs=remap",
                 "-device", f"virtio-9p-pci,fsdev=share{number},mount_tag=share{number}"]
    line += tracer(options, layout)
    if options.numa:
        line += two_nodes(layout)
    if layout.kind == "memmap" and backing:
        line += memory_file(layout, backing[0])
    else:
        for number, (region, path) in enumerate(zip(layout.regions, backing)):
            if region.kind in MEMORY_DEVICES:
                line += memory_device(options, number, region, path)
        # After the other devices: QEMU plugs what names no bus into the one that it has met last.
        if layout.of_kind("cxl"):
            line += cxl_bridge()
        for number, (region, path) in enumerate(zip(layout.regions, backing)):
            if region.kind == "cxl":
                line += cxl_device(number, region, path)
    # On a busy host an emulated processor may stand still for long; the kernel would take its clocks for
    # broken: the TSC when processors drift, the timer (with a panic) when no tick comes while it waits.
    arguments = ["console=ttyS0", "panic=-1", "mitigations=off", "nokaslr", "tsc=reliable", "no_timer_check", *layout.kernel_arguments, *options.append]
    if options.arch == "arm64":
        arguments = ["console=ttyAMA0", "panic=-1", "mitigations=off", "nokaslr", *layout.kernel_arguments, *options.append]
        if layout.kind == "nvdimm":
            line += ["-bios", FIRMWARE]
        if layout.kind == "pmem-region":
            line += ["-dtb", device_tree(line, machine, layout, f"{os.path.dirname(initrd)}/tree")]
    return line + ["-append", " ".join(arguments)]


def device_tree(line, machine, layout, path):
    """The machine's own device tree with a node for each region."""
    place = line.index("-machine") + 1
    dump = [*line[:place], f"{machine},dumpdtb={escaped(path)}", *line[place + 1:]]
    # It ends before it uses any of its sockets; these are not passed on to it.
    bare, skip = [], False
    for word in dump:
        if word in ("-chardev", "-mon", "-device", "-fsdev", "-blockdev", "-serial", "-netdev", "-object"):
            skip = True
        elif skip:
            skip = False
        else:
            bare.append(word)
    subprocess.run(bare, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for region in layout.regions:
        node = f"/pmem@{region.address:x}"
        cells = [f"{value:x}" for number in (region.address, region.size) for value in (number >> 32, number & 0xFFFFFFFF)]
        subprocess.run(["fdtput", "-c", path, node], check=True)
        subprocess.run(["fdtput", "-t", "s", path, node, "compatible", "pmem-region"], check=True)
        subprocess.run(["fdtput", "-t", "x", path, node, "reg", *cells], check=True)
    return path
