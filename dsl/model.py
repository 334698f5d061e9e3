"""The typed model: charters with every name looked up and every type known.

Exceptions, zones with dates and the author's spelling of comparisons are still here;
`dsl.lower` compiles them away. `tests/dsl/naive.py` evaluates the model as it stands and
is the oracle for the lowering.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dsl.core import Citation, FactType, InForce, Place
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
    """One comparison of a fact. `region` goes with =, is not, in, has, within, touches;
    `bound` with the four number words; neither with HOLDS."""

    fact: FactType
    relation: Relation
    region: Region | None = None
    bound: int | None = None
    negated_truth: bool = False  # `path = no`


@dataclass(frozen=True)
class Not:
    operand: "Condition"


@dataclass(frozen=True)
class And:
    operands: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Or:
    operands: "tuple[Condition, ...]"


Condition = Test | Not | And | Or


class Effect(Enum):
    PERMIT = "permit"
    FORBID = "forbid"
    REQUIRE = "require"
    OBLIGE = "oblige"


@dataclass(frozen=True)
class Oblige:
    obligation: str
    title: str
    due_days: int | None


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
class Example:
    """An inline test of its rule. `given` maps fact paths to raw wire values (None for
    `unknown`); `entities` maps places to catalogue ids; `day` is a day number."""

    title: str
    expected: Expected
    obligations: tuple[str, ...]
    given: Mapping[str, object]
    entities: Mapping[str, str]
    day: int
    actions: tuple[str, ...]
    span: Span


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


@dataclass(frozen=True)
class Model:
    """All charters of a bundle together."""

    facts: Mapping[str, FactType]
    places: tuple[Place, ...]
    actions: tuple[str, ...]
    entities: Mapping[str, tuple[FactType, ...]]
    rules: tuple[Rule, ...]
