# SPDX-License-Identifier: GPL-2.0
"""The table of bench/microvm, and whether the criteria are met.

usage: report.py RESULT TABLE TITLE
"""

import json
import sys

UNMET = 10
MIB = 1 << 20
# The kernel sums up its counters now and then only.
DRIFT = 128 << 10

ROWS = (
    ("page faults until the first page", lambda row: f"{row['pgfault']:,}"),
    ("of them with I/O", lambda row: f"{row['pgmajfault']:,}"),
    ("million instructions", lambda row: f"{row['ran'] / 1e6:,.0f}"),
    ("of the server in huge pages, MiB", lambda row: f"{row['huge'] / MIB:.0f}"),
    ("files in the guest's page cache, MiB", lambda row: f"{max(row['page_cache'], 0) / MIB:.1f}"),
    ("guest memory taken since the mount, MiB", lambda row: f"{-row['free'] / MIB:.1f}"),
    ("length of the image, MiB", lambda row: f"{row['image'] / MIB:.0f}"),
    ("image unchanged", lambda row: "yes" if row["unchanged"] else "NO"),
)


def table(rows):
    lines = [["", *rows]] + [[name, *(show(row) for row in rows.values())] for name, show in ROWS]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(cell.rjust(width) if at else cell.ljust(width)
                        for at, (cell, width) in enumerate(zip(line, widths))).rstrip()


def criteria(result):
    rows = result["rows"]
    ours = rows["rdaxfs"]
    for name, row in rows.items():
        if name != "rdaxfs" and name.endswith("with DAX"):
            yield f"fewer page faults than {name}", ours["pgfault"] < row["pgfault"]
    for name, together in result["together"].items():
        row = rows[name]
        yield f"{name}: no file is in the guest's page cache", row["page_cache"] < DRIFT
        yield f"{name}: the image is unchanged", row["unchanged"]
        yield f"{name}: two machines run from one image", len(together["sums"]) == 2 and len(set(together["sums"])) == 1
        yield f"{name}: neither has files in its page cache", all(bytes_ < DRIFT for bytes_ in together["page_cache"])
        yield f"{name}: the image is unchanged by both", together["unchanged"]


def main():
    source, target, title = sys.argv[1:]
    with open(source, encoding="ascii") as file:
        result = json.load(file)
    judged = list(criteria(result))
    lines = ["# SPDX-License-Identifier: GPL-2.0", title, "", *table(result["rows"]), "",
             *(f"{'ok  ' if met else 'FAIL'} {name}" for name, met in judged)]
    text = "\n".join(lines) + "\n"
    print("\n".join(lines[1:]))
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    return 0 if all(met for _, met in judged) else UNMET


if __name__ == "__main__":
    sys.exit(main())
