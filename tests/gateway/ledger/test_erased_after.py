"""A record of a log that has ended is erased on the word of the log that grows: all of it or
nothing, whatever happens in between."""

import hashlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    EntryConflictError,
    LedgerError,
    LedgerUnavailableError,
    ProofMalformedError,
)
from gateway.keys import CheckpointKey
from gateway.ledger import erased_after, storage
from gateway.ledger.ended import end_log
from gateway.ledger.erased import ErasedEntryError, ErasureRefusedError, NothingToEraseError
from gateway.ledger.erased_after import Meant, begin, finish, meant
from gateway.ledger.head import Receipt
from gateway.ledger.interface import OwnLedger
from gateway.ledger.log import Log
from gateway.ledger.pending import Pending
from gateway.ledger.proof import parse_place, parse_proof, verify_place
from gateway.ledger.shards import with_older
from tests.gateway.ledger.logs import KEY, NOW, ORIGIN, append_many, body_of, open_log
from tests.project import ROOT

NEXT = "ledger.example/next"
SECRET = b"the record of somebody who wants it gone"


class Place:
    """A state folder with one log that has ended, of three entries and a secret one (index 3),
    and one that grows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ended = folder / "shards" / "1" / "ledger"
        self.key_file = folder / "next.pem"
        with open_log(self.ended) as log:
            append_many(log, 0, 3)
            log.append("secret", "clinic-a", SECRET).result(30)
        end_log(self.ended, NEXT)
        (self.ended.parent / "vkey").write_text(KEY.public.vkey + "\n")
        self.key = CheckpointKey.create(self.key_file, name=NEXT)
        self.kept = self._row()
        with self.newest() as log:
            append_many(log, 10, 12)

    def newest(self) -> Log:
        return open_newest(self.folder, self.key)

    def open(self) -> OwnLedger:
        return with_older(self.newest(), self.folder)

    def _row(self) -> tuple[bytes, bytes]:
        with closing(sqlite3.connect(self.ended / storage.DATABASE)) as connection:
            query = "SELECT salt, data FROM body WHERE idx = 3"
            salt, data = connection.execute(query).fetchone()
        return salt, data

    def check_gone(self) -> None:
        found = b"".join(one.read_bytes() for one in self.ended.iterdir())
        for part in (*self.kept, SECRET[-20:]):
            assert part not in found

    def check_there(self) -> None:
        assert self._row() == self.kept


def open_newest(folder: Path, key: CheckpointKey) -> Log:
    return Log.open(folder / "ledger", origin=NEXT, signer=key, clock=lambda: NOW)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def ledger(place: Place) -> Generator[OwnLedger]:
    with closing(place.open()) as opened:
        yield opened


def erase(ledger: OwnLedger, target: str = "secret", why: str = "why") -> Any:
    return ledger.erase(target, why, "clinic-a", body_of(why)).result(30)


def check_erased(ledger: OwnLedger, why: str = "why") -> None:
    for tenant in (None, "clinic-a"):
        with pytest.raises(ErasedEntryError) as caught:
            ledger.get("secret", tenant=tenant)
        assert (caught.value.index, caught.value.erasure_id) == (3, why)
    assert ledger.get("secret", tenant="clinic-b") is None
    text = str(ledger.proof("secret"))
    assert verify_place(parse_place(text), KEY.public, origin=ORIGIN).index == 3
    with pytest.raises(ProofMalformedError):
        parse_proof(text)
    assert ledger.get(why) is not None
    for other in ("entry-0", "entry-2", "entry-11"):
        found = ledger.get(other)
        assert found is not None
        assert found.body == body_of(other)
        assert ledger.proof(other) is not None


# --- what is erased ------------------------------------------------------------------


def test_it_is_erased_where_it_is_and_the_log_that_grows_says_why(
    place: Place, ledger: OwnLedger
) -> None:
    assert erase(ledger).index == 2
    assert ledger.is_tidy()
    check_erased(ledger)
    place.check_gone()
    ledger.close()
    with closing(place.open()) as again:
        check_erased(again)
        assert again.size == 3


def test_what_is_in_the_log_that_grows_is_erased_as_ever(place: Place, ledger: OwnLedger) -> None:
    erase(ledger, "entry-10")
    with pytest.raises(ErasedEntryError):
        ledger.get("entry-10")
    place.check_there()


def test_it_is_still_erased_after_the_log_that_said_so_has_ended(place: Place) -> None:
    with closing(place.open()) as ledger:
        erase(ledger)
    second = place.folder / "shards" / "2"
    second.mkdir()
    (place.folder / "ledger").rename(second / "ledger")
    end_log(second / "ledger", "third")
    (second / "vkey").write_text(place.key.public.vkey + "\n")
    third = CheckpointKey.generate("third")
    log = Log.open(place.folder / "ledger", origin="third", signer=third, clock=lambda: NOW)
    with closing(with_older(log, place.folder)) as ledger:
        check_erased(ledger)
        erase(ledger, "entry-1", "because")
        with pytest.raises(ErasedEntryError):
            ledger.get("entry-1")
        erase(ledger, "entry-11", "of the second")
        with pytest.raises(ErasedEntryError):
            ledger.get("entry-11")


def test_the_same_again_is_the_entry_that_exists(ledger: OwnLedger) -> None:
    first, again = erase(ledger), erase(ledger)
    assert (first.index, again.index, ledger.size) == (2, 2, 3)


def test_a_reader_of_an_older_state_keeps_it_untidy_for_as_long_as_it_reads(
    place: Place, ledger: OwnLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ledger.shards.TIDY_S", 0.01)
    other = sqlite3.connect(place.ended / storage.DATABASE, isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM record").fetchone()
    erase(ledger)
    assert not ledger.is_tidy()
    other.execute("COMMIT")
    other.close()
    tidying = [one for one in threading.enumerate() if one.name == "tidying"]
    for one in tidying:
        one.join(60)
    assert ledger.is_tidy()
    place.check_gone()


# --- what is refused -----------------------------------------------------------------


def test_it_is_erased_once(ledger: OwnLedger) -> None:
    erase(ledger)
    with pytest.raises(ErasedEntryError) as caught:
        erase(ledger, why="later")
    assert caught.value.erasure_id == "why"
    assert (ledger.size, ledger.get("later")) == (3, None)


@pytest.mark.parametrize("target", ["nobody", ""])
def test_what_is_in_no_log_is_refused_and_nothing_is_logged(
    place: Place, ledger: OwnLedger, target: str
) -> None:
    with pytest.raises(ErasureRefusedError):
        erase(ledger, target)
    assert ledger.size == 2
    place.check_there()


def test_an_id_that_says_something_else_erases_nothing_now_or_later(place: Place) -> None:
    with closing(place.open()) as ledger:
        with pytest.raises(EntryConflictError):
            ledger.erase("secret", "entry-10", "clinic-a", b"{}").result(30)
        assert ledger.get("secret") is not None
    begin(place.ended, "secret", "entry-10", b"{}")
    place.open().close()
    place.check_there()


def test_an_entry_that_says_why_in_the_log_that_ended_stays(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 2)
        log.erase("entry-0", "why", "clinic-a", b"{}").result(30)
    end_log(tmp_path, NEXT)
    with pytest.raises(ErasureRefusedError, match="says why"):
        begin(tmp_path, "why", "x", b"{}")
    with pytest.raises(ErasedEntryError):
        begin(tmp_path, "entry-0", "x", b"{}")
    with pytest.raises(NothingToEraseError):
        begin(tmp_path, "nobody", "x", b"{}")


def test_a_log_that_nobody_may_write_is_said_to_be_one(
    place: Place, ledger: OwnLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(erased_after, "take_erasures_after", full)
    with pytest.raises(LedgerUnavailableError, match="is full"):
        erase(ledger)
    assert ledger.size == 2
    assert ledger.get("secret") is not None


# --- cut off -------------------------------------------------------------------------

CRASH = """
import os, sys
from pathlib import Path
from contextlib import closing
from gateway.keys import CheckpointKey
from gateway.ledger import erased_after, storage
from gateway.ledger.shards import Sharded, with_older
from tests.gateway.ledger.logs import body_of
from tests.gateway.ledger.test_erased_after import NEXT, open_newest
folder, step = Path(sys.argv[1]), sys.argv[2]
key = CheckpointKey.load(folder / "next.pem", name=NEXT)
ledger = with_older(open_newest(folder, key), folder)
gone = lambda *_: os._exit(9)
begin, overwrite = erased_after.begin, storage.overwrite_body
def then(do):
    def one(*arguments):
        do(*arguments)
        os._exit(9)
    return one
