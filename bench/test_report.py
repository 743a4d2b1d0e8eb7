# SPDX-License-Identifier: GPL-2.0
"""python3 -m unittest discover bench: what the verdict and the figures rest on."""

import json
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from report import criteria, measures, native, plot, table

SERIES = ("rpmem", "rpmem-nostat", "rpmem-bad", "nd_pmem", "nd_pmem-stat", "nd_pmem-bad", "brd")


def counted(costs=None, size=2 << 30, bad=1_000_000, passes=(1, 2)):
    """What a guest prints, 1,000 instructions a call but for `costs`: {(series, call): instructions}."""
    yield json.dumps({"kernel": "7.3", "version": "#1", "region": "2G@0x100000000"})
    for number in passes:
        for name in SERIES:
            for call, size_of in (("pread", 512), ("BLKZEROOUT", 64 << 20)):
                cost = (costs or {}).get((name, call), 300 if (call, name[:5]) == ("BLKZEROOUT", "rpmem") else 1000)
                yield json.dumps({
                    "series": name, "pass": number, "device_bytes": size, "iostats": int(name == "rpmem"),
                    "bad_ranges": bad if name.endswith("-bad") else 0, "call": call, "bytes": size_of,
                    "buffer": "none", "calls": 10, "loop": 50,
                    # The second batch had a timer interrupt.
                    "batches": [cost * 10 + 50, cost * 10 + 20050, cost * 10 + 50]})


def unmet(**changes):
    return [criterion.rule for criterion in criteria.judge(measures.parse(counted(**changes))) if not criterion.met]


class Figures(unittest.TestCase):
    def test_loop_and_interrupts_are_taken_off(self):
        measured = measures.parse(counted())
        self.assertEqual(measured.cost("nd_pmem", measured.calls()[0]), 1000)
        summary = measured.figures["nd_pmem", measured.calls()[0]].summary()
        self.assertEqual((summary["least"], summary["median"], summary["most"], summary["batches"]),
                         (1000, 1000, 3000, 6))

    def test_changed_conditions_are_refused(self):
        lines = [*counted(passes=(1,)), *list(counted(size=4 << 30, passes=(2,)))[1:]]
        with self.assertRaises(ValueError):
            measures.parse(lines)

    def test_names(self):
        names = [str(measures.Call("pread", size, buffer)) for size, buffer in
                 ((512, "contiguous"), (4096, "contiguous"), (65536, "scattered"), (1 << 20, "contiguous"))]
        self.assertEqual(names, ["pread 512", "pread 4096", "pread 64 KiB, scattered", "pread 1 MiB"])


class Verdict(unittest.TestCase):
    def test_all_met(self):
        self.assertEqual(unmet(), [])

    def test_one_instruction_more_than_nd_pmem(self):
        [rule] = unmet(costs={("nd_pmem", "pread"): 999})
        self.assertIn("pread 512", rule)

    def test_zeroout(self):
        self.assertEqual(unmet(costs={("rpmem", "BLKZEROOUT"): 400, ("rpmem-bad", "BLKZEROOUT"): 400}), [])
        [rule] = unmet(costs={("rpmem", "BLKZEROOUT"): 401, ("rpmem-bad", "BLKZEROOUT"): 401})
        self.assertIn("0.4", rule)

    def test_bad_ranges(self):
        self.assertEqual(unmet(costs={("rpmem-bad", "pread"): 1030}), [])
        self.assertEqual(len(unmet(costs={("rpmem-bad", "pread"): 1031})), 1)

    def test_conditions(self):
        self.assertEqual(len(unmet(bad=999_999)), 1)
        self.assertEqual(len(unmet(size=1 << 30)), 1)

    def test_drift(self):
        first, second = list(counted(passes=(1,))), list(counted({("brd", "pread"): 1021}, passes=(2,)))
        lines = first + second[1:]
        rules = [each.rule for each in criteria.judge(measures.parse(lines)) if not each.met]
        self.assertEqual(len(rules), 1)
        self.assertIn("passes", rules[0])


class Output(unittest.TestCase):
    def test_plot_is_xml(self):
        drawing = xml.fromstring(plot.svg(measures.parse(counted()), "a < b").encode())
        bars = [each for each in drawing.iter("{http://www.w3.org/2000/svg}rect")
                if each.find("{http://www.w3.org/2000/svg}title") is not None]
        self.assertEqual(len(bars), 2 * len(plot.BARS))

    def test_tables_are_straight(self):
        measured = measures.parse(counted())
        for lines in (table.drivers(measured), table.variants(measured)):
            self.assertEqual(len({len(line) for line in lines[2:]}), 1)

    def test_native(self):
        with tempfile.TemporaryDirectory() as folder:
            for ranges, ns in (("1000000", 5.0), ("1", 2.5)):
                place = pathlib.Path(folder, "lookup", "hit", ranges, "new")
                place.mkdir(parents=True)
                about = {"group_id": "lookup", "function_id": "hit", "value_str": ranges}
                (place / "benchmark.json").write_text(json.dumps(about))
                (place / "estimates.json").write_text(json.dumps({"median": {"point_estimate": ns}}))
            self.assertEqual([(cost.ranges, cost.nanoseconds) for cost in native.read(folder)],
                             [("1", 2.5), ("1000000", 5.0)])


if __name__ == "__main__":
    unittest.main()
