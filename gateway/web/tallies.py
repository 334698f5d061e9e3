"""Numbers that each decision adds to, kept without the locks and the loops of the library, which
cost several microseconds each, and told in its words when they are asked for."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric


class Tally:
    """A counter with labels. Belongs to one thread.

    Args:
        labels: Their names.
    """

    def __init__(self, name: str, words: str, labels: Sequence[str]) -> None:
        self._name = name
        self._words = words
        self._labels = labels
        self._counted: Counter[tuple[str, ...]] = Counter()

    def add(self, *values: str) -> None:
        """One more with these values of the labels."""
        self._counted[values] += 1

    def told(self) -> Metric:
        """As it stands."""
        family = CounterMetricFamily(self._name, self._words, labels=self._labels)
        for values, number in list(self._counted.items()):
            family.add_metric(values, number)
        return family


class Spread:
    """A histogram without labels. Belongs to one thread.

    Args:
        bounds: Upper bounds of its buckets, rising, below a million; one without a bound comes
            after them.
    """

    def __init__(self, name: str, words: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._words = words
        self._bounds = bounds
        self._counted = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """One more of that value."""
        self._counted[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def told(self) -> Metric:
        """As it stands."""
        bounds = [*(repr(float(bound)) for bound in self._bounds), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(self._counted)), strict=True))
        return HistogramMetricFamily(self._name, self._words, buckets, self._sum)
