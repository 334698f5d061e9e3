"""Killed, refused by the disk, out of space: what was acknowledged is there, and proven."""

import base64
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from gateway.errors import LedgerUnavailableError
from gateway.keys import CheckpointKey, CheckpointPublicKey
from gateway.ledger import storage
from gateway.ledger.checkpoint import Checkpoint, verify_checkpoint
from tests.gateway.ledger.logs import (
    KEY,
    NOW,
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


@dataclass
class Acknowledged:
    """What processes were told is durable: index by id, and every checkpoint shown."""

    indices: dict[str, int] = field(default_factory=dict[str, int])
    checkpoints: list[Checkpoint] = field(default_factory=list[Checkpoint])
    failures: list[str] = field(default_factory=list[str])

    def read(self, output: bytes, key: CheckpointKey) -> None:
        for line in output.decode().splitlines(keepends=True):
            if not line.endswith("\n") or line == "opened\n":
                continue  # the process died while it spoke
            if line.startswith("failed "):
                self.failures.append(line.removeprefix("failed ").strip())
                continue
            entry_id, index, note = line.split()
            self.indices[entry_id] = int(index)
            data = base64.b64decode(note)
            self.checkpoints.append(verify_checkpoint(data, key.public, origin=ORIGIN))


def start(folder: Path, key: Path, prefix: str, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.gateway.ledger.appender", str(folder), str(key), prefix]
    return subprocess.Popen([*command, *more], cwd=ROOT, stdout=subprocess.PIPE)


def check_all(folder: Path, key: CheckpointKey, told: Acknowledged) -> int:
    """Check on the reopened ledger that nothing acknowledged is lost; its size."""
    with open_log(folder, signer=key) as log:
        for entry_id, index in told.indices.items():
            stored = log.get(entry_id)
            assert stored is not None, f"{entry_id} was acknowledged and is lost"
            assert (stored.index, stored.body) == (index, body_of(entry_id))
        for entry_id in list(told.indices)[-20:]:
            assert check_proof(log, entry_id, key) == told.indices[entry_id]
        for checkpoint in told.checkpoints[-1:] + told.checkpoints[::200]:
            check_continues(log, checkpoint, key)
        assert len(set(told.indices.values())) == len(told.indices)
        return log.size


def test_a_ledger_killed_at_any_moment_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    seed = 20261122
    moments = random.Random(seed)  # noqa: S311
    key = CheckpointKey.create(tmp_path / "log.pem", name=ORIGIN)
    told, size = Acknowledged(), 0
    for number in range(6):
        process = start(tmp_path / "ledger", tmp_path / "log.pem", f"run{number}")
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first == b"opened\n", "the ledger did not open again"
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        output, _ = process.communicate()
        told.read(output, key)
        before, size = size, check_all(tmp_path / "ledger", key, told)
        assert size >= before
    assert len(told.indices) > 100, "killed too early to show anything"


def test_a_ledger_killed_while_it_opens_opens_again(tmp_path: Path) -> None:
    moments = random.Random(7)  # noqa: S311
    key = CheckpointKey.create(tmp_path / "log.pem", name=ORIGIN)
    started = time.perf_counter()
    start(tmp_path / "warm", tmp_path / "log.pem", "x", "1").communicate()
    usual = time.perf_counter() - started
    for number in range(6):
        process = start(tmp_path / "ledger", tmp_path / "log.pem", f"run{number}")
        time.sleep(usual * moments.uniform(0.5, 1))
        process.kill()
        told = Acknowledged()
        told.read(process.communicate()[0], key)
        check_all(tmp_path / "ledger", key, told)


def test_a_disk_that_refuses_a_commit_makes_the_ledger_read_only(tmp_path: Path) -> None:
    # The file size limit of the process: the write inside COMMIT really fails.
    key = CheckpointKey.create(tmp_path / "log.pem", name=ORIGIN)
    process = start(tmp_path / "ledger", tmp_path / "log.pem", "run", "400000")
    output, _ = process.communicate(timeout=60)
    told = Acknowledged()
    told.read(output, key)
    assert len(told.indices) > 20
    assert len(told.failures) == 2
    for failure in told.failures:
        assert "read-only" in failure
        assert "restart" in failure
    size = check_all(tmp_path / "ledger", key, told)
    assert size >= len(told.indices)
    with open_log(tmp_path / "ledger", signer=key) as log:
        assert log.append("again", "clinic-a", b"x").result().index == size
        assert log.get("after the fault") is None


class Faulty(sqlite3.Connection):
    """A connection of which the next commits can be made to fail."""

    failing_commits = 0

    def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
        if sql == "COMMIT" and self.failing_commits:
            self.failing_commits -= 1
            super().execute("ROLLBACK")  # as SQLite itself does after a failed write
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *arguments)  # type: ignore[arg-type]


class Connections(list[Faulty]):
    """Opens connections and keeps them, the writer's first."""

    def __call__(self, path: Path) -> sqlite3.Connection:
        made = sqlite3.connect(path, factory=Faulty, isolation_level=None, check_same_thread=False)
        self.append(made)
        return made


def test_a_failed_commit_fails_the_group_and_every_later_append(tmp_path: Path) -> None:
    connections = Connections()
    with open_log(tmp_path, connect=connections) as log:
        append_many(log, 0, 10)
        note = log.latest_checkpoint()
        connections[0].failing_commits = 1
        doomed = [log.append(f"doomed-{number}", "clinic-a", b"x") for number in range(5)]
        for answer in doomed:
            with pytest.raises(LedgerUnavailableError, match="restart"):
                answer.result(timeout=10)
        with pytest.raises(LedgerUnavailableError, match="read-only") as caught:
            log.append("late", "clinic-a", b"x").result(timeout=10)
        assert caught.value.reason == "ledger-unavailable"
        # Reading goes on, at the last head that was durable for certain.
        assert log.latest_checkpoint() == note
        assert log.size == 10
        assert check_proof(log, "entry-3") == 3
        assert log.get("doomed-0") is None
    with open_log(tmp_path) as log:
        assert log.size == 10
        assert append(log, "doomed-0")[0].index == 10


def test_what_was_queued_behind_a_failed_commit_is_never_written(tmp_path: Path) -> None:
    connections = Connections()
    with open_log(tmp_path, connect=connections) as log:
        connections[0].failing_commits = 1
        answers = [log.append(f"entry-{number}", "clinic-a", b"x") for number in range(2000)]
        for answer in answers:
            with pytest.raises(LedgerUnavailableError):
                answer.result(timeout=10)
    with open_log(tmp_path) as log:
        assert log.size == 0


def test_a_full_database_refuses_the_group_and_takes_the_next_once_there_is_room(
    tmp_path: Path,
) -> None:
    connections = Connections()
    with open_log(tmp_path, connect=connections) as log:
        append_many(log, 0, 300)
        seen = checkpoint_of(log)
        (pages,) = connections[0].execute("PRAGMA page_count").fetchone()
        connections[0].execute(f"PRAGMA max_page_count={pages + 2}")
        big = [log.append(f"big-{number}", "clinic-a", os.urandom(40_000)) for number in range(20)]
        for answer in big:
            with pytest.raises(LedgerUnavailableError, match="full"):
                answer.result(timeout=10)
        assert checkpoint_of(log) == seen
        connections[0].execute("PRAGMA max_page_count=1000000")
        append_many(log, 300, 600)
        check_continues(log, seen)
    with open_log(tmp_path) as log:
        assert log.size == 600
        assert log.get("big-0") is None
        for number in range(0, 600, 37):
            assert check_proof(log, f"entry-{number}") == number


class Switch:
    """A signer, a clock and a source of randomness that can fail."""

    def __init__(self) -> None:
        self.failing = ""

    @property
    def key_id(self) -> str:
        return KEY.key_id

    @property
    def public(self) -> CheckpointPublicKey:
        return KEY.public

    def sign(self, message: bytes) -> bytes:
        if self.failing == "signer":
            raise OSError("token removed")
        return KEY.sign(message)

    def clock(self) -> datetime:
        if self.failing == "clock":
            raise OSError("no clock")
        return NOW

    def random(self, size: int) -> bytes:
        if self.failing == "random":
            raise OSError("no entropy")
        return bytes(size - 1 if self.failing == "short random" else size)


@pytest.mark.parametrize("part", ["signer", "clock", "random", "short random"])
def test_a_part_that_fails_for_a_while_fails_appends_for_a_while(tmp_path: Path, part: str) -> None:
    switch = Switch()
    with open_log(tmp_path, signer=switch, clock=switch.clock, random=switch.random) as log:
        append_many(log, 0, 250)
        seen = checkpoint_of(log)
        switch.failing = part
        answers = [log.append(f"lost-{number}", "clinic-a", b"x") for number in range(30)]
        for answer in answers:
            with pytest.raises(LedgerUnavailableError, match="could not append"):
                answer.result(timeout=10)
        assert checkpoint_of(log) == seen
        switch.failing = ""
        append_many(log, 250, 300)
        check_continues(log, seen)
    with open_log(tmp_path) as log:
        assert log.size == 300
        assert log.get("lost-0") is None


Cut = Callable[[bytes], bytes]

CUTS: dict[str, Cut] = {
    "gone": lambda _: b"",
    "half": lambda data: data[: len(data) // 2],
    "last byte": lambda data: data[:-1],
    "last page torn": lambda data: data[:-2000] + bytes(2000),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_torn_write_ahead_log_opens_at_an_earlier_head(tmp_path: Path, name: str) -> None:
    folder, copy = tmp_path / "ledger", tmp_path / "copy"
    heads: list[Checkpoint] = []
    with open_log(folder) as log:
        for number in range(40):
            append_many(log, number * 10, (number + 1) * 10)
            heads.append(checkpoint_of(log))
        copy.mkdir()
        for file in (storage.DATABASE, f"{storage.DATABASE}-wal"):
            (copy / file).write_bytes((folder / file).read_bytes())
    wal = copy / f"{storage.DATABASE}-wal"
    wal.write_bytes(CUTS[name](wal.read_bytes()))
    with open_log(copy) as log:
        head = checkpoint_of(log)
        assert head.size == 0 or head in heads
        assert head.size < 400
        append_many(log, head.size, head.size + 5)
        check_continues(log, head)


# In a process of its own: where a ledger is closed under a reader, SQLite ends the process.
_CLOSED_UNDER_READERS = """
import sys
from pathlib import Path
from threading import Thread
from gateway.errors import LedgerError
from tests.gateway.ledger.logs import open_log

BODY = b"x" * 300_000
outcomes = []

def read(log, started):
    while True:
        try:
            found = log.get("one")
        except LedgerError:
            outcomes.append("closed")
            return
        assert found.body == BODY
        started.append(1)

for number in range(int(sys.argv[2])):
    log = open_log(Path(sys.argv[1]) / str(number))
    log.append("one", "clinic-a", BODY).result(timeout=30)
    started = []
    threads = [Thread(target=read, args=(log, started)) for _ in range(6)]
    for thread in threads:
        thread.start()
    while len(started) < 6:
        pass
    log.close()
    for thread in threads:
        thread.join()
print(len(outcomes))
"""


def test_a_ledger_that_is_closed_while_it_is_read_ends_its_readers_with_an_error(
    tmp_path: Path,
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _CLOSED_UNDER_READERS, str(tmp_path), "20"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout.strip()) == (0, "120"), ran.stderr
