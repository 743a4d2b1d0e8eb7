# SPDX-License-Identifier: GPL-2.0
"""The table of what bench/programs/guest.py has counted.

usage: report.py INSTRUCTIONS SECONDS RESULTS TITLE   (prints the table, and leaves it in RESULTS)
"""

import json
import pathlib
import sys

NAMES = ("rdaxfs", "ext4", "xfs", "tmpfs")


def read(path, number):
    rows = {}
    with open(path, encoding="ascii") as file:
        for line in map(json.loads, file):
            rows.setdefault(line["row"], {})[line["file_system"]] = line[number]
    if not rows or any("rdaxfs" not in row for row in rows.values()):
        sys.exit(f"bench/programs/report.py: {path} does not have every program on rdaxfs")
    return rows


def table(what, unit, digits, rows):
    to = "".join(f"to {name}".rjust(10) for name in NAMES[1:])
    lines = [f"{what:44}" + "".join(f"{name:>12}" for name in NAMES) + to]
    for row, taken in rows.items():
        cells = "".join(f"{taken[name] / unit:12.{digits}f}" if name in taken else f"{'-':>12}" for name in NAMES)
        ratios = "".join(
            f"{taken['rdaxfs'] / taken[name]:10.2f}" if name in taken else f"{'-':>10}" for name in NAMES[1:]
        )
        lines.append(f"{row:44}{cells}{ratios}")
    return [*lines, ""]


def main():
    instructions, seconds, results, title = sys.argv[1:]
    text = "\n".join([
        title, "",
        *table("millions of instructions of all tasks", 1e6, 1, read(instructions, "ran")),
        *table("seconds, emulated", 1e9, 2, read(seconds, "taken")),
    ])
    print(text, end="")
    pathlib.Path(results).write_text(f"# SPDX-License-Identifier: GPL-2.0\n{text}", encoding="ascii")


if __name__ == "__main__":
    main()
