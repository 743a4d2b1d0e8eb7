# SPDX-License-Identifier: GPL-2.0
"""Guests that are told what to do, a line for each thing; see service.py."""

import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
# Emulated, on a busy machine; each step takes some seconds.
PATIENCE = 240


class Failed(Exception):
    """Something is not as it has to be."""


class Guest:
    """A machine with one end of the cable."""

    def __init__(self, number, program, cable, work, *options):
        self.number, self.name, self.cable = number, program.stem, cable
        self.log = work / f"{self.name}.log"
        command = [
            PROJECT / "qemu-nvdimm.sh", "run", "--no-build", "--network", f"{cable},{number}", "--mem", "768M", "--smp", "1",
            "--timeout", "0", "--stdin", "--console", work / f"{self.name}.console", *options, "--",
            "python3", "-B", program,
        ]  # fmt: skip
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=PROJECT)  # fmt: skip
        self.said = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.answer()

    def _listen(self):
        for line in self.process.stdout:
            self.said.put(line.split(maxsplit=1))
        self.said.put(["failed", f"{self.name} has ended, see {self.log}"])

    def answer(self):
        try:
            word, *rest = self.said.get(timeout=PATIENCE)
        except queue.Empty:
            raise Failed(f"{self.name} says nothing for {PATIENCE} s") from None
        if word == "failed":
            raise Failed(f"{self.name}: {rest[0].strip()}")
        return rest[0].strip() if rest else ""

    def send(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def ask(self, *words):
        self.send(*words)
        return self.answer()

    def wait_until(self, *question, wanted="1"):
        end = time.monotonic() + PATIENCE
        while self.ask(*question) != wanted:
            if time.monotonic() > end:
                raise Failed(f"{self.name}: {' '.join(question)} is not {wanted} after {PATIENCE} s")
            time.sleep(0.1)

    def kill(self):
        """SIGKILL to its QEMU: what a machine that loses power does, with memory that keeps what is stored."""
        if self.process.poll() is not None:
            return
        marks = f"{self.cable}/cable", f"mac=52:54:00:00:00:0{self.number}"
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_text(errors="replace") if entry.name.isdigit() else ""
            except OSError:
                continue
            if words.startswith("qemu-system") and all(mark in words for mark in marks):
                os.kill(int(entry.name), signal.SIGKILL)
        self.process.wait(timeout=PATIENCE)
