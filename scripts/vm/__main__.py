# SPDX-License-Identifier: GPL-2.0
"""Runs one command in one guest.  Inside the build root; called by qemu-nvdimm.sh, which has checked the
options and has made what they name."""

import argparse
import collections
import fcntl
import os
import re
import secrets
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

import cpio
import layout
import machine
import modules
from monitor import Monitor
from streams import FramedInput, MarkedOutput

# What the runner's own failures exit with; see "exit status" in qemu-nvdimm.sh --help.
EXIT_PANIC, EXIT_LOST, EXIT_COMPLAINT, EXIT_TIMEOUT, EXIT_CANNOT = 120, 121, 122, 124, 125

# The kernel's own words for something that went wrong without a panic.
COMPLAINT = re.compile(rb"\b(BUG: |WARNING: |Oops: |general protection fault|INFO: (task .* blocked|rcu_.* detected)|UBSAN: |KASAN: )")
PANIC = re.compile(rb"Kernel panic - not syncing.*")
TAIL_LINES = 30
# How often the console is looked at for a panic, and how long a panicked guest may take to reset.
LOOK_SECONDS, RESET_SECONDS = 1, 3


class Stopped(Exception):
    """A signal asked the runner to end."""


def say(text):
    print(f"qemu-nvdimm.sh: {text}", file=sys.stderr, flush=True)


