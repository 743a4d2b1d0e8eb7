# SPDX-License-Identifier: GPL-2.0
"""The plot: a group of bars for each operation, as SVG."""

import math

from drawing import Drawing

# Bars from left to right in a group, with colours that stand out on white and on black.
BARS = (("rdaxfs", "#d9622b"), ("ext4", "#2f7fd1"), ("xfs", "#86b8e8"), ("tmpfs", "#8a929b"))
# The operations, and what stands below them.
SHOWN = {
    "create": ("create",), "rename": ("rename",), "link": ("link",), "symlink": ("symlink",),
    "three unlinks": ("three", "unlinks"), "mkdir": ("mkdir",), "rmdir": ("rmdir",),
    "append 4 KiB + fsync": ("append", "4 KiB,", "fsync"), "write 4 KiB, new block": ("write to", "a new", "block"),
    "read 4 KiB": ("read", "4 KiB"), "read fault, 4 KiB page": ("read", "fault"),
}  # fmt: skip
BAR, GAP = 13, 20
LEFT, TOP, PLOT, BOTTOM = 64, 92, 300, 86


def svg(rows, subtitle):
    shown = {row: rows[row] for row in SHOWN if row in rows}
    step = 20_000
    top = math.ceil(max(max(counts.values()) for counts in shown.values()) / step) * step
    group = BAR * len(BARS) + GAP
    width, height = LEFT + group * len(shown) + GAP, TOP + PLOT + BOTTOM
    base = TOP + PLOT
    drawing = Drawing()

    def text(x, y, content, kind="", anchor="start"):
        drawing.text(x, y, content, kind, text_anchor=anchor)

    text(LEFT, 26, "Guest instructions per operation (less is better)", "title")
    text(LEFT, 46, subtitle, "small")
    x = LEFT
    for name, colour in BARS:
        label = {"rdaxfs": "rdaxfs, durable on return", "tmpfs": "tmpfs, never durable"}.get(name, f"{name} with DAX")
        drawing.key(x, colour, label, text_anchor="start")
        x += 40 + 7 * len(label)
    for value in range(0, top + 1, step):
        y = base - PLOT * value / top
        drawing.line(LEFT, width - GAP, y)
        text(LEFT - 8, y + 4, f"{value:,}", anchor="end")
    for number, (row, counts) in enumerate(shown.items()):
        left = LEFT + GAP / 2 + number * group
        for place, (name, colour) in enumerate(BARS):
            if name not in counts:
                continue
            high = PLOT * counts[name] / top
            drawing.bar(left + place * BAR, base, BAR - 1, high, colour, f"{row}, {name}: {counts[name]:,.0f}")
        middle = left + BAR * len(BARS) / 2
        for line, words in enumerate(SHOWN[row]):
            text(middle, base + 18 + 15 * line, words, anchor="middle")
        if counts.get("ext4"):
            text(middle, base + 74, f"{counts['rdaxfs'] / counts['ext4']:.2f}", "ratio", "middle")
    text(LEFT - 4, base + 74, "÷ ext4", "ratio small", "end")
    return drawing.svg(width, height, "Guest instructions per operation on rdaxfs, ext4, xfs and tmpfs")
