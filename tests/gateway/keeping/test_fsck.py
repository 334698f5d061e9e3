"""A ledger that is damaged in any part is not called good, and the damage is named."""

import random
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.erasure import Grounds, erase
from gateway.keeping import fsck
from gateway.keeping.errors import SnapshotError
from gateway.keeping.finding import WHAT_TO_DO
from gateway.keeping.snapshot import open_snapshot
from gateway.keys import CheckpointKey, DecisionKey
from gateway.ledger import storage
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint
from gateway.ledger.entry import commit
from gateway.state import State, open_state
from gateway.verify import Trust
from tests.gateway.keeping.states import (
    NOW,
    ORIGIN,
    append,
    checked,
    copied,
    damage,
    decided_state,
    entry_id,
    found,
    make_state,
    signed,
    trust_of,
)
from tests.gateway.world import Clock

ENTRIES = 700  # two full tiles and a part


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_state(tmp_path_factory.mktemp("whole") / "state", ENTRIES).folder


@pytest.fixture
def state(whole: Path, tmp_path: Path) -> Path:
    return copied(whole, tmp_path / "state")


# --- what is whole -------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"quick": True}, {"first": 300}, {"first": 10_000}, {"jobs": 2}], ids=str
)
def test_a_whole_ledger_is_good(whole: Path, options: dict[str, object]) -> None:
    report = checked(whole, **options)
    assert report.findings == ()
    assert report.is_good
    with open_snapshot(whole / "ledger") as snapshot:
        *_, (size, note, _) = snapshot.checkpoints(0)
    assert (report.size, size) == (ENTRIES, ENTRIES)
    signed_text = Checkpoint(ORIGIN, size, bytes.fromhex(str(report.root))).text()
    assert note.startswith(signed_text)


def test_all_processes_together_check_what_one_checks(whole: Path) -> None:
    assert checked(whole, jobs=3) == checked(whole)


def test_an_empty_ledger_is_good(tmp_path: Path) -> None:
    open_state(tmp_path, origin=ORIGIN).open_ledger().close()
    report = checked(tmp_path)
    assert (report.is_good, report.size, report.checkpoints) == (True, 0, 1)


def test_every_checkpoint_is_checked(whole: Path) -> None:
    assert checked(whole).checkpoints == ENTRIES // 100 + 1
    assert checked(whole, quick=True).checkpoints == checked(whole).checkpoints
    assert checked(whole, first=ENTRIES).checkpoints == 2  # from 512 on


def test_a_ledger_is_checked_while_its_gateway_appends(state: Path) -> None:
    opened = open_state(state)
    over = threading.Event()

    def write() -> None:
        for first in range(ENTRIES, ENTRIES + 20_000, 20):
            if over.is_set():
                return
            append(log, opened.decision_key, range(first, first + 20))

    with opened.open_ledger(Clock(NOW + timedelta(hours=1))) as log:
        thread = threading.Thread(target=write)
        thread.start()
        try:
            reports = [checked(state, jobs=jobs) for jobs in (1, 1, 2)]
        finally:
            over.set()
            thread.join()
    assert [report.findings for report in reports] == [(), (), ()]
    assert reports[0].size < reports[-1].size


def test_a_copy_on_a_disk_that_nobody_can_write_is_checked_where_it_is(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in (state / "ledger").glob("*-*"):
        side.unlink()

    def never(_: Path) -> bool:
        return False

    monkeypatch.setattr("gateway.keeping.snapshot._may_write", never)
    assert checked(state).is_good
    assert [path.name for path in (state / "ledger").iterdir()] == [storage.DATABASE]


def test_real_decisions_are_good_and_name_their_bundle(tmp_path: Path) -> None:
    decided_state(tmp_path, [{}, {"resource__id": "far"}])
    report = checked(tmp_path)
    assert report.findings == ()
    assert list(report.bundles.values()) == [0]


@pytest.fixture(scope="module")
def erased(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("erased") / "state"
    first, *_ = decided_state(folder, [{}, {"resource__id": "far"}])
    opened = open_state(folder)
    grounds = Grounds("a request of 21 November", "GDPR art 17(1)(b)", "the officer")
    with opened.open_ledger(Clock(NOW + timedelta(hours=1))) as log:
        erase(log, opened.decision_key, entry=first, grounds=grounds, now=NOW)
    return folder


def test_an_entry_that_was_erased_and_says_why_is_good(erased: Path) -> None:
    assert checked(erased).findings == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE body SET data = randomblob(length(data)) WHERE idx = 0",
        "UPDATE body SET salt = randomblob(32) WHERE idx = 0",
        "UPDATE body SET form = 2 WHERE idx = 0",
    ],
)
def test_what_is_left_of_an_erased_entry_is_found(
    statement: str, erased: Path, tmp_path: Path
) -> None:
    state = copied(erased, tmp_path / "state")
    damage(state, statement)
    assert ("erasure", 0) in found(checked(state))


