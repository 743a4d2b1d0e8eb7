# SPDX-License-Identifier: GPL-2.0
"""The plot: a group of bars for each operation, as SVG."""

import math
from html import escape

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

STYLE = """
    .ground { fill: #ffffff } text { fill: #1f2328; font: 12px sans-serif } .line { stroke: #d0d7de }
    .title { font-size: 16px; font-weight: bold } .small { font-size: 11px } .ratio { font-weight: bold }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 } text { fill: #e6edf3 } .line { stroke: #30363d }
    }
"""


def svg(rows, subtitle):
    shown = {row: rows[row] for row in SHOWN if row in rows}
    step = 20_000
    top = math.ceil(max(max(counts.values()) for counts in shown.values()) / step) * step
    group = BAR * len(BARS) + GAP
    width, height = LEFT + group * len(shown) + GAP, TOP + PLOT + BOTTOM
    base = TOP + PLOT
    parts = []

    def text(x, y, content, kind="", anchor="start"):
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(content)}</text>')

    text(LEFT, 26, "Guest instructions per operation (less is better)", "title")
    text(LEFT, 46, subtitle, "small")
    x = LEFT
    for name, colour in BARS:
        label = {"rdaxfs": "rdaxfs, durable on return", "tmpfs": "tmpfs, never durable"}.get(name, f"{name} with DAX")
        parts.append(f'<rect x="{x}" y="60" width="12" height="12" fill="{colour}"/>')
        text(x + 17, 70, label)
        x += 40 + 7 * len(label)
    for value in range(0, top + 1, step):
        y = base - PLOT * value / top
        parts.append(f'<line x1="{LEFT}" x2="{width - GAP}" y1="{y:.1f}" y2="{y:.1f}" class="line"/>')
        text(LEFT - 8, y + 4, f"{value:,}", anchor="end")
    for number, (row, counts) in enumerate(shown.items()):
        left = LEFT + GAP / 2 + number * group
        for place, (name, colour) in enumerate(BARS):
            if name not in counts:
                continue
            high = PLOT * counts[name] / top
            parts.append(f'<rect x="{left + place * BAR:.1f}" y="{base - high:.1f}" width="{BAR - 1}" height="{high:.1f}" '
                         f'fill="{colour}"><title>{escape(f"{row}, {name}: {counts[name]:,.0f}")}</title></rect>')
        middle = left + BAR * len(BARS) / 2
        for line, words in enumerate(SHOWN[row]):
            text(middle, base + 18 + 15 * line, words, anchor="middle")
        if counts.get("ext4"):
            text(middle, base + 74, f"{counts['rdaxfs'] / counts['ext4']:.2f}", "ratio", "middle")
    text(LEFT - 4, base + 74, "÷ ext4", "ratio small", "end")
    body = "\n  ".join(parts)
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n'
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="Guest instructions per operation on rdaxfs, ext4, xfs and tmpfs">\n'
            f'  <style>{STYLE}  </style>\n  <rect width="100%" height="100%" class="ground"/>\n  {body}\n</svg>\n')
