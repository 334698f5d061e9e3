"""The typed model: charters with every name looked up and every type known.

Exceptions, zones with dates and the author's spelling of comparisons are still here;
`dsl.lower` compiles them away. `tests/dsl/naive.py` evaluates the model as it stands and
is the oracle for the lowering.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from dsl.core import (
    Aggregate,
    Citation,
    Compare,
    DaysBetween,
    Due,
    DutyKind,
    FactType,
    InForce,
    Level,
    ListType,
    ParameterValue,
    Place,
    Profile,
    Shift,
)
from dsl.source import Span
from dsl.tree import Expected, Relation


@dataclass(frozen=True)
class Region:
    """A set of values with the periods in which each belongs to it.

    `members` maps a value to its periods; the empty tuple means always. Values are closed
    downward in their taxonomy: a region that holds `personal` holds `health`.
    """

    members: Mapping[str, tuple[InForce, ...]]


@dataclass(frozen=True)
class Test:
    """One comparison of a fact.

    `region` goes with =, is not, in, has, within and touches over terms, and with the four
    number words over ordered levels (it then holds the one level written); `bound` with
    =, is not and the number words over numbers (in steps of the scale), and with =, is not
    and the four date words over dates (a day number). `clock` is set where the bound of a
    date counts from today in that time zone, and `bound` is then the offset in days. `days`
    goes with LAST and NEXT. None of them with HOLDS, KNOWN and NOT_KNOWN.
    """

    fact: FactType
    relation: Relation
    region: Region | None = None
    bound: int | None = None
    negated_truth: bool = False  # `path = no`
    clock: str | None = None
    days: int | None = None


@dataclass(frozen=True)
class Today:
    """`today` compared with a day: true on the days of the interval."""

    interval: InForce


@dataclass(frozen=True)
class Not:
    operand: "Condition"


@dataclass(frozen=True)
class And:
    operands: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Or:
    operands: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Each:
    """`every` (all of them hold) or `some` (one of them does) over the keys of a map."""

    every: bool
    tests: tuple[Test, ...]


Condition = Test | Today | Each | Not | And | Or


class Effect(Enum):
    PERMIT = "permit"
    FORBID = "forbid"
    REQUIRE = "require"
    OBLIGE = "oblige"
    PREFER = "prefer"


@dataclass(frozen=True)
class Oblige:
    """A duty, or advice, as a rule or an exception lays it down."""

    obligation: str
    title: str
    due: Due | None
    kind: DutyKind = DutyKind.OBLIGATION
    parameters: tuple[tuple[str, ParameterValue], ...] = ()


@dataclass(frozen=True)
class Tally:
    """As `core.Tally`, with `where` (None: every element) as written."""

    aggregate: Aggregate
    list: str
    field: str | None
    where: Condition | None
    otherwise: int | None


Derivation = Tally | Shift | DaysBetween | Compare


@dataclass(frozen=True)
class Invariant:
    id: str
    title: str
    actions: tuple[str, ...]
    condition: Condition
    citations: tuple[Citation, ...]


@dataclass(frozen=True)
class ProfilePermit:
    """What a profile permits; `when` is None where it does so without condition."""

    id: str
    profile: str
    title: str
    actions: tuple[str, ...]
    when: Condition | None


@dataclass(frozen=True)
class Exceptional:
    """An exception; it holds where it is in force and `when` is true."""

    id: str
    title: str
    citations: tuple[Citation, ...]
    in_force: InForce
    when: Condition
    obliges: tuple[Oblige, ...]


@dataclass(frozen=True)
class Assumed:
    """Facts and entities as an example gives them."""

    given: Mapping[str, object] = field(default_factory=dict[str, object])
    entities: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Example:
    """An inline test of its rule. `given` maps fact paths to raw wire values (None for
    `unknown`); `entities` maps places to catalogue ids; `day` is a day number. `by` holds
    the ids of rules or exceptions that must be the reason, None where it does not say.
    `assumed` is what all examples of the charter take for granted; whatever an example
    states itself, or gets from an entity that it names, counts before it."""

    title: str
    expected: Expected
    obligations: tuple[str, ...]
    advice: tuple[str, ...]
    by: tuple[str, ...] | None
    given: Mapping[str, object]
    entities: Mapping[str, str]
    day: int
    actions: tuple[str, ...]
    span: Span
    assumed: Assumed = Assumed()


@dataclass(frozen=True)
class Rule:
    """A rule. `when` is None where it always applies; `require` goes with REQUIRE."""

    id: str
    charter: str
    effect: Effect
    actions: tuple[str, ...]
    title: str
    citations: tuple[Citation, ...]
    in_force: InForce
    when: Condition | None
    require: Condition | None
    exceptions: tuple[Exceptional, ...]
    obliges: tuple[Oblige, ...]
    because: str
    remedies: tuple[str, ...]
    examples: tuple[Example, ...]
    span: Span
    level: Level = Level.ENFORCE
    weight: int = 0


@dataclass(frozen=True)
class Model:
    """All charters of a bundle together."""

    facts: Mapping[str, FactType]
    places: tuple[Place, ...]
    actions: tuple[str, ...]
    entities: Mapping[str, tuple[FactType, ...]]
    rules: tuple[Rule, ...]
    lists: Mapping[str, ListType] = field(default_factory=dict[str, ListType])
    derived: Mapping[str, Derivation] = field(default_factory=dict[str, Derivation])
    profiles: tuple[Profile, ...] = ()
    permits: tuple[ProfilePermit, ...] = ()
    invariants: tuple[Invariant, ...] = ()
