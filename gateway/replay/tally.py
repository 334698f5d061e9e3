"""What a replay found, counted: small whatever the size of the ledger, and added up from parts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.replay.compare import Change
from gateway.replay.rules import Counts
from gateway.replay.stored import Predicate


@dataclass(frozen=True)
class Example:
    """One decision that shows a change. `facts` are those that differ, with both values."""

    index: int
    id: str
    tenant: str
    action: str
    entities: tuple[str, ...]
    decided_at: str
    before: str
    after: str
    facts: Mapping[str, tuple[object, object]] = field(default_factory=dict[str, Any])
    words: str = ""

    def body(self) -> dict[str, object]:
        return {
            "id": self.id,
            "index": self.index,
            "tenant": self.tenant,
            "action": self.action,
            "entities": list(self.entities),
            "decided_at": self.decided_at,
            "before": self.before,
            "after": self.after,
            "facts": [
                {"path": path, "before": before, "after": after}
                for path, (before, after) in self.facts.items()
            ],
            "words": self.words,
        }


def example_of(
    index: int,
    predicate: Predicate,
    after: str,
    *,
    facts: Mapping[str, tuple[object, object]] | None = None,
    words: str = "",
) -> Example:
    """An example of a recorded decision."""
    entities = tuple(f"{one['record']} {one['id']}" for one in predicate.get("entities", ()))
    return Example(
        index,
        str(predicate["id"]),
        str(predicate["tenant"]),
        str(predicate["action"]),
        entities,
        str(predicate["decided_at"]),
        str(predicate["decision"]),
        after,
        facts or {},
        words,
    )


@dataclass
class Group:
    """Decisions with one change of one rule."""

    count: int = 0
    examples: list[Example] = field(default_factory=list[Example])

    def add(self, example: Example, most: int) -> None:
        self.count += 1
        if len(self.examples) < most:
            self.examples.append(example)

    def merge(self, other: "Group", most: int) -> None:
        self.count += other.count
        self.examples = (self.examples + other.examples)[:most]


@dataclass
class Tally:
    """The counts of one stretch of the ledger; those of later stretches are merged into it.

    Attributes:
        looked: Entries that were read.
        matched: Decisions that are asked about.
        same: Of them, those that came out the same.
        from_facts: Of the same, those whose facts could not be joined anew.
        words: Of the same, those in which only words or shown facts differ.
        changed: Of them, those that did not.
        own: Entries of what the gateway did itself.
        unknown: By reason, decisions of which nothing can be said.
        outcomes: By old and new outcome, the decisions with another.
        left: Facts of records that the other rules do not know.
        lines: Every change, where they are asked for.
    """

    most: int = 3
    looked: int = 0
    matched: int = 0
    same: int = 0
    from_facts: int = 0
    words: int = 0
    changed: int = 0
    own: int = 0
    unknown: dict[str, Group] = field(default_factory=dict[str, Group])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    groups: dict[Change, Group] = field(default_factory=dict[Change, Group])
    left: set[str] = field(default_factory=set[str])
    counts: Counts = field(default_factory=Counts)
    lines: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    @property
    def cannot_tell(self) -> int:
        return sum(group.count for group in self.unknown.values())

    def change(self, example: Example, found: Sequence[Change], *, keep_line: bool) -> None:
        """A decision that came out otherwise."""
        self.changed += 1
        if example.before != example.after:
            self.outcomes[f"{example.before} -> {example.after}"] += 1
        for change in found:
            self.groups.setdefault(change, Group()).add(example, self.most)
        if keep_line:
            listed = [{"rule": change.rule, "change": change.kind} for change in found]
            self.lines.append({**example.body(), "changes": listed})

    def no_word(self, reason: str, example: Example, *, keep_line: bool) -> None:
        """A decision of which nothing can be said."""
        self.unknown.setdefault(reason, Group()).add(example, self.most)
        if keep_line:
            self.lines.append({**example.body(), "cannot_tell": reason})

    def merge(self, other: "Tally") -> None:
        """Add a later stretch."""
        for name in ("looked", "matched", "same", "from_facts", "words", "changed", "own"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, group in other.unknown.items():
            self.unknown.setdefault(reason, Group()).merge(group, self.most)
        for change, group in other.groups.items():
            self.groups.setdefault(change, Group()).merge(group, self.most)
        self.outcomes.update(other.outcomes)
        self.left |= other.left
        self.counts = self.counts.plus(other.counts)
        self.lines = other.lines

    def body(self) -> dict[str, object]:
        """As JSON."""
        ordered = sorted(self.groups.items(), key=lambda item: (-item[1].count, *_named(item[0])))
        return {
            "entries": self.looked,
            "decisions": self.matched,
            "same": self.same,
            "same_from_facts_alone": self.from_facts,
            "same_but_for_words": self.words,
            "changed": self.changed,
            "cannot_tell": self.cannot_tell,
            "own_entries": self.own,
            "outcomes": dict(sorted(self.outcomes.items())),
            "groups": [
                {"rule": change.rule, "change": change.kind, **_group_body(group)}
                for change, group in ordered
            ],
            "unknown": [
                {"reason": reason, **_group_body(group)}
                for reason, group in sorted(self.unknown.items())
            ],
            "facts_unknown_to_other_rules": sorted(self.left),
            "distinct_questions": self.counts.distinct,
            "asked_of_engines": self.counts.asked,
        }


def _named(change: Change) -> tuple[str, str]:
    return change.rule, change.kind


def _group_body(group: Group) -> dict[str, object]:
    return {"count": group.count, "examples": [one.body() for one in group.examples]}
