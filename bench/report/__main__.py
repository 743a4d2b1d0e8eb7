# SPDX-License-Identifier: GPL-2.0
"""python3 bench/report: makes the results folder of a run, and judges it."""

import argparse
import json
import pathlib
import sys

if not __package__:
    # Called by its path.
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    __package__ = "report"

from report import criteria, measures, native, plot, table

# The exit status when a criterion is not met: not that of an exception.
UNMET = 10


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/report", description=__doc__)
    parser.add_argument("counts", type=pathlib.Path, help="what bench/guest.py has printed")
    parser.add_argument("--results", type=pathlib.Path, required=True, help="the folder of folders, one a kernel release")
    parser.add_argument("--native", type=pathlib.Path, help="criterion's folder")
    parser.add_argument("--commit", required=True, help="what was measured")
    parser.add_argument("--date", required=True)
    parser.add_argument("--emulator", required=True)
    parser.add_argument("--processor", required=True, help="what the native figures were measured on")
    return parser.parse_args()


def document(arguments, measured, costs, verdict):
    return {
        "date": arguments.date, "rpmem": arguments.commit, "emulator": arguments.emulator, **measured.guest,
        "unit": "guest instructions per call",
        "series": measured.series,
        "calls": [{"call": call.name, "bytes": call.bytes, "buffer": call.buffer,
                   "instructions": {name: measured.figures[name, call].summary() for name in measured.series}}
                  for call in measured.calls()],
        "native_processor": arguments.processor,
        "native_ns": [cost.as_dict() for cost in costs],
        "criteria": [{"rule": criterion.rule, "met": criterion.met, "found": criterion.found} for criterion in verdict],
    }


def main():
    arguments = parse_arguments()
    with open(arguments.counts, encoding="ascii") as lines:
        measured = measures.parse(lines)
    costs = native.read(arguments.native) if arguments.native else []
    verdict = criteria.judge(measured)

    origin = f"rpmem {arguments.commit}, {measured.guest['kernel']}, region {measured.guest['region']}, {arguments.date}"
    sections = [table.drivers(measured), table.variants(measured)]
    if costs:
        sections.append(table.native(costs))
    sections.append([str(criterion) for criterion in verdict])
    text = "\n\n".join("\n".join(lines) for lines in [[origin], *sections]) + "\n"

    folder = arguments.results / measured.guest["kernel"]
    folder.mkdir(parents=True, exist_ok=True)
    results = json.dumps(document(arguments, measured, costs, verdict), indent=1) + "\n"
    (folder / "results.json").write_text(results, encoding="utf-8")
    (folder / "results.txt").write_text(f"SPDX-License-Identifier: GPL-2.0\n\n{text}", encoding="utf-8")
    (folder / "instructions.svg").write_text(plot.svg(measured, origin), encoding="utf-8")

    print(text, end="")
    missed = sum(not criterion.met for criterion in verdict)
    print(f"\n{len(verdict) - missed} of {len(verdict)} criteria met; see {folder}")
    return UNMET if missed else 0


if __name__ == "__main__":
    sys.exit(main())
