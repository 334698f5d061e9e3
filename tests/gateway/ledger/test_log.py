"""The ledger: what is appended is proven, and stays so across restarts."""

import asyncio
import sqlite3
import tempfile
import threading
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.errors import (
    ConsistencyProofError,
    EntryConflictError,
    LedgerError,
    LedgerUnavailableError,
)
from gateway.keys import CheckpointKey
from gateway.ledger import merkle, storage
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.log import Log
from gateway.ledger.note import sign_note
from gateway.ledger.proof import parse_proof
from tests.gateway.ledger.logs import (
    NOW,
    ORIGIN,
    append,
    append_many,
    body_of,
    check_continues,
    check_proof,
    check_receipt,
    checkpoint_of,
    open_log,
    tamper,
)

# --- appending -----------------------------------------------------------------------


def test_an_empty_ledger_has_a_signed_checkpoint(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        assert log.size == 0
        assert checkpoint_of(log) == Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT)
        assert log.get("entry-0") is None
        assert log.get_at(0) is None
        assert log.proof("entry-0") is None


def test_every_receipt_holds_against_its_own_checkpoint(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        for first, last in pairwise([0, 1, 2, 7, 40, 300]):
            for number, receipt in enumerate(append_many(log, first, last), first):
                assert receipt.index == number
                check_receipt(f"entry-{number}", receipt)
        for number in range(300):
            assert check_proof(log, f"entry-{number}") == number


def test_a_stored_entry_is_what_was_appended(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        (receipt,) = append(log, "d-1")
        stored = log.get("d-1")
        assert stored is not None
        assert (stored.index, stored.id, stored.tenant) == (0, "d-1", "clinic-a")
        assert (stored.body, stored.leaf_hash) == (body_of("d-1"), receipt.leaf_hash)
        assert stored.logged_at == receipt.logged_at == "2026-11-22T06:00:00.000Z"
        assert log.get_at(0) == stored
        assert log.get_at(1) is None


def test_entries_are_marked_in_utc_whatever_the_zone_of_the_clock(tmp_path: Path) -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    with open_log(tmp_path, clock=lambda: east) as log:
        (receipt,) = append(log, "d-1")
        assert receipt.logged_at == "2026-11-22T06:00:00.000Z"


def test_equal_bodies_have_different_leaves(tmp_path: Path) -> None:
    # Otherwise an erased body could be guessed.
    with open_log(tmp_path) as log:
        one = log.append("d-1", "clinic-a", b"same").result()
        two = log.append("d-2", "clinic-a", b"same").result()
        assert one.leaf_hash != two.leaf_hash
        assert parse_proof(one.proof_text).salt != parse_proof(two.proof_text).salt


def test_many_callers_get_each_their_own_entry(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:

        def call(caller: int) -> None:
            for number in range(20):
                entry_id = f"{caller}-{number}"
                (receipt,) = append(log, entry_id)
                check_receipt(entry_id, receipt)

        callers = [threading.Thread(target=call, args=(caller,)) for caller in range(16)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert log.size == 320
        indices = {check_proof(log, f"{c}-{n}") for c in range(16) for n in range(20)}
        assert indices == set(range(320))


def test_a_coroutine_can_wait_for_its_entry(tmp_path: Path) -> None:
    async def ask(log: Log) -> None:
        waiting = [
            asyncio.wrap_future(log.append(one, "clinic-a", body_of(one))) for one in "abcdefgh"
        ]
        for one, receipt in zip("abcdefgh", await asyncio.gather(*waiting), strict=True):
            check_receipt(one, receipt)

    with open_log(tmp_path) as log:
        asyncio.run(ask(log))


def test_those_that_wait_share_one_checkpoint(tmp_path: Path) -> None:
    held = threading.Event()
    waiting = threading.Event()

    def hold() -> datetime:
        waiting.set()
        held.wait(10)
        return NOW

    held.set()
    with open_log(tmp_path, clock=hold) as log:
        held.clear()
        waiting.clear()
        first = log.append("first", "clinic-a", b"x")
        assert waiting.wait(10)
        others = [log.append(f"o-{number}", "clinic-a", b"x") for number in range(40)]
        held.set()
        assert first.result().tree_size == 1
        assert {other.result().tree_size for other in others} == {41}


def test_a_caller_who_left_before_the_write_leaves_no_entry(tmp_path: Path) -> None:
    held = threading.Event()
    waiting = threading.Event()

    def hold() -> datetime:
        waiting.set()
        held.wait(10)
        return NOW

    held.set()
    with open_log(tmp_path, clock=hold) as log:
        held.clear()
        waiting.clear()
        first = log.append("first", "clinic-a", b"x")
        assert waiting.wait(10)
        left = log.append("left", "clinic-a", b"x")
        stayed = log.append("stayed", "clinic-a", b"x")
        assert left.cancel()
        assert not first.cancel()
        held.set()
        assert stayed.result().index == 1
        assert log.get("left") is None


# --- once ----------------------------------------------------------------------------


def test_the_same_again_is_the_entry_that_exists(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        (before,) = append(log, "d-1")
        append_many(log, 0, 5)
        (again,) = append(log, "d-1")
        assert (again.index, again.leaf_hash) == (before.index, before.leaf_hash)
        assert again.tree_size == log.size == 6
        check_receipt("d-1", again)


def test_the_same_twice_in_one_group_is_one_entry(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        receipts = append(log, *["d-1"] * 50)
        assert log.size == 1
        for receipt in receipts:
            check_receipt("d-1", receipt)


@pytest.mark.parametrize(("tenant", "body"), [("clinic-a", b"other"), ("clinic-b", body_of("d"))])
def test_an_id_with_another_body_or_tenant_is_refused(
    tmp_path: Path, tenant: str, body: bytes
) -> None:
    with open_log(tmp_path) as log:
        append(log, "d")
        together = [
            log.append("e", "clinic-a", b"x"),
            log.append("d", tenant, body),
            log.append("f", "clinic-a", b"x"),
        ]
        with pytest.raises(EntryConflictError) as caught:
            together[1].result()
        assert caught.value.reason == "entry-conflict"
        assert [together[0].result().index, together[2].result().index] == [1, 2]
        stored = log.get("d")
        assert stored is not None
        assert stored.body == body_of("d")


@pytest.mark.parametrize(
    ("entry_id", "tenant", "body"),
    [
        ("", "t", b"x"),
        ("a" * 257, "t", b"x"),
        ("a\x00b", "t", b"x"),
        ("\ud800", "t", b"x"),
        ("d", "", b"x"),
        ("d", "t\n", b"x"),
        ("d", "t", b""),
        ("d", "t", bytes(4 * 1024 * 1024 + 1)),
    ],
)
def test_what_cannot_be_stored_is_refused_alone(
    tmp_path: Path, entry_id: str, tenant: str, body: bytes
) -> None:
    with open_log(tmp_path) as log:
        good, bad = log.append("good", "t", b"x"), log.append(entry_id, tenant, body)
        with pytest.raises(LedgerError, match="of an entry has"):
            bad.result()
        assert good.result().index == 0


# --- restarting ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 1025])
def test_a_restart_continues_the_tree(tmp_path: Path, size: int) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, size)
        seen = checkpoint_of(log)
        note = log.latest_checkpoint()
    with open_log(tmp_path) as log:
        assert log.latest_checkpoint() == note
        append_many(log, size, size + 3)
        check_continues(log, seen)
        for number in {*range(0, size, 50), *range(max(size - 3, 0), size + 3)}:
            assert check_proof(log, f"entry-{number}") == number


def test_a_restart_continues_the_tree_beyond_two_tile_levels(tmp_path: Path) -> None:
    size = 256 * 256 + 1
    with open_log(tmp_path) as log:
        seen: list[Checkpoint] = []
        for first in range(0, size, 8192):
            append_many(log, first, min(first + 8192, size))
            seen.append(checkpoint_of(log))
    with open_log(tmp_path) as log:
        append_many(log, size, size + 1)
        for number in (0, 255, 256, 40_000, size - 2, size - 1, size):
            assert check_proof(log, f"entry-{number}") == number
        for checkpoint in seen:
            check_continues(log, checkpoint)


def test_any_two_sizes_are_consistent(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        seen = [checkpoint_of(log)]
        for number in range(40):
            append_many(log, number * 17, (number + 1) * 17)
            seen.append(checkpoint_of(log))
        for old in seen[1:]:
            for new in seen[1:]:
                if old.size <= new.size:
                    merkle.verify_consistency(
                        old_size=old.size,
                        new_size=new.size,
                        old_root=old.root,
                        new_root=new.root,
                        path=log.consistency(old.size, new.size),
                    )
        with pytest.raises(LedgerError, match="not 681"):
            log.consistency(1, 681)
        with pytest.raises(ConsistencyProofError):
            log.consistency(0, 5)


def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    answers = [log.append(f"entry-{n}", "clinic-a", body_of(f"entry-{n}")) for n in range(3000)]
    log.close()
    assert [answer.result(timeout=0).index for answer in answers] == list(range(3000))
    with pytest.raises(LedgerUnavailableError, match="closed"):
        log.append("late", "clinic-a", b"x").result(timeout=0)
    with pytest.raises(LedgerError, match="cannot be read"):
        log.get("entry-0")
    with open_log(tmp_path) as log:
        assert log.size == 3000


def test_a_ledger_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "ledger"
    with open_log(folder) as log:
        append(log, "d-1")
        assert folder.stat().st_mode & 0o077 == 0
        for file in folder.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


# --- refusing to open ----------------------------------------------------------------


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        with pytest.raises(LedgerUnavailableError, match="one writer") as caught:
            open_log(tmp_path)
        assert caught.value.reason == "ledger-unavailable"
        append(log, "still works")
    with open_log(tmp_path) as log:
        assert log.size == 1


def test_a_failed_opening_leaves_the_folder_free(tmp_path: Path) -> None:
    open_log(tmp_path).close()
    for _ in range(3):
        with pytest.raises(LedgerError, match="origin"):
            open_log(tmp_path, origin="ledger.example/us")
    open_log(tmp_path).close()


def test_another_origin_or_key_is_refused(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append(log, "d-1")
    with pytest.raises(LedgerError, match="is of origin"):
        open_log(tmp_path, origin="ledger.example/us")
    with pytest.raises(LedgerError, match="is signed by"):
        open_log(tmp_path, signer=CheckpointKey.generate(ORIGIN))


@pytest.mark.parametrize("version", ["3", "0", "", "one"])
def test_another_schema_version_is_refused(tmp_path: Path, version: str) -> None:
    open_log(tmp_path).close()
    tamper(tmp_path, "UPDATE meta SET value = ? WHERE key = 'schema_version'", version)
    with pytest.raises(LedgerError, match="schema version"):
        open_log(tmp_path)


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / storage.DATABASE).write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_log(tmp_path)


def test_the_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / storage.DATABASE)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_log(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_log(tmp_path / "file")


SIZE = 600  # two full tiles and a part
FLIP = "UPDATE {} SET {} = ? WHERE {}"
READ = "SELECT {1} FROM {0} WHERE {2}"

DAMAGE: dict[str, tuple[str, str, str]] = {
    "commitment of the last entry": ("record", "commitment", "idx = 599"),
    "salt of an entry at the right edge": ("body", "salt", "idx = 520"),
    "body of an entry at the right edge": ("body", "data", "idx = 512"),
    "full tile": ("tile", "hashes", "idx = 1"),
    "last checkpoint": ("checkpoint", "note", "tree_size = 600"),
}


def flip(value: bytes | str, position: int) -> bytes | str:
    if isinstance(value, str):
        return value[:position] + chr(ord(value[position]) ^ 1) + value[position + 1 :]
    return value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    with open_log(tmp_path) as log:
        append_many(log, 0, SIZE)
    return tmp_path


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("position", [0, 5, 17])
def test_one_bit_wrong_at_the_right_edge_is_not_opened(
    whole: Path, name: str, position: int
) -> None:
    table, column, where = DAMAGE[name]
    connection = sqlite3.connect(whole / storage.DATABASE)
    query = READ.format(table, column, where)
    (value,) = connection.execute(query).fetchone()
    connection.close()
    tamper(whole, FLIP.format(table, column, where), flip(value, position))
    with pytest.raises(LedgerError, match=r"is damaged|is refused"):
        open_log(whole)


REMOVED: dict[str, str] = {
    "every checkpoint": "DELETE FROM checkpoint",
    "the last checkpoint": "DELETE FROM checkpoint WHERE tree_size = 600",
    "the last entry": "DELETE FROM record WHERE idx = 599",
    "all entries": "DELETE FROM record",
    "an entry at the right edge": "DELETE FROM record WHERE idx = 550",
    "a tile": "DELETE FROM tile WHERE idx = 0",
    "half a tile": "UPDATE tile SET hashes = substr(hashes, 1, 4096)",
    "the identity": "DELETE FROM meta",
}


@pytest.mark.parametrize("name", REMOVED)
def test_a_ledger_that_lacks_something_is_not_opened(whole: Path, name: str) -> None:
    tamper(whole, REMOVED[name])
    with pytest.raises(LedgerError):
        open_log(whole)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM record WHERE idx = 599",
        "UPDATE checkpoint SET tree_size = 601 WHERE tree_size = 600",
    ],
)
def test_a_ledger_shorter_or_longer_than_was_signed_says_so(whole: Path, damage: str) -> None:
    tamper(whole, damage)
    with pytest.raises(LedgerError, match="entries, and the last checkpoint is of 600"):
        open_log(whole)


def test_a_checkpoint_that_the_key_did_not_sign_is_not_opened(whole: Path) -> None:
    forged = CheckpointKey.generate(ORIGIN)
    with open_log(whole) as log:
        text = log.latest_checkpoint()
    body = text.partition("\n\n")[0] + "\n"
    tamper(whole, "UPDATE checkpoint SET note = ? WHERE tree_size = 600", sign_note(body, forged))
    with pytest.raises(LedgerError, match="refused"):
        open_log(whole)


@pytest.mark.parametrize("column", ["data", "salt", "commitment"])
def test_an_old_entry_that_changed_on_disk_is_never_served(whole: Path, column: str) -> None:
    table = "record" if column == "commitment" else "body"
    tamper(whole, FLIP.format(table, column, "idx = 5"), bytes(32))
    with open_log(whole) as log:
        check_proof(log, "entry-4")
        for read in (log.get, log.proof):
            with pytest.raises(LedgerError, match="entry 5 is not what was logged"):
                read("entry-5")
        with pytest.raises(LedgerError):
            log.append("entry-5", "clinic-a", body_of("entry-5")).result()


def test_an_old_tile_that_changed_on_disk_is_never_served(whole: Path) -> None:
    log = open_log(whole)
    tamper(whole, "UPDATE tile SET hashes = zeroblob(8192) WHERE idx = 0")
    with pytest.raises(LedgerError, match="does not lead to the root"):
        log.proof("entry-5")
    check_proof(log, "entry-590")
    log.close()


# --- the database --------------------------------------------------------------------


def test_every_connection_syncs_on_commit(tmp_path: Path) -> None:
    made: list[sqlite3.Connection] = []

    def connect(path: Path) -> sqlite3.Connection:
        made.append(storage.open_connection(path))
        return made[-1]

    with open_log(tmp_path, connect=connect):
        assert len(made) == 2
        for connection in made:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_database_that_cannot_do_wal_is_refused(tmp_path: Path) -> None:
    def connect(_: Path) -> sqlite3.Connection:
        return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)

    with pytest.raises(LedgerError, match="refuses journal_mode=WAL"):
        open_log(tmp_path, connect=connect)


class Stubborn(sqlite3.Connection):
    """A build that keeps its own mind about syncing."""

    def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
        if sql == "PRAGMA synchronous=FULL":
            sql = "PRAGMA synchronous=NORMAL"
        return super().execute(sql, *arguments)  # type: ignore[arg-type]


def test_a_database_that_will_not_sync_is_refused(tmp_path: Path) -> None:
    def connect(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(
            path, factory=Stubborn, isolation_level=None, check_same_thread=False
        )

    with pytest.raises(LedgerError, match="refuses synchronous=FULL: it stays 1"):
        open_log(tmp_path, connect=connect)


_FROM = "SELECT {}, {}, tenant, {}, logged_at FROM record WHERE idx = 1"

FORBIDDEN = [
    "UPDATE record SET tenant = 'x' WHERE idx = 0",
    "DELETE FROM record WHERE idx = 0",
    "DELETE FROM record",
    "UPDATE tile SET hashes = x'00'",
    "DELETE FROM tile",
    "UPDATE checkpoint SET note = 'x'",
    "DELETE FROM checkpoint",
    "UPDATE meta SET value = 'x'",
    "DELETE FROM meta",
    "INSERT OR REPLACE INTO record " + _FROM.format(600, "'entry-0'", "commitment"),
    "INSERT OR REPLACE INTO record " + _FROM.format(0, "'new'", "commitment"),
    "INSERT INTO record " + _FROM.format(1000, "'new'", "commitment"),
    "INSERT INTO record " + _FROM.format("NULL", "'new'", "commitment"),
    "INSERT INTO record " + _FROM.format(600, "'new'", "7"),
    "INSERT INTO record " + _FROM.format(600, "NULL", "commitment"),
    "INSERT INTO checkpoint VALUES (599, 'x', 'x')",
    "INSERT OR REPLACE INTO checkpoint VALUES (600, 'x', 'x')",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_tables_refuse_everything_but_the_next_row(whole: Path, statement: str) -> None:
    # A connection of somebody else's, without any of our settings.
    connection = sqlite3.connect(whole / storage.DATABASE)
    before = list(connection.iterdump())
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.rollback()
    assert list(connection.iterdump()) == before
    connection.close()


# --- a history -----------------------------------------------------------------------


class History(RuleBasedStateMachine):
    """Appends, repeats and restarts in any order, against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.log = open_log(self.folder)
        self.model: list[str] = []
        self.seen = checkpoint_of(self.log)

    def teardown(self) -> None:
        self.log.close()
        self.temporary.cleanup()

    @rule(count=st.integers(1, 300))
    def append_new(self, count: int) -> None:
        ids = [f"entry-{len(self.model) + number}" for number in range(count)]
        append(self.log, *ids)
        self.model += ids

    @rule(data=st.data())
    def append_again(self, data: st.DataObject) -> None:
        if self.model:
            index = data.draw(st.integers(0, len(self.model) - 1))
            (receipt,) = append(self.log, self.model[index])
            assert receipt.index == index

    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        if self.model:
            index = data.draw(st.integers(0, len(self.model) - 1))
            assert check_proof(self.log, self.model[index]) == index

    @rule()
    def restart(self) -> None:
        self.log.close()
        self.log = open_log(self.folder)

    @invariant()
    def every_checkpoint_extends_the_last(self) -> None:
        assert self.log.size == len(self.model)
        check_continues(self.log, self.seen)
        self.seen = checkpoint_of(self.log)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


def test_entries_appended_together_are_in_one_group_or_nowhere(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append(log, "d-0")
        entries = [(f"d-{n}", "clinic-a", body_of(f"d-{n}")) for n in range(1, 41)]
        receipts = [pending.result() for pending in log.append_all(entries)]
        for number, receipt in enumerate(receipts, 1):
            assert receipt.index == number
            check_receipt(f"d-{number}", receipt)
        # One checkpoint covers them all: none was signed in between.
        assert {parse_proof(receipt.proof_text).checkpoint for receipt in receipts} == {
            log.latest_checkpoint()
        }
        assert log.append_all([]) == []


def test_an_entry_that_cannot_be_stored_does_not_spoil_the_others(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        good, bad, also = log.append_all([("d-1", "t", b"1"), ("", "t", b"2"), ("d-3", "t", b"3")])
        assert (good.result().index, also.result().index) == (0, 1)
        with pytest.raises(LedgerError):
            bad.result()


def test_entries_appended_together_to_a_closed_ledger_are_all_refused(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        pass
    for pending in log.append_all([("d-1", "t", b"1"), ("d-2", "t", b"2")]):
        with pytest.raises(LedgerUnavailableError):
            pending.result()


def test_many_entries_are_inserted_with_few_statements(tmp_path: Path) -> None:
    statements: list[str] = []

    def traced(path: Path) -> sqlite3.Connection:
        connection = storage.open_connection(path)
        connection.set_trace_callback(statements.append)
        return connection

    with open_log(tmp_path, connect=traced) as log:
        entries = [(f"e-{number}", "t", body_of(f"e-{number}")) for number in range(150)]
        for pending in log.append_all(entries):
            pending.result()
        # A trigger tells its statement again for each row.
        inserted = {one for one in statements if one.startswith("INSERT INTO record")}
        assert len(inserted) == 3
        assert not any("WHERE id IN" in one for one in statements)
        for number in range(0, 150, 7):
            assert check_proof(log, f"e-{number}") == number
