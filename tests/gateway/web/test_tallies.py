"""Numbers of our own are told as the library would tell them."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

from gateway.web.tallies import Spread, Tally

BOUNDS = (0.0005, 0.001, 0.5, 1, 2.0, 512)
ON_BOUNDS = st.sampled_from([bound + by for bound in BOUNDS for by in (-1e-9, 0.0, 1e-9)])


class Told:
    """A collector of one thing."""

    def __init__(self, kept: Tally | Spread) -> None:
        self._kept = kept

    def collect(self) -> Iterator[Metric]:
        yield self._kept.told()


def text(*collectors: Any) -> list[bytes]:
    """All but when a number was first kept, which we do not keep."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    lines = generate_latest(registry).split(b"\n")
    return [line for line in lines if b"_created" not in line]


@given(st.lists(ON_BOUNDS | st.floats(0, 600), max_size=30))
def test_a_spread_is_the_histogram_of_the_library(values: list[float]) -> None:
    theirs, ours = (
        Histogram("a", "words", buckets=BOUNDS, registry=None),
        Spread("a", "words", BOUNDS),
    )
    for value in values:
        theirs.observe(value)
        ours.add(value)
    assert text(Told(ours)) == text(theirs)


@given(
    st.lists(
        st.tuples(st.sampled_from(["permit", "deny"]), st.text('a"\\\n', max_size=3)), max_size=20
    )
)
def test_a_tally_is_the_counter_of_the_library(added: Iterable[tuple[str, str]]) -> None:
    theirs, ours = Counter("a", "words", ("x", "y"), registry=None), Tally("a", "words", ("x", "y"))
    for values in added:
        theirs.labels(*values).inc()
        ours.add(*values)
    assert text(Told(ours)) == text(theirs)


@pytest.mark.parametrize("kept", [Tally("a", "words", ("x",)), Spread("a", "words", BOUNDS)])
def test_nothing_is_told_as_nothing(kept: Tally | Spread) -> None:
    is_counter = isinstance(kept, Tally)
    theirs: Any = Counter("a", "words", ("x",), registry=None)
    if not is_counter:
        theirs = Histogram("a", "words", buckets=BOUNDS, registry=None)
    assert text(Told(kept)) == text(theirs)
