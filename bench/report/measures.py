# SPDX-License-Identifier: GPL-2.0
"""From batches of calls to instructions per call."""

import json
import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Call:
    """A row: one kind of call."""

    name: str
    bytes: int
    buffer: str

    def __str__(self):
        text = f"{self.name} {size_text(self.bytes)}" if self.bytes else self.name
        return f"{text}, scattered" if self.buffer == "scattered" else text


def size_text(size):
    for shift, unit in ((20, "MiB"), (10, "KiB")):
        if size >= 10 << shift or (size >= 1 << shift and size != 4096):
            return f"{size >> shift} {unit}"
    return str(size)


@dataclass
class Figure:
    """What one kind of call costs on one series: every batch of every pass, per call."""

    passes: dict[int, list[float]] = field(default_factory=dict)

    @property
    def batches(self):
        return [cost for costs in self.passes.values() for cost in costs]

    @property
    def least(self):
        """The call's own cost: the clock is exact, and what else the guest does only adds to it."""
        return min(self.batches)

    @property
    def spread(self):
        """How much the middle one of all batches is above the least."""
        return statistics.median(self.batches) / self.least - 1

    @property
    def drift(self):
        """How far the passes are apart."""
        passes = self.least_of_passes
        return max(passes) / min(passes) - 1

    @property
    def least_of_passes(self):
        return [min(costs) for _, costs in sorted(self.passes.items())]

    def summary(self):
        low, _, high = statistics.quantiles(self.batches, n=4)
        return {"least": round(self.least, 2), "median": round(statistics.median(self.batches), 2),
                "quartiles": [round(low, 2), round(high, 2)], "most": round(max(self.batches), 2),
                "least_of_passes": [round(least, 2) for least in self.least_of_passes],
                "batches": len(self.batches)}


@dataclass
class Measures:
    """All that a guest has counted."""

    guest: dict
    series: dict[str, dict]
    figures: dict[tuple[str, Call], Figure]

    def cost(self, series, call):
        return self.figures[series, call].least

    def calls(self):
        """In the order in which they were made."""
        return list(dict.fromkeys(call for _, call in self.figures))

    def ratio(self, series, other, call):
        return self.cost(series, call) / self.cost(other, call)


def parse(lines):
    guest, *records = map(json.loads, lines)
    series, figures = {}, {}
    for record in records:
        name = record["series"]
        about = {key: record[key] for key in ("device_bytes", "bad_ranges", "iostats")}
        if series.setdefault(name, about) != about:
            raise ValueError(f"{name}: pass {record['pass']} was made under other conditions than the first: {about}")
        call = Call(record["call"], record["bytes"], record["buffer"])
        costs = [(ticks - record["loop"]) / record["calls"] for ticks in record["batches"]]
        figures.setdefault((name, call), Figure()).passes[record["pass"]] = costs
    return Measures(guest, series, figures)