@pytest.mark.parametrize("other", [1, 9])
def test_an_erasure_that_another_entry_states_is_found(
    other: int, erased: Path, tmp_path: Path
) -> None:
    state = copied(erased, tmp_path / "state")
    damage(state, "UPDATE erasure SET by_idx = ?", arguments=(other,))
    assert found(checked(state)) == {("tombstone", 0)}


# --- what is damaged -----------------------------------------------------------------

BODY = "UPDATE body SET data = x'00' WHERE idx = 300"
BODY_OF_NEXT = "UPDATE body SET data = (SELECT data FROM body WHERE idx = 8) WHERE idx = 7"
SALT = "UPDATE body SET salt = randomblob(32) WHERE idx = 5"
SALT_SHORT = "UPDATE body SET salt = x'00' WHERE idx = 5"
LEAF = "UPDATE record SET commitment = randomblob(32) WHERE idx = 10"
REWRITE = (
    "UPDATE record SET commitment = ? WHERE idx = 350",
    "UPDATE body SET form = 2, text = 0, salt = ?, data = ? WHERE idx = 350",
)
OTHER_SIZE = (
    "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE tree_size = 100) "
    "WHERE tree_size = 200"
)
AHEAD = "INSERT INTO checkpoint SELECT 800, note, logged_at FROM checkpoint WHERE tree_size = 100"
NOT_ERASED = "INSERT INTO erasure VALUES (300, 301)"
ERASED = (
    "UPDATE body SET form = 5, salt = zeroblob(32), data = zeroblob(length(data)) "
    "WHERE idx = 300;; "
    "INSERT INTO erasure VALUES (300, 301)"
)
NO_DAY = "UPDATE record SET logged_at = '2026-13-22T09:30:00.000Z' WHERE idx = 22"
NO_NOTE = "UPDATE checkpoint SET note = replace(note, '300', '301') WHERE tree_size = 300"

