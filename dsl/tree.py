"""The tree: what the author wrote, clause by clause, each with its place.

Nothing is looked up and nothing is left out yet; `dsl.resolve` and `dsl.check` do that.
"""

from dataclasses import dataclass
from enum import Enum

from dsl.source import SourceText, Span
from dsl.tree_conditions import (
    And,
    Cites,
    Condition,
    Day,
    Literal,
    Not,
    Number,
    Or,
    Period,
    Quantifier,
    Region,
    Relation,
    Test,
    Today,
    ValueSet,
    Word,
    YesNo,
)
from dsl.tree_declarations import (
    Action,
    Advice,
    Aggregation,
    Between,
    Derive,
    Entity,
    Enumeration,
    Field,
    Invariant,
    Law,
    Levels,
    Member,
    Moved,
    Obligation,
    Profile,
    Record,
    Shape,
    Structure,
    Taxonomy,
    Term,
    Type,
    Whether,
    Zone,
)

__all__ = [
    "Action",
    "Advice",
    "Aggregation",
    "And",
    "Assume",
    "Because",
    "Between",
    "Charter",
    "Cites",
    "Condition",
    "Day",
    "Declaration",
    "Derive",
    "Entity",
    "Enumeration",
    "Example",
    "Exceptional",
    "Expected",
    "Field",
    "Forbid",
    "Given",
    "InForce",
    "Invariant",
    "Law",
    "LevelClause",
    "Levels",
    "Literal",
    "Member",
    "Moved",
    "Not",
    "Number",
    "Obligation",
    "Oblige",
    "On",
    "Or",
    "Parameter",
    "Period",
    "Permit",
    "Prefer",
    "Profile",
    "Quantifier",
    "Record",
    "Region",
    "Relation",
    "Remedy",
    "Require",
    "Rule",
    "RuleClause",
    "Shape",
    "Structure",
    "Taxonomy",
    "Term",
    "Test",
    "Today",
    "Type",
    "ValueSet",
    "When",
    "Whether",
    "Word",
    "YesNo",
    "Zone",
]


@dataclass(frozen=True)
class InForce:
    period: Period
    span: Span


@dataclass(frozen=True)
class On:
    actions: tuple[Word, ...]
    span: Span


@dataclass(frozen=True)
class When:
    condition: Condition
    span: Span


@dataclass(frozen=True)
class Require:
    condition: Condition
    span: Span


@dataclass(frozen=True)
class Permit:
    span: Span


@dataclass(frozen=True)
class Forbid:
    span: Span


@dataclass(frozen=True)
class Prefer:
    weight: Number
    span: Span


@dataclass(frozen=True)
class LevelClause:
    """`word` is `enforce`, `warn` or `shadow`."""

    word: str
    span: Span


@dataclass(frozen=True)
class Parameter:
    name: Word
    value: Literal


@dataclass(frozen=True)
class Oblige:
    """`oblige`, or `advise` where `advises`."""

    obligation: Word
    due: Number | None
    span: Span
    parameters: tuple[Parameter, ...] = ()
    advises: bool = False


@dataclass(frozen=True)
class Because:
    text: str
    span: Span


@dataclass(frozen=True)
class Remedy:
    text: str
    span: Span


class Expected(Enum):
    PERMITTED = "permitted"
    DENIED = "denied"
    UNDETERMINED = "undetermined"
    PREFERRED = "preferred"


@dataclass(frozen=True)
class Given:
    """`path = value` of an example; the value is None for `unknown`. `key` names one key
    of a map, `every` all of them."""

    path: Word
    value: Literal | ValueSet | None
    span: Span
    key: Word | None = None
    every: bool = False


@dataclass(frozen=True)
class Example:
    title: Word
    expected: Expected
    obligations: tuple[Word, ...]
    given: tuple[Given, ...]
    as_of: Day | None
    action: Word | None
    span: Span
    by: tuple[Word, ...] = ()
    advice: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Assume:
    """What holds in every example of the charter that does not say otherwise."""

    given: tuple[Given, ...]
    span: Span


RuleClause = (
    Cites
    | InForce
    | LevelClause
    | On
    | When
    | Require
    | Permit
    | Forbid
    | Prefer
    | Oblige
    | Because
    | Remedy
    | Example
)


@dataclass(frozen=True)
class Exceptional:
    """An exception and the clauses written below it."""

    name: Word
    title: Word
    clauses: tuple[RuleClause, ...]


@dataclass(frozen=True)
class Rule:
    """A rule; `clauses` are those before the first exception, and every `because`,
    `remedy` and `example` wherever it stands."""

    name: Word
    title: Word
    clauses: tuple[RuleClause, ...]
    exceptions: tuple[Exceptional, ...]


Declaration = (
    Action
    | Enumeration
    | Levels
    | Taxonomy
    | Structure
    | Entity
    | Record
    | Derive
    | Zone
    | Obligation
    | Advice
    | Profile
    | Invariant
    | Assume
    | Rule
)


@dataclass(frozen=True)
class Charter:
    source: SourceText
    name: Word
    title: Word | None
    laws: tuple[Law, ...]
    time_zone: Word | None
    as_of: Day | None
    imports: tuple[Word, ...]
    declarations: tuple[Declaration, ...]
