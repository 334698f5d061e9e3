"""One writer: nobody else gets in, and whoever finds somebody else's work stops for good."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import LedgerUnavailableError
from gateway.ledger import storage
from gateway.ledger.log import Log
from tests.gateway.ledger.logs import (
    append,
    append_many,
    check_continues,
    check_proof,
    checkpoint_of,
    open_log,
)
from tests.project import ROOT

OPEN_ELSEWHERE = """
import sys
from pathlib import Path
from gateway.errors import LedgerUnavailableError
from tests.gateway.ledger.logs import open_log
try:
    open_log(Path(sys.argv[1])).close()
except LedgerUnavailableError as error:
    print("refused:", error)
"""


def elsewhere(folder: Path) -> str:
    """What another process says that wants to open the ledger."""
    command = [sys.executable, "-c", OPEN_ELSEWHERE, str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return ran.stdout + ran.stderr


def remove_all_but_the_log(folder: Path) -> None:
    for path in folder.iterdir():
        if not path.name.startswith(storage.DATABASE):
            path.unlink()


def nothing(_: Path) -> None: ...


@pytest.mark.parametrize("harm", [nothing, remove_all_but_the_log])
def test_a_second_process_is_refused_while_the_first_runs(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        harm(tmp_path)
        said = elsewhere(tmp_path)
        assert said.startswith("refused: the ledger in ")
        assert "a ledger has one writer" in said
        append_many(log, 3, 6)
    # Once it is free, it is another error: this is another key.
    assert "refused" not in elsewhere(tmp_path)


def test_a_second_ledger_in_this_process_is_refused_and_takes_no_lock_of_the_first(
    tmp_path: Path,
) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        for _ in range(3):
            with pytest.raises(LedgerUnavailableError, match="one writer"):
                open_log(tmp_path)
        # SQLite's own locks: without them, another process could take the side files away.
        locked = Path("/proc/locks").read_text()
        inode = os.stat(tmp_path / storage.DATABASE).st_ino
        held = [line for line in locked.splitlines() if f":{inode} " in line]
        assert any("POSIX" in line and f" {os.getpid()} " in line for line in held)
        append_many(log, 3, 6)
    with open_log(tmp_path) as log:
        assert log.size == 6


def test_a_ledger_that_did_not_open_leaves_no_lock(tmp_path: Path) -> None:
    open_log(tmp_path).close()
    for _ in range(2):
        with pytest.raises(Exception, match="origin"):
            open_log(tmp_path, origin="ledger.example/other")
    open_log(tmp_path).close()


# --- what a running ledger finds ------------------------------------------------------


def check_stopped(log: Log, words: str, size: int) -> None:
    """It takes nothing any more, says why every time, and reads on."""
    note = log.latest_checkpoint()
    for number in range(3):
        with pytest.raises(LedgerUnavailableError, match=words) as caught:
            log.append(f"late-{number}", "clinic-a", b"x").result(timeout=10)
        assert "restart the gateway" in str(caught.value)
    assert log.latest_checkpoint() == note
    assert log.size == size
    assert log.get("late-0") is None


def move_away(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))


def put_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    os.replace(path.with_suffix(".copy"), path)


@pytest.mark.parametrize("harm", [move_away, put_a_copy, Path.unlink])
def test_a_ledger_whose_file_is_not_in_its_place_takes_no_entry(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        harm(tmp_path / storage.DATABASE)
        check_stopped(log, "moved or replaced", 3)


def test_a_ledger_that_was_moved_is_whole_once_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / storage.DATABASE
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        seen = checkpoint_of(log)
        move_away(path)
        check_stopped(log, "moved or replaced", 3)
        path.with_suffix(".moved").rename(path)
        check_stopped(log, "moved or replaced", 3)  # for good: nobody knows what went on
    with open_log(tmp_path) as log:
        append(log, "late-0")
        assert log.size == 4
        check_continues(log, seen)


def copy_last_record(path: Path) -> None:
    """Append to a ledger behind the back of its writer, as another gateway would."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "INSERT INTO record SELECT idx + 1, 'foreign', tenant, commitment, "
            "logged_at FROM record ORDER BY idx DESC LIMIT 1"
        )
    connection.close()


def larger_checkpoint(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT INTO checkpoint VALUES (99, 'x', 'x')")
    connection.close()


@pytest.mark.parametrize("harm", [copy_last_record, larger_checkpoint])
def test_a_ledger_to_which_somebody_else_wrote_stops_for_good(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    with open_log(tmp_path) as log:
        append_many(log, 0, 3)
        harm(tmp_path / storage.DATABASE)
        check_stopped(log, "somebody else wrote to it", 3)
        assert check_proof(log, "entry-1") == 1
        assert log.get("foreign") is None
