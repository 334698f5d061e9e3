"""What to replay, and under what: plain values, for they go to other processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

from gateway.replay.compare import rules_of
from gateway.replay.stored import Stored

_ALL = 2**32


@dataclass(frozen=True)
class Filters:
    """Which decisions are meant; what is None, or empty, leaves none out.

    Attributes:
        rule: The id of a rule that the recorded decision names.
        entity: The id of a site, or another entity of the catalogue, that it is about.
        since: The first instant at which they were made.
        until: The first instant after them.
        share: How many of them, from 0 to 1: always the same ones.
    """

    tenant: str | None = None
    rule: str | None = None
    entity: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: frozenset[str] = frozenset()
    share: float = 1.0

    def meant(self, one: Stored) -> bool:
        """Whether a decision is meant. Of what cannot be read, tenant, instant and id tell."""
        if self.tenant is not None and one.tenant != self.tenant:
            return False
        if self.ids and one.id not in self.ids:
            return False
        if (self.since or self.until) and not self._in_time(one.logged_at):
            return False
        if self.share < 1 and _place(one.id) >= self.share:
            return False
        predicate = one.predicate
        if not predicate:
            return True
        if self.outcome is not None and predicate.get("decision") != self.outcome:
            return False
        if self.entity is not None and all(
            self.entity != entity["id"] for entity in predicate.get("entities", ())
        ):
            return False
        return self.rule is None or self.rule in rules_of(predicate)

    def _in_time(self, logged_at: str) -> bool:
        at = datetime.fromisoformat(logged_at)
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


def _place(name: str) -> float:
    """Where an id is among all, evenly spread."""
    return int.from_bytes(sha256(name.encode()).digest()[:4]) / _ALL


@dataclass(frozen=True)
class Plan:
    """One replay.

    Attributes:
        state: The state folder: ledger, and bundles and catalogues by digest.
        core: The canonical core of other rules, where it is not under those of each record.
        catalogue: The files of another catalogue, the lowest first.
        day: Another day, for law and catalogue.
        engines: Names of the engines to ask; none for the definition alone.
        share: The share of distinct questions that they are asked.
        examples: How many decisions show each change.
        lines: Whether every change is told, and not only counted.
    """

    state: Path
    core: bytes | None = None
    catalogue: Sequence[Path] = ()
    day: date | None = None
    filters: Filters = field(default_factory=Filters)
    engines: Sequence[str] = ()
    opa_url: str | None = None
    share: float = 1.0
    examples: int = 3
    lines: bool = False

    @property
    def is_what_if(self) -> bool:
        """Whether anything is other than it was."""
        return self.core is not None or bool(self.catalogue) or self.day is not None
