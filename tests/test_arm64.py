# SPDX-License-Identifier: GPL-2.0
"""What is different on arm64: the instruction that writes lines back, what there is not, and pages of 16 KiB."""

import os

from harness import check, driver, rdaxfs, shell
from harness.cases import case
from harness.rdaxfs import Volume

PAGE = os.sysconf("SC_PAGE_SIZE")


def boot_log():
    return shell.run("dmesg")


@case(guests=("arm64",))
def lines_are_written_back_to_the_point_of_persistence(t):
    """The processor has dc cvap, and the kernel has patched it into what dax_flush() calls."""
    features = [line for line in shell.read_text("/proc/cpuinfo").splitlines() if line.startswith("Features")]
    check.true(all("dcpop" in line.split() for line in features), f"dcpop is missing: {features[:1]}")
    check.true("detected: Data cache clean to Point of Persistence" in boot_log(), "the kernel has not found dc cvap")
    # Without write-back of caches fsync would not call it.
    check.equal(t.disk.attribute("dax/write_cache"), "1", "dax/write_cache")


@case(guests=("arm64-v8.0",))
def an_old_processor_has_no_point_of_persistence(t):
    """Without dc cvap lines are cleaned to the point of coherency; nothing else is different."""
    check.true("dcpop" not in shell.read_text("/proc/cpuinfo"), "the processor has dc cvap")
    check.true("Point of Persistence" not in boot_log(), "the kernel has found dc cvap")
    data = os.urandom(1 << 20)
    with Volume(t.disk.node, "dax") as volume:
        (volume.directory / "file").write_bytes(data)
        volume.again()
        check.equal((volume.directory / "file").read_bytes(), data, "what the file has")


@case(guests=("arm64",))
def the_memory_is_none_of_the_kernels(t):
    """mem= has left it out; regions= and force=1 take it; without force the driver refuses."""
    [(size, address), *_] = driver.given_regions()
    driver.unload()
    try:
        check.true(f"{address:x}-" not in shell.read_text("/proc/iomem"), "it is in /proc/iomem already")
        t.expect_log(r"is not wholly Reserved or Persistent Memory")
        done = shell.attempt("modprobe", "rpmem", f"regions={size}@{address:#x}")
        check.true(done.returncode != 0, "it is taken without force=1")
    finally:
        driver.load(*driver.usual_arguments())


@case(guests=("arm64-16k",))
def rdaxfs_mounts_without_dax(t):
    """With pages that are larger than a block no file has DAX, and the mount says so; all else works."""
    check.equal(PAGE, 16384, "the page size")
    t.expect_log(r"mounted without DAX: this kernel's pages have 16384 bytes")
    for options in ((), ("dax",)):
        with Volume(t.disk.node, *options) as volume:
            check.true("dax=never" in shell.run("findmnt", "-n", "-o", "OPTIONS", volume.directory), "dax=never is not shown")
            data = os.urandom(3 * PAGE + 5000)
            file = volume.directory / "file"
            file.write_bytes(data)
            # Blocks within a page, each way.
            with open(file, "r+b", buffering=0) as opened:
                opened.seek(5000)
                opened.write(b"x" * 4096)
                os.fsync(opened.fileno())
            wanted = data[:5000] + b"x" * 4096 + data[9096:]
            os.truncate(file, 20000)
            check.true(rdaxfs.attempt_mount(t.disk.node, volume.directory, "remount").returncode == 0, "remount fails")
            volume.again()
            check.equal(file.read_bytes(), wanted[:20000], "what the file has after all that")
