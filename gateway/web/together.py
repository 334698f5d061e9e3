"""The numbers of several workers as those of one gateway: counters and histograms are added
up, whichever worker is asked, and those of a worker that was killed are kept.

What a worker has counted since it last wrote it down, `SHARE_S` ago at most, is not seen by
the others yet, and is lost where it is killed.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Protocol, cast

from prometheus_client.metrics_core import Metric

SHARE_S = 0.5
_ADDED = ("counter", "histogram")
_ADDED_TOO = "charter_requests_in_flight"
_OF_A_PROCESS = "process_"
DECIDED = "charter_decisions_total"

Key = tuple[str, tuple[tuple[str, str], ...]]
Samples = dict[Key, float]


class Board(Protocol):
    """As `gateway.workers.board.Board`."""

    places: int

    def write(self, place: int, data: bytes) -> bool: ...

    def read(self, place: int) -> bytes: ...

    def start(self, entries: int) -> int: ...


class Together:
    """One worker's view of the numbers of all."""

    def __init__(self, board: Board, place: int, entries: int) -> None:
        self._board = board
        self._place = place
        self.entries_before = board.start(entries)
        # Of the one that had this place before. What ended with it is not in flight any more.
        before = _read(board.read(place))
        self._before = {k: v for k, v in before.items() if k[0] != _ADDED_TOO}
        self._before = {k: v for k, v in self._before.items() if not _is_of_process(k[0])}

    def share(self, families: Iterable[Metric]) -> None:
        """Let the others see what was counted here, and before in this place."""
        own = dict(self._before)
        for family in families:
            if _is_added(family) or _is_of_process(family.name):
                _add(own, _samples(family))
        listed = [[name, labels, value] for (name, labels), value in own.items()]
        self._board.write(self._place, json.dumps(listed).encode())

    def others(self) -> list[Samples]:
        """What was counted elsewhere, or before in this place."""
        places = [place for place in range(self._board.places) if place != self._place]
        return [self._before, *(_read(self._board.read(place)) for place in places)]

    def merged(self, families: Iterable[Metric], others: list[Samples]) -> Iterator[Metric]:
        """The numbers of this worker, and the others' with them."""
        for family in families:
            if _is_of_process(family.name):
                yield self._by_process(family, others)
            elif _is_added(family):
                yield _sum(family, others)
            else:
                yield family

    def _by_process(self, family: Metric, others: list[Samples]) -> Metric:
        """Told apart: a process that is started again begins at nothing."""
        if self._board.places == 1:
            return family
        found = Metric(family.name, family.documentation, family.type)
        places = [place for place in range(self._board.places) if place != self._place]
        parts = [(self._place, _samples(family)), *zip(places, others[1:], strict=True)]
        names = {sample.name for sample in family.samples}
        for place, samples in sorted(parts, key=lambda part: part[0]):
            for (name, labels), value in samples.items():
                if name in names:
                    worker = {"worker": str(place + 1)}
                    found.add_sample(name, {**dict(labels), **worker}, value)
        return found


def _is_added(family: Metric) -> bool:
    return (family.type in _ADDED and not _is_of_process(family.name)) or family.name == _ADDED_TOO


def _is_of_process(name: str) -> bool:
    return name.startswith(_OF_A_PROCESS)


def _samples(family: Metric) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def _add(to: Samples, more: Samples) -> None:
    for key, value in more.items():
        to[key] = to.get(key, 0.0) + value


def _sum(family: Metric, others: list[Samples]) -> Metric:
    found = Metric(family.name, family.documentation, family.type)
    total = _samples(family)
    names = {family.name + end for end in ("", "_total", "_bucket", "_sum", "_count")}
    for samples in others:
        _add(total, {key: value for key, value in samples.items() if key[0] in names})
    for (name, labels), value in total.items():
        found.add_sample(name, dict(labels), value)
    return found


def _read(data: bytes) -> Samples:
    """What a worker wrote; nothing where it wrote nothing yet."""
    listed = cast("list[tuple[str, list[tuple[str, str]], float]]", json.loads(data or b"[]"))
    return {
        (name, tuple((label, value) for label, value in labels)): number
        for name, labels, number in listed
    }