# What is done, and what is found where.
DAMAGES: dict[str, tuple[str, tuple[str, int | None]]] = {
    "a body": (BODY, ("body", 300)),
    "a body that is gone": ("DELETE FROM body WHERE idx = 300", ("body", 300)),
    "a body of no form": ("UPDATE body SET form = 9 WHERE idx = 300", ("body", 300)),
    "a body of a text that is not there": (
        "UPDATE body SET text = 7 WHERE idx = 300",
        ("body", 300),
    ),
    "a body that is erased and nobody said so": (
        "UPDATE body SET form = 5 WHERE idx = 300",
        ("body", 300),
    ),
    "an erasure that nobody stated": (ERASED, ("tombstone", 300)),
    "an erasure of one that is there": (NOT_ERASED, ("erasure", 300)),
    "a salt": (SALT, ("body", 5)),
    "a short salt": (SALT_SHORT, ("body", 5)),
    "the body of another entry": (BODY_OF_NEXT, ("body", 7)),
    "an id": ("UPDATE record SET id = 'another' WHERE idx = 20", ("place", 20)),
    "a tenant": ("UPDATE record SET tenant = 'clinic-b' WHERE idx = 21", ("place", 21)),
    "an instant": ("UPDATE record SET logged_at = 'never' WHERE idx = 22", ("place", 22)),
    "an instant that no calendar has": (NO_DAY, ("place", 22)),
    "an entry that is gone": ("DELETE FROM record WHERE idx = 400", ("gap", 400)),
    "many that are gone": ("DELETE FROM record WHERE idx BETWEEN 90 AND 290", ("gap", 90)),
    "the newest entry gone": ("DELETE FROM record WHERE idx = 699", ("head", 700)),
    "a tile": ("UPDATE tile SET hashes = randomblob(8192) WHERE idx = 1", ("tile", 1)),
    "a tile cut short": ("UPDATE tile SET hashes = x'00' WHERE idx = 0", ("tile", 0)),
    "a tile that is gone": ("DELETE FROM tile WHERE idx = 1", ("tile", 1)),
    "a checkpoint": (NO_NOTE, ("checkpoint", 300)),
    "no text of a checkpoint": ("UPDATE checkpoint SET note = 'x'", ("checkpoint", 300)),
    "a checkpoint of another size": (OTHER_SIZE, ("checkpoint", 200)),
    "the newest one gone": ("DELETE FROM checkpoint WHERE tree_size = 700", ("head", 700)),
    "a checkpoint of what is not there": (AHEAD, ("head", 800)),
    "its owner": ("UPDATE meta SET value = 'x.example' WHERE key = 'origin'", ("identity", None)),
    "its key": ("UPDATE meta SET value = 'x' WHERE key = 'vkey'", ("identity", None)),
    "its index of ids": ("DROP INDEX record_id", ("schema", None)),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_found_and_named(what: str, state: Path) -> None:
    statement, expected = DAMAGES[what]
    damage(state, statement)
    report = checked(state)
    assert not report.is_good
    assert expected in found(report)
    # What is whole is not accused.
    assert {check for check, _ in found(report)} == {expected[0]}


def test_a_leaf_that_is_not_of_its_body_is_found_three_times(state: Path) -> None:
    damage(state, LEAF)
    report = checked(state)
    assert {("body", 10), ("tile", 0), ("root", 100), ("root", 700)} <= found(report)


def test_an_entry_that_was_rewritten_whole_is_found_by_every_root_after_it(state: Path) -> None:
    opened = open_state(state)
    salt, new = bytes(32), signed(350, opened.decision_key, note="another")
    damage(state, REWRITE[0], arguments=(commit(salt, new),))
    damage(state, REWRITE[1], arguments=(salt, new))
    report = checked(state)
    roots = {("root", size) for size in (400, 500, 600, 700)}
    assert found(report) == {("tile", 1), *roots}


def test_a_record_of_a_key_that_nobody_trusts_is_found(tmp_path: Path) -> None:
    state = open_state(tmp_path, origin=ORIGIN)
    with state.open_ledger() as log:
        append(log, state.decision_key, range(3))
        append(log, DecisionKey.generate(), range(3, 4))
        log.append("entry-000004", "clinic-a", b"{}").result(timeout=30)
    assert found(checked(tmp_path)) == {("record", 3), ("record", 4)}


def test_a_record_of_another_decision_is_found(tmp_path: Path) -> None:
    state = open_state(tmp_path, origin=ORIGIN)
    with state.open_ledger() as log:
        log.append(entry_id(0), "self check", signed(1, state.decision_key)).result(timeout=30)
        log.append(entry_id(2), "clinic-a", signed(2, state.decision_key)).result(timeout=30)
    assert found(checked(tmp_path)) == {("place", 0), ("place", 1)}


def test_a_signed_checkpoint_of_another_tree_is_found(state: Path) -> None:
    key = CheckpointKey.load(state / "checkpoint.key", name=ORIGIN)
    fork = sign_checkpoint(Checkpoint(ORIGIN, 500, bytes(32)), key)
    damage(state, "UPDATE checkpoint SET note = ? WHERE tree_size = 500", arguments=(fork,))
    assert found(checked(state)) == {("root", 500)}


def test_another_gateways_trust_does_not_make_it_good(whole: Path, tmp_path: Path) -> None:
    other = Trust.from_json(make_state(tmp_path, 1).folder.joinpath("trust.json").read_bytes())
    report = fsck.check(whole / "ledger", other)
    assert {"identity", "record", "checkpoint"} == {check for check, _ in found(report)}
    assert report.damages == 1 + ENTRIES + ENTRIES // 100 + 1


def test_findings_are_counted_beyond_those_that_are_kept(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.keeping.finding.MAX_KEPT", 10)
    other = Trust.from_json(make_state(tmp_path, 1).folder.joinpath("trust.json").read_bytes())
    report = fsck.check(whole / "ledger", other)
    assert len(report.findings) == 10
    assert report.damages > ENTRIES


def test_time_that_goes_back_is_a_notice(state: Path) -> None:
    damage(state, "UPDATE record SET logged_at = '2026-11-22T09:31:00.000Z' WHERE idx = 250")
    report = checked(state)
    assert report.is_good
    assert [(one.check, one.index) for one in report.findings] == [("time", 251)]


def test_an_entry_that_was_logged_long_before_it_was_decided_is_a_notice(state: Path) -> None:
    damage(state, "UPDATE record SET logged_at = '2026-11-21T00:00:00.000Z' WHERE idx = 0")
    assert [(one.check, one.level) for one in checked(state).findings] == [("time", "notice")]


# --- the database itself -------------------------------------------------------------

REFUSES = "CREATE TRIGGER record_refuses_UPDATE BEFORE UPDATE ON record BEGIN SELECT 1; END"
GUARDS: dict[str, list[str]] = {
    "a trigger that is gone": ["DROP TRIGGER record_refuses_DELETE"],
    "a trigger that refuses nothing": ["DROP TRIGGER record_refuses_UPDATE", REFUSES],
    "a trigger that was added": [
        "CREATE TRIGGER more AFTER INSERT ON record BEGIN DELETE FROM once; END"
    ],
}


@pytest.mark.parametrize("what", GUARDS)
def test_a_database_that_no_longer_refuses_is_found(what: str, state: Path) -> None:
    damage(state, *GUARDS[what], triggers=True)
    assert found(checked(state)) == {("schema", None)}


def test_an_id_that_stands_twice_is_found(state: Path) -> None:
    damage(
        state,
        "DROP INDEX record_id",
        "UPDATE record SET id = 'entry-000003' WHERE idx = 4",
    )
    assert {("duplicate", 3), ("place", 4), ("schema", None)} == found(checked(state))


def test_an_index_that_leads_elsewhere_is_found(state: Path) -> None:
    path = state / "ledger" / storage.DATABASE
    data = path.read_bytes()
    # An id stands in its row and in the index of ids; the last place is that of the index.
    at = data.rindex(entry_id(77).encode())
    path.write_bytes(data[:at] + b"entry-900077" + data[at + 12 :])
    assert not checked(state).is_good


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_page_of_garbage_is_found(share: float, state: Path) -> None:
    path = state / "ledger" / storage.DATABASE
    data = bytearray(path.read_bytes())
    at = int(len(data) * share) // 4096 * 4096 or 100
    data[at : at + 2048] = random.Random(1).randbytes(2048)  # noqa: S311
    path.write_bytes(data)
    try:
        report = checked(state)
    except SnapshotError:
        return  # it cannot even be opened
    assert not report.is_good


def served(folder: Path) -> object:
    """All that is served, but for instants, of which nothing is proven."""
    with closing(sqlite3.connect(folder / "ledger" / storage.DATABASE)) as connection:
        with open_snapshot(folder / "ledger") as snapshot:
            records = [
                (one.index, one.id, one.tenant, one.leaf_hash, one.salt, one.body)
                for one in snapshot.records(0, snapshot.size)
            ]
            meta = snapshot.meta
        tiles = connection.execute("SELECT level, idx, hashes FROM tile").fetchall()
        notes = connection.execute("SELECT tree_size, note FROM checkpoint").fetchall()
    return records, meta, tiles, notes


def test_one_bit_is_found_or_changes_nothing_that_is_served(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = make_state(tmp_path / "state", 300).folder
    before = served(state)
    path = state / "ledger" / storage.DATABASE
    data = path.read_bytes()
    chosen = random.Random(20261122)  # noqa: S311
    missed = found_in = 0
    for _ in range(30):
        at = chosen.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chosen.randrange(8)]) + data[at + 1 :])
        try:
            if checked(state).is_good:
                missed += 1
                assert served(state) == before, f"byte {at}"
                continue
        except SnapshotError:
            pass
        found_in += 1
    assert found_in > 20  # the rest is room that nothing uses, and instants


