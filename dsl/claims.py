"""Stage 3, what a single test says of its fact, so that two tests can be compared.

Only what is certain is said: two tests that `exclude` each other are never both true, and a
test that `implies` another is never true without it. Of much nothing is said.
"""

from dataclasses import dataclass

from dsl.core import FactType

FAR = 10**18  # beyond every number and day

Interval = tuple[int, int]


@dataclass(frozen=True)
class Values:
    """One value: among `values`, or not among them where `negated`. `all` is the whole
    vocabulary; `exact` says that the test is true of all of them on every day."""

    path: str
    values: frozenset[str]
    negated: bool
    all: frozenset[str] | None
    exact: bool

    def inverted(self) -> "Values | None":
        if not self.exact:
            return None
        return Values(self.path, self.values, not self.negated, self.all, exact=True)

    def _listed(self) -> frozenset[str] | None:
        """The values as a list, where they can be listed."""
        if not self.negated:
            return self.values
        return None if self.all is None else self.all - self.values

    def excludes(self, other: "Values") -> bool:
        mine, theirs = self._listed(), other._listed()
        if mine is not None and theirs is not None:
            return not mine & theirs
        if mine is None and theirs is None:
            return False
        named, rest = (self.values, other) if mine is not None else (other.values, self)
        return named <= rest.values

    def implies(self, other: "Values") -> bool:
        if not other.exact:
            return False
        mine, theirs = self._listed(), other._listed()
        if mine is not None and theirs is not None:
            return mine <= theirs
        if mine is not None:
            return not mine & other.values
        return theirs is None and other.values <= self.values


@dataclass(frozen=True)
class Numbers:
    """A number or a day within one of the intervals, ends included. `path` tells apart days
    that count from today in one time zone."""

    path: tuple[str, str | None]
    intervals: tuple[Interval, ...]
    exact: bool = True

    def inverted(self) -> "Numbers | None":
        rest: list[Interval] = []
        low = -FAR
        for first, last in sorted(self.intervals):
            if low < first:
                rest.append((low, first - 1))
            low = last + 1
        if low < FAR:
            rest.append((low, FAR))
        return Numbers(self.path, tuple(rest)) if rest else None

    def excludes(self, other: "Numbers") -> bool:
        return not any(
            max(a, c) <= min(b, d) for a, b in self.intervals for c, d in other.intervals
        )

    def implies(self, other: "Numbers") -> bool:
        return all(any(c <= a and b <= d for c, d in other.intervals) for a, b in self.intervals)


@dataclass(frozen=True)
class Elements:
    """A set, closed upward, that touches `values` or lies within them, or does not."""

    fact: FactType
    within: bool
    values: frozenset[str]
    negated: bool
    exact: bool

    @property
    def path(self) -> str:
        return self.fact.path

    def inverted(self) -> "Elements | None":
        if not self.exact:
            return None
        return Elements(self.fact, self.within, self.values, not self.negated, exact=True)

    def excludes(self, other: "Elements") -> bool:
        if not self.negated and not other.negated:
            # Something must be in both, unless both are satisfied by the empty set.
            empty = self.within and other.within and self.fact.may_be_empty
            return (self.within or other.within) and not self.values & other.values and not empty
        if self.negated and other.negated:
            return False
        denied, held = (self, other) if self.negated else (other, self)
        affirmed = Elements(denied.fact, denied.within, denied.values, False, denied.exact)
        return held.implies(affirmed)

    def implies(self, other: "Elements") -> bool:
        if self.negated != other.negated or not other.exact:
            return False
        if self.negated:
            mine = Elements(self.fact, self.within, self.values, False, self.exact)
            return Elements(other.fact, other.within, other.values, False, True).implies(mine)
        if self.within:
            inside = self.values <= other.values
            return inside and (other.within or not self.fact.may_be_empty)
        broader = self.fact.broader
        return not other.within and all(
            {value, *broader.get(value, ())} & other.values for value in self.values
        )


@dataclass(frozen=True)
class Knowing:
    """Whether a fact is known."""

    path: str
    known: bool

    def inverted(self) -> "Knowing":
        return Knowing(self.path, not self.known)

    def excludes(self, other: "Knowing") -> bool:
        return self.known is not other.known

    def implies(self, other: "Knowing") -> bool:
        return self.known is other.known


Claim = Values | Numbers | Elements | Knowing


def excludes(one: Claim, other: Claim) -> bool:
    """Whether the two are never true together."""
    match one, other:
        case (
            (Values(), Values())
            | (Numbers(), Numbers())
            | (Elements(), Elements())
            | (Knowing(), Knowing())
        ) if one.path == other.path:
            return one.excludes(other)  # pyright: ignore[reportArgumentType]
        case _:
            return False


def implies(one: Claim, other: Claim) -> bool:
    """Whether the first is never true without the second."""
    match one, other:
        case (
            (Values(), Values())
            | (Numbers(), Numbers())
            | (Elements(), Elements())
            | (Knowing(), Knowing())
        ) if one.path == other.path:
            return one.implies(other)  # pyright: ignore[reportArgumentType]
        case _:
            return False
