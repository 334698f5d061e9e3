"""Every call that one append, one erasure or one opening makes on the files of a ledger fails
or kills, by itself (F11), and then one of the calls of the next opening too (F12). R2 to R4:
what was acknowledged is there, once; what was not is absent or whole; the ledger goes on, or
says why not."""

import random
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.keys import CheckpointKey
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.guard import Guard
from gateway.ledger.log import Log
from tests.faults.sweeping import ERASED, THE_ONE
from tests.faults.test_ledger import copy
from tests.faults.tools import SEEDS, Strace, need, need_to_run
from tests.gateway.ledger.logs import (
    ORIGIN,
    append,
    append_many,
    body_of,
    check_continues,
    check_proof,
    checkpoint_of,
    open_log,
)
from tests.project import ROOT

CALLS = (
    "openat,read,write,pread64,pwrite64,fsync,fdatasync,ftruncate,fallocate,rename,unlink,mmap,"
    "lseek,fstat,newfstatat,fcntl,flock,close"
)
HOW = ("error=EIO", "error=ENOSPC", "signal=KILL")
SAMPLE = 12
OPENING, ACTING = "opening", "acting"


@dataclass(frozen=True)
class Fault:
    """The `when`-th of the calls of one name in a thread, from the opening or the act on."""

    call: str
    when: int
    how: str = ""


