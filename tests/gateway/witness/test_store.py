"""What a witness remembers, and what becomes of it on a broken disk or in wrong hands."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.witness import folder
from gateway.witness.errors import StoreError, WitnessStateError
from gateway.witness.protocol import Seen
from gateway.witness.store import Store
from tests.gateway.ledger.logs import ORIGIN
from tests.gateway.witness.histories import NAME, NOW, History, Made


def test_a_witness_begins_in_a_new_folder_of_its_own(tmp_path: Path) -> None:
    made = Made(tmp_path / "w")
    modes = {one.name: one.stat().st_mode & 0o777 for one in (tmp_path / "w").iterdir()}
    assert modes[folder.KEY] == 0o600
    assert modes[folder.STORE] == 0o600
    with pytest.raises(WitnessStateError, match="not empty"):
        folder.create(tmp_path / "w", name=NAME)
    made.store.close()


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "x" * 300])
def test_a_name_that_is_none_makes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(WitnessStateError):
        folder.create(tmp_path / "w", name=name)
    assert not (tmp_path / "w").exists()


def swap_key(place: Path) -> None:
    other = place.parent / "other"
    folder.create(other, name=NAME)
    (other / folder.KEY).replace(place / folder.KEY)


def older_memory(place: Path) -> None:
    other = place.parent / "other"
    folder.create(other, name=NAME)
    (other / folder.STORE).replace(place / folder.STORE)


WRONG: dict[str, Callable[[Path], object]] = {
    "no memory": lambda place: (place / folder.STORE).unlink(),
    "an empty memory": lambda place: (place / folder.STORE).write_bytes(b""),
    "a memory that is none": lambda place: (place / folder.STORE).write_bytes(b"x" * 5000),
    "the memory of another key": older_memory,
    "another key": swap_key,
    "no key": lambda place: (place / folder.KEY).unlink(),
    "a key that others can read": lambda place: (place / folder.KEY).chmod(0o644),
    "a key that is none": lambda place: (place / folder.KEY).write_bytes(b"x"),
    "no name": lambda place: (place / folder.NAME).unlink(),
    "another name": lambda place: (place / folder.NAME).write_text("other.example\n"),
    "a name that is none": lambda place: (place / folder.NAME).write_text("a b\n"),
    "a folder that others can write": lambda place: place.chmod(0o777),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_folder_that_does_not_belong_together_is_not_opened(tmp_path: Path, what: str) -> None:
    made = Made(tmp_path / "w")
    made.store.close()
    WRONG[what](tmp_path / "w")
    with pytest.raises(ConfigurationError):
        folder.load(tmp_path / "w")


def test_a_memory_that_is_gone_says_that_the_key_must_not_sign_again(tmp_path: Path) -> None:
    made = Made(tmp_path / "w")
    made.store.close()
    (tmp_path / "w" / folder.STORE).unlink()
    with pytest.raises(WitnessStateError, match="must not sign again"):
        folder.load(tmp_path / "w")


STATEMENTS = (
    "UPDATE log SET size = size - 1",
    "UPDATE log SET root = zeroblob(32)",
    "UPDATE log SET time = time - 1",
    "UPDATE log SET origin = 'x'",
    "DELETE FROM log",
    "REPLACE INTO log SELECT origin, size, root, note, time FROM log",
)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_memory_takes_nothing_back(made: Made, history: History, statement: str) -> None:
    made.witness.add_checkpoint(history.request(0, 5))
    made.store.close()
    connection = sqlite3.connect(made.place / folder.STORE)
    connection.execute("PRAGMA recursive_triggers=ON")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()
    made.open()
    assert made.size() == 5


def test_what_contradicts_itself_is_not_signed(made: Made, history: History) -> None:
    made.witness.add_checkpoint(history.request(0, 3))
    made.store.close()
    connection = sqlite3.connect(made.place / folder.STORE)
    connection.execute("DROP TRIGGER log_refuses_smaller")
    connection.execute("UPDATE log SET size = 1")
    connection.commit()
    connection.close()
    made.open()
    with pytest.raises(StoreError, match="contradicts"):
        made.witness.add_checkpoint(history.request(1, 5))


class Failing:
    """A connection whose statement fails once."""

    def __init__(self, real: sqlite3.Connection, statement: str, code: int) -> None:
        self._real = real
        self._statement = statement
        self._code = code

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def execute(self, statement: str, *arguments: object) -> object:
        if statement.strip().startswith(self._statement):
            self._statement = "never again"
            error = sqlite3.OperationalError("injected")
            error.sqlite_errorcode = self._code
            raise error
        return self._real.execute(statement, *arguments)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("statement", "code", "heals"),
    [
        ("BEGIN", sqlite3.SQLITE_BUSY, True),
        ("INSERT", sqlite3.SQLITE_FULL, True),
        ("COMMIT", sqlite3.SQLITE_FULL, True),
        ("COMMIT", sqlite3.SQLITE_IOERR_FSYNC, False),
    ],
)
def test_nothing_is_cosigned_that_could_not_be_stored(
    made: Made, history: History, statement: str, code: int, *, heals: bool
) -> None:
    made.witness.add_checkpoint(history.request(0, 3))
    real = made.store._connection  # pyright: ignore[reportPrivateUsage]
    made.store._connection = Failing(real, statement, code)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    with pytest.raises(StoreError):
        made.witness.add_checkpoint(history.request(3, 5))
    if heals:
        assert made.size() == 3
        made.witness.add_checkpoint(history.request(3, 8))
        return
    with pytest.raises(StoreError, match="start again"):
        made.witness.add_checkpoint(history.request(3, 8))
    made.reopen()
    made.witness.add_checkpoint(history.request(3, 8))


def test_a_change_that_is_refused_changes_nothing(made: Made, history: History) -> None:
    made.witness.add_checkpoint(history.request(0, 3))

    def refuse(_: Seen | None) -> Seen:
        raise StoreError("no")

    with pytest.raises(StoreError):
        made.store.change(ORIGIN, refuse)
    assert made.size() == 3
    assert [(one.origin, one.size, one.time) for one in made.store.known()] == [
        (ORIGIN, 3, int(NOW.timestamp()))
    ]


def test_two_processes_with_one_memory_cosign_one_history(made: Made, history: History) -> None:
    # As two that were started by mistake.
    second = Store.open(made.place / folder.STORE, vkey=made.key.vkey)
    made.witness.add_checkpoint(history.request(0, 3))
    seen = second.find(ORIGIN)
    assert seen is not None
    assert seen.checkpoint.size == 3
    second.close()
