# SPDX-License-Identifier: GPL-2.0
"""What runs in the guest: each program on each file system, made anew on the same region.

usage: guest.py WORK TOOLS [FILE-SYSTEM,…]   (prints lines of JSON)

WORK has repository.bundle and linux.tar, TOOLS is the folder with mkfs.rdaxfs. The numbers are nanoseconds: "taken" by
the guest's clock, "ran" those in which a processor had a task; with QEMU's -icount shift=0 that is instructions.
"""

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

# The file systems of the other bench, whose guest.py is called as this one.
_others = importlib.util.spec_from_file_location("others", pathlib.Path(__file__).parent.parent / "fs" / "guest.py")
others = importlib.util.module_from_spec(_others)
_others.loader.exec_module(others)
run = others.run

# Memory: reading what the programs work on costs the same everywhere.
INPUT = pathlib.Path("/run/input")
TRANSACTIONS = 1000
QUIET = {"stdout": subprocess.DEVNULL}


def sql(directory, text):
    run("sqlite3", "-bail", directory / "database", input=text, encoding="ascii", **QUIET)


def sqlite_wal(directory):
    inserts = "".join(f"INSERT INTO t VALUES({n}, hex(zeroblob(50)));\n" for n in range(TRANSACTIONS))
    sql(directory, f"PRAGMA journal_mode=WAL; CREATE TABLE t(k INTEGER PRIMARY KEY, v);\n{inserts}")


def sqlite_mmap(directory):
    reads = "".join(f"SELECT v FROM t WHERE k={n * 7919 % TRANSACTIONS};\n" for n in range(5 * TRANSACTIONS))
    sql(directory, f"PRAGMA mmap_size=268435456;\n{reads}")


def lmdb_transactions(directory, **options):
    import lmdb

    with lmdb.open(str(directory), map_size=64 << 20, **options) as environment:
        for number in range(TRANSACTIONS):
            with environment.begin(write=True) as transaction:
                transaction.put(b"%08d" % number, b"v" * 100)


def lmdb_sync(directory):
    lmdb_transactions(directory)


def lmdb_nosync(directory):
    lmdb_transactions(directory, sync=False)


def git_clone(directory):
    run("git", "clone", "--quiet", INPUT / "repository.bundle", directory / "clone", **QUIET)


def git_status(directory):
    run("git", "-C", directory / "clone", "status", "--short", **QUIET)


def untar(directory):
    run("tar", "--extract", "--no-same-owner", "--file", INPUT / "linux.tar", "--directory", directory)


def remove(directory):
    run("rm", "-r", *directory.iterdir())


def rocksdb_fill(directory):
    rocksdb(directory, "fillrandom", "--num=2000", "--sync=1")


def rocksdb_read(directory):
    rocksdb(directory, "readrandom", "--num=2000", "--use_existing_db=1", "--mmap_read=1")


def rocksdb(directory, what, *options):
    run("db_bench", f"--benchmarks={what}", f"--db={directory}", "--compression_type=none", "--seed=1", *options,
        stderr=subprocess.DEVNULL, **QUIET)


# Each in a directory, which the steps share.
PROGRAMS = {
    "SQLite": {"1,000 transactions, WAL": sqlite_wal, "5,000 look-ups, mmap": sqlite_mmap},
    "LMDB": {"1,000 transactions": lmdb_sync},
    "LMDB, MDB_NOSYNC": {"1,000 transactions": lmdb_nosync},
    "git": {"clone of this repository": git_clone, "status": git_status},
    "tar": {"untar of part of Linux": untar, "rm -r of it": remove},
    "RocksDB": {"2,000 synchronous writes": rocksdb_fill, "2,000 reads": rocksdb_read},
}


def ran():
    """Nanoseconds in which processors had tasks; what waits for a disk does not count."""
    # Those of this task are added when it leaves the processor.
    time.sleep(0.001)
    lines = pathlib.Path("/proc/schedstat").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[7]) for line in lines if line.startswith("cpu"))


def measure(name, is_counted=True):
    make, options = others.FILE_SYSTEMS[name]
    print(f"{name}", file=sys.stderr, flush=True)
    if make:
        run(*make, **QUIET)
    run("mount", *options, others.MOUNT)
    try:
        for program, steps in PROGRAMS.items():
            directory = pathlib.Path(others.MOUNT) / program.replace(", ", "-")
            directory.mkdir()
            for step, function in steps.items():
                busy, begun = ran(), time.monotonic_ns()
                function(directory)
                numbers = {"taken": time.monotonic_ns() - begun, "ran": ran() - busy}
                if is_counted:
                    print(json.dumps({"file_system": name, "row": f"{program}: {step}"} | numbers), flush=True)
    finally:
        run("umount", others.MOUNT)


def main():
    work, tools, *only = sys.argv[1:]
    os.environ["PATH"] = f"{tools}:{os.environ['PATH']}"
    INPUT.mkdir(parents=True)
    config = INPUT / "gitconfig"
    config.write_text("[advice]\ndetachedHead = false\n[init]\ndefaultBranch = main\n", encoding="ascii")
    os.environ["GIT_CONFIG_GLOBAL"] = str(config)
    for name in ("repository.bundle", "linux.tar"):
        shutil.copy(pathlib.Path(work) / name, INPUT)
    run("modprobe", "rpmem")
    run("modprobe", "rdaxfs")
    # The first start of a program reads it from the guest's image.
    measure("tmpfs", is_counted=False)
    for name in only[0].split(",") if only else others.FILE_SYSTEMS:
        measure(name)


if __name__ == "__main__":
    main()
