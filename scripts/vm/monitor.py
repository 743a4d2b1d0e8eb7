# SPDX-License-Identifier: GPL-2.0
"""What a guest may ask QEMU for while it runs: machine checks, which no guest can raise by itself, and what
no program in it can see: whether an address is mapped, and the kernel's memory.

A request is a line on the control port, the answer another: "ok ANSWER" or "failed WHY".  Numbers are
written as in C.

  mce CPU BANK STATUS MCGSTATUS ADDR MISC [RIP]   raises a machine check with these registers; with RIP
                                                  when the processor is about to execute the instruction
                                                  at that virtual address
  mapped CPU ADDR                                 "ok yes" if that virtual address is mapped now, as the
                                                  processor sees it, else "ok no"
  bytes CPU ADDR LENGTH                           "ok HEX" for the bytes from that virtual address on
  poison NUMBER START LENGTH                      poisons bytes of the CXL device of that number, as it counts them;
                                                  whole lines of 64
"""

import json
import re
import time

# How long to wait for QEMU, and for a processor to come where a machine check is wanted.
ANSWER_SECONDS, CONDITION_SECONDS = 30, 120
# What a processor gets to run between two looks.
LOOK_SECONDS = 0.002


class RequestFailed(Exception):
    """A request cannot be met."""


class Monitor:
    """QEMU's machine protocol, on a socket."""

    def __init__(self, socket):
        socket.settimeout(ANSWER_SECONDS)
        self._file = socket.makefile("rwb")
        self._greeted = False

    def answer(self, words):
        """What to say to a request."""
        try:
            match words:
                case ["mce", *numbers] if len(numbers) in (6, 7):
                    self._inject(*(int(number, 0) for number in numbers))
                    return "ok"
                case ["mapped", cpu, address]:
                    return "ok yes" if self._is_mapped(int(cpu, 0), int(address, 0)) else "ok no"
                case ["bytes", cpu, address, length]:
                    return f"ok {self._bytes(int(cpu, 0), int(address, 0), int(length, 0))}"
                case ["poison", number, start, length]:
                    self._execute("cxl-inject-poison", {"path": f"/machine/peripheral/cxl{int(number, 0)}",
                                                        "start": int(start, 0), "length": int(length, 0)})
                    return "ok"
            return f"failed unknown request {' '.join(words)!r}"
        except (RequestFailed, ValueError, OSError) as error:
            return f"failed {' '.join(str(error).split())}"

    def _inject(self, cpu, bank, status, mcg_status, address, misc, rip=None):
        line = f"mce {cpu} {bank} {status:#x} {mcg_status:#x} {address:#x} {misc:#x}"
        if rip is None:
            self._raise(line)
            return
        end = time.monotonic() + CONDITION_SECONDS
        while time.monotonic() < end:
            self._execute("stop")
            try:
                if re.search(rf"\bRIP={rip:016x}\b", self._human("info registers", cpu)):
                    # Taken before the processor executes anything else.
                    self._raise(line)
                    return
            finally:
                self._execute("cont")
            time.sleep(LOOK_SECONDS)
        raise RequestFailed(f"processor {cpu} was not seen at {rip:#x} within {CONDITION_SECONDS} s")

    def _raise(self, line):
        if said := self._human(line):
            raise RequestFailed(f"{line}: {said}")

    def _is_mapped(self, cpu, address):
        # "gpa: 0x…" or "Unmapped"
        return self._human(f"gva2gpa {address:#x}", cpu).startswith("gpa:")

    def _bytes(self, cpu, address, length):
        # Lines of "ADDRESS: 0x12 0x34 …", or one with what is wrong.
        said = self._human(f"x /{length}xb {address:#x}", cpu)
        found = re.findall(r"(?<= 0x)[0-9a-f]{2}\b", said)
        if len(found) != length:
            raise RequestFailed(f"memory at {address:#x}: {said}")
        return "".join(found)

    def _human(self, line, cpu=0):
        """What a command of the monitor for people says; those that only change something say nothing
        unless it is wrong."""
        return self._execute("human-monitor-command", {"command-line": line, "cpu-index": cpu}).strip()

    def _execute(self, command, arguments=None):
        if not self._greeted:
            self._read()
            self._greeted = True
            self._execute("qmp_capabilities")
        request = {"execute": command, "arguments": arguments or {}}
        self._file.write(json.dumps(request).encode() + b"\n")
        self._file.flush()
        while "event" in (answer := self._read()):
            pass
        if "error" in answer:
            raise RequestFailed(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def _read(self):
        line = self._file.readline()
        if not line:
            raise RequestFailed("QEMU has gone")
        return json.loads(line)

