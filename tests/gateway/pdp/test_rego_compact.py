"""A module that was written down and read again says what it said, or stays as it was built."""

import gc
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from regopy import Interpreter, RegoError

from dsl.facts import Question
from dsl.to_rego import rego_policy
from gateway.pdp import process, rego_compact
from gateway.pdp.engine_rego import RegoEngine
from gateway.pdp.process import ROOM_BYTES, make_room, room_to_pass
from gateway.pdp.rego_compact import Room
from gateway.pdp.rego_modules import Module, load
from tests.gateway.world import made, program, run

WRITTEN = "gateway.pdp.rego_compact._written"


def module(room: Room | None = None, *, lean: bool = False) -> Module:
    return load(program(), rego_policy(program(), lean=lean), lean=lean, room=room)


def room() -> Room:
    found = Room.make()
    assert found is not None, "this system has no files in memory"
    return found


def said(by: Module) -> list[object]:
    return [by.ask("rego", vector.question) for vector in made().vectors]


def is_as_built(changed: Room) -> bool:
    """Whether a module stays as it is with such a room; it says what it said either way."""
    one = module()
    interpreter, bundle = changed.compact(one.interpreter, one.bundle)
    assert said(module(changed)) == said(one)
    assert (interpreter is one.interpreter) is (bundle is one.bundle)
    return bundle is one.bundle


@pytest.mark.parametrize("lean", [False, True])
def test_read_again_a_module_says_the_same_of_every_vector(lean: bool) -> None:
    assert said(module(room(), lean=lean)) == said(module(lean=lean))
    assert not is_as_built(room())


def test_one_room_serves_one_module_after_another() -> None:
    shared = room()
    larger, smaller = module(shared), module(shared, lean=True)
    assert said(larger) == said(module())
    assert said(smaller) == said(module(lean=True))


def test_a_question_without_facts_and_one_that_is_none_are_answered_alike() -> None:
    days = dict.fromkeys(program().time_zones(), 20_000)
    for question in (Question("place", {}, days), Question("place", {}, {}), Question("", {}, {})):
        assert module(room()).ask("rego", question) == module().ask("rego", question)


# --- what goes wrong -----------------------------------------------------------------


def _nothing(data: bytes) -> bytes:
    return data[:0]


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _other(data: bytes) -> bytes:
    return b"X" + data[1:]


def _too_large(data: bytes) -> bytes:
    return data + bytes(ROOM_BYTES)


def _changed(at: float) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        place = int(len(data) * at)
        return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]

    return change


@pytest.mark.parametrize(
    "damage",
    [_nothing, _half, _other, _too_large, *(_changed(part / 10) for part in range(1, 10))],
)
def test_what_comes_back_damaged_is_not_used(
    monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    written: Any = getattr(rego_compact, "_written")  # noqa: B009 - as below

    def damaged(*given: Any) -> bytes:
        return damage(written(*given))

    monkeypatch.setattr(WRITTEN, damaged)
    assert is_as_built(room())


@pytest.mark.parametrize("error", [OSError("no room"), RegoError("no"), ValueError("closed")])
def test_what_cannot_be_written_stays_as_it_was_built(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(Interpreter, "save_bundle", fails)
    assert is_as_built(room())


def test_without_the_files_of_processes_a_module_stays_as_it_was_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere(descriptor: int) -> str:
        return f"/nowhere/{descriptor}"

    monkeypatch.setattr("gateway.pdp.rego_compact._path", nowhere)
    assert is_as_built(room())


def test_a_room_that_is_no_file_of_its_size_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x")
    small = os.open(tmp_path / "small", os.O_RDWR)
    assert is_as_built(Room(small))
    assert (tmp_path / "small").read_bytes() == b"x"
    assert is_as_built(Room(os.open("/dev/null", os.O_RDONLY)))


@pytest.mark.parametrize("lacks", ["the call", "the right to it", "the right"])
def test_where_there_are_no_files_in_memory_engines_answer_all_the_same(
    monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    if lacks == "the call":
        monkeypatch.delattr(os, "memfd_create")
    elif lacks == "the right to it":
        monkeypatch.setattr(os, "memfd_create", refuse)
    else:
        monkeypatch.setattr(os, "ftruncate", refuse)
    before = open_files()
    assert make_room() is None
    with room_to_pass() as passed:
        assert passed == []
    assert open_files() <= before
    assert run(answers()) == [vector.answer for vector in made().vectors]


# --- nothing is left behind ----------------------------------------------------------


def open_files() -> set[tuple[str, int]]:
    """What is open in this process by now, each with its number at the system."""
    gc.collect()
    found: set[tuple[str, int]] = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add((os.readlink(descriptor), descriptor.stat().st_ino))
    return found


async def answers() -> list[object]:
    engine = RegoEngine(program())
    try:
        return [await engine.ask(vector.question) for vector in made().vectors]
    finally:
        await engine.close()


def test_an_engine_that_is_gone_leaves_no_file_open() -> None:
    run(answers())
    before = open_files()
    for _ in range(3):
        assert run(answers()) == [vector.answer for vector in made().vectors]
    assert open_files() <= before


def test_a_room_is_of_memory_alone_and_no_longer_than_it_was_made() -> None:
    with room_to_pass() as (descriptor,):
        assert "charter-room" in os.readlink(f"/proc/self/fd/{descriptor}")
        assert os.fstat(descriptor).st_size == ROOM_BYTES == process.ROOM_BYTES
        module(Room(os.dup(descriptor)))
        assert os.fstat(descriptor).st_size == ROOM_BYTES
