"""Stage 3, what a single test says of its fact, so that two tests can be compared.

Only what is certain is said: two tests that `exclude` each other are never both true, and a
test that `implies` another is never true without it. Of much nothing is said.
"""

from dataclasses import dataclass, replace

from dsl.core import FactType

FAR = 10**18  # beyond every number and day

Interval = tuple[int, int]


# Values that are listed, or all but those where `True`.
Listed = tuple[frozenset[str], bool]


@dataclass(frozen=True)
class Values:
    """One value: among `ever`, or not where `negated`. On some days it is only `always` that
    the test is true of; `all` is the whole vocabulary, where there is one."""

    path: str
    ever: frozenset[str]
    always: frozenset[str]
    all: frozenset[str] | None
    negated: bool = False

    def inverted(self) -> "Values":
        return Values(self.path, self.ever, self.always, self.all, not self.negated)

    def _at_most(self) -> Listed:
        """Of what the test may be true."""
        return self._plain(self.always if self.negated else self.ever)

    def _at_least(self) -> Listed:
        """Of what the test is true on every day."""
        return self._plain(self.ever if self.negated else self.always)

    def _plain(self, values: frozenset[str]) -> Listed:
        if self.negated and self.all is not None:
            return self.all - values, False
        return values, self.negated

    def excludes(self, other: "Values") -> bool:
        (mine, mine_denied), (theirs, theirs_denied) = self._at_most(), other._at_most()
        if mine_denied and theirs_denied:
            return False
        if mine_denied or theirs_denied:
            return theirs <= mine if mine_denied else mine <= theirs
        return not mine & theirs

    def implies(self, other: "Values") -> bool:
        (mine, mine_denied), (theirs, theirs_denied) = self._at_most(), other._at_least()
        if mine_denied:
            return theirs_denied and theirs <= mine
        return not mine & theirs if theirs_denied else mine <= theirs


@dataclass(frozen=True)
class Numbers:
    """A number or a day within one of the intervals, ends included. `path` tells apart days
    that count from today in one time zone. `lowest` is the least the number can be."""

    path: tuple[str, str | None]
    intervals: tuple[Interval, ...]
    lowest: int = -FAR

    def inverted(self) -> "Numbers | None":
        rest: list[Interval] = []
        low = self.lowest
        for first, last in sorted(self.intervals):
            if low < first:
                rest.append((low, first - 1))
            low = last + 1
        if low < FAR:
            rest.append((low, FAR))
        return Numbers(self.path, tuple(rest), self.lowest) if rest else None

    def excludes(self, other: "Numbers") -> bool:
        return not any(
            max(a, c) <= min(b, d) for a, b in self.intervals for c, d in other.intervals
        )

    def implies(self, other: "Numbers") -> bool:
        return all(any(c <= a and b <= d for c, d in other.intervals) for a, b in self.intervals)


@dataclass(frozen=True)
class Elements:
    """A set, closed upward, that touches the values or lies `within` them, or does not where
    `negated`. `ever` and `always` as in `Values`."""

    fact: FactType
    within: bool
    ever: frozenset[str]
    always: frozenset[str]
    negated: bool = False

    @property
    def path(self) -> str:
        return self.fact.path

    def inverted(self) -> "Elements":
        return replace(self, negated=not self.negated)

    def excludes(self, other: "Elements") -> bool:
        if self.negated != other.negated:
            denied, held = (self, other) if self.negated else (other, self)
            return held._surely(denied)
        if self.negated or not (self.within or other.within) or self.ever & other.ever:
            return False
        # The empty set lies within anything.
        return not (self.within and other.within and self.fact.may_be_empty)

    def implies(self, other: "Elements") -> bool:
        if self.negated != other.negated:
            return False
        return other._surely(self) if self.negated else self._surely(other)

    def _surely(self, other: "Elements") -> bool:
        """Whether being so, on any day, is being so of the other on every day. Neither is
        denied here."""
        if self.within:
            return self.ever <= other.always and (other.within or not self.fact.may_be_empty)
        broader = self.fact.broader
        return not other.within and all(
            {value, *broader.get(value, ())} & other.always for value in self.ever
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