class Runner:
    """One ledger after the other, each in a process whose calls are tampered with."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._count = 0

    def run(self, ledger: Path, what: str, stage: str, fault: Fault | None) -> tuple[str, Strace]:
        """How it ended, and the trace of the stage."""
        self._count += 1
        inject = None if fault is None else f"{fault.call}:{fault.how}:when={fault.when}"
        strace = Strace(self._folder / f"trace-{self._count}", CALLS, inject)
        self._tell(f"{ledger} {what}")
        pid = int(self._hear().removeprefix("begin "))
        tracer = attach(strace, pid) if stage == OPENING else None
        self._tell("")
        said = self._hear()
        if said == "open":
            tracer = tracer or attach(strace, pid)
            self._tell("")
            said = self._hear()
        if tracer is not None:
            tracer.communicate(timeout=30)
        if fault is not None and fault.how.startswith("error"):
            assert strace.injected(), f"{fault} did not happen"
        return said, strace

    def calls(self, ledger: Path, what: str, stage: str) -> list[Fault]:
        """The calls of a stage that touch the files of the ledger."""
        said, strace = self.run(ledger, what, stage, None)
        assert said == "done", said
        counts: dict[tuple[str, str], int] = {}
        found: dict[Fault, None] = {}
        for line in strace.lines():
            seen = re.match(r"(\d+) +(\w+)\(", line)
            if seen is None:
                continue
            thread, name = seen.groups()
            counts[thread, name] = counts.get((thread, name), 0) + 1
            if str(ledger) in line:
                found[Fault(name, counts[thread, name])] = None
        return list(found)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def attach(strace: Strace, pid: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        strace.attached_to(pid), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    if "attached" not in said:
        process.kill()
        process.communicate()
        pytest.skip(f"this system lets nobody trace a process that runs: {said.strip()}")
    return process


@dataclass(frozen=True)
class Prepared:
    """A ledger of five entries, its key, and the checkpoint that was seen."""

    ledger: Path
    key: CheckpointKey
    seen: Checkpoint
    runner: Runner


@contextmanager
def prepared(folder: Path) -> Generator[Prepared]:
    strace = need("strace")
    need_to_run(strace, "-f", "-o", "/dev/null", "true")
    key = CheckpointKey.create(folder / "log.pem", name=ORIGIN)
    guard = Guard(folder / "ledger" / "seen.checkpoint")
    with open_log(folder / "ledger", signer=key, guard=guard) as log:
        append_many(log, 0, 5)
        seen = checkpoint_of(log, key)
    command = [sys.executable, "-m", "tests.faults.sweeping", str(folder / "log.pem")]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Prepared(folder / "ledger", key, seen, Runner(process, folder))
        assert process.stdin is not None
        process.stdin.close()


def sample(faults: list[Fault], seed: int) -> list[Fault]:
    every = [Fault(one.call, one.when, how) for one in faults for how in HOW]
    chance = random.Random(seed)  # noqa: S311
    return every if SEEDS > 1 else chance.sample(every, min(SAMPLE, len(every)))


def reopened(at: Path, given: Prepared) -> Log:
    return open_log(at, signer=given.key, guard=Guard(at / "seen.checkpoint"))


@pytest.mark.parametrize("what", ["append", "erase"])
@pytest.mark.parametrize("stage", [ACTING, OPENING])
def test_whatever_call_fails_what_was_acknowledged_is_there_and_what_was_not_is_whole_or_absent(
    tmp_path: Path, what: str, stage: str
) -> None:
    said: dict[str, int] = {}
    with prepared(tmp_path) as given:
        calls = given.runner.calls(copy(given.ledger, tmp_path / "traced"), what, stage)
        names = {one.call for one in calls}
        assert names & {"fdatasync", "fsync"}, names
        assert "pwrite64" in names or stage == OPENING, names
        for fault in sample(calls, 1):
            at = copy(given.ledger, tmp_path / "faulty")
            words, _ = given.runner.run(at, what, stage, fault)
            check_words(words, fault)
            said[words.split()[0]] = said.get(words.split()[0], 0) + 1
            with reopened(at, given) as log:
                check_after(log, given, what, was_acknowledged=words == "done")
    assert said.get("killed", 0) > 0, said
    assert said.get("failed", 0) + said.get("closed", 0) > 0, said


@pytest.mark.parametrize("what", ["append", "erase"])
def test_two_faults_in_a_row_lose_nothing(tmp_path: Path, what: str) -> None:
    chance = random.Random(2)  # noqa: S311
    with prepared(tmp_path) as given:
        first = sample(given.runner.calls(copy(given.ledger, tmp_path / "a"), what, ACTING), 3)
        openings = given.runner.calls(copy(given.ledger, tmp_path / "b"), what, OPENING)
        for fault in first:
            at = copy(given.ledger, tmp_path / "faulty")
            words, _ = given.runner.run(at, what, ACTING, fault)
            one = chance.choice(openings)
            second = Fault(one.call, one.when, chance.choice(HOW))
            # What it opens is another state than was traced, so the call may not be made.
            try:
                again, _ = given.runner.run(at, what, OPENING, second)
                check_words(again, second)
            except AssertionError as error:
                if "did not happen" not in str(error):
                    raise
                again = ""
            with reopened(at, given) as log:
                check_after(log, given, what, was_acknowledged="done" in (words, again))


def check_words(words: str, fault: Fault) -> None:
    """It went on, was killed, or says why it does not."""
    kind, _, why = words.partition(" ")
    assert kind in {"done", "failed", "closed", "killed"}, (words, fault)
    assert kind not in {"failed", "closed"} or len(why) > 20, (words, fault)
    assert kind != "killed" or fault.how == "signal=KILL", fault


def check_after(log: Log, given: Prepared, what: str, *, was_acknowledged: bool) -> None:
    key = given.key
    check_continues(log, given.seen, key)
    stored = log.get(THE_ONE)
    assert stored is not None or not was_acknowledged, "acknowledged and lost"
    if stored is not None:
        assert stored.body == body_of(THE_ONE)
        assert check_proof(log, THE_ONE, key) == 5
    if what == "erase":
        check_erased(log, is_erased=stored is not None)
        again = log.erase(ERASED, THE_ONE, "clinic-a", body_of(THE_ONE)).result(timeout=30)
        check_erased(log, is_erased=True)
    else:
        (again,) = append(log, THE_ONE)
    assert (again.index, log.size) == (5, 6), "twice, or not at its place"


def check_erased(log: Log, *, is_erased: bool) -> None:
    if is_erased:
        with pytest.raises(ErasedEntryError):
            log.get(ERASED)
    else:
        stored = log.get(ERASED)
        assert stored is not None
        assert stored.body == body_of(ERASED)
