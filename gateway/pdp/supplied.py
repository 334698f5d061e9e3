"""Supplied: what fact sources said of the things that a question names.

A source fills in what nobody else states, and nothing else. What it did not say in time, or
said too long ago, is unknown.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from dsl.core import Origin
from dsl.facts import Elements, Value
from gateway.pdp.dates import instant

# What a source can be asked about besides an entity of the catalogue and what a fact of the
# request names: who asks, and the subject where it has that type.
TENANT = "tenant"
SUBJECT = "subject/"
# What a verifier found out about the machine that a question names; no source is asked.
ATTESTATION = "attestation/node"
MACHINE = "attestation."
SITE = f"{MACHINE}site"


class Status(Enum):
    """How asking a source ended."""

    STATED = "stated"
    ABSENT = "absent"  # it says that it knows nothing of it
    STALE = "stale"  # longer ago than the source may be believed
    AHEAD = "ahead"  # in the future
    LATE = "late"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"
    SUSPENDED = "suspended"  # it failed lately and was not asked
    BUSY = "busy"  # too many questions to it were open
    REFUSED = "refused"  # evidence that does not count
    UNDECIDED = "undecided"  # evidence of which nobody can tell whether it counts
    ELSEWHERE = "elsewhere"  # evidence of a machine that is at another site

    @property
    def is_fault(self) -> bool:
        """Whether the same question may lead to something else in a moment."""
        return self not in (Status.STATED, Status.ABSENT, Status.ELSEWHERE)


@dataclass(frozen=True)
class Statement:
    """What one source said of one thing.

    Attributes:
        about: An entity type, `tenant`, `subject/` and a type, the path of a fact, or
            `ATTESTATION`.
        until: From when it is too old.
        digest: `sha256:` of the RFC 8785 form of its answer.
        said: What was used of it, as values of the wire: by field of an entity, else by path.
    """

    source: str
    origin: Origin
    about: str
    id: str
    status: Status
    observed_at: datetime | None = None
    until: datetime | None = None
    digest: str | None = None
    said: Mapping[str, object] = field(default_factory=dict[str, object])
    facts: Mapping[str, Value] = field(default_factory=dict[str, Value])
    lists: Mapping[str, Elements] = field(default_factory=dict[str, Elements])

    def body(self) -> dict[str, object]:
        return {
            "source": self.source,
            "origin": self.origin.value,
            "about": self.about,
            "id": self.id,
            "status": self.status.value,
            "observed_at": None if self.observed_at is None else instant(self.observed_at),
            "digest": self.digest,
            "said": dict(self.said),
        }


@dataclass(frozen=True, slots=True)
class Named:
    """What a question names that a source can be asked about, and what is known without.

    Attributes:
        entities: Record, type and id.
        subject: Type and id.
        others: Lists that are known, and what may not be filled in.
    """

    action: str
    entities: Sequence[tuple[str, str, str]]
    tenant: str | None
    subject: tuple[str, str]
    facts: Mapping[str, Value]
    others: Collection[str] = ()

    def knows(self, path: str) -> bool:
        return path in self.facts or path in self.others

    def records(self, entity: str) -> list[tuple[str, str]]:
        """The records that are entities of a type, each with its id."""
        return [(record, one) for record, kind, one in self.entities if kind == entity]

    def ids(self, about: str) -> tuple[str, ...]:
        """The ids of what `about` stands for, where that is no entity."""
        if about == TENANT:
            return () if self.tenant is None else (self.tenant,)
        if about.startswith(SUBJECT):
            kind, one = self.subject
            return (one,) if about == f"{SUBJECT}{kind}" else ()
        value = self.facts.get(about)
        if isinstance(value, tuple):
            return value
        return (value,) if isinstance(value, str) else ()


@dataclass(frozen=True)
class Supplied:
    """All that was said for one question, sorted by source, thing and id. `evidence` is what
    a record says of the evidence that some of it follows from."""

    statements: tuple[Statement, ...] = ()
    evidence: tuple[Mapping[str, object], ...] = ()

    def __add__(self, other: "Supplied") -> "Supplied":
        both = (*self.statements, *other.statements)
        return Supplied(
            tuple(sorted(both, key=lambda one: (one.source, one.about, one.id))),
            self.evidence + other.evidence,
        )

    def fill(
        self, named: Named, facts: dict[str, Value], lists: dict[str, Elements], at: str = ""
    ) -> None:
        """Add what nobody else stated to the facts and lists of a question, in place. What a
        machine has proved is known of questions about its own site alone; `at` is theirs."""
        for statement in self.statements:
            if statement.about == ATTESTATION and statement.said.get(SITE) == at:
                _add(facts, statement.facts, "")
        for record, kind, one in named.entities:
            for statement in self.statements:
                if (statement.about, statement.id) == (kind, one):
                    _add(facts, statement.facts, f"{record}.")
                    _add(lists, statement.lists, f"{record}.")
        of_machine = any(one.about == ATTESTATION for one in self.statements)
        for about in sorted({one.about for one in self.statements}):
            ids = named.ids(about)
            for source in sorted({s.source for s in self.statements if s.about == about}):
                found = {s.id: s for s in self.statements if (s.source, s.about) == (source, about)}
                if ids and all(one in found for one in ids):
                    said = _common([found[one].facts for one in ids])
                    if of_machine:
                        # Not even where its evidence leaves something open.
                        said = {path: v for path, v in said.items() if not path.startswith(MACHINE)}
                    _add(facts, said, "")
                    _add(lists, _common([found[one].lists for one in ids]), "")

    def states(self, path: str, entities: Sequence[tuple[str, str, str]]) -> Statement | None:
        """Who states a path, where a source does and nobody else."""
        for statement in self.statements:
            names = {path}
            for record, kind, one in entities:
                if (statement.about, statement.id) == (kind, one):
                    names.add(path.removeprefix(f"{record}."))
            if names & statement.facts.keys():
                return statement
        return None

    @property
    def fresh_until(self) -> datetime | None:
        """Until when none of what was stated is too old."""
        return min((s.until for s in self.statements if s.until is not None), default=None)

    @property
    def has_fault(self) -> bool:
        return any(statement.status.is_fault for statement in self.statements)

    def bodies(self) -> list[dict[str, object]]:
        return [statement.body() for statement in self.statements]


NOTHING = Supplied()


class FactSources(Protocol):
    """All sources of a gateway."""

    @property
    def digest(self) -> str:
        """Of the settings that they were made of."""
        ...

    async def ask(self, named: Named, now: datetime) -> Supplied:
        """What they say at an instant of what a question names; nothing of what is known
        already or no rule reads. It never fails, and ends within its time."""
        ...

    def counted(self) -> Mapping[tuple[str, Status], int]:
        """How often asking ended in which way, by the name of the source."""
        ...

    async def close(self) -> None: ...


def _add(into: dict[str, Any], said: Mapping[str, Any], prefix: str) -> None:
    for name, value in said.items():
        into.setdefault(f"{prefix}{name}", value)


def _common(said: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is known of each of several things and the same of all."""
    first, *more = said
    return {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in more)
    }
