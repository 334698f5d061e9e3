"""What Prometheus reads at `/metrics`.

Base units, and labels of few values: no id of a request, a decision, a caller or a workload.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

from gateway.checked import Checked
from gateway.errors import LedgerError
from gateway.pdp.supplied import FactSources
from gateway.service import EngineState, Service
from gateway.web.tallies import Spread, Tally
from gateway.web.together import DECIDED, SHARE_S, Samples, Together
from gateway.web.witnessing import ask, families

MEDIA_TYPE = "text/plain; version=1.0.0; charset=utf-8"
MAX_TENANTS = 200  # with a name of their own; the rest are told together
OTHERS = "(others)"

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_ENTRIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_STATUSES = {status: str(status) for status in range(600)}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The numbers of one gateway. It watches the service (`gateway.watch.Watch`)."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._size_before = service.ledger.size
        self._decided = 0
        self._tenants: set[str] = set()
        self.in_flight = 0
        own = self._registry = CollectorRegistry()
        self._decisions = Tally("charter_decisions", "Decisions answered", ("verdict", "tenant"))
        self._durations = Spread(
            "charter_decision_duration_seconds",
            "From the reading of a question until its decision is durable",
            _SECONDS,
        )
        self._incidents = Counter(
            "charter_incidents", "Decisions that no engine's answer stands behind", ("kind",),
            registry=own,
        )  # fmt: skip
        self._disagreements = Counter(
            "charter_engine_disagreements", "Of them, those where engines differ", registry=own
        )
        self._groups = Histogram(
            "charter_ledger_commit_group_size",
            "Entries made durable together",
            buckets=_ENTRIES,
            registry=own,
        )
        self._refused = Counter(
            "charter_refused", "Requests answered with a problem", ("reason",), registry=own
        )
        self._requests = Tally(
            "charter_http_requests", "Requests answered", ("method", "route", "status")
        )
        self._reloads = Counter(
            "charter_reloads", "Reloads of rules and facts", ("result",), registry=own
        )
        self.reload_failed = False
        # Set where the log is stamped: when it was last, in seconds since 1970.
        self.stamped_at: Callable[[], float | None] = lambda: None
        # Gives the last check of the ledger, where somebody has set it.
        self.checked: Callable[[], Checked | None] = lambda: None
        # Set where other workers answer for the same gateway.
        self.together: Together | None = None
        self._decided_elsewhere = 0.0
        # What the ledger says of its witnesses, while all is written down: no worker shares it.
        self._witnessed: list[Metric] = []
        own.register(_Now(self))
        ProcessCollector(registry=own)

    # --- told ------------------------------------------------------------------------

    def decided(self, outcome: str, tenant: str, seconds: float, incident: str | None) -> None:
        self._decided += 1
        self._decisions.add(outcome, self._label(tenant))
        self._durations.add(seconds)
        if incident is not None:
            self._incidents.labels(incident).inc()
            if incident == "engine-disagreement":
                self._disagreements.inc()

    def committed(self, entries: int) -> None:
        self._groups.observe(entries)

    def reloaded(self, error: str | None) -> None:
        self.reload_failed = error is not None
        self._reloads.labels("refused" if self.reload_failed else "done").inc()

    def refused(self, reason: str) -> None:
        """A request got a problem of that slug, or another refusal."""
        self._refused.labels(reason).inc()

    def answered(self, method: str, route: str, status: int) -> None:
        """`route` is the path as it is registered, never as it was asked for."""
        known = method if method in _METHODS else "other"
        self._requests.add(known, route, _STATUSES[status])

    def _label(self, tenant: str) -> str:
        if tenant not in self._tenants:
            if len(self._tenants) >= MAX_TENANTS:
                return OTHERS
            self._tenants.add(tenant)
        return tenant

    # --- asked -----------------------------------------------------------------------

    def text(self) -> bytes:
        """All of this process, in the text format of Prometheus."""
        return generate_latest(self._registry)

    async def of_all(self) -> bytes:
        """As `text`, of all workers."""
        witnessed = list(families(await ask(self._service)))
        if self.together is None:
            return self._told(self._registry, witnessed)
        others = self.together.others()
        self._decided_elsewhere = sum(
            value for samples in others for key, value in samples.items() if key[0] == DECIDED
        )
        # After the decisions, so that none of them can be missing in it.
        with suppress(LedgerError):
            await asyncio.to_thread(self._service.ledger.latest_checkpoint)
        return self._told(_Merged(self.together, self._registry, others), witnessed)

    def _told(self, source: "CollectorRegistry | _Merged", witnessed: list[Metric]) -> bytes:
        self._witnessed = witnessed
        try:
            return generate_latest(source)
        finally:
            self._witnessed = []

    async def share(self) -> None:
        """Tell the other workers now and then; runs for ever."""
        assert self.together is not None  # noqa: S101 - it is who calls that has set it
        while True:
            self.together.share(self._registry.collect())
            await asyncio.sleep(SHARE_S)

    def now(self) -> Iterator[Metric]:
        """What is looked up when it is asked for."""
        for kept in (self._decisions, self._durations, self._requests):
            yield kept.told()
        in_force = self._service.in_force
        entries = self._service.ledger.size
        before = self._size_before if self.together is None else self.together.entries_before
        lost = max(0, self._decided + self._decided_elsewhere - (entries - before))
        yield GaugeMetricFamily("charter_ledger_entries", "Entries of the log", entries)
        yield GaugeMetricFamily(
            "charter_decisions_lost",
            "Decisions answered since the start that the log does not cover",
            lost,
        )
        yield GaugeMetricFamily(
            "charter_policy_age_seconds",
            "Since the bundle in force was loaded",
            monotonic() - in_force.since,
        )
        yield GaugeMetricFamily(
            "charter_requests_in_flight", "Requests being answered", self.in_flight
        )
        yield from _engines(self._service.engines())
        if in_force.sources is not None:
            yield _sources(in_force.sources)
        yield GaugeMetricFamily(
            "charter_ready", "Whether /readyz says so", self._service.not_ready() is None
        )
        yield from _checked(self.checked())
        yield GaugeMetricFamily(
            "charter_reload_failed",
            "Whether the last reload was refused, so that older rules are in force",
            self.reload_failed,
        )
        stamped_at = self.stamped_at()
        if stamped_at is not None:
            yield GaugeMetricFamily(
                "charter_log_stamped_timestamp_seconds",
                "When an authority last stamped the log, in seconds since 1970",
                stamped_at,
            )
        yield from self._witnessed
        release = in_force.release
        yield GaugeMetricFamily(
            "charter_policy_release",
            "Number of the signed release in force; 0 without one",
            0 if release is None else release.sequence,
        )
        yield InfoMetricFamily(
            "charter_policy",
            "What is in force",
            in_force.named(),
        )


def _checked(last: Checked | None) -> Iterator[Metric]:
    """What the last check of the ledger found; nothing where there was none."""
    if last is None:
        return
    prefix = "charter_ledger_check_"
    yield GaugeMetricFamily(prefix + "damages", "Found by the last check", last.damages)
    yield GaugeMetricFamily(prefix + "notices", "Noticed by the last check", last.notices)
    yield GaugeMetricFamily(
        prefix + "entries", "Entries that the last check looked at", last.size - last.first
    )
    yield GaugeMetricFamily(
        prefix + "timestamp_seconds",
        "When the log was last checked, in seconds since 1970",
        last.at,
    )


def _engines(states: Iterable[EngineState]) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "charter_engine_up", "Whether the engine is asked and believed", labels=("engine",)
    )
    failures = CounterMetricFamily(
        "charter_engine_failures", "Questions the engine did not answer", labels=("engine",)
    )
    restarts = CounterMetricFamily(
        "charter_engine_restarts", "Unasked ends of a process of the engine", labels=("engine",)
    )
    for state in states:
        up.add_metric((state.name,), state.is_up)
        failures.add_metric((state.name,), state.failures)
        restarts.add_metric((state.name,), state.restarts)
    yield from (up, failures, restarts)


def _sources(sources: FactSources) -> Metric:
    answers = CounterMetricFamily(
        "charter_fact_source_answers",
        "Things a fact source was asked about, by how that ended, since the rules were loaded",
        labels=("source", "status"),
    )
    for (name, status), number in sources.counted().items():
        answers.add_metric((name, status.value), number)
    return answers


class _Merged:
    """What all workers have counted, as a collector in the words of the library."""

    def __init__(
        self, together: Together, registry: CollectorRegistry, others: list[Samples]
    ) -> None:
        self._together = together
        self._registry = registry
        self._others = others

    def collect(self) -> Iterator[Metric]:
        return self._together.merged(self._registry.collect(), self._others)


class _Now:
    """A collector in the words of the library."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return self._metrics.now()

    def describe(self) -> Iterator[Metric]:
        """Nothing: else the library would collect while it registers."""
        return iter(())
