"""What workers share: numbers of all of them, also of one that was killed in the middle."""

import json

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.web.together import Together
from gateway.workers.board import HALF, Board


def test_what_is_written_is_read_and_nothing_else() -> None:
    board = Board(3)
    assert board.write(1, b"one")
    assert board.write(2, b"two" * 1000)
    assert [board.read(place) for place in range(3)] == [b"", b"one", b"two" * 1000]
    assert board.write(1, b"x")
    assert board.read(1) == b"x"


def test_what_is_too_long_leaves_what_was_there() -> None:
    board = Board(1)
    assert board.write(0, b"kept")
    assert not board.write(0, bytes(HALF))
    assert board.read(0) == b"kept"


@pytest.mark.parametrize("damaged", ["length", "checksum", "data"])
def test_what_was_half_written_is_not_read(damaged: str) -> None:
    board = Board(1)
    board.write(0, b"a long enough text")
    memory = board._memory  # pyright: ignore[reportPrivateUsage]
    at = memory.find(b"a long enough text")
    place = {"length": at - 8, "checksum": at - 4, "data": at}[damaged]
    memory[place] = 255 - memory[place]
    assert board.read(0) == b""


def test_the_first_to_say_how_many_entries_there_were_is_believed() -> None:
    board = Board(2)
    assert [board.start(7), board.start(9), board.start(0)] == [7, 7, 7]


class Counted:
    """The numbers of one worker."""

    def __init__(self, board: Board, place: int) -> None:
        self.registry = CollectorRegistry()
        self.decided = Counter("charter_decisions", "d", ("verdict",), registry=self.registry)
        self.took = Histogram("charter_seconds", "s", buckets=(1, 2), registry=self.registry)
        self.open = Gauge("charter_requests_in_flight", "f", registry=self.registry)
        self.ready = Gauge("charter_ready", "r", registry=self.registry)
        self.cpu = Counter("process_cpu_seconds", "c", registry=self.registry)
        self.together = Together(board, place, 0)

    def share(self) -> None:
        self.together.share(self.registry.collect())

    def seen(self) -> dict[str, float]:
        merged = self.together.merged(self.registry.collect(), self.together.others())
        return {
            " ".join([sample.name, *(label for _, label in sorted(sample.labels.items()))]): (
                sample.value
            )
            for family in merged
            for sample in family.samples
        }


def test_counters_and_histograms_are_added_and_states_are_not() -> None:
    board = Board(2)
    one, two = Counted(board, 0), Counted(board, 1)
    one.decided.labels("permit").inc(3)
    two.decided.labels("permit").inc(4)
    two.decided.labels("deny").inc(5)
    one.took.observe(0.5)
    two.took.observe(1.5)
    one.open.set(2)
    two.open.set(1)
    one.ready.set(1)
    two.ready.set(1)
    one.cpu.inc(7)
    two.cpu.inc(8)
    one.share()
    two.share()
    for each in (one, two):
        seen = each.seen()
        assert seen["charter_decisions_total permit"] == 7
        assert seen["charter_decisions_total deny"] == 5
        assert (seen["charter_seconds_bucket 1.0"], seen["charter_seconds_count"]) == (1, 2)
        assert seen["charter_seconds_sum"] == 2.0
        assert seen["charter_requests_in_flight"] == 3
        assert seen["charter_ready"] == 1
        assert seen["process_cpu_seconds_total 1"] == 7
        assert seen["process_cpu_seconds_total 2"] == 8


def test_what_a_killed_worker_had_counted_is_kept_and_never_twice() -> None:
    board = Board(2)
    one, two = Counted(board, 0), Counted(board, 1)
    two.decided.labels("permit").inc(4)
    two.open.set(9)
    two.share()
    again = Counted(board, 1)  # in the place of `two`
    assert again.seen()["charter_decisions_total permit"] == 4
    again.decided.labels("permit").inc(1)
    for _ in range(3):
        again.share()
        assert one.seen()["charter_decisions_total permit"] == 5
        assert again.seen()["charter_decisions_total permit"] == 5
    assert one.seen()["charter_requests_in_flight"] == 0


def test_a_worker_that_has_counted_nothing_yet_is_no_trouble() -> None:
    one = Counted(Board(2), 0)
    one.decided.labels("permit").inc(3)
    assert one.seen()["charter_decisions_total permit"] == 3


def test_what_is_shared_has_no_more_than_names_labels_and_numbers() -> None:
    board = Board(1)
    one = Counted(board, 0)
    one.decided.labels("permit").inc()
    one.share()
    listed = json.loads(board.read(0))
    assert all(isinstance(name, str) and isinstance(value, float) for name, _, value in listed)