# --- what it cannot look at ----------------------------------------------------------


def test_a_folder_without_a_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="no ledger here"):
        fsck.check(tmp_path, trust_of(make_state(tmp_path / "state", 0).folder))


def test_an_empty_database_is_an_error(state: Path) -> None:
    (state / "ledger" / storage.DATABASE).write_bytes(b"")
    with pytest.raises(SnapshotError, match="no ledger in it yet"):
        checked(state)


def test_no_database_is_an_error(state: Path) -> None:
    (state / "ledger" / storage.DATABASE).write_bytes(b"no database" * 1000)
    with pytest.raises(SnapshotError, match="cannot read it"):
        checked(state)


def test_another_version_is_an_error(state: Path) -> None:
    damage(state, "UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    with pytest.raises(SnapshotError, match="schema version 99"):
        checked(state)


def test_checking_leaves_the_database_as_it_is(state: Path) -> None:
    before = (state / "ledger" / storage.DATABASE).read_bytes()
    damage_free = checked(state)
    assert damage_free.is_good
    assert (state / "ledger" / storage.DATABASE).read_bytes() == before
    # What SQLite lays beside it for its readers holds nothing.
    assert all(path.stat().st_size == 0 for path in (state / "ledger").glob("*-wal"))


def test_every_finding_says_what_to_do() -> None:
    assert all(len(text) > 20 for text in WHAT_TO_DO.values())


def test_a_state_can_still_be_opened_after_it_was_checked(state: Path) -> None:
    checked(state)
    opened: State = open_state(state)
    with opened.open_ledger() as log:
        append(log, opened.decision_key, range(ENTRIES, ENTRIES + 3))
    assert checked(state).size == ENTRIES + 3