def parse():
    parser = argparse.ArgumentParser(prog="scripts/vm", allow_abbrev=False)
    parser.add_argument("--mode", choices=("run", "shell"), required=True)
    parser.add_argument("--arch", choices=("amd64", "arm64"), default="amd64")
    parser.add_argument("--cache", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--console")
    parser.add_argument("--region", action="append", default=[])
    parser.add_argument("--mem", type=int, required=True)
    parser.add_argument("--pmem", type=int, action="append", default=[])
    parser.add_argument("--pmem-file", action="append", default=[])
    parser.add_argument("--unarmed", type=int, action="append", default=[])
    parser.add_argument("--numa", action="store_true")
    parser.add_argument("--trace")
    parser.add_argument("--plugin")
    parser.add_argument("--smp", type=int, default=1)
    parser.add_argument("--cpu")
    parser.add_argument("--accel", default="auto")
    parser.add_argument("--icount", action="store_true")
    parser.add_argument("--stdin", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--timeout", type=int, default=0)
    parser.add_argument("--share", action="append", default=[])
    parser.add_argument("--append", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--module", action="append", default=[])
    parser.add_argument("--modprobe-conf", action="append", default=[])
    parser.add_argument("--programs")
    parser.add_argument("--network")
    parser.add_argument("--kexec")
    parser.add_argument("--udev", action="store_true")
    parser.add_argument("--udev-rules", action="append", default=[])
    parser.add_argument("argv", nargs="+")
    return parser.parse_args()


def quoted(words):
    return "(" + " ".join(shlex.quote(word) for word in words) + ")"


# Where the guest's own programs are: scripts/guest/session has the same.
GUEST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def path_of_tools(share, arch):
    """PATH with the project's programs, which make tools builds, if they are there."""
    tools = f"{share}/build/tools{'' if arch == 'amd64' else f'-{arch}'}/sbin"
    return [f"PATH={GUEST_PATH}:{tools}"] if os.path.isdir(tools) else []


def job_file(options, plan, mark):
    shares = []
    for number, path in enumerate(options.share):
        shares += [f"share{number}", path]
    environment = [f"RPMEM_REGION_KIND={plan.kind}", f"RPMEM_REGIONS={' '.join(map(str, plan.regions))}",
                   *path_of_tools(options.share[0], options.arch), *options.env]
    size = shutil.get_terminal_size()
    text = "".join(f"{name}={value}\n" for name, value in (
        ("mode", options.mode), ("argv", quoted(options.argv)), ("cwd", shlex.quote(os.getcwd())),
        ("environment", quoted(environment)), ("shares", quoted(shares)), ("mark", mark.decode()),
        ("stdin", "yes" if options.stdin else "no"), ("udev", "yes" if options.udev else "no"),
        ("programs", "yes" if options.programs else "no"),
        ("network", options.network.rpartition(",")[2] if options.network else ""), ("rows", size.lines), ("columns", size.columns), ("term", shlex.quote(os.environ.get("TERM", "dumb")))))
    return os.fsencode(text)


def write_initrd(path, options, plan, mark):
    """The guest's initramfs, our modules and this run's own files: the kernel unpacks one after another."""
    run = cpio.Archive()
    here = os.path.dirname(os.path.abspath(__file__))
    with open(f"{here}/../guest/session", "rb") as file:
        run.file("layer/rpmem/session", file.read(), 0o755)
    run.file("layer/rpmem/job", job_file(options, plan, mark), 0o600)
    for folder, sources in (("modprobe.d", options.modprobe_conf), ("udev/rules.d", options.udev_rules)):
        for source in sources:
            with open(source, "rb") as file:
                run.file(f"layer/etc/{folder}/{os.path.basename(source)}", file.read())
    layer = modules.layer(options.cache, options.guest, options.release, options.module)
    with open(path, "wb") as target:
        for part in filter(None, (f"{options.guest}/initrd.cpio", layer)):
            with open(part, "rb") as source:
                shutil.copyfileobj(source, target)
        target.write(run.finish())


def remove_leftovers(runs):
    """Folders of runs that were killed: nobody holds their lock."""
    for name in os.listdir(runs):
        path = f"{runs}/{name}"
        try:
            lock = os.open(f"{path}/lock", os.O_RDWR)
        except OSError:
            # Made a moment ago and not locked yet, or a half-removed one.
            if time.time() - os.lstat(path).st_mtime > 3600:
                shutil.rmtree(path, ignore_errors=True)
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def tail(path):
    with open(path, "rb") as file:
        lines = collections.deque(file, TAIL_LINES)
    for line in lines:
        print("    " + line.decode("utf-8", "replace").rstrip(), file=sys.stderr)


class Guest:
    """A running QEMU with its ports."""

    def __init__(self, options, plan, folder, console):
        self.options = options
        self.console = console
        self.mark = secrets.token_hex(16).encode()
        ours, theirs = {}, {}
        for port in (*machine.PORTS, "monitor"):
            ours[port], theirs[port] = socket.socketpair()
        backing = list(options.pmem_file)
        for number in range(len(backing), len(plan.regions) if plan.of_kind(*machine.FILES) else 0):
            # On a tmpfs of this run alone (see in-root): quick, and gone with it.
            backing.append(f"/var/tmp/memory{number}")
        initrd = f"{folder}/initrd.cpio"
        if options.kexec:
            # What the guest may start in its own place: the same kernel and the same files again.
            os.mkdir(f"{folder}/kexec")
            initrd = f"{folder}/kexec/initrd"
            shutil.copy(options.kexec, f"{folder}/kexec/kernel")
            options.share.append(f"{folder}/kexec")
            options.env.append(f"RPMEM_KEXEC={folder}/kexec")
        write_initrd(initrd, options, plan, self.mark)
        line = machine.command(options, plan, options.cache, options.guest, initrd, console,
                               {port: end.fileno() for port, end in theirs.items()}, backing)
        shell = options.mode == "shell"
        self.log = open(f"{folder}/qemu.log", "w+b")
        self.process = subprocess.Popen(
            line, pass_fds=[end.fileno() for end in theirs.values()], stdin=None if shell else subprocess.DEVNULL,
            stdout=None if shell else self.log, stderr=self.log, preexec_fn=machine.die_with_parent,
            # Out of reach of the terminal's Ctrl-C, which is for the runner; a shell's guest needs the terminal.
            start_new_session=not shell)
        for end in theirs.values():
            end.close()
        self.monitor = Monitor(ours.pop("monitor"))
        for end in ours.values():
            end.setblocking(False)
        self.ports = ours
        self.status = None
        self.failure = None
        self._said = b""

    def hear(self, data):
        """Lines on the control port: "status N", "failed WHY", from a shell "ready", or requests."""
        self._said += data
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            word, _, rest = line.decode("utf-8", "replace").partition(" ")
            if word == "status":
                self.status = int(rest)
            elif word == "failed":
                self.failure = rest
            elif word == "ready":
                # The guest's terminal turns line ends into what a screen wants; QEMU lets ours do it again.
                settings = termios.tcgetattr(0)
                settings[1] &= ~termios.OPOST
                termios.tcsetattr(0, termios.TCSADRAIN, settings)
            else:
                # Short, and never more than one at a time: the socket has room.
                self.ports["control"].send(self.monitor.answer([word, *rest.split()]).encode() + b"\n")

    def run(self):
        """Until the guest has said how its command ended and all output is written, or it is gone, or the
        time is up (then False)."""
        options = self.options
        outputs = {}
        if options.mode == "run":
            outputs = {self.ports["stdout"].fileno(): MarkedOutput(1, self.mark),
                       self.ports["stderr"].fileno(): MarkedOutput(2, self.mark)}
        source = FramedInput(0) if options.stdin else None
        control, stdin = self.ports["control"].fileno(), self.ports["stdin"].fileno()
        open_ports = {control, *outputs}
        deadline = time.monotonic() + options.timeout if options.timeout else None
        window = b""
        wake, waker = os.pipe()
        os.set_blocking(waker, False)
        if options.mode == "shell":
            signal.signal(signal.SIGWINCH, lambda *_: os.write(waker, b"w"))

        # A panic resets the guest, which ends QEMU; but one early in the boot may fail at that and hang.
        look = time.monotonic() + LOOK_SECONDS
        while open_ports or any(output.pending for output in outputs.values()):
            if self.failure or (self.status is not None and all(
                    output.finished and not output.pending for output in outputs.values())):
                return True
            poll = select.poll()
            # A stream whose reader is slow is not read either: the guest waits, memory does not fill.
            for port in open_ports:
                if port not in outputs or not outputs[port].pending:
                    poll.register(port, select.POLLIN)
            for output in outputs.values():
                if output.pending:
                    poll.register(output.target, select.POLLOUT)
            to_guest = source.pending if source else window
            if to_guest:
                poll.register(stdin, select.POLLOUT)
            elif source and not source.finished:
                poll.register(source.source, select.POLLIN)
            poll.register(wake, select.POLLIN)

            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return False
            if now >= look:
                look = now + LOOK_SECONDS
                if self.panicked():
                    deadline = min(deadline or now + RESET_SECONDS, now + RESET_SECONDS)
                    look = deadline + 1
            for ready, _ in poll.poll((min(look, deadline or look) - now) * 1000 + 1):
                if ready == wake:
                    os.read(wake, 4096)
                    size = shutil.get_terminal_size()
                    window += b"%d %d\n" % (size.lines, size.columns)
                elif ready in open_ports:
                    try:
                        data = os.read(ready, 65536)
                    except BlockingIOError:
                        continue
                    except ConnectionResetError:
                        data = b""
                    if not data:
                        open_ports.discard(ready)
                        if ready in outputs:
                            outputs[ready].give_up()
                    elif ready == control:
                        self.hear(data)
                    else:
                        outputs[ready].feed(data)
                elif source and ready == source.source:
                    source.read()
                elif ready == stdin and to_guest:
                    try:
                        done = os.write(stdin, to_guest)
                    except BlockingIOError:
                        continue
                    except BrokenPipeError:
                        done = len(to_guest)
                    if source:
                        source.pending = source.pending[done:]
                    else:
                        window = window[done:]
                else:
                    for output in outputs.values():
                        # Standard output and error may be the same file; each has its own turn.
                        if output.target == ready and output.pending:
                            output.write()
        return True

    def panicked(self):
        with open(self.console, "rb") as file:
            return PANIC.search(file.read())

    def stop(self):
        self.process.kill()
        self.process.wait()


def judge(guest, in_time):
    """The exit status, and on stderr why it is not the command's."""
    options = guest.options
    with open(guest.console, "rb") as file:
        text = file.read()
    if guest.failure:
        say(f"the guest could not start the command: {guest.failure}; its console is in '{guest.console}'")
        return EXIT_CANNOT
    if guest.status is not None:
        complaint = COMPLAINT.search(text) if options.strict else None
        if complaint:
            start = text.rfind(b"\n", 0, complaint.start()) + 1
            line = text[start:].split(b"\n", 1)[0].decode("utf-8", "replace").strip()
            say(f"the guest's kernel complained: {line}; the command's status was {guest.status}; the console is in '{guest.console}'")
            return guest.status or EXIT_COMPLAINT
        return guest.status
    panic = guest.panicked()
    if panic:
        say(f"the guest panicked: {panic[0].decode('utf-8', 'replace').strip()}; the last of its console, '{guest.console}':")
        tail(guest.console)
        return EXIT_PANIC
    if not in_time:
        say(f"no end after {options.timeout} s (--timeout): the guest was switched off; the last of its console, '{guest.console}':")
        tail(guest.console)
        return EXIT_TIMEOUT
    guest.log.seek(0)
    words = guest.log.read().decode("utf-8", "replace").strip()
    if guest.process.returncode and not text:
        say(f"QEMU ended with status {guest.process.returncode}: {words or 'no message'}")
        return EXIT_CANNOT
    if options.mode == "shell":
        return 0  # switched off from inside, or with Ctrl-A X
    say(f"the guest ended without saying how the command did (switched off or reset?){': ' + words if words else ''}; the last of its console, '{guest.console}':")
    tail(guest.console)
    return EXIT_LOST


def main():
    options = parse()
    runs = f"{options.cache}/runs"
    os.makedirs(runs, exist_ok=True)
    os.makedirs(f"{options.cache}/log", exist_ok=True)
    remove_leftovers(runs)

    def stop(number, _frame):
        raise Stopped(number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)

    plan = layout.plan(options.region, options.mem, options.pmem, options.arch)
    keep_console = bool(options.console)
    console = options.console or f"{options.cache}/log/console-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    guest = None
    terminal = termios.tcgetattr(0) if options.mode == "shell" else None
    folder = tempfile.mkdtemp(dir=runs)
    try:
        lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with open(console, "wb"):
                pass
            guest = Guest(options, plan, folder, console)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            say(f"cannot start the guest: {error}")
            return EXIT_CANNOT
        in_time = guest.run()
        guest.stop()
        status = judge(guest, in_time)
        keep_console = keep_console or status in (EXIT_PANIC, EXIT_LOST, EXIT_COMPLAINT, EXIT_TIMEOUT, EXIT_CANNOT)
        return status
    except Stopped as stopped:
        return 128 + stopped.args[0]
    except BrokenPipeError:
        return 128 + signal.SIGPIPE  # whoever read our output has gone
    finally:
        if guest:
            guest.stop()
        if terminal:
            termios.tcsetattr(0, termios.TCSADRAIN, terminal)
        shutil.rmtree(folder, ignore_errors=True)
        if not keep_console and os.path.exists(console):
            os.unlink(console)


if __name__ == "__main__":
    sys.exit(main())
