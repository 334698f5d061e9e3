"""The files of a ledger, torn (F13) or with a bit that is wrong (F14). R2 to R4, R6: what is
served was logged; what was acknowledged is there up to the cut."""

import random
import shutil
from pathlib import Path

import pytest

from gateway.errors import LedgerError
from gateway.ledger import storage
from gateway.ledger.checkpoint import Checkpoint
from tests.faults.tools import seeds
from tests.gateway.ledger.logs import (
    append_many,
    body_of,
    check_continues,
    check_proof,
    checkpoint_of,
    open_log,
)

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
