"""The store of evidence when it is full, damaged, of a later version, or in use."""

import os
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.nodes import access
from gateway.nodes.challenge import Asker, use
from gateway.nodes.desk import Desk
from gateway.nodes.errors import EvidenceStoreError
from gateway.nodes.store import FILE, VERSION, open_store, writing
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import Counter, Machine
from tests.gateway.nodes.test_desk import ACCEPTED, reasons, stands

OWN = Machine()


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(Desk(tmp_path / FILE), machines.terms(tmp_path))


def test_only_its_owner_can_read_it(counter: Counter, tmp_path: Path) -> None:
    counter.answer(OWN)
    for path in tmp_path.glob(f"{FILE}*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_committed_is_on_disk_and_what_is_removed_is_overwritten(
    counter: Counter, tmp_path: Path
) -> None:
    counter.ask()
    with writing(open_store(tmp_path / FILE)) as db:
        settings = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in (
            "journal_mode", "synchronous", "secure_delete",
        )]  # fmt: skip
    assert settings == ["wal", 2, 1]


ROW = "INSERT INTO document (sha256, tenant, kind, body) VALUES ('a', '', 'policy', x'00')"


def write(db: sqlite3.Connection, *statements: str, then: Exception | None = None) -> None:
    with writing(db):
        for statement in statements:
            db.execute(statement)
        if then is not None:
            raise then


def test_a_transaction_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    db = open_store(tmp_path / FILE)
    with pytest.raises(RuntimeError):
        write(db, ROW, then=RuntimeError())
    with pytest.raises(sqlite3.IntegrityError):
        write(db, ROW, ROW)
    assert db.execute("SELECT COUNT(*) FROM document").fetchone() == (0,)


def full(path: Path) -> sqlite3.Connection:
    """A store that cannot grow."""
    db = open_store(path)
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    return db


def fill(counter: Counter) -> None:
    """Until no page is left."""
    for _ in range(1_000):
        replace(counter, purpose="decision").answer(OWN)


def test_on_a_full_disk_nothing_counts_and_no_challenge_is_used_up(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "charter")
    counter.answer(OWN)
    asked = counter.ask()
    document = OWN.document(asked.nonce)
    with monkeypatch.context() as patched:
        patched.setattr(access, "open_store", full)
        counter.desk.close()
        with pytest.raises(EvidenceStoreError, match="full"):
            fill(counter)
        with pytest.raises(EvidenceStoreError, match="full"):
            fill(counter)
        once = replace(counter, purpose="decision")
        with pytest.raises(EvidenceStoreError, match="full"):
            once.show(OWN.document())
    assert "no evidence counts until" in caplog.text
    assert reasons(counter.show(document, asked.id)) == ACCEPTED
    assert "evidence is kept again" in caplog.text


def damage_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data)):
        data[at] ^= 0xFF
    path.write_bytes(data)


def no_database(path: Path) -> None:
    path.write_bytes(b"no database at all " * 300)


def later(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "every page": damage_page,
    "no database": no_database,
    "a later version": later,
    "a folder": a_folder,
}


@pytest.mark.parametrize("what", DAMAGE)
def test_of_a_damaged_store_nothing_counts(
    counter: Counter, tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    counter.answer(OWN)
    counter.desk.close()
    for path in tmp_path.glob(f"{FILE}-*"):
        path.unlink()
    DAMAGE[what](tmp_path / FILE)
    counter.desk = Desk(tmp_path / FILE)
    counter.desk.check()
    for attempt in (counter.ask, counter.stands, lambda: counter.show(OWN.document())):
        with pytest.raises(EvidenceStoreError):
            attempt()
    # Once where it is kept, and once where it is looked up.
    assert caplog.text.count("no evidence counts until it can be kept") == 1
    assert caplog.text.count("no evidence counts until it can be looked up") == 1


def test_a_process_that_dies_while_it_writes_leaves_a_challenge_to_be_used(
    counter: Counter, tmp_path: Path
) -> None:
    asked = counter.ask()
    counter.desk.close()
    document = OWN.document(asked.nonce)
    asker = Asker(counter.tenant, counter.caller, counter.node, counter.purpose)
    if (child := os.fork()) == 0:
        db = open_store(tmp_path / FILE)
        db.execute("BEGIN IMMEDIATE")
        used = use(db, asked.id, asker, counter.now)
        db.execute("DELETE FROM document")
        os._exit(7 if used else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert reasons(counter.show(document, asked.id)) == ACCEPTED


def test_evidence_that_was_changed_on_disk_does_not_count(counter: Counter, tmp_path: Path) -> None:
    counter.answer(OWN)
    other = Machine().with_pcr(machines.GOOD_PCR, b"\x11" * 32).document()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE document SET body = ?", (other,))
    counter.desk = Desk(tmp_path / FILE)
    with pytest.raises(EvidenceStoreError, match="other bytes"):
        counter.stands()


def test_a_nonce_that_was_changed_on_disk_is_answered_by_nothing(
    counter: Counter, tmp_path: Path
) -> None:
    counter.answer(OWN)
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE standing SET nonce = zeroblob(32)")
    counter.desk = Desk(tmp_path / FILE)
    assert stands(counter) == ("refused", "evidence-nonce")


def test_a_store_that_another_holds_is_waited_for_and_then_given_up(
    counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter.ask()
    counter.desk.close()
    monkeypatch.setattr("gateway.nodes.store.BUSY_S", 0.05)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(EvidenceStoreError, match="locked"):
        counter.ask()
    other.execute("ROLLBACK")
    counter.ask()


def test_many_processes_may_make_it_at_once(tmp_path: Path) -> None:
    children: list[int] = []
    for _ in range(6):
        if (child := os.fork()) == 0:
            code = 1
            try:
                open_store(tmp_path / FILE).close()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6


def test_of_two_processes_that_show_one_challenge_one_gets_it(
    counter: Counter, tmp_path: Path
) -> None:
    asked = counter.ask()
    counter.desk.close()
    document = OWN.document(asked.nonce)
    children: list[int] = []
    for _ in range(4):
        if (child := os.fork()) == 0:
            code = 9
            try:
                own = replace(counter, desk=Desk(tmp_path / FILE))
                code = 1 if reasons(own.show(document, asked.id)) == ACCEPTED else 2
            finally:
                os._exit(code)
        children.append(child)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sorted(ended) == [1, 2, 2, 2]
