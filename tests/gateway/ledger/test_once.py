"""A key is used up with its entries and never without them; nobody else's is touched."""

import os
import sqlite3
from concurrent.futures import wait
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.errors import KeysExhaustedError, KeyTakenError, LedgerError, LedgerUnavailableError
from gateway.ledger import once, storage
from gateway.ledger.log import Log
from gateway.ledger.once import Book, Once
from tests.gateway.ledger.logs import NOW, append, body_of, check_proof, open_log
from tests.gateway.ledger.test_durability import Connections

AT = int(NOW.timestamp())
DAY = 24 * 3600


def row(key: str, answer: str = "d-1", tenant: str = "clinic-a", until: int = AT + DAY) -> Once:
    return Once(digest(key), tenant, digest(answer), answer, until)


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def log_under(log: Log, asked: Once, *entry_ids: str) -> list[BaseException | None]:
    entries = [(one, asked.tenant, body_of(one)) for one in entry_ids]
    pending = log.append_all(entries, once=asked)
    wait(pending, 10)
    return [one.exception(0) for one in pending]


def test_a_key_is_found_again_after_a_restart_with_what_was_logged_under_it(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        assert log.find_once(digest("k"), AT) is None
        assert log_under(log, row("k"), "d-1", "d-2") == [None, None]
    with open_log(tmp_path) as log:
        assert log.find_once(digest("k"), AT) == row("k")
        assert [check_proof(log, "d-1"), check_proof(log, "d-2")] == [0, 1]


def test_a_key_that_is_used_up_takes_no_second_entry(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log_under(log, row("k"), "d-1")
        for _ in range(2):
            refused = log_under(log, row("k", "d-2"), "d-2", "d-3")
            assert [type(error) for error in refused] == [KeyTakenError] * 2
        assert (log.size, log.get("d-2")) == (1, None)
        assert log.find_once(digest("k"), AT) == row("k")


def test_of_two_that_come_together_with_one_key_one_is_logged(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        answers = [
            log.append_all([(f"d-{n}", "clinic-a", b"x")], once=row("k", f"d-{n}"))[0]
            for n in range(50)
        ]
        wait(answers, 10)
        logged = [n for n, answer in enumerate(answers) if answer.exception() is None]
        assert len(logged) == log.size == 1
        found = log.find_once(digest("k"), AT)
        assert found is not None
        assert found.answer == f"d-{logged[0]}"


def test_a_key_that_is_refused_takes_nothing_from_those_beside_it(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log_under(log, row("k"), "d-1")
        beside = [log.append(f"plain-{n}", "clinic-b", b"x") for n in range(20)]
        refused = log.append_all([("d-2", "clinic-a", b"x")], once=row("k"))
        beside += log.append_all([("d-3", "clinic-b", b"x")], once=row("other", tenant="clinic-b"))
        assert sorted(one.result(10).index for one in beside) == list(range(1, 22))
        assert isinstance(refused[0].exception(10), KeyTakenError)


class Now:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_a_key_is_free_again_when_its_time_is_over(tmp_path: Path) -> None:
    clock = Now()
    with open_log(tmp_path, clock=clock) as log:
        log_under(log, row("k"), "d-1")
        clock.now = NOW + timedelta(seconds=DAY - 1)
        assert [type(e) for e in log_under(log, row("k", "d-2"), "d-2")] == [KeyTakenError]
        clock.now = NOW + timedelta(days=1)
        assert log.find_once(digest("k"), AT + DAY) is None
        assert log_under(log, row("k", "d-3", until=AT + 2 * DAY), "d-3") == [None]
        found = log.find_once(digest("k"), AT + DAY)
        assert found is not None
        assert found.answer == "d-3"


def test_a_commit_that_fails_uses_up_no_key(tmp_path: Path) -> None:
    connections = Connections()
    with open_log(tmp_path, connect=connections) as log:
        connections[0].failing_commits = 1
        assert [type(e) for e in log_under(log, row("k"), "d-1")] == [LedgerUnavailableError]
        assert log.find_once(digest("k"), AT) is None
    with open_log(tmp_path) as log:
        assert log.find_once(digest("k"), AT) is None
        assert log_under(log, row("k"), "d-1") == [None]
        assert log.size == 1


def test_an_append_that_is_rolled_back_uses_up_no_key_and_none_of_the_room(tmp_path: Path) -> None:
    connections = Connections()
    with open_log(tmp_path, connect=connections) as log:
        append(log, "first")
        (pages,) = connections[0].execute("PRAGMA page_count").fetchone()
        connections[0].execute(f"PRAGMA max_page_count={pages + 2}")
        big = log.append_all([("big", "clinic-a", os.urandom(90_000))], once=row("k"))
        assert isinstance(big[0].exception(10), LedgerUnavailableError)
        assert log.find_once(digest("k"), AT) is None
        connections[0].execute("PRAGMA max_page_count=1000000")
        assert log_under(log, row("k"), "d-1") == [None]


def book(max_keys: int = 3, max_bytes: int = 10_000) -> tuple[sqlite3.Connection, Book]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    once.create_table(connection)
    return connection, Book(connection, max_keys, max_bytes)


def write(of: Book, *rows: Once, now: int = AT) -> list[type[LedgerError] | None]:
    refused = of.refused(rows, now)
    fit = [one for one, error in zip(rows, refused, strict=True) if error is None]
    of.count(of.write(fit, now))
    return [None if error is None else type(error) for error in refused]


def test_a_tenant_has_a_number_of_keys_and_another_tenant_its_own() -> None:
    connection, counted = book(max_keys=3)
    assert write(counted, *(row(f"k{n}") for n in range(5))) == [
        None, None, None, KeysExhaustedError, KeysExhaustedError,
    ]  # fmt: skip
    assert write(counted, row("k9")) == [KeysExhaustedError]
    assert write(counted, row("b", tenant="clinic-b")) == [None]
    # Also after a restart, which counts what is there.
    assert write(Book(connection, 3, 10_000), row("k9")) == [KeysExhaustedError]


def test_a_tenant_has_a_number_of_bytes() -> None:
    connection, counted = book(max_keys=100, max_bytes=3000)
    assert write(counted, row("a", "x" * 1200), row("b", "x" * 1200)) == [None, None]
    assert write(counted, row("c", "x" * 400)) == [KeysExhaustedError]
    assert write(Book(connection, 100, 3000), row("c", "x" * 400)) == [KeysExhaustedError]


@pytest.mark.parametrize("again", [False, True])
def test_room_comes_back_when_the_time_of_keys_is_over(again: bool) -> None:
    connection, counted = book(max_keys=3)
    write(counted, *(row(f"k{n}", until=AT + n) for n in range(1, 4)))
    if again:
        counted = Book(connection, 3, 10_000)
    later = AT + DAY
    assert write(counted, row("new", until=later + DAY), now=later) == [None]
    assert write(counted, row("more", until=later + DAY), now=later) == [None]
    assert connection.execute("SELECT count(*) FROM once").fetchone() == (2,)


def test_a_ledger_that_began_without_the_table_gets_it(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        append(log, "d-0")
    connection = sqlite3.connect(tmp_path / storage.DATABASE)
    with connection:
        connection.execute("DROP TABLE once")
    connection.close()
    with open_log(tmp_path) as log:
        assert log_under(log, row("k"), "d-1") == [None]
        assert log.find_once(digest("k"), AT) == row("k")
