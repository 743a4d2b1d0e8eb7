# SPDX-License-Identifier: GPL-2.0
"""rdaxfs for minutes: random operations on a file beside a model, stress-ng's file-system stressors, and
every call at once. fsck -n has nothing to say after each."""

import random

from harness import check, shell
from harness.cases import case
from harness.rdaxfs import Volume
from test_rdaxfs_file import MODES, model_test
from test_rdaxfs_race import race

# Of stress-ng's classes `filesystem` and `vm`: what works on a folder. Not: what wants another mount, what
# fills the disk for its own sake, and dnotify, which the kernel is built without.
STRESSORS = {
    "names": (
        "access", "chdir", "dentry", "dir", "dirdeep", "dirmany", "filename", "filerace", "getdent", "handle", "link",
        "mknod", "rename", "symlink", "touch", "unlink",
    ),
    "attributes": (
        "acl", "chattr", "chmod", "chown", "fcntl", "file-ioctl", "flock", "fstat", "inode-flags", "inotify", "lease",
        "locka", "lockf", "lockmix", "lockofd", "utime", "xattr",
    ),
    "contents": (
        "aio", "copy-file", "fallocate", "fault", "fiemap", "fpunch", "fsize", "hdd", "io", "iomix", "metamix", "msync",
        "open", "pseek", "readahead", "seek", "sendfile", "sync-file",
    ),
}  # fmt: skip
SECONDS = 10
# stress-ng(1): all went well, resources were missing, not on this machine.
ENDS_WELL = (0, 3, 4)


@case(guests=("rdaxfs",), limit=600)
def five_minutes_of_every_call(t):
    with Volume(t.disk.node, "dax=inode") as volume:
        race(volume, 300)


def model_for_long(t, mode):
    seed = random.randrange(1 << 30)
    print(f"{t.case.name}: seeds from {seed}", flush=True)
    model_test(t, mode, 1500, range(seed, seed + 4))


@case(guests=("rdaxfs",), limit=300)
def random_operations_on_the_medium(t):
    model_for_long(t, MODES[0])


@case(guests=("rdaxfs",), limit=300)
def random_operations_in_the_page_cache(t):
    model_for_long(t, MODES[1])


def stress(t, kind):
    """Each for some seconds, by three processes, in a folder whose files have DAX or, every other time, not."""
    # The kernel's word to the flock stressor.
    t.allow_log(r"^stress-ng-flock\(\d+\): Attempt to set a LOCK_MAND lock")
    with Volume(t.disk.node) as volume:
        for number, stressor in enumerate(STRESSORS[kind]):
            volume.unmount()
            volume.check()
            volume.options = (MODES[number % 2],)
            volume.mount()
            done = shell.attempt(
                "stress-ng", "--temp-path", volume.directory, f"--{stressor}", 3, "--timeout", SECONDS, "--verify",
                "--no-rand-seed", "--oomable",
            )  # fmt: skip
            said = done.stdout[-600:] + done.stderr[-600:]
            check.true(done.returncode in ENDS_WELL, f"{stressor}: status {done.returncode}: {said}")


@case(guests=("rdaxfs",), limit=600)
def stressors_of_names(t):
    stress(t, "names")


@case(guests=("rdaxfs",), limit=600)
def stressors_of_attributes(t):
    stress(t, "attributes")


@case(guests=("rdaxfs",), limit=600)
def stressors_of_contents(t):
    stress(t, "contents")