if step == "before all":
    erased_after.begin = gone
elif step == "begun":
    erased_after.begin = then(begin)
elif step == "logged":
    storage.overwrite_body = gone
elif step == "overwritten and not committed":
    storage.overwrite_body = then(overwrite)
else:
    storage.truncate_wal = gone
ledger.erase("secret", "why", "clinic-a", body_of("why")).result()
"""
SAID = {
    "before all": False,
    "begun": False,
    "logged": True,
    "overwritten and not committed": True,
    "committed and not tidied": True,
}


@pytest.mark.parametrize("step", SAID)
def test_a_crash_between_two_steps_leaves_nothing_half_after_the_next_opening(
    place: Place, step: str
) -> None:
    command = [sys.executable, "-c", CRASH, str(place.folder), step]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
    found = b"".join(one.read_bytes() for one in place.ended.iterdir())
    assert place.kept[0] in found, "the crash came too late to show anything"
    with closing(place.open()) as ledger:
        if SAID[step]:
            check_erased(ledger)
            place.check_gone()
        else:
            assert ledger.get("secret") is not None
            assert (ledger.size, ledger.get("why")) == (2, None)
        # The same again, or another one, comes to its end.
        if not SAID[step]:
            erase(ledger, why="another")
            check_erased(ledger, "another")
            place.check_gone()
        else:
            assert erase(ledger).index == 2


def test_what_was_logged_and_could_not_be_overwritten_is_finished_by_the_next_erasure(
    place: Place, ledger: OwnLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: sqlite3.Connection, __: int) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(storage, "overwrite_body", fail)
        with pytest.raises(LedgerUnavailableError, match="I/O"):
            erase(ledger)
        assert ledger.get("secret") is not None
    with pytest.raises(ErasedEntryError):
        erase(ledger, why="another")
    check_erased(ledger)
    assert ledger.get("another") is None
    place.check_gone()


# --- the tables ----------------------------------------------------------------------

FORBIDDEN = [
    "UPDATE body SET form = 5, salt = zeroblob(32), data = zeroblob(length(data)) WHERE idx = 0",
    "UPDATE body SET data = x'00' WHERE idx = 2",
    "DELETE FROM erasure_after",
    "UPDATE erasure_after SET by_id = 'x' WHERE idx = 3",
    "UPDATE erasure_after SET idx = 1 WHERE idx = 2",
    "INSERT INTO erasure_after VALUES (3, 'x', x'00')",
    "INSERT INTO erasure_after VALUES (9, 'x', x'00')",
    "INSERT OR REPLACE INTO erasure_after VALUES (3, 'x', x'00')",
    "INSERT INTO record SELECT 4, 'x', tenant, commitment, logged_at FROM record",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_tables_take_an_erasure_and_nothing_else(place: Place, statement: str) -> None:
    with closing(place.open()) as ledger:
        erase(ledger)
    begin(place.ended, "entry-2", "never logged", b"{}")
    with closing(sqlite3.connect(place.ended / storage.DATABASE)) as connection:
        connection.execute("PRAGMA recursive_triggers=ON")
        before = list(connection.iterdump())
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
        connection.rollback()
        assert list(connection.iterdump()) == before


def test_what_was_meant_and_never_logged_is_read_on(place: Place) -> None:
    begin(place.ended, "secret", "never", b"{}")
    begin(place.ended, "secret", "again", b"{}")
    assert finish(place.ended, lambda _: False)
    with closing(sqlite3.connect(place.ended / storage.DATABASE)) as connection:
        digest = hashlib.sha256(b"{}").digest()
        assert list(meant(connection)) == [Meant(3, "again", digest, is_done=False)]
    with closing(place.open()) as ledger:
        assert ledger.get("secret") is not None


def test_another_process_that_comes_and_goes_does_not_take_the_side_files_away(
    place: Place, ledger: OwnLedger
) -> None:
    """Closing any handle of the file would drop the locks by which SQLite knows of readers."""
    erase(ledger, "entry-0", "first")
    with pytest.raises(ErasedEntryError):
        ledger.get("entry-0")
    before = {one.name: one.stat().st_ino for one in place.ended.iterdir()}
    assert len(before) == 3
    read = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT 1 FROM meta')"
    command = [sys.executable, "-c", read, str(place.ended / storage.DATABASE)]
    subprocess.run(command, cwd=ROOT, check=True)
    assert {one.name: one.stat().st_ino for one in place.ended.iterdir()} == before
    assert ledger.get("secret") is not None
    erase(ledger, "secret", "why")
    check_gone(place, ledger)


def check_gone(place: Place, ledger: OwnLedger) -> None:
    with pytest.raises(ErasedEntryError):
        ledger.get("secret")
    place.check_gone()


# --- handed over with others -----------------------------------------------------------------


class Told(Pending):
    """Somebody who waits in this thread."""

    __slots__ = ("heard",)

    def __init__(self, why: str, erases: str | None = None) -> None:
        super().__init__([(why, "clinic-a", body_of(why))], erases=erases)
        self.heard = threading.Event()

    def tell(self) -> None:
        self.heard.set()

    def outcome(self) -> object:
        assert self.heard.wait(30)
        (one,) = self.outcomes
        return one


def test_erasures_and_entries_that_come_together_each_go_their_way(
    place: Place, ledger: OwnLedger
) -> None:
    asked = [
        Told("before"),
        Told("why", erases="secret"),
        Told("why-not", erases="nowhere"),
        Told("why-new", erases="entry-10"),
        Told("after"),
    ]
    ledger.hand_over(asked)
    found = [one.outcome() for one in asked]
    assert [isinstance(one, Receipt) for one in found] == [True, True, False, True, True]
    assert isinstance(found[2], LedgerError)
    place.check_gone()
    for gone in ("secret", "entry-10"):
        with pytest.raises(ErasedEntryError):
            ledger.get(gone)
    assert ledger.get("why-not") is None


def test_whoever_has_gone_before_its_turn_has_nothing_erased(
    place: Place, ledger: OwnLedger
) -> None:
    asked = Told("why", erases="secret")
    assert asked.cancel()
    ledger.hand_over([asked])
    after = Told("why-new", erases="entry-10")  # in turn behind it
    ledger.hand_over([after])
    assert isinstance(after.outcome(), Receipt)
    assert not asked.heard.is_set()
    assert ledger.get("why") is None
    place.check_there()


def test_what_goes_wrong_unforeseen_is_told_to_whoever_waits(
    ledger: OwnLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("nobody thought of that")

    monkeypatch.setattr(erased_after, "begin", fail)
    asked = Told("why", erases="secret")
    ledger.hand_over([asked])
    assert isinstance(asked.outcome(), LedgerUnavailableError)
