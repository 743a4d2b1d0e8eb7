# SPDX-License-Identifier: GPL-2.0
"""The tables for the terminal."""


def grid(head, rows):
    """Lines of text: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row):
        first, *others = (cell.ljust(width) if not column else cell.rjust(width)
                          for column, (cell, width) in enumerate(zip(row, widths)))
        return "  ".join([first, *others]).rstrip()

    return [line(head), "-" * (sum(widths) + 2 * (len(widths) - 1)), *map(line, rows)]


def drivers(measures):
    """The drivers as they are when loaded."""
    rows = [[str(call), *(f"{measures.cost(name, call):,.0f}" for name in ("rpmem", "nd_pmem", "brd")),
             *(f"{measures.ratio('rpmem', other, call):.3f}" for other in ("nd_pmem", "brd")),
             *(f"{getattr(measures.figures['rpmem', call], kind):.3%}" for kind in ("spread", "drift"))]
            for call in measures.calls()]
    return grid(["instructions per call", "rpmem", "nd_pmem", "brd", "rpmem/nd_pmem", "rpmem/brd", "spread", "drift"], rows)


def variants(measures):
    """What accounting and bad ranges elsewhere add."""
    def change(name, base, call):
        return f"{measures.cost(name, call) - measures.cost(base, call):+,.0f}"

    def bad(name):
        return f"{measures.series[name]['bad_ranges']:,} bad"

    def stat(name):
        return f"iostats={measures.series[name]['iostats']}"

    rows = []
    for call in measures.calls():
        percent = measures.ratio("rpmem-bad", "rpmem", call) - 1
        rows.append([str(call), change("rpmem-nostat", "rpmem", call), change("rpmem-bad", "rpmem", call),
                     f"{percent:+.2%}", change("nd_pmem-stat", "nd_pmem", call),
                     change("nd_pmem-bad", "nd_pmem", call),
                     f"{measures.ratio('rpmem-nostat', 'nd_pmem', call):.3f}",
                     f"{measures.ratio('rpmem', 'nd_pmem-stat', call):.3f}"])
    return grid(["difference", f"rpmem {stat('rpmem-nostat')}", f"rpmem {bad('rpmem-bad')}", "",
                 f"nd_pmem {stat('nd_pmem-stat')}", f"nd_pmem {bad('nd_pmem-bad')}",
                 "rpmem/nd_pmem: both off", "both on"], rows)


def native(costs):
    """What the data structure costs on this machine itself."""
    rows = [[cost.group + " " + cost.function, cost.ranges, f"{cost.nanoseconds:,.1f}"] for cost in costs]
    return grid(["on the host", "ranges", "ns"], rows)
