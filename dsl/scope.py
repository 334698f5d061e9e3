"""What a charter may name: its own declarations and those of the charters it imports."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from dsl import tree
from dsl.codes import Code
from dsl.core import DutyKind, FactType, InForce, ListType, Place
from dsl.diagnostics import Label, quoted
from dsl.found import Found
from dsl.tree import Word

IDENTIFIER = "identifier"
DATE = "date"
_EPOCH_ORDINAL = 719163  # date(1970, 1, 1).toordinal()

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True)
class Vocabulary:
    """The values of an enumeration or taxonomy; `broader` and `order` as in
    `core.FactType`. `charter` declares it, where that is known."""

    name: str
    values: tuple[str, ...]
    broader: Mapping[str, tuple[str, ...]]
    charter: str = ""
    order: tuple[str, ...] = ()

    @cached_property
    def known(self) -> frozenset[str]:
        return frozenset(self.values)

    @cached_property
    def _narrower(self) -> Mapping[str, tuple[str, ...]]:
        below: dict[str, list[str]] = {}
        for value, above in self.broader.items():
            for other in above:
                below.setdefault(other, []).append(value)
        return {value: tuple(sorted([value, *others])) for value, others in below.items()}

    @cached_property
    def are_codes(self) -> bool:
        """Whether all values look like the codes of ISO 3166-1 alpha-2."""
        return all(re.fullmatch("[A-Z]{2}", value) for value in self.values)

    def with_narrower(self, value: str) -> tuple[str, ...]:
        """The value and all below it."""
        return self._narrower.get(value, (value,))


@dataclass(frozen=True)
class Zone:
    """`members` maps a value to the periods in which it belongs; empty means always."""

    vocabulary: str
    members: Mapping[str, tuple[InForce, ...]]


@dataclass(frozen=True)
class MapType:
    """A field with one fact for each value of a vocabulary, in the order of the keys."""

    path: str
    keys: Vocabulary
    facts: Mapping[str, FactType]


@dataclass(frozen=True)
class DutyType:
    """An obligation or advice as it is declared; `parameters` are facts by their own names."""

    title: str
    kind: DutyKind
    parameters: Mapping[str, FactType]
    has_deadline: bool = False


@dataclass(frozen=True)
class Scope:
    """What a charter may name. `facts` are those with a path of their own, stated or
    derived; `maps` and `lists` need a key or a derivation."""

    charter: tree.Charter
    laws: Mapping[str, tree.Law]
    vocabularies: Mapping[str, Vocabulary]
    zones: Mapping[str, Zone]
    facts: Mapping[str, FactType]
    places: Mapping[str, Place]
    duties: Mapping[str, DutyType]
    actions: Mapping[str, str]
    maps: Mapping[str, MapType]
    lists: Mapping[str, ListType]
    derived: frozenset[str]
    charters: frozenset[str]

    @cached_property
    def obligations(self) -> Mapping[str, DutyType]:
        return self._of_kind(DutyKind.OBLIGATION)

    @cached_property
    def advice(self) -> Mapping[str, DutyType]:
        return self._of_kind(DutyKind.ADVICE)

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Every path that a charter may write."""
        return (*self.facts, *self.maps, *self.lists)

    def declares(self, path: str) -> tree.Word | None:
        """The record of this charter that has a field at a path."""
        record, _, field = path.partition(".")
        for declared in self.charter.declarations:
            if (
                isinstance(declared, tree.Record)
                and declared.name.text == record
                and path in self.attributes
            ):
                fields = (f.name for f in declared.fields if f.name.text == field)
                return next(fields, declared.name)
        return None

    def _of_kind(self, kind: DutyKind) -> Mapping[str, DutyType]:
        return {name: duty for name, duty in self.duties.items() if duty.kind is kind}

    @property
    def time_zone(self) -> str:
        return time_zone(self.charter)


class Table(Generic[T]):
    """What is declared of one kind. Names are unique in a bundle, so that a fact path or a
    zone means one thing wherever it is read."""

    def __init__(self, what: str, found: Found) -> None:
        self._what = what
        self._found = found
        self._words: dict[str, tuple[Word, str]] = {}
        self._rows: dict[str, dict[str, T]] = {}

    def put(self, charter: tree.Charter, word: Word, value: T | None) -> None:
        """Declare `word`; a value of None is a declaration with a mistake in it."""
        if not self.take(charter, word):
            return
        if value is None:
            self._found.doubt(word.text)
        else:
            self._rows.setdefault(charter.name.text, {})[word.text] = value
            self._found.declare(self._what, [word.text], charter.name.text)

    def take(self, charter: tree.Charter, word: Word) -> bool:
        """Whether `word` is free, or has been taken for this very declaration; else it is
        reported."""
        known, owner = self._words.setdefault(word.text, (word, charter.name.text))
        if known is word:
            return True
        if owner != charter.name.text and self._what == "vocabulary":
            self._found.report(
                Code.DECLARED_TWICE,
                f"{quoted(word.text)} is declared in {owner}; another charter cannot add to it",
                word.span,
                "remove it, or declare a vocabulary with another name",
                Label(known.span, "declared here"),
            )
        else:
            self._found.repeats(self._what, word, known)
        self._found.doubt_in(charter.source.name, word.text)
        return False

    def visible(self, charter: tree.Charter) -> dict[str, T]:
        """What a charter sees, by name."""
        seen: dict[str, T] = {}
        for owner in dict.fromkeys([charter.name.text, *(word.text for word in charter.imports)]):
            seen.update(self._rows.get(owner, {}))
        return seen


def each(charters: Sequence[tree.Charter], kind: type[D]) -> Iterator[tuple[tree.Charter, D]]:
    """The declarations of one kind, with their charters."""
    for charter in charters:
        for declaration in charter.declarations:
            if isinstance(declaration, kind):
                yield charter, declaration


def time_zone(charter: tree.Charter) -> str:
    return charter.time_zone.text if charter.time_zone else "UTC"


def day_number(day: tree.Day | None) -> int | None:
    """Days since 1970-01-01."""
    return None if day is None else day.day.toordinal() - _EPOCH_ORDINAL


def in_force(period: tree.Period, zone: str, found: Found) -> InForce:
    """The days of a period; a last day before the first is reported."""
    if period.first and period.last and period.first.day > period.last.day:
        found.report(
            Code.NEVER_IN_FORCE,
            "the last day lies before the first, so this never applies",
            period.last.span,
            "put the earlier day after `from`",
            Label(period.first.span, "the first day"),
        )
    return InForce(zone, day_number(period.first), day_number(period.last))
