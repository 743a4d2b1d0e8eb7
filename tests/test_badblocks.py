# SPDX-License-Identifier: GPL-2.0
"""/sys/block/rpmemN/badblocks: what may be written to it, what reading it shows, who is woken."""

import errno
import os
import random
import re
import select
import stat
import threading
import time

from harness import check, memory, shell
from harness.cases import BOTH_BLOCK_SIZES, WITH_NAMESPACES, case
from harness.kernel_log import KernelLog

PAGE = 4096


def lines_of(ranges):
    return "".join(f"{start} {length}\n" for start, length in ranges)


def clear_all(t):
    t.disk.badblocks.write(f"-0 {t.disk.sectors}\n")


@case(guests=WITH_NAMESPACES, blocks=BOTH_BLOCK_SIZES)
def what_was_injected_is_shown(t):
    """The unit is 512 bytes with any block size."""
    bad = t.disk.badblocks
    check.equal(bad.text(), "", "the list of a fresh disk")
    check.equal(stat.S_IMODE(os.stat(bad.path).st_mode), 0o644, "mode")
    shell.run("sh", "-c", f"echo '100 3' > {bad.path}")
    bad.write("7 1")  # without a newline, as echo -n
    last = t.disk.sectors - 1
    bad.write(f"  {last}\t1 \n")
    check.equal(bad.text(), f"7 1\n100 3\n{last} 1\n", "the list")
    clear_all(t)


@case()
def ranges_merge_and_split(t):
    bad = t.disk.badblocks
    steps = [
        ("100 10", [(100, 10)]),
        ("120 10", [(100, 10), (120, 10)]),
        ("110 10", [(100, 30)]),  # fills the gap
        ("105 3", [(100, 30)]),  # there already
        ("90 15", [(90, 40)]),
        ("80 200", [(80, 200)]),  # around all
        ("-100 10", [(80, 20), (110, 170)]),
        ("-80 1", [(81, 19), (110, 170)]),
        ("-279 1", [(81, 19), (110, 169)]),
        ("-95 20", [(81, 14), (115, 164)]),
        ("-0 50", [(81, 14), (115, 164)]),  # nothing there
        ("-81 14", [(115, 164)]),
        ("114 1", [(114, 165)]),
        ("-0 1000", []),
    ]
    for text, wanted in steps:
        bad.write(text + "\n")
        check.equal(bad.list(), wanted, f"after {text!r}")


@case()
def many_lines_at_once(t):
    """One write(2) of up to a page makes all of its changes in their order, or none."""
    bad = t.disk.badblocks
    bad.write("10 5\n\n-12 1\n 20 1\n")
    check.equal(bad.list(), [(10, 2), (13, 2), (20, 1)], "three lines")
    t.expect_log('badblocks: line 2: "30 x": LEN is not a decimal number')
    with check.fails(errno.EINVAL):
        bad.write("40 1\n30 x\n-10 1\n")
    check.equal(bad.list(), [(10, 2), (13, 2), (20, 1)], "after a refused write")
    clear_all(t)


@case(blocks=BOTH_BLOCK_SIZES)
def refusals(t):
    """Whatever is no range of the disk: EINVAL, a message that names it, and nothing changes."""
    sectors = t.disk.sectors
    bad = t.disk.badblocks
    bad.inject(8, 1)
    t.expect_log(r"rpmem: badblocks: line 1: ")
    refused = {
        f"{sectors} 1": "ends beyond the device",
        f"{sectors - 1} 2": "ends beyond the device",
        f"0 {sectors + 1}": "ends beyond the device",
        f"-{sectors - 1} 2": "ends beyond the device",
        "18446744073709551615 1": "not below 2\\^64",
        "1 18446744073709551615": "not below 2\\^64",
        "99999999999999999999999 1": "not below 2\\^64",
        "5 0": "LEN is 0",
        "5": "LEN is missing",
        "-5": "LEN is missing",
        "x 1": "START is not a decimal number",
        "0x10 1": "START is not a decimal number",
        "--5 1": "START is not a decimal number",
        "- 5 1": "START is not a decimal number",
        "5 -1": "LEN is not a decimal number",
        "5 1x": "LEN is not a decimal number",
        "5 1 acknowledged": "something follows LEN",
        "\\0\x01 1": "START is not a decimal number",
        " ": "no range is named",
    }
    for text, rule in refused.items():
        with KernelLog() as log:
            with check.fails(errno.EINVAL):
                bad.write(text + "\n")
            lines = [line.text for line in log.take()]
        check.true(
            any(re.search(f"badblocks: line 1: .*{rule}", line) for line in lines), f"{text!r}: the log says {lines}"
        )
        check.equal(bad.list(), [(8, 1)], f"after {text!r}")
    clear_all(t)


