# SPDX-License-Identifier: GPL-2.0
"""The plot: a group of bars for each call, on a logarithmic scale, as SVG."""

import math

from drawing import Drawing

# Bars from left to right in a group, with colours that stand out on white and on black.
BARS = (("rpmem", "#d9622b"), ("rpmem-bad", "#f0a878"), ("nd_pmem", "#2f7fd1"), ("nd_pmem-bad", "#86b8e8"),
        ("brd", "#8a929b"))
BAR, GAP = 13, 24
LEFT, TOP, PLOT, BOTTOM = 84, 92, 340, 104


def svg(measures, subtitle):
    calls = measures.calls()
    costs = [measures.cost(name, call) for name, _ in BARS for call in calls]
    bottom, top = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)))
    group = BAR * len(BARS) + GAP
    width, height = LEFT + group * len(calls) + GAP, TOP + PLOT + BOTTOM
    base = TOP + PLOT

    def level(cost):
        return base - PLOT * (math.log10(cost) - bottom) / (top - bottom)

    drawing = Drawing()
    text = drawing.text
    text(LEFT, 26, "Guest instructions per call (less is better, logarithmic)", "title")
    text(LEFT, 46, subtitle, "small")
    x = LEFT
    for name, colour in BARS:
        bad = measures.series[name]["bad_ranges"]
        label = f"{name.removesuffix('-bad')}, {bad:,} bad ranges elsewhere" if bad else name
        drawing.key(x, colour, label)
        x += 45 + 7 * len(label)

    for power in range(bottom, top + 1):
        y = level(10 ** power)
        drawing.line(LEFT, width - GAP, y)
        text(LEFT - 8, y + 4, f"{10 ** power:,}" if power < 4 else f"10{superscript(power)}", text_anchor="end")

    for number, call in enumerate(calls):
        left = LEFT + GAP / 2 + number * group
        for place, (name, colour) in enumerate(BARS):
            cost = measures.cost(name, call)
            high = base - level(cost)
            drawing.bar(left + place * BAR, base, BAR - 1, high, colour, f"{call}, {name}: {cost:,.0f}")
        middle = left + BAR * len(BARS) / 2
        for line, words in enumerate(label_lines(call)):
            text(middle, base + 18 + 15 * line, words, text_anchor="middle")
        text(middle, base + 72, f"{measures.ratio('rpmem', 'nd_pmem', call):.3f}", "ratio", text_anchor="middle")
        text(middle, base + 90, f"{measures.ratio('rpmem', 'brd', call):.3f}", text_anchor="middle")
    text(LEFT - 4, base + 72, "÷ nd_pmem", "ratio small", text_anchor="end")
    text(LEFT - 4, base + 90, "÷ brd", "small", text_anchor="end")
    return drawing.svg(width, height, "Guest instructions per call on rpmem, nd_pmem and brd")


def label_lines(call):
    words, _, rest = str(call).partition(", ")
    name, _, size = words.partition(" ")
    return [line for line in (name, size, rest) if line]


def superscript(number):
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
