"""Conditions that nobody wrote: every comparison of the language, in any nesting."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from tests.dsl.generate_spelling import Speller
from tests.dsl.generate_words import (
    AMOUNTS,
    CHECKED_MAP,
    COUNTRIES,
    DATES,
    DERIVED_AMOUNTS,
    DERIVED_DATES,
    DERIVED_TRUTHS,
    DONE_MAP,
    LABELS,
    LEVELS,
    MAPS,
    SCORE_MAP,
    SEAL_MAP,
    SEALS,
    SPAN,
    START,
    TERM_SETS,
    TOOLS,
    TRUTHS,
    WHERE_MAP,
    Amount,
    Keyed,
)

NUMBER_WORDS = ("=", "is not", "at least", "at most", "more than", "less than")
DATE_WORDS = ("before", "after", "on or before", "on or after", "=", "is not")

# A set of labels arrives closed upward, so what it is within has to be closed too.
CLOSED_LABELS = (
    ("personal",),
    ("public",),
    ("personal", "public"),
    ("personal", "special-category"),
    ("health", "special-category", "personal"),
)


@dataclass
class Conditions:
    """Draws conditions of one charter.

    `zones` holds every zone a region may name, with all values that may be its members;
    `derived` the paths of derived facts that the charter may read.
    """

    rng: Random
    speller: Speller
    zones: Mapping[str, frozenset[str]]
    derived: frozenset[str] = frozenset()
    _used: set[str] = field(default_factory=set[str])

    def condition(self, *, known: bool | None = None, leaves: int = 5) -> str:
        """
        A condition in as many comparisons or fewer, no two of them of one fact.

        Args:
            known: Whether `is known` may stand where it affirms (True), where it denies
                (False), or nowhere.
        """
        self._used = set()
        return self._nested(self.rng.randint(1, leaves), known, None)

    def apart(self) -> tuple[str, str]:
        """Two conditions that cannot hold together."""
        pairs = [
            ("transfer.tool = scc-m1", "transfer.tool = scc-m2 and data.sealed"),
            ("transfer.age at least 3 days", "transfer.age less than 2 days"),
            ("destination.grade at least SEAL-2", "destination.grade = SEAL-1"),
            (f"transfer.began before {START}", f"transfer.began on or after {START}"),
        ]
        return self.rng.choice(pairs)

    def _nested(self, leaves: int, known: bool | None, outer: str | None) -> str:
        if leaves == 1:
            return self._leaf(known)
        inner = [n for n in ("and", "or", "not") if n != outer] if outer != "not" else ["and", "or"]
        match self.rng.choice(inner):
            case "not":
                return self._denied(leaves, known)
            case word:
                text = self.speller.joined(word, self._parts(word, leaves, known))
                return text if outer is None else f"({text})"

    def _parts(self, word: str, leaves: int, known: bool | None) -> list[str]:
        count = self.rng.randint(2, min(3, leaves))
        shares = [leaves // count + (1 if n < leaves % count else 0) for n in range(count)]
        return [self._nested(share, known, word) for share in shares]

    def _denied(self, leaves: int, known: bool | None) -> str:
        flipped = None if known is None else not known
        word = self.rng.choice(("and", "or"))
        return self.speller.denied(word, self._parts(word, leaves, flipped))

    def _leaf(self, known: bool | None) -> str:
        if self.rng.random() < 0.15:
            flipped = None if known is None else not known
            return f"not {self._test(flipped)}"
        return self._test(known)

    # --- comparisons -----------------------------------------------------------------

    def _test(self, known: bool | None) -> str:
        kinds: list[Callable[[], str]] = [
            *(self._truth, self._tool, self._seat, self._region, self._region, self._labels),
            *(self._kind, self._open, self._level, self._amount, self._amount, self._date),
            *(self._date, self._recent, self._today, self._key, self._key, self._each),
        ]
        if known is not None and self.rng.random() < 0.12:
            return self._known(affirms=known)
        return self.rng.choice(kinds)()

    def _path(self, paths: Sequence[str]) -> str | None:
        """A path that this condition does not read yet: a fact that is to be two things
        at once would be a mistake."""
        left = [path for path in paths if path not in self._used]
        if not left:
            return None
        path = self.rng.choice(left)
        self._used.add(path)
        return path

    def _truth(self) -> str:
        path = self._path((*TRUTHS, *(path for path in DERIVED_TRUTHS if path in self.derived)))
        if path is None:
            return self._today()
        wanted = self.rng.choice(("yes", "no"))
        if wanted == "yes":
            return self.speller.atom(path, f"{path} = yes", f"{path} is not no")
        return self.speller.atom(f"{path} = no", f"not {path}", f"{path} is not yes")

    def _tool(self) -> str:
        path = self._path(("transfer.tool",))
        return self._today() if path is None else self._term(path, TOOLS)

    def _term(self, path: str, values: Sequence[str]) -> str:
        """A comparison of one term with one or some of the values."""
        say = self.speller
        if self.rng.random() < 0.4:
            return say.atom(f"{path} in {say.braces(self._some(values))}")
        value = self.rng.choice(values)
        if self.rng.random() < 0.5:
            return say.atom(
                f"{path} = {value}", f"{path} in {{{value}}}", f"not {path} is not {value}"
            )
        return say.atom(f"{path} is not {value}", f"not {path} = {value}")

    def _seat(self) -> str:
        path = self._path(("destination.seat",))
        if path is None:
            return self._today()
        if self.rng.random() < 0.5:
            return self._term(path, COUNTRIES)
        return self.speller.atom(f"{path} in {self.region()}")

    def _region(self) -> str:
        path = self._path(TERM_SETS)
        if path is None:
            return self._today()
        say = self.speller
        match self.rng.randint(0, 4):
            case 0:
                country = self.rng.choice(COUNTRIES)
                return say.atom(f"{path} has {country}", f"{path} touches {{{country}}}")
            case 1:
                return say.atom(f"{path} touches {self.region()}")
            case _:
                return say.atom(f"{path} within {self.region()}")

    def region(self) -> str:
        """Zones and sets of countries put together, from left to right; never empty."""
        added = [self._part() for _ in range(self.rng.randint(1, 3))]
        text = " + ".join(name for name, _ in added)
        if added[0][0] == "MIXED":
            return text  # which of its values are left is not known here
        kept = self.rng.choice(sorted(added[0][1]))
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            name, values = self._part()
            if kept not in values:
                text += f" - {name}"
                if self.rng.random() < 0.3:
                    text += f" + {self._part()[0]}"
        return text

    def _part(self) -> tuple[str, frozenset[str]]:
        if self.rng.random() < 0.6:
            name = self.rng.choice(sorted(self.zones))
            return name, self.zones[name]
        values = self._some(COUNTRIES)
        return self.speller.braces(values), frozenset(values)

    def _labels(self) -> str:
        path = self._path(("data.labels",))
        if path is None:
            return self._today()
        say = self.speller
        match self.rng.randint(0, 3):
            case 0:
                return say.atom(f"{path} within {say.braces(self.rng.choice(CLOSED_LABELS))}")
            case 1:
                return say.atom(f"{path} touches {say.parts(self._some(LABELS))}")
            case _:
                label = self.rng.choice(LABELS)
                return say.atom(f"{path} has {label}", f"{path} touches {{{label}}}")

    def _kind(self) -> str:
        path = self._path(("data.kind",))
        return self._today() if path is None else self._term(path, LABELS)

    def _open(self) -> str:
        path = self._path(("destination.marks", "data.owner", "user.id"))
        if path is None:
            return self._today()
        if path != "destination.marks":
            return self._term(path, ("clinic", "bank/eu", '"Dr. Who"'))
        say = self.speller
        return say.atom(
            self.rng.choice(
                (
                    f"{path} within {{iso-27001, secnumcloud}}",
                    f'{path} touches {{iso-27001, "C5 2020"}}',
                    f"{path} has secnumcloud",
                )
            )
        )

    def _level(self) -> str:
        path = self._path(tuple(LEVELS))
        return self._today() if path is None else self._ordered(path, LEVELS[path])

    def _ordered(self, path: str, order: Sequence[str]) -> str:
        """Levels by a word of order, of equality, or by a set."""
        say = self.speller
        # Comparisons that are always true, or never, are for the checker to find.
        place = self.rng.randint(1, len(order) - 1)
        low, high = order[place - 1], order[place]
        match self.rng.randint(0, 2):
            case 0:
                return say.atom(f"{path} at least {high}", f"{path} more than {low}")
            case 1:
                return say.atom(f"{path} at most {low}", f"{path} less than {high}")
            case _:
                return self._term(path, order)

    def _amount(self) -> str:
        derived = tuple(amount for amount in DERIVED_AMOUNTS if amount.path in self.derived)
        amounts = {amount.path: amount for amount in (*AMOUNTS, *derived, *derived)}
        path = self._path(tuple(amounts))
        return self._today() if path is None else self.compare(amounts[path])

    def compare(self, amount: Amount) -> str:
        """A number with a number."""
        word = self.rng.choice(NUMBER_WORDS)
        least = 1 if word in ("at least", "less than") else 0
        bound = max(least, self.rng.choice(BOUNDS.get(amount.unit, (0, 1, 2, 3, 4))))
        if amount.negative and self.rng.random() < 0.3:
            bound = -bound
        return self.speller.order(amount.path, word, bound, amount.unit, amount.scale)

    def _date(self) -> str:
        paths = (*DATES, *(path for path in DERIVED_DATES if path in self.derived))
        path = self._path(paths)
        return self._today() if path is None else self._dated(path)

    def _dated(self, path: str) -> str:
        word = self.rng.choice(DATE_WORDS)
        if self.rng.random() < 0.5:
            return self.speller.around_today(path, word, self._offset())
        day = START + timedelta(days=self.rng.randint(-1, SPAN))
        return self.speller.before(path, word, day)

    def _offset(self) -> int:
        return self.rng.choice((0, 0, 1, 2, 3, 7, 14, -1, -2, -7, -14, 30))

    def _recent(self) -> str:
        path = self._path((*DATES, *(path for path in DERIVED_DATES if path in self.derived)))
        if path is None:
            return self._today()
        count = self.rng.choice((1, 2, 3, 7, 14))
        if self.rng.random() < 0.5:
            return self.speller.recently(path, count)
        return self.speller.atom(f"{path} within the next {self.speller.days(count)}")

    def _today(self) -> str:
        word = self.rng.choice(("before", "after", "on or before", "on or after"))
        day = START + timedelta(days=self.rng.randint(0, SPAN))
        return self.speller.before("today", word, day, of_today=True)

    # --- maps ------------------------------------------------------------------------

    def _key(self) -> str:
        keyed = self.rng.choice(MAPS)
        path = self._path([f"{keyed.path}[{key}]" for key in keyed.keys])
        return self._today() if path is None else self._of_map(keyed, path)

    def _each(self) -> str:
        keyed = self.rng.choice(MAPS)
        if any(f"{keyed.path}[{key}]" in self._used for key in keyed.keys):
            return self._today()
        self._used.update(f"{keyed.path}[{key}]" for key in keyed.keys)
        quantifier = self.rng.choice(("every", "some"))
        return self._of_map(keyed, f"{quantifier} {keyed.path}")

    def _of_map(self, keyed: Keyed, path: str) -> str:
        """Any comparison that fits the values of the map. Spellings that deny stand before
        the whole path: `not some` is not `some not`."""
        plain = Conditions(self.rng, Speller(), self.zones)
        say = plain if path.partition(" ")[0] in ("every", "some") else self
        match keyed:
            case _ if keyed == SEAL_MAP:
                return say._ordered(path, SEALS)
            case _ if keyed == SCORE_MAP:
                return say.compare(Amount(path, "percent", 2))
            case _ if keyed == DONE_MAP:
                return path + self.rng.choice(("", " = no", " is not no"))
            case _ if keyed == WHERE_MAP:
                return f"{path} in {say.region()}"
            case _:
                assert keyed == CHECKED_MAP
                return say._dated(path)

    def _known(self, *, affirms: bool) -> str:
        derived = tuple(sorted(self.derived))
        paths = ("transfer.tool", "data.labels", "destination.load", "transfer.assessed_on")
        maps = tuple(f"{keyed.path}[{keyed.keys[0]}]" for keyed in MAPS)
        every = tuple(f"{word} {MAPS[0].path}" for word in ("every", "some"))
        path = self.rng.choice((*paths, *derived, *maps, *every))
        quantified = path.partition(" ")[0] in ("every", "some")
        if affirms:
            return self.speller.atom(
                f"{path} is known", *([] if quantified else [f"not {path} is not known"])
            )
        return self.speller.atom(
            f"{path} is not known", *([] if quantified else [f"not {path} is known"])
        )

    def _some(self, values: Sequence[str]) -> list[str]:
        return self.rng.sample(list(values), self.rng.randint(1, min(3, len(values))))


# By unit, bounds that values come close to; in steps of the scale.
BOUNDS: Mapping[str, tuple[int, ...]] = {
    "days": (0, 1, 2, 3, 7, 14),
    "petaflop": (1, 2, 1000, 10**12),
    "percent": (0, 1, 10, 50, 240, 2400, 2450),
    "megawatts": (0, 1, 5, 10, 25, 10000),
    "persons": (0, 1, 2, 12345, 10**6),
    "eur": (0, 1, 2, 100),
    "items": (0, 1, 2, 3),
}
