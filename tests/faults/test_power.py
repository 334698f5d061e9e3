"""The power is cut (F3), and a disk that only says it has synced (F7). R1, R2, R4: what was
acknowledged is there, and what is served was logged."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.errors import LedgerError
from gateway.keys import CheckpointKey
from gateway.ledger.checkpoint import sign_checkpoint
from gateway.ledger.guard import Guard
from tests.faults.history import Clients, History, check_answers, check_log, draw, put
from tests.faults.power import PowerDisk, power_disk
from tests.faults.running import Project, gateway, start
from tests.faults.tools import SEEDS, Strace, seeds
from tests.gateway.ledger import test_durability as killed
from tests.gateway.ledger.logs import (
    ORIGIN,
    body_of,
    check_continues,
    check_proof,
    open_log,
)
from tests.gateway.ledger.test_durability import Acknowledged, check_all

CUTS = 30 if SEEDS > 1 else 5
ONE_ENGINE = ("--engines", "cedar")


def append_until_cut(disk: PowerDisk, key: Path, prefix: str, after_s: float) -> bytes:
    """What a process said that appended until the power was cut."""
    process = killed.start(disk.folder / "ledger", key, prefix)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first == b"opened\n", "the ledger did not open again"
    time.sleep(after_s)
    disk.cut([process.pid])
    return process.communicate(timeout=30)[0]


def lies(trace: Path) -> Strace:
    """Syncs that do nothing and say that they did."""
    return Strace(trace, "fdatasync,fsync", "fdatasync,fsync:retval=0")


@pytest.mark.parametrize("seed", seeds()[:1])
def test_a_ledger_whose_power_is_cut_keeps_what_it_acknowledged(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    key = CheckpointKey.create(tmp_path / "log.pem", name=ORIGIN)
    told = Acknowledged()
    with power_disk(tmp_path) as disk:
        for number in range(CUTS):
            wait = chance.uniform(0, 0.3)
            told.read(append_until_cut(disk, tmp_path / "log.pem", f"run{number}", wait), key)
            check_all(disk.folder / "ledger", key, told)
        assert disk.cuts == CUTS
    assert len(told.indices) > 20 * CUTS, "cut too early to show anything"


def test_where_nothing_is_synced_the_same_cut_loses_what_was_acknowledged(tmp_path: Path) -> None:
    # Without it the test above would show nothing: the cut must be one that takes something.
    with power_disk(tmp_path) as disk:
        database = disk.folder / "database"
        script = (
            "import sqlite3, sys, time\n"
            "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "c.execute('PRAGMA journal_mode=WAL')\n"
            "c.execute('PRAGMA synchronous=NORMAL')\n"
            "c.execute('CREATE TABLE t (n)')\n"
            "c.execute('PRAGMA wal_checkpoint')\n"
            "for n in range(200): c.execute('INSERT INTO t VALUES (?)', (n,))\n"
            "print('done', flush=True)\n"
            "time.sleep(60)\n"
        )
        command = [sys.executable, "-c", script, str(database)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        disk.cut([process.pid])
        process.communicate(timeout=30)
        connection = sqlite3.connect(database)
        (kept,) = connection.execute("SELECT count(*) FROM t").fetchone()
        connection.close()
    assert kept < 200, "the cut took nothing"


def test_on_a_disk_that_lies_a_cut_ledger_serves_nothing_but_what_was_logged(
    tmp_path: Path,
) -> None:
    key = CheckpointKey.create(tmp_path / "log.pem", name=ORIGIN)
    with power_disk(tmp_path) as disk:
        folder = disk.folder / "ledger"
        honest = append_until_cut(disk, tmp_path / "log.pem", "honest", 0.2)
        told = Acknowledged()
        told.read(honest, key)
        before = check_all(folder, key, told)
        strace = lies(tmp_path / "trace")
        arguments = (str(folder), str(tmp_path / "log.pem"), "lying")
        command = [*strace.command(), sys.executable, "-m", "tests.gateway.ledger.appender"]
        process = subprocess.Popen([*command, *arguments], cwd=killed.ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"opened\n"
        time.sleep(0.5)
        disk.cut([process.pid])
        lost = Acknowledged()
        lost.read(process.communicate(timeout=30)[0], key)
        assert strace.injected(), "no sync lied"
        assert len(lost.indices) > 20
        check_honest_and_short(folder, key, told, lost, before)
        # Whoever has seen the newest checkpoint notices, so that the log is not signed on.
        note = sign_checkpoint(lost.checkpoints[-1], key).encode()
        guard = Guard(tmp_path / "seen", seen=[("a witness", note)])
        with pytest.raises(LedgerError):
            open_log(folder, signer=key, guard=guard)


def check_honest_and_short(
    folder: Path, key: CheckpointKey, told: Acknowledged, lost: Acknowledged, before: int
) -> None:
    try:
        log = open_log(folder, signer=key)
    except LedgerError:
        return  # damaged, and not served: right as well
    with log:
        assert before <= log.size < before + len(lost.indices), "nothing was lost"
        for entry_id, index in [*told.indices.items(), *lost.indices.items()]:
            stored = log.get(entry_id)
            if stored is not None:
                assert (stored.index, stored.body) == (index, body_of(entry_id))
                assert check_proof(log, entry_id, key) == index
        seen = [one for one in lost.checkpoints if one.size <= log.size]
        for checkpoint in seen[-1:] + told.checkpoints[-1:]:
            check_continues(log, checkpoint, key)


def test_a_gateway_whose_power_is_cut_under_load_has_lost_no_answer(tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311
    history, size = History(), 0
    with power_disk(tmp_path) as disk:
        project = Project.make(disk.folder / "project")
        os.sync()  # the charters were there before; only the gateway has to sync by itself
        for number in range(3 if SEEDS > 1 else 2):
            running = start(project, *ONE_ENGINE)
            load = Clients(running, number)
            load.wait_for(20)
            time.sleep(chance.uniform(0, 0.4))
            load.history.checkpoints.append(running.checkpoint())
            disk.cut(running.processes())
            running.kill()
            history += load.end()
            size = check_log(project, history)
            assert size >= len(history.answered) + 1
        check_answers(history.events)
        with gateway(project, *ONE_ENGINE) as running:
            event = put(running, draw(chance))
            assert event.decision == event.asked.right
            assert running.size == size + 1
