"""An erased body is gone from every byte of the files, and the tree holds."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.errors import (
    EntryConflictError,
    LedgerError,
    LedgerUnavailableError,
    ProofMalformedError,
)
from gateway.ledger import storage
from gateway.ledger.erased import ErasedEntryError, ErasureRefusedError
from gateway.ledger.head import Receipt
from gateway.ledger.log import Log
from gateway.ledger.proof import parse_place, parse_proof, verify_place
from tests.gateway.ledger.logs import (
    KEY,
    ORIGIN,
    append,
    append_many,
    check_continues,
    check_proof,
    checkpoint_of,
    open_log,
    tamper,
)
from tests.project import ROOT


def erase(log: Log, target: str, why: str = "why") -> Receipt:
    return log.erase(target, why, "clinic-a", f'{{"why":"{target}"}}'.encode()).result(30)


def secret_body(size: int = 0) -> bytes:
    """A body of which no part is in another one."""
    return os.urandom(40 + size).hex().encode()


def bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())


def kept_of(folder: Path, index: int) -> tuple[bytes, bytes]:
    """Salt and data of a row, as they are kept."""
    connection = sqlite3.connect(folder / storage.DATABASE)
    query = "SELECT salt, data FROM body WHERE idx = ?"
    salt, data = connection.execute(query, (index,)).fetchone()
    connection.close()
    return salt, data


def check_erased(log: Log, entry_id: str, index: int, why: str = "why") -> None:
    for read in (lambda: log.get(entry_id), lambda: log.get_at(index)):
        with pytest.raises(ErasedEntryError) as caught:
            read()
        assert (caught.value.index, caught.value.entry_id) == (index, entry_id)
        assert caught.value.erasure_id == why
    text = log.proof(entry_id)
    assert text is not None
    place = verify_place(parse_place(text), KEY.public, origin=ORIGIN)
    assert (place.index, place.checkpoint.size) == (index, log.size)
    with pytest.raises(ProofMalformedError):
        parse_proof(text)  # nobody takes it for the proof of a body


# --- what is told --------------------------------------------------------------------


def test_an_erased_entry_is_told_as_such_and_its_place_is_still_proven(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 300)
        seen = checkpoint_of(log)
        before = log.proof("entry-5")
        receipt = erase(log, "entry-5")
        assert receipt.index == 300
        check_erased(log, "entry-5", 5)
        assert (
            parse_place(str(log.proof("entry-5"))).commitment == parse_proof(str(before)).commitment
        )
        why = log.get("why")
        assert why is not None
        assert why.body == b'{"why":"entry-5"}'
        append_many(log, 301, 320)
        check_continues(log, seen)
        assert check_proof(log, "entry-4") == 4
    with open_log(tmp_path) as log:
        check_erased(log, "entry-5", 5)
        check_continues(log, seen)


def test_an_erased_entry_at_the_right_edge_does_not_keep_the_log_from_opening(
    tmp_path: Path,
) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        erase(log, "entry-2")
    with open_log(tmp_path) as log:
        check_erased(log, "entry-2", 2)
        append_many(log, 3, 4)


def test_a_tenant_does_not_learn_that_an_entry_of_another_is_erased(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        erase(log, "entry-2")
        assert log.get("entry-2", tenant="clinic-b") is None
        with pytest.raises(ErasedEntryError):
            log.get("entry-2", tenant="clinic-a")


def test_the_same_erasure_again_is_the_entry_that_exists(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        first, again = erase(log, "entry-1"), erase(log, "entry-1")
        assert (first.index, again.index, log.size) == (3, 3, 4)


@pytest.mark.parametrize("target", ["nobody", "why", ""])
def test_what_cannot_be_erased_is_refused_and_nothing_is_logged(
    tmp_path: Path, target: str
) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        erase(log, "entry-1")
        with pytest.raises(ErasureRefusedError):
            erase(log, target, "other")
        assert (log.size, log.get("other")) == (4, None)


def test_an_entry_is_erased_once(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        erase(log, "entry-1")
        with pytest.raises(ErasedEntryError) as caught:
            erase(log, "entry-1", "later")
        assert caught.value.erasure_id == "why"
        assert log.size == 4


def test_of_two_erasures_in_one_group_one_is_done(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 200)
        answers = [log.erase("entry-1", f"why-{n}", "clinic-a", b"{}") for n in range(40)]
        done = [answer for answer in answers if answer.exception(30) is None]
        assert len(done) == 1
        assert {type(a.exception()) for a in answers} <= {
            type(None), ErasedEntryError, ErasureRefusedError,
        }  # fmt: skip
        assert log.size == 201


def test_an_erasure_under_an_id_that_exists_is_refused_and_erases_nothing(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        with pytest.raises(EntryConflictError):
            erase(log, "entry-1", "entry-0")
        assert check_proof(log, "entry-1") == 1


def test_an_erased_entry_that_is_appended_again_is_not_logged_again(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        erase(log, "entry-1")
        with pytest.raises(ErasedEntryError):
            append(log, "entry-1")
        assert log.size == 4


def test_an_erasure_whose_commit_fails_erases_nothing(tmp_path: Path) -> None:
    made: list[sqlite3.Connection] = []

    def connect(path: Path) -> sqlite3.Connection:
        made.append(storage.open_connection(path))
        return made[-1]

    with open_log(tmp_path, connect=connect) as log:
        append_many(log, 0, 3)
        (pages,) = made[0].execute("PRAGMA page_count").fetchone()
        made[0].execute(f"PRAGMA max_page_count={pages + 1}")
        with pytest.raises(LedgerUnavailableError, match="full"):
            log.erase("entry-1", "why", "clinic-a", os.urandom(90_000)).result(30)
        assert check_proof(log, "entry-1") == 1
        made[0].execute("PRAGMA max_page_count=1000000")
        erase(log, "entry-1")
        check_erased(log, "entry-1", 1)


# --- what is left --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "size"),
    [
        *((entries, size) for entries in (1, 2, 9, 40) for size in (0, 3000)),
        (1, 60_000),
        (9, 60_000),
        (300, 0),
        (300, 3000),
    ],
)
def test_nothing_of_an_erased_body_is_left_in_the_files(
    tmp_path: Path, entries: int, size: int
) -> None:
    with open_log(tmp_path) as log:
        bodies = [secret_body(size) for _ in range(entries)]
        for number, body in enumerate(bodies):
            log.append(f"s-{number}", "clinic-a", body).result()
        targets = sorted({0, 1, entries // 3, entries // 2, entries - 1} & set(range(entries)))
        kept = {number: kept_of(tmp_path, number) for number in targets}
        whole = bytes_of(tmp_path)
        for salt, data in kept.values():
            assert salt in whole
            assert data[-40:] in whole
        for number in targets:
            erase(log, f"s-{number}", f"why-{number}")
            assert log.is_tidy()
            check_gone(bytes_of(tmp_path), bodies[number], *kept[number])
        for number in set(range(entries)) - set(targets):
            stored = log.get(f"s-{number}")
            assert stored is not None
            assert stored.body == bodies[number]
    check_all_gone(tmp_path, bodies, kept)


def check_gone(found: bytes, body: bytes, salt: bytes, data: bytes) -> None:
    assert salt not in found
    assert body[-40:] not in found
    assert data not in found
    # What a frame begins with is alike in many.
    for begin in range(64, len(data) - 24, 256):
        assert data[begin : begin + 24] not in found, f"bytes {begin} of the data are left"


def check_all_gone(folder: Path, bodies: list[bytes], kept: dict[int, tuple[bytes, bytes]]) -> None:
    with open_log(folder):
        found = bytes_of(folder)
    for number, (salt, data) in kept.items():
        check_gone(found, bodies[number], salt, data)


def test_nothing_is_left_while_somebody_still_reads_an_older_state(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        body = secret_body()
        log.append("s", "clinic-a", body).result()
        salt, data = kept_of(tmp_path, 0)
        other = sqlite3.connect(tmp_path / storage.DATABASE, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM record").fetchone()
        erase(log, "s")
        assert not log.is_tidy()
        append_many(log, 0, 3)  # nobody waits for it
        assert not log.is_tidy()
        other.execute("COMMIT")
        other.close()
        until = time.monotonic() + 10
        while not log.is_tidy():
            assert time.monotonic() < until
            time.sleep(0.05)
        check_gone(bytes_of(tmp_path), body, salt, data)


CRASH = """
import os, sys
from pathlib import Path
from gateway.ledger import erasing
from gateway.keys import CheckpointKey
from tests.gateway.ledger.logs import ORIGIN, open_log
folder, key = Path(sys.argv[1]), CheckpointKey.load(Path(sys.argv[2]), name=ORIGIN)
with open_log(folder, signer=key) as log:
    log._writer._erasing.tidy = lambda: os._exit(9)
    log.erase("s", "why", "clinic-a", b"{}").result()
