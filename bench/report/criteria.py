# SPDX-License-Identifier: GPL-2.0
"""What rpmem has to show."""

from dataclasses import dataclass

ZEROOUT_MOST = 0.4
BAD_RANGES = 1_000_000
BAD_RANGES_MOST = 0.03
REGION_LEAST = 2 << 30
DRIFT_MOST = 0.01


@dataclass(frozen=True)
class Criterion:
    rule: str
    met: bool
    found: str

    def __str__(self):
        return f"{'met    ' if self.met else 'NOT met'}  {self.rule}: {self.found}"


def at_most_nd_pmem(measures, call):
    ratio = measures.ratio("rpmem", "nd_pmem", call)
    most = ZEROOUT_MOST if call.name == "BLKZEROOUT" else 1
    return Criterion(f"{call} costs rpmem at most {most:g} times what it costs nd_pmem", ratio <= most, f"{ratio:.3f}")


def bad_ranges_cost(measures, call):
    base = measures.cost("rpmem", call)
    change = measures.cost("rpmem-bad", call) - base
    return Criterion(f"{call} costs rpmem within {BAD_RANGES_MOST:.0%} of that with bad ranges elsewhere",
                     abs(change) <= base * BAD_RANGES_MOST, f"{change / base:+.2%}")


def conditions(measures):
    """Without these the figures say nothing."""
    count = measures.series["rpmem-bad"]["bad_ranges"]
    yield Criterion(f"rpmem has at least {BAD_RANGES:,} bad ranges", count >= BAD_RANGES, f"{count:,}")
    sizes = {about["device_bytes"] for about in measures.series.values()}
    yield Criterion("the devices are of one size, 2 GiB or more", len(sizes) == 1 and min(sizes) >= REGION_LEAST,
                    ", ".join(f"{size / (1 << 30):g} GiB" for size in sorted(sizes)))
    drift, name, call = max((figure.drift, name, call) for (name, call), figure in measures.figures.items())
    yield Criterion(f"the passes are at most {DRIFT_MOST:.0%} apart", drift <= DRIFT_MOST,
                    f"{drift:.3%} in the worst case, {call} on {name}")


def judge(measures):
    calls = measures.calls()
    return [*conditions(measures),
            *(at_most_nd_pmem(measures, call) for call in calls),
            *(bad_ranges_cost(measures, call) for call in calls)]