@case()
def a_saved_list_can_be_written_back(t):
    """Whatever pieces a program's buffers make of it, within a line or not."""
    bad = t.disk.badblocks
    ranges = [(n * 1000 + n % 7, 1 + n % 500) for n in range(1000)]
    saved = "/tmp/saved"
    with open(saved, "w", encoding="ascii") as file:
        file.write(lines_of(ranges))

    def by_stdio():
        with open(saved, encoding="ascii") as source, open(bad.path, "w", encoding="ascii") as file:
            file.write(source.read())

    ways = {
        "cat": lambda: shell.run("sh", "-c", f"cat {saved} > {bad.path}"),
        "cp": lambda: shell.run("cp", saved, bad.path),
        "sed": lambda: shell.run("sh", "-c", f"sed '' {saved} > {bad.path}"),
        "dd": lambda: shell.run("dd", f"if={saved}", f"of={bad.path}", "bs=10000", "status=none"),
        "Python": by_stdio,
        "write(2)": lambda: bad.inject_all(ranges),
    }
    for name, write in ways.items():
        write()
        check.true(bad.list() == ranges, f"what {name} wrote: {check.shortened(bad.list())}")
        clear_all(t)
    os.unlink(saved)


@case()
def text_without_end_is_refused(t):
    """A beginning that can be no line, however it went on."""
    t.expect_log("badblocks: a line is longer than 84 bytes")
    with check.fails(errno.EINVAL):
        t.disk.badblocks.write("1" * 10000)
    check.equal(t.disk.badblocks.text(), "", "after a refused write")


@case()
def a_line_that_is_not_completed_has_no_effect(t):
    """A piece of 4096 bytes that ends within a line, whose writer then goes away."""
    text = "5 1\n" * 1023 + "77 1"
    check.equal(len(text), 4096, "bytes of the piece")
    t.disk.badblocks.write(text)
    check.equal(t.disk.badblocks.list(), [(5, 1)], "the list")
    t.disk.badblocks.write("9 1\n")
    check.equal(t.disk.badblocks.list(), [(5, 1), (9, 1)], "the list after another writer")
    clear_all(t)


@case()
def five_thousand_ranges(t):
    """More than sysfs shows of a text attribute; byte for byte with any size of reads."""
    chooser = random.Random(6)
    ranges = [(n * 100 + chooser.randrange(50), chooser.randrange(1, 50)) for n in range(5000)]
    wanted = lines_of(ranges)
    bad = t.disk.badblocks
    bad.inject_all(ranges)
    check.true(bad.text() == wanted, "read in large pieces")
    check.true(shell.run("cat", bad.path) == wanted, "cat")
    for size in (1, 7, 100, 511, 4095, 4097):
        count = 3000 // size + 1
        skip = (len(wanted) - 3000) // size
        got = shell.run("dd", f"if={bad.path}", f"bs={size}", f"count={count}", f"skip={skip}", "status=none")
        at = skip * size
        # dd takes short reads as they come.
        check.true(got and wanted.startswith(got, at), f"dd bs={size}: {check.shortened(got)}")
    fd = os.open(bad.path, os.O_RDONLY)
    try:
        for _ in range(300):
            offset, length = chooser.randrange(len(wanted) + 100), chooser.randrange(1, 5000)
            got = os.pread(fd, length, offset).decode()
            check.equal(got, wanted[offset:offset + len(got)], f"{length} bytes at {offset}")
            check.equal(bool(got), offset < len(wanted), f"whether anything is at {offset} of {len(wanted)}")
    finally:
        os.close(fd)
    clear_all(t)
    check.equal(bad.text(), "", "after clearing all")


@case(limit=120)
def random_changes_match_a_model(t):
    """Against a plain set of sectors."""
    chooser = random.Random(7)
    area = 600
    model = set()
    for _ in range(400):
        start = chooser.randrange(area)
        length = min(chooser.choice((1, 1, 2, 8, 40)), area - start)
        if chooser.random() < 0.55:
            t.disk.badblocks.inject(start, length)
            model.update(range(start, start + length))
        else:
            t.disk.badblocks.clear(start, length)
            model.difference_update(range(start, start + length))
        check.equal(t.disk.badblocks.list(), runs_of(model), "the list")
    clear_all(t)


def runs_of(sectors):
    runs = []
    for sector in sorted(sectors):
        if runs and runs[-1][0] + runs[-1][1] == sector:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((sector, 1))
    return runs


@case(limit=120)
def readers_see_whole_lines_while_others_write(t):
    """Ranges that stay are seen exactly once by every reader; no line is torn; none comes twice."""
    bad = t.disk.badblocks
    staying = [(1000 + n * 100, 3) for n in range(1500)]
    bad.inject_all(staying)
    end = time.monotonic() + 8
    writers = [memory.start_child(churn, bad, staying, number, end) for number in range(2)]
    reads = 0
    while time.monotonic() < end:
        for size in (65536, 4096, 333):
            text = bad.text(at_once=size)
            check.true(text.endswith("\n"), f"the last line is torn: {text[-30:]!r}")
            found = []
            for line in text.splitlines():
                words = line.split(" ")
                check.true(
                    len(words) == 2 and all(word.isdecimal() and str(int(word)) == word for word in words),
                    f"a torn line: {line!r}",
                )
                found.append((int(words[0]), int(words[1])))
            starts = [start for start, _ in found]
            check.true(all(a < b for a, b in zip(starts, starts[1:])), "the ranges are not in order")
            missing = set(staying) - set(found)
            check.true(not missing, f"ranges that were always there are missing: {sorted(missing)[:3]}")
            check.true(
                set(found) - set(staying) <= {(start + 50, 1) for start, _ in staying}, "ranges nobody has injected"
            )
            reads += 1
    for pid in writers:
        check.equal(memory.end_of(pid), 0, "a writer")
    check.true(reads >= 3, f"{reads} reads only")
    clear_all(t)


