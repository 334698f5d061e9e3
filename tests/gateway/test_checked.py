"""The result of the last check, from the command to the metrics."""

import json
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from gateway.checked import NAME, Checked, read_checked, write_checked
from gateway.web.metrics import Metrics
from tests.gateway.world import World

LAST = Checked(at=1_795_340_000, first=0, size=7, damages=2, notices=1)


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


def told(world: World, folder: Path) -> dict[str, float]:
    metrics = Metrics(world.service)
    metrics.checked = lambda: read_checked(folder)
    lines = [line for line in metrics.text().decode().splitlines() if not line.startswith("#")]
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("charter_ledger_check_"))
    return {name: float(value) for name, value in pairs}


def test_what_was_written_is_read_and_told(world: World, tmp_path: Path) -> None:
    assert write_checked(tmp_path, LAST)
    assert read_checked(tmp_path) == LAST
    assert told(world, tmp_path) == {
        "charter_ledger_check_damages": 2,
        "charter_ledger_check_notices": 1,
        "charter_ledger_check_entries": 7,
        "charter_ledger_check_timestamp_seconds": 1_795_340_000,
    }
    assert [one.name for one in tmp_path.glob(f"{NAME}*")] == [NAME]


def test_a_newer_check_takes_the_place_of_the_last(tmp_path: Path) -> None:
    newer = Checked(at=int(time.time()), first=3, size=9, damages=0, notices=0)
    assert write_checked(tmp_path, LAST)
    assert write_checked(tmp_path, newer)
    assert read_checked(tmp_path) == newer


BAD = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "one number missing": b'{"at":1,"first":0,"size":7,"damages":2}',
    "one too many": b'{"at":1,"first":0,"size":7,"damages":2,"notices":1,"more":1}',
    "a text": b'{"at":"1","first":0,"size":7,"damages":2,"notices":1}',
    "a truth": b'{"at":1,"first":0,"size":7,"damages":false,"notices":1}',
    "too long": b" " * 5000 + json.dumps({"at": 1}).encode(),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_says_nothing_is_no_check(world: World, tmp_path: Path, name: str) -> None:
    (tmp_path / NAME).write_bytes(BAD[name])
    assert read_checked(tmp_path) is None
    assert told(world, tmp_path) == {}


def test_a_folder_that_takes_no_file_fails_no_check(tmp_path: Path) -> None:
    assert not write_checked(tmp_path / "missing", LAST)
    (tmp_path / "file").touch()
    assert not write_checked(tmp_path / "file", LAST)
    assert read_checked(tmp_path / "missing") is None
