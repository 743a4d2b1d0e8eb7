# SPDX-License-Identifier: GPL-2.0
"""The table of what bench/fs/guest.py has counted, and whether rdaxfs keeps its limits.

usage: report.py COUNTS RESULTS TITLE   (prints the table, and leaves it in RESULTS, and a plot beside it)
"""

import json
import pathlib
import sys

# What is drawn with stands beside this folder.
sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))
import plot  # noqa: E402  # found by the line above

# What the operation leaves durable when it returns, by file system.
DURABLE = {"rdaxfs": "all of it", "ext4": "after fsync", "xfs": "after fsync", "tmpfs": "nothing"}
# Of tmpfs's instructions.
OF_TMPFS, LEAST_OF_TMPFS = 1.5, 2.0
LIKE_TMPFS = (
    "create", "rename", "link", "symlink", "three unlinks", "mkdir", "rmdir", "append 4 KiB + fsync",
)
# Of the better one of ext4 and xfs.
LIKE_PEERS = (
    "overwrite 4 KiB", "overwrite 64 B", "read 4 KiB", "read 64 B", "read fault, 4 KiB page",
    "write fault after a read fault", "MAP_SYNC write fault",
)
ABSOLUTE = {"write 4 KiB, new block": 9000, "readdir, an entry": 400, "faults to touch a 64 MiB file": 33}
# When a limit is not kept; an error of Python's own is 1.
UNMET = 10


def limit_of(row, counts):
    """The most that rdaxfs may take, and what it is made of."""
    if row in LIKE_TMPFS and "tmpfs" in counts:
        return counts["tmpfs"] * OF_TMPFS, f"{OF_TMPFS} x tmpfs"
    if row in LIKE_PEERS:
        best = min((counts[name] for name in ("ext4", "xfs") if name in counts), default=None)
        return (None, "") if best is None else (best * 1.005, "the better of ext4 and xfs")
    if row in ABSOLUTE:
        return ABSOLUTE[row], f"{ABSOLUTE[row]}"
    return None, ""


def table(rows, title):
    names = list(DURABLE)
    lines = [title, "", f"{'instructions per operation':32}" + "".join(f"{name:>12}" for name in names)
             + f"{'to tmpfs':>10}{'limit':>10}  of"]
    unmet = []
    tried = {name for counts in rows.values() for name in counts}
    for row, counts in rows.items():
        cells = "".join(
            f"{counts[name]:12.0f}" if name in counts else f"{'refused' if name in tried else '-':>12}" for name in names
        )
        ratio = counts["rdaxfs"] / counts["tmpfs"] if counts.get("tmpfs") else None
        limit, of = limit_of(row, counts)
        kept = limit is None or counts["rdaxfs"] <= limit
        if not kept:
            unmet.append(row)
        lines.append(f"{row:32}{cells}" + (f"{ratio:10.2f}" if ratio else f"{'':10}")
                     + (f"{limit:10.0f}  {of}{'' if kept else ': NOT KEPT'}" if limit else ""))
    lines += [f"{'durable when it returns':32}" + "".join(f"{DURABLE[name]:>12}" for name in names), ""]
    lines.append(f"{len(unmet)} of {len(rows)} rows above their limit" + (f": {', '.join(unmet)}" if unmet else ""))
    return "\n".join(lines) + "\n", unmet


def main():
    counts, results, title = sys.argv[1:]
    rows = {}
    with open(counts, encoding="ascii") as file:
        for line in map(json.loads, file):
            if "least" in line:
                rows.setdefault(line["operation"], {})[line["file_system"]] = line["least"]
    if not rows or any("rdaxfs" not in row for row in rows.values()):
        sys.exit("bench/fs/report.py: the guest has not counted every operation of rdaxfs")
    text, unmet = table(rows, title)
    print(text, end="")
    pathlib.Path(results).write_text(f"# SPDX-License-Identifier: GPL-2.0\n{text}", encoding="ascii")
    pathlib.Path(results).with_suffix(".svg").write_text(plot.svg(rows, title), encoding="utf-8")
    sys.exit(UNMET if unmet else 0)


if __name__ == "__main__":
    main()