def churn(bad, staying, seed, end):
    chooser = random.Random(seed)
    while time.monotonic() < end:
        start = chooser.choice(staying)[0] + 50
        if chooser.random() < 0.5:
            bad.inject(start, 1)
        else:
            bad.clear(start, 1)


@case(blocks=BOTH_BLOCK_SIZES)
def changes_wake_pollers(t):
    """poll(2) says POLLPRI | POLLERR after an injection, a clearing, and a write that repairs; not else."""
    bad = t.disk.badblocks
    fd = os.open(bad.path, os.O_RDONLY)
    poller = select.poll()
    poller.register(fd, select.POLLPRI | select.POLLERR)

    def read_all():
        os.lseek(fd, 0, os.SEEK_SET)
        while os.read(fd, 4096):
            pass

    def woken_by(change):
        # sysfs: read first, then wait for what differs from that.
        read_all()
        check.equal(poller.poll(50), [], "a poller before the change")
        thread = threading.Timer(0.1, change)
        thread.start()
        events = poller.poll(5000)
        thread.join()
        check.equal(events, [(fd, select.POLLPRI | select.POLLERR)], "a poller after the change")

    try:
        woken_by(lambda: bad.inject(800, 8))
        woken_by(lambda: bad.clear(800, 4))
        with t.disk.open() as io:
            woken_by(lambda: io.write(800 * 512, bytes(4096)))
            read_all()
            io.write(800 * 512, bytes(4096))
            check.equal(poller.poll(200), [], "a poller after a write that changed nothing")
    finally:
        os.close(fd)


@case()
def every_disk_has_its_own(t):
    first, second = t.disks
    first.badblocks.inject(5, 1)
    second.badblocks.inject(6, 1)
    check.equal((first.badblocks.list(), second.badblocks.list()), ([(5, 1)], [(6, 1)]), "the lists")
    first.badblocks.clear(5, 1)
    second.badblocks.clear(6, 1)


@case()
def only_root_writes(t):
    def as_nobody():
        os.setuid(65534)
        with check.fails(errno.EACCES):
            t.disk.badblocks.inject(1, 1)
        check.equal(t.disk.badblocks.text(), "", "the list")

    check.equal(memory.in_child(as_nobody), 0, "an ordinary user")


MILLION = 1_000_000


@case(guests=("large",), limit=600)
def a_million_ranges(t):
    """Injected by large write(2)s, read whole, looked up, and gone."""
    bad = t.disk.badblocks
    wanted = "".join([f"{n} 1\n" for n in range(1, 2 * MILLION, 2)])
    begun = time.monotonic()
    data = memoryview(wanted.encode())
    fd = os.open(bad.path, os.O_WRONLY)
    try:
        at = 0
        while at < len(data):
            at += os.write(fd, data[at:at + 65536])
    finally:
        os.close(fd)
    injected = time.monotonic()
    got = bad.text()
    read = time.monotonic()
    check.equal(len(got), len(wanted), "bytes of the list")
    check.true(got == wanted, "the list is not what was injected")

    # Anywhere in it, without reading what comes before.
    fd = os.open(bad.path, os.O_RDONLY)
    try:
        for offset in (0, 1, 4095, len(wanted) // 2, len(wanted) - 1, len(wanted) - 4000):
            piece = os.pread(fd, 4096, offset).decode()
            check.true(piece and wanted.startswith(piece, offset), f"the list at {offset}")
        check.equal(os.pread(fd, 4096, len(wanted)), b"", "the list at its end")
    finally:
        os.close(fd)

    with t.disk.open() as io:
        for sector in (0, 2, 999_998, 2 * MILLION - 2):
            io.read(sector * 512, 512)
            with check.fails(errno.EIO):
                io.read((sector + 1) * 512, 512)
        check.equal(io.read(2 * MILLION * 512, 1 << 16), bytes(1 << 16), "behind the last")
        io.write(0, bytes(1 << 20))
        check.equal(bad.text(at_once=100).split("\n", 1)[0], "2049 1", "the first after 2048 were overwritten")
        io.zero_out(0, 64 << 20)
    check.equal(bad.list()[0], ((64 << 20) // 512 + 1, 1), "the first after 64 MiB were zeroed")
    clear_all(t)
    check.equal(bad.text(), "", "after clearing all")
    check.true(injected - begun < 120, f"injecting took {injected - begun:.0f} s")
    check.true(read - injected < 60, f"reading took {read - injected:.0f} s")
