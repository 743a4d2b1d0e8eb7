# SPDX-License-Identifier: GPL-2.0
"""The table of what one process does in a second and two at once, as bench/fs/guest.py has measured it.

usage: processes.py RATES RESULTS TITLE   (prints the table, and leaves it in RESULTS)
"""

import json
import pathlib
import sys

NAMES = ("rdaxfs", "ext4", "xfs", "tmpfs")


def main():
    rates, results, title = sys.argv[1:]
    rows = {}
    with open(rates, encoding="ascii") as file:
        for line in map(json.loads, file):
            if "rate" in line:
                best = rows.setdefault(line["operation"], {})
                key = line["file_system"], line["processes"]
                best[key] = max(best.get(key, 0), line["rate"])
    if not rows or any((name, count) not in row for row in rows.values() for name in NAMES for count in (1, 2)):
        sys.exit("bench/fs/processes.py: the guest has not measured everything")
    lines = [title, "Operations in a second: one process, and how many times that two on two processors do.", ""]
    lines.append(f"{'':28}" + "".join(f"{name:>10}{'x':>6}" for name in NAMES))
    for row, best in rows.items():
        cells = (f"{best[name, 1]:10.0f}{best[name, 2] / best[name, 1]:6.2f}" for name in NAMES)
        lines.append(f"{row:28}" + "".join(cells))
    text = "\n".join(lines) + "\n"
    print(text, end="")
    pathlib.Path(results).write_text(f"# SPDX-License-Identifier: GPL-2.0\n{text}", encoding="ascii")


if __name__ == "__main__":
    main()
