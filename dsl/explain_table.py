"""Truth tables of rules: for each combination of what is so, is not so and is not known, what
the definition (`dsl.evaluate`) makes of it.

A column is a comparison as its author wrote it or, where there are too many of them,
several taken together; the table then says which.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from string import ascii_uppercase

from dsl.core import And, Condition, Constant, InForce, Known, atoms, opposite
from dsl.evaluate import truth
from dsl.explain_parts import Part, Parts, single
from dsl.facts import Question
from dsl.kleene import Truth
from dsl.lower_condition import conjunction, disjunction
from dsl.wording import sentence

MAX_COLUMNS = 6
MAX_ROWS = 24

_VALUES = (Truth.TRUE, Truth.FALSE, Truth.UNKNOWN)


@dataclass(frozen=True)
class Column:
    """`words` says what is so, is not so or is not known; `condition` is the same in the
    core, and `name` stands for it in the formula of the table."""

    letter: str
    name: str
    words: str
    condition: Condition

    @property
    def values(self) -> tuple[Truth, ...]:
        """The values it can have: a day, or whether something is known, is never unknown."""
        plain = all(isinstance(atom, InForce | Known | Constant) for atom in atoms(self.condition))
        return _VALUES[:2] if plain else _VALUES


@dataclass(frozen=True)
class Row:
    """For each column the values that this row is about, in one order; all of them, and
    the column decides nothing here. `outcome` is what the rule then does."""

    cells: tuple[tuple[Truth, ...], ...]
    outcome: str


@dataclass(frozen=True)
class Table:
    """`together` says what was taken together for want of room."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    together: tuple[str, ...]
    formula: Condition


Outcome = Callable[[Truth], str]


def table_of(parts: Parts, outcome: Outcome) -> Table:
    """The most detailed table of a rule that can be read at a sitting."""
    found: Table | None = None
    for abridged, together in _abridgements(parts):
        table = _table(abridged, together, outcome)
        found = table or found
        if table is not None and len(table.rows) <= MAX_ROWS:
            break
    assert found is not None  # noqa: S101 - the last abridgement has four columns
    return found


def _table(parts: Parts, together: tuple[str, ...], outcome: Outcome) -> Table | None:
    found: dict[str, tuple[str, Condition]] = {}
    for part in _all(parts):
        found.update(part.columns)
    if len(found) > MAX_COLUMNS:
        return None
    columns = tuple(
        Column(letter, name, words, condition)
        for letter, (name, (words, condition)) in zip(ascii_uppercase, found.items(), strict=False)
    )
    formula = _formula(parts)
    rows = tuple(_rows(columns, formula, outcome))
    return Table(columns, rows, together, formula)


def _all(parts: Parts) -> Iterator[Part]:
    if parts.in_force is not None:
        yield parts.in_force
    yield from (*parts.when, *parts.require, *parts.exceptions)


def _formula(parts: Parts) -> Condition:
    """The formula of the rule over its columns, as `dsl.lower` makes it of its facts."""
    reach = [part.form for part in ([parts.in_force] if parts.in_force else [])]
    reach += [part.form for part in parts.when]
    refused = [opposite(And(tuple(part.form for part in parts.require)))] if parts.require else []
    spared = [opposite(part.form) for part in parts.exceptions]
    return And((*reach, *refused, *spared))


# --- abridging -----------------------------------------------------------------------

Step = Callable[[Parts], tuple[Parts, str | None]]


def _abridgements(parts: Parts) -> Iterator[tuple[Parts, tuple[str, ...]]]:
    """The rule in ever fewer columns, with what was taken together."""
    together: tuple[str, ...] = ()
    yield parts, together
    for step in (_each_exception, _all_exceptions, _requirement, _each_condition, _conditions):
        parts, words = step(parts)
        if words is not None:
            together = (*together, words)
            yield parts, together


def _each_exception(parts: Parts) -> tuple[Parts, str | None]:
    """One column for each exception."""
    if all(len(part.columns) == 1 for part in parts.exceptions):
        return parts, None
    whole = tuple(
        part.together(f"the exception {name} holds")
        for name, part in zip(parts.names, parts.exceptions, strict=True)
    )
    return replace(parts, exceptions=whole), "the conditions of each exception"


def _all_exceptions(parts: Parts) -> tuple[Parts, str | None]:
    """One column for all exceptions."""
    count = len(parts.exceptions)
    if count < 2:
        return parts, None
    any_ = disjunction(part.condition for part in parts.exceptions)
    one = single(f"one of the {count} exceptions holds", any_)
    return replace(parts, exceptions=(one,)), f"the {count} exceptions"


def _requirement(parts: Parts) -> tuple[Parts, str | None]:
    """One column for what is required."""
    if sum(len(part.columns) for part in parts.require) < 2:
        return parts, None
    words = "what it requires is so"
    return replace(parts, require=(_whole(parts.require, words),)), "what is required"


def _each_condition(parts: Parts) -> tuple[Parts, str | None]:
    """One column for each condition between top-level `and`s."""
    if all(len(part.columns) == 1 for part in parts.when):
        return parts, None
    whole = tuple(part.together(sentence(part.phrase)) for part in parts.when)
    return replace(parts, when=whole), "comparisons that stand together"


def _conditions(parts: Parts) -> tuple[Parts, str | None]:
    """One column for all conditions of the rule."""
    if len(parts.when) < 2:
        return parts, None
    words = "its conditions hold"
    return replace(parts, when=(_whole(parts.when, words),)), "the conditions of the rule"


def _whole(parts: Sequence[Part], words: str) -> Part:
    return single(words, conjunction(part.condition for part in parts))


# --- rows ----------------------------------------------------------------------------


def _rows(columns: Sequence[Column], formula: Condition, outcome: Outcome) -> Iterator[Row]:
    outcomes: dict[tuple[Truth, ...], str] = {}
    for values in product(*(column.values for column in columns)):
        facts = {
            column.name: value is Truth.TRUE
            for column, value in zip(columns, values, strict=True)
            if value is not Truth.UNKNOWN
        }
        outcomes[values] = outcome(truth(formula, Question("", facts, {})))
    yield from _merged(columns, outcomes, ())


def _merged(
    columns: Sequence[Column],
    outcomes: Mapping[tuple[Truth, ...], str],
    given: tuple[Truth, ...],
) -> Iterator[Row]:
    """The rows below some given values; values of a column below which all is alike are
    one row, and all of them together mean that the column does not matter."""
    if len(given) == len(columns):
        yield Row((), outcomes[given])
        return
    below: dict[tuple[Row, ...], list[Truth]] = {}
    for value in columns[len(given)].values:
        rows = tuple(_merged(columns, outcomes, (*given, value)))
        below.setdefault(rows, []).append(value)
    for rows, values in below.items():
        for row in rows:
            yield Row((tuple(values), *row.cells), row.outcome)
