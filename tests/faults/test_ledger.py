"""The files of a ledger, torn (F13) or with a bit that is wrong (F14), and every call of one
append that fails, by itself (F11). R2 to R4, R6: what is served was logged; what was
acknowledged is there; a failed entry is absent or whole; repeating it makes one of it."""

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import LedgerError
from gateway.keys import CheckpointKey
from gateway.ledger import storage
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.log import Log
from tests.faults.tools import SEEDS, Strace, seeds
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

SIDE = 64 * 1024
WAL = f"{storage.DATABASE}-wal"


def copy(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    (to / f"{storage.DATABASE}-shm").unlink(missing_ok=True)
    return to


# --- torn ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", seeds())
def test_a_log_cut_anywhere_in_its_last_writes_opens_at_a_head_that_was_signed(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    heads: list[Checkpoint] = []
    with open_log(tmp_path / "whole") as log:
        for number in range(40):
            append_many(log, number * 3, number * 3 + 3)
            heads.append(checkpoint_of(log))
        copy(tmp_path / "whole", tmp_path / "kept")  # as after a power cut: the side file is there
    wal = (tmp_path / "kept" / WAL).read_bytes()
    cuts = sorted(chance.sample(range(max(0, len(wal) - SIDE), len(wal)), 20))
    sizes: list[int] = []
    for cut in cuts:
        torn = copy(tmp_path / "kept", tmp_path / "torn")
        (torn / WAL).write_bytes(wal[:cut])
        with open_log(torn) as log:
            head = checkpoint_of(log)
            assert head.size == 0 or head in heads
            for number in range(head.size):
                assert check_proof(log, f"entry-{number}") == number
            sizes.append(head.size)
            append_many(log, head.size, head.size + 2)
            check_continues(log, head)
    assert sizes == sorted(sizes), "a longer file held less"
    assert sizes[0] < heads[-1].size, "nothing was cut off"


# --- wrong bits ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", seeds())
def test_with_a_wrong_bit_anywhere_nothing_else_is_served_than_was_logged(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    with open_log(tmp_path / "whole") as log:
        append_many(log, 0, 300)
    data = (tmp_path / "whole" / storage.DATABASE).read_bytes()
    named = 0
    for _ in range(30):
        harmed = bytearray(data)
        place = chance.randrange(len(data))
        harmed[place] ^= 1 << chance.randrange(8)
        folder = copy(tmp_path / "whole", tmp_path / "harmed")
        (folder / storage.DATABASE).write_bytes(harmed)
        named += served_right(folder)
    assert named > 0, "no flip was noticed: the case harms nothing"


def served_right(folder: Path) -> bool:
    """Read all there is; whether something was said to be damaged."""
    noticed = False
    try:
        log = open_log(folder)
    except LedgerError:
        return True
    with log:
        for number in range(0, 300, 7):
            entry_id = f"entry-{number}"
            try:
                stored = log.get(entry_id)
                at = log.get_at(number)
                proof = log.proof(entry_id)
            except LedgerError:
                noticed = True
                continue
            for one in (stored, at):
                if one is None or one.id != entry_id:
                    noticed = True
                else:
                    assert one.body == body_of(entry_id), "served, and not what was logged"
            if proof is not None:
                assert check_proof(log, entry_id) == number
    return noticed


# --- every call of one append --------------------------------------------------------

CALLS = "openat,write,pwrite64,pread64,fsync,fdatasync,ftruncate,unlink,mmap,lseek,fstat"
ONE = """
import sys
from pathlib import Path
from gateway.errors import GatewayError
from gateway.keys import CheckpointKey
from tests.gateway.ledger.logs import ORIGIN, append, open_log
key = CheckpointKey.load(Path(sys.argv[2]), name=ORIGIN)
with open_log(Path(sys.argv[1]), signer=key) as log:
    Path(sys.argv[1], "ready").touch()
    try:
        append(log, "the one")
        print("done", flush=True)
    except GatewayError as error:
        print("failed", flush=True)
"""


def one_append(folder: Path, key: Path, before: tuple[str, ...] = ()) -> str:
    """What a process says that appends one entry."""
    command = [*before, sys.executable, "-c", ONE, str(folder), str(key)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return ran.stdout.strip()


def calls_of_one(folder: Path, key: Path) -> list[tuple[str, int]]:
    """The calls on files of the ledger that an append makes, each with its number among those
    of its name in its thread."""
    strace = Strace(folder.parent / "calls", CALLS)
    assert one_append(folder, key, strace.command()) == "done"
    counts: dict[tuple[str, str], int] = {}
    found: list[tuple[str, int]] = []
    ready = False
    for line in strace.lines():
        seen = re.match(r"(\d+) +(\w+)\(", line)
        if seen is None:
            continue
        thread, name = seen.groups()
        counts[thread, name] = counts.get((thread, name), 0) + 1
        ready = ready or "/ready" in line
        if ready and storage.DATABASE in line:
            found.append((name, counts[thread, name]))
    return found


def test_whatever_call_of_an_append_fails_the_entry_is_absent_or_whole(tmp_path: Path) -> None:
    key_file = tmp_path / "log.pem"
    key = CheckpointKey.create(key_file, name=ORIGIN)
    with open_log(tmp_path / "ledger", signer=key) as log:
        append_many(log, 0, 5)
        seen = checkpoint_of(log, key)
    calls = calls_of_one(copy(tmp_path / "ledger", tmp_path / "traced"), key_file)
    names = {name for name, _ in calls}
    assert {"pwrite64", "fdatasync"} <= names or {"pwrite64", "fsync"} <= names
    faults = [
        (name, when, how)
        for name, when in dict.fromkeys(calls)
        for how in ("error=EIO", "error=ENOSPC", "signal=KILL")
    ]
    chance = random.Random(1)  # noqa: S311
    said: dict[str, int] = {}
    for number, (name, when, how) in enumerate(
        faults if SEEDS > 1 else chance.sample(faults, min(10, len(faults)))
    ):
        folder = copy(tmp_path / "ledger", tmp_path / "faulty")
        strace = Strace(tmp_path / f"trace-{number}", CALLS, f"{name}:{how}:when={when}")
        words = one_append(folder, key_file, strace.command())
        said[words] = said.get(words, 0) + 1
        with open_log(folder, signer=key) as log:
            check_after(log, seen, key, was_acknowledged=words == "done")
    assert said.get("failed", 0) + said.get("", 0) > 0, said


def check_after(log: Log, seen: Checkpoint, key: CheckpointKey, *, was_acknowledged: bool) -> None:
    check_continues(log, seen, key)
    stored = log.get("the one")
    if was_acknowledged:
        assert stored is not None, "acknowledged and lost"
    if stored is not None:
        assert stored.body == body_of("the one")
        assert check_proof(log, "the one", key) == 5
    (again,) = append(log, "the one")
    assert (again.index, log.size) == (5, 6), "twice, or not at its place"
