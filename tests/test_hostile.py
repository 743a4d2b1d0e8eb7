# SPDX-License-Identifier: GPL-2.0
"""Random texts for every file and parameter that takes one: what a model says becomes of them, and no
message of the kernel but ours. What reads the switches is the kernel's kstrtobool() and its parameter
operations, so that this cannot be tried on the host."""

import errno
import os
import random
import stat

from harness import check, driver, shell
from harness.cases import case

SEED = 2026
ROUNDS = 400
PAGE = 4096


def hostile(chance):
    """Bytes that nobody should write: mostly short, now and then a page and more."""
    length = chance.choice([1, 1, 2, 3, 5, 8, 20, 64, 200, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
    alphabet = chance.choice([b"0123456789", b"0123456789 -\n", b"ynYNtTfFoO01eEdD\n", bytes(range(256)), b"%snx@,KMG"])
    return bytes(chance.choice(alphabet) for _ in range(length))


def write(path, text):
    """One write(2); returns its errno, or 0."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text)
        return 0
    except OSError as error:
        return error.errno
    finally:
        os.close(fd)


def truth(text):
    """As kstrtobool() judges, which looks at two bytes at most."""
    first, second = (text.lower() + b"\0\0")[:2].decode("latin-1")
    if first in "eyt1" or (first, second) == ("o", "n"):
        return "1"
    if first in "dnf0" or (first, second) == ("o", "f"):
        return "0"
    return None


@case()
def switches(t):
    """dax/write_cache is what the model says, or refused and as it was."""
    t.allow_log(r'dax/write_cache: ".*" is not a truth value; write 1 or 0')
    path = f"{t.disk.sysfs}/dax/write_cache"
    chance = random.Random(SEED)
    now = t.disk.attribute("dax/write_cache")
    for _ in range(ROUNDS):
        # sysfs refuses a page or more, before anybody sees it.
        text = hostile(chance)[: PAGE - 1]
        wanted = truth(text)
        check.equal(write(path, text), errno.EINVAL if wanted is None else 0, f"errno for {text[:20]!r}")
        now = wanted or now
        check.equal(t.disk.attribute("dax/write_cache"), now, f"the value after {text[:20]!r}")
    shell.write_text(path, "1")


def edits(text, sectors):
    """The (bad, start, length) triples of a text, or None if it must be refused."""
    found = []
    for line in text.split(b"\n"):
        line = line.strip(b" \t")
        if not line:
            continue
        bad = not line.startswith(b"-")
        words = [word for word in line.removeprefix(b"" if bad else b"-").replace(b"\t", b" ").split(b" ")]
        # START begins at once, even behind the minus.
        words = words[:1] + [word for word in words[1:] if word]
        if len(words) != 2 or not all(word and set(word) <= set(b"0123456789") for word in words):
            return None
        start, length = map(int, words)
        if length == 0 or start + length > sectors:
            return None
        found.append((bad, start, length))
    return found or None


@case()
def bad_blocks(t):
    """A text of less than a page changes the list as a model says, or is refused and changes nothing."""
    t.allow_log(r"badblocks: ")
    bad, sectors = t.disk.badblocks, t.disk.sectors
    chance = random.Random(SEED)
    model = set()
    for _ in range(ROUNDS):
        if chance.random() < 0.5:
            line = lambda: f"{chance.choice(['', '', '-'])}{chance.randrange(3000)} {chance.randrange(0, 40)}"
            text = "\n".join(line() for _ in range(chance.randrange(1, 5))).encode()
            if chance.random() < 0.2:
                text = text.replace(b" ", chance.choice([b"  ", b"\t", b"x", b""]), 1)
        else:
            text = hostile(chance)[: PAGE - 1]
        wanted = edits(text, sectors)
        # Nothing large: the model is a set.
        if wanted and any(start + length > 10000 for _, start, length in wanted):
            continue
        check.equal(write(bad.path, text), errno.EINVAL if wanted is None else 0, f"errno for {text[:60]!r}")
        for is_bad, start, length in wanted or []:
            (model.update if is_bad else model.difference_update)(range(start, start + length))
        if chance.random() < 0.1:
            shown = {sector for start, length in bad.list() for sector in range(start, start + length)}
            check.equal(shown, model, f"the list after {text[:60]!r}")
    shown = {sector for start, length in bad.list() for sector in range(start, start + length)}
    check.equal(shown, model, "the list")
    bad.clear(0, sectors)


@case()
def every_writable_file(t):
    """Whatever is written to any file of the disk, the kernel says nothing and the disk works on."""
    t.allow_log(r"rpmem: (badblocks|dax/write_cache): ")
    chance = random.Random(SEED)
    files = {}
    for folder, _, names in os.walk(t.disk.sysfs):
        for name in names:
            path = os.path.join(folder, name)
            # uevent makes up events; its texts are the device core's.
            if name != "uevent" and stat.S_IMODE(os.lstat(path).st_mode) & 0o222:
                files[path] = shell.attempt("cat", path).stdout
    for own in ("badblocks", "dax/write_cache"):
        check.true(f"{t.disk.sysfs}/{own}" in files, f"{own} is not writable")
    for path, before in files.items():
        for _ in range(20):
            write(path, hostile(chance))
        if not path.endswith("/badblocks"):
            # Some have no value to go back to; they refuse.
            write(path, before.strip().encode() or b"0")
    t.disk.badblocks.clear(0, t.disk.sectors)
    shell.write_text(f"{t.disk.sysfs}/dax/write_cache", "1")
    data = os.urandom(PAGE)
    with t.disk.open(direct=False) as disk:
        disk.write(0, data)
        disk.sync()
        check.equal(disk.read(0, PAGE), data, "what was written")
        disk.write(0, bytes(PAGE))
    # Queue settings are the block core's, and gone with the disk.
    driver.unload()


@case(loaded=False)
def parameters(t):
    """A load with hostile parameters fails cleanly or not at all, and leaves nothing."""
    t.allow_log(r"rpmem")
    t.allow_log(r"regions: string parameter too long")
    chance = random.Random(SEED)
    before = driver.traces()
    for _ in range(30):
        name = chance.choice(["regions", "regions", "auto", "force", "logical_block_size"])
        # The command line of a module ends at a NUL, and modprobe's arguments too.
        text = hostile(chance)[:1200].replace(b"\0", b"0")
        done = shell.attempt("modprobe", "rpmem", os.fsdecode(name.encode() + b"=" + text))
        if done.returncode == 0:
            driver.unload()
        check.equal(driver.difference(before, driver.traces()), {}, f"left after {name}={text[:40]!r}")