"""


def test_a_crash_right_after_the_commit_leaves_nothing_after_the_next_opening(
    tmp_path: Path,
) -> None:
    from gateway.keys import CheckpointKey

    key = CheckpointKey.create(tmp_path / "log.pem", name=ORIGIN)
    folder = tmp_path / "log"
    body = secret_body()
    with open_log(folder, signer=key) as log:
        log.append("s", "clinic-a", body).result()
        salt, data = kept_of(folder, 0)
    command = [sys.executable, "-c", CRASH, str(folder), str(tmp_path / "log.pem")]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
    assert salt in bytes_of(folder), "the crash came too late to show anything"
    with open_log(folder, signer=key) as log:
        assert log.is_tidy()
        check_gone(bytes_of(folder), body, salt, data)
        with pytest.raises(ErasedEntryError):
            log.get("s")


# --- the tables ----------------------------------------------------------------------

FORBIDDEN = [
    "UPDATE body SET data = x'00' WHERE idx = 0",
    "UPDATE body SET form = 5, salt = zeroblob(32), data = zeroblob(length(data)) WHERE idx = 0",
    "UPDATE body SET form = 2 WHERE idx = 1",
    "UPDATE body SET text = 7 WHERE idx = 1",
    "UPDATE body SET data = x'7b7d', salt = zeroblob(32) WHERE idx = 1",
    "DELETE FROM body",
    "DELETE FROM body WHERE idx = 1",
    "INSERT INTO body SELECT idx + 10, form, text, salt, data FROM body WHERE idx = 0",
    "INSERT OR REPLACE INTO body SELECT 1, form, text, salt, data FROM body WHERE idx = 0",
    "DELETE FROM erasure",
    "UPDATE erasure SET by_idx = 2",
    "INSERT INTO erasure VALUES (1, 2)",
    "INSERT OR REPLACE INTO erasure VALUES (1, 2)",
    "INSERT INTO erasure VALUES (3, 2)",
    "INSERT INTO erasure VALUES (2, 2)",
    "INSERT INTO erasure VALUES (2, 99)",
    "INSERT INTO erasure VALUES (0, 3)",
    "DELETE FROM text",
    "UPDATE text SET data = x'00'",
    "INSERT OR REPLACE INTO text VALUES (1, x'00', x'00')",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_tables_take_an_erasure_and_nothing_else(tmp_path: Path, statement: str) -> None:
    with open_log(tmp_path) as log:
        log.repeats(b"what bodies repeat")
        append_many(log, 0, 3)
        erase(log, "entry-1")
    connection = sqlite3.connect(tmp_path / storage.DATABASE)
    before = list(connection.iterdump())
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.rollback()
    assert list(connection.iterdump()) == before
    connection.close()


UNSAID: dict[str, str] = {
    "no tombstone": "DELETE FROM erasure",
    "a tombstone and a body": "UPDATE body SET form = 2, data = x'7b7d' WHERE idx = 1",
    "no body": "DELETE FROM body WHERE idx = 1",
    "a form that nobody knows": "UPDATE body SET form = 9 WHERE idx = 0",
}


@pytest.mark.parametrize("name", UNSAID)
def test_a_body_that_is_gone_without_a_word_is_damage(tmp_path: Path, name: str) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 300)
        erase(log, "entry-1")
    tamper(tmp_path, UNSAID[name])
    with open_log(tmp_path) as log:
        index = 0 if "nobody knows" in name else 1
        with pytest.raises(LedgerError, match=f"entry {index} is not what was logged"):
            log.get_at(index)
        with pytest.raises(LedgerError, match=f"entry {index} is not what was logged"):
            log.proof(f"entry-{index}")


def test_the_commitment_of_an_erased_entry_that_changed_is_found(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 300)
        erase(log, "entry-1")
    tamper(tmp_path, "UPDATE record SET commitment = zeroblob(32) WHERE idx = 1")
    with open_log(tmp_path) as log, pytest.raises(LedgerError, match="does not lead to the root"):
        log.proof("entry-1")
