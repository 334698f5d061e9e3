"""An answer is written in one piece, and nothing of one is kept back."""

from typing import Any

import pytest

from gateway.web.whole import WholeAnswer


class Wire:
    """A transport that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


class Cycle:
    def __init__(self, method: str = "POST") -> None:
        self.response_started = False
        self.scope = {"method": method}


def answering(method: str = "POST") -> tuple[WholeAnswer, Cycle, list[Any]]:
    wire, cycle = Wire(), Cycle(method)
    return WholeAnswer(wire, cycle), cycle, wire.done  # pyright: ignore[reportArgumentType]


def test_head_and_body_are_one_write() -> None:
    answer, cycle, done = answering()
    cycle.response_started = True
    answer.write(b"head ")
    assert done == []
    answer.write(b"body")
    assert done == [b"head body"]


def test_what_follows_the_first_part_of_a_body_is_written_as_it_comes() -> None:
    answer, cycle, done = answering()
    cycle.response_started = True
    for part in (b"head ", b"one", b"two", b"three"):
        answer.write(part)
    assert done == [b"head one", b"two", b"three"]


@pytest.mark.parametrize("last", [b"", b"0\r\n\r\n"])
def test_a_body_of_nothing_brings_the_head(last: bytes) -> None:
    answer, cycle, done = answering()
    cycle.response_started = True
    answer.write(b"head ")
    answer.write(last)
    assert done == [b"head " + last]


def test_the_head_of_head_is_not_kept_back_for_no_body_follows() -> None:
    answer, cycle, done = answering("HEAD")
    cycle.response_started = True
    answer.write(b"head")
    assert done == [b"head"]


def test_what_comes_before_the_answer_is_written_at_once() -> None:
    answer, cycle, done = answering()
    answer.write(b"continue")
    assert done == [b"continue"]
    cycle.response_started = True
    answer.write(b"head ")
    answer.write(b"body")
    assert done == [b"continue", b"head body"]


def test_an_answer_that_is_broken_off_leaves_with_its_head() -> None:
    answer, cycle, done = answering()
    cycle.response_started = True
    answer.write(b"head")
    assert not answer.is_closing()
    answer.close()
    assert done == [b"head", "closed"]
    assert answer.is_closing()
