"""Tools that break a machine on purpose, and proof that they did.

A test whose fault did not happen shows nothing, so it fails. Where a right is missing it is
skipped with the reason, and so it is where a tool is, but for a build machine, where it fails.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from subprocess import run
from typing import NoReturn

import pytest

# As many seeds as `make faults SEEDS=…` says.
SEEDS = int(os.environ.get("CHARTER_FAULT_SEEDS", "1"))
FIRST_SEED = 20261122


def seeds(least: int = 1) -> list[int]:
    """The seeds of a test; their numbers are in its name."""
    return [FIRST_SEED + number for number in range(max(least, SEEDS))]


def missing(tool: str) -> NoReturn:
    """End a test for which a tool is missing."""
    reason = f"{tool} is not installed; see .ci/debian.txt"
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


def need(tool: str) -> str:
    found = shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    return found if found is not None else missing(tool)


def need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("this fault needs root")


def need_to_run(*command: str) -> None:
    """Skip where the system does not let us, as in many containers."""
    if not _runs(command):
        pytest.skip(f"this system does not permit `{' '.join(command)}`")


@cache
def _runs(command: Sequence[str]) -> bool:
    return run(command, capture_output=True, check=False, timeout=20).returncode == 0


# --- strace --------------------------------------------------------------------------


class Strace:
    """System calls that fail, wait or kill.

    Args:
        calls: What is traced; only that can be injected.
        inject: As strace(1) says, such as `fdatasync:error=EIO:when=20`. Its `when` counts
            the calls of each thread alone.
    """

    def __init__(self, trace: Path, calls: str, inject: str | None = None) -> None:
        self._trace = trace
        self._calls = calls
        self._inject = inject

    def command(self) -> tuple[str, ...]:
        """What to put before a command, whose process stays a child of ours."""
        strace = need("strace")
        need_to_run(strace, "-f", "-o", "/dev/null", "true")
        # Much faster, but strace 6 sends no signals then.
        quick = (strace, "-f", "--seccomp-bpf", "-o", "/dev/null", "true")
        may = self._inject is None or "signal=" not in self._inject
        seccomp = ("--seccomp-bpf",) if may and _runs(quick) else ()
        inject = () if self._inject is None else ("-e", f"inject={self._inject}")
        traced = ("-e", f"trace={self._calls}", "-e", "signal=none")
        return (strace, "-D", "-f", *seccomp, "-qq", "-y", "-o", str(self._trace), *traced, *inject)

    def attached_to(self, pid: int) -> tuple[str, ...]:
        """A command that begins with a process that runs, and counts from there."""
        inject = () if self._inject is None else ("-e", f"inject={self._inject}")
        traced = ("-e", f"trace={self._calls}", "-e", "signal=none", "-y")
        return (need("strace"), "-f", "-p", str(pid), "-o", str(self._trace), *traced, *inject)

    def lines(self) -> list[str]:
        return self._trace.read_text(errors="replace").splitlines()

    def injected(self) -> list[str]:
        """The calls that were tampered with. Empty for a signal, which strace only sends."""
        return [line for line in self.lines() if re.search(r"\((INJECTED|DELAYED)\)$", line)]


# --- clocks --------------------------------------------------------------------------

_LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


class FakeTime:
    """A wall clock that a test sets while the gateway runs; the clock of the machine, which
    nobody can set, goes on (unless `machine_too`)."""

    def __init__(self, file: Path, offset: int = 0, *, machine_too: bool = False) -> None:
        found = [path for pattern in _LIBRARIES for path in Path("/").glob(pattern[1:])]
        if not found:
            missing("faketime")
        self._library = found[0]
        self._file = file
        self._machine_too = machine_too
        self.set(offset)

    def set(self, offset: int) -> None:
        """Seconds to add from now on; seen within `CACHE_S`."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{offset:+d}\n")
        beside.rename(self._file)  # at once: a reader must not see half of it

    CACHE_S = 1

    def environment(self) -> Mapping[str, str]:
        real = {} if self._machine_too else {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(self.CACHE_S),
            **real,
        }
