# SPDX-License-Identifier: GPL-2.0
"""The medians that criterion has left in its folder."""

import json
import pathlib
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Cost:
    group: str
    function: str
    ranges: str
    nanoseconds: float

    as_dict = asdict


def read(folder):
    costs = []
    for path in pathlib.Path(folder).glob("**/new/benchmark.json"):
        about = json.loads(path.read_text(encoding="utf-8"))
        estimates = json.loads(path.with_name("estimates.json").read_text(encoding="utf-8"))
        costs.append(Cost(about["group_id"], about["function_id"] or "", about["value_str"] or "",
                          estimates["median"]["point_estimate"]))
    return sorted(costs, key=lambda cost: (cost.group, cost.function, len(cost.ranges), cost.ranges))
