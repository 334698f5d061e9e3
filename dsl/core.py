"""Core: what a charter means, and all that a back-end may see.

Exceptions, zones, taxonomies and spelling are compiled away by `dsl.lower`. What
is left of a rule is one formula over facts, in negation normal form: `Not` stands
only in front of an atom. The formula of a prohibition says when it is broken; the
formula of a permission says when it grants.

Three-valued meaning: `dsl.evaluate`. JSON form: `dsl.core_json`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

# --- facts ---------------------------------------------------------------------------


class Kind(Enum):
    """The shape of a fact's value once it is fit (see `dsl.facts`)."""

    TRUTH = "truth"  # bool
    TERM = "term"  # str
    TERMS = "terms"  # tuple[str, ...], sorted, without repeats
    INTEGER = "integer"  # int from 0 to 2**53 - 1: a count of its unit


class Origin(Enum):
    """Who alone may state a fact."""

    REQUEST = "request"
    CATALOGUE = "catalogue"
    VERIFIER = "verifier"
    LEDGER = "ledger"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class FactType:
    """What is known of a fact before anybody states it.

    `values` is the closed vocabulary of a TERM or TERMS fact, sorted, or None where
    any identifier will do; `vocabulary` is its name. `unit` is the unit an INTEGER
    counts. An empty set counts as unknown unless `may_be_empty`. `wire` is where the
    fact sits in a question, from its top level: `("context", "data", "labels")`.
    """

    path: str
    kind: Kind
    origin: Origin
    wire: tuple[str, ...]
    title: str = ""
    vocabulary: str | None = None
    values: tuple[str, ...] | None = None
    unit: str | None = None
    may_be_empty: bool = False
    # Taxonomy: each value with all values above it; empty where values are flat.
    broader: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the wire that names an entity of the catalogue, such as a site.

    The facts below `record` are then those the catalogue states of that entity.
    `wire` is where the reference `{"type", "id"}` stands in a question;
    `actions` are the actions that must carry one.
    """

    record: str
    entity: str
    wire: tuple[str, ...]
    actions: tuple[str, ...]


# --- conditions ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    """True or false whatever the facts."""

    value: bool


@dataclass(frozen=True, slots=True)
class Holds:
    """The TRUTH fact is `yes`."""

    path: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """The TERM fact is one of `values` (sorted)."""

    path: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """Every element of the TERMS fact is one of `values` (sorted)."""

    path: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Touches:
    """Some element of the TERMS fact is one of `values` (sorted)."""

    path: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The INTEGER fact is `bound` or more; the other comparisons are made of this."""

    path: str
    bound: int


@dataclass(frozen=True, slots=True)
class InForce:
    """Today, in `time_zone`, is on or after `first` and on or before `last`.

    Day numbers count from 1970-01-01; None leaves that end open. Never unknown.
    """

    time_zone: str
    first: int | None
    last: int | None


FactAtom = Holds | OneOf | Within | Touches | AtLeast
Atom = FactAtom | InForce | Constant


@dataclass(frozen=True, slots=True)
class Not:
    """An atom denied."""

    operand: Atom


@dataclass(frozen=True, slots=True)
class And:
    operands: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    operands: "tuple[Condition, ...]"


Condition = Atom | Not | And | Or


# --- rules ---------------------------------------------------------------------------


class Effect(Enum):
    """`FORBID` breaks where its formula is not certainly false; `PERMIT` grants where it
    is certainly true; `OBLIGE` neither breaks nor grants and only carries duties."""

    PERMIT = "permit"
    FORBID = "forbid"
    OBLIGE = "oblige"


@dataclass(frozen=True, slots=True)
class Citation:
    """One clause of law: `law` is the short name, `locator` such as `art 46(2)(c)`."""

    law: str
    title: str
    locator: str
    celex: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Duty:
    """What a permit may ask of the enforcement point.

    `id` is unique in the program. The duty applies where `condition` is not certainly
    false. `due_days` counts days from the decision; None means from now on.
    """

    id: str
    obligation: str
    title: str
    rule: str
    condition: Condition
    citations: tuple[Citation, ...]
    due_days: int | None = None


@dataclass(frozen=True, slots=True)
class ExceptionNote:
    """What is left of an exception for people: its formula went into the rule's.

    `condition` says when the exception is what saves: it holds, and the rule would be
    broken without it. No verdict depends on it.
    """

    id: str
    title: str
    citations: tuple[Citation, ...]
    condition: Condition


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `id` is `<charter>/<rule>`; `formula` is described by `Effect`."""

    id: str
    effect: Effect
    actions: tuple[str, ...]
    formula: Condition
    title: str
    citations: tuple[Citation, ...]
    because: str
    remedies: tuple[str, ...]
    exceptions: tuple[ExceptionNote, ...]
    duties: tuple[Duty, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled set of charters. Rules are sorted by id, facts by path."""

    facts: Mapping[str, FactType]
    places: tuple[Place, ...]
    actions: tuple[str, ...]
    rules: tuple[Rule, ...]

    def time_zones(self) -> tuple[str, ...]:
        """The time zones whose calendar day some rule reads, sorted."""
        zones = {atom.time_zone for atom in self.atoms() if isinstance(atom, InForce)}
        return tuple(sorted(zones))

    def atoms(self) -> Iterator[Atom]:
        """Every atom of every formula, exception and duty, in order, with repeats."""
        for rule in self.rules:
            yield from atoms(rule.formula)
            for note in rule.exceptions:
                yield from atoms(note.condition)
            for duty in rule.duties:
                yield from atoms(duty.condition)


def atoms(condition: Condition) -> Iterator[Atom]:
    """The atoms of a condition from left to right."""
    match condition:
        case And(operands) | Or(operands):
            for operand in operands:
                yield from atoms(operand)
        case Not(operand):
            yield operand
        case _:
            yield condition


def conjuncts(condition: Condition) -> tuple[Condition, ...]:
    """The conditions whose conjunction it is; itself alone where it is no `And`."""
    return condition.operands if isinstance(condition, And) else (condition,)


def opposite(condition: Condition) -> Condition:
    """The negation, again in negation normal form; its Kleene value is `negate` of the
    original's under any facts."""
    match condition:
        case Constant(value):
            return Constant(not value)
        case Not(operand):
            return operand
        case And(operands):
            return Or(tuple(opposite(operand) for operand in operands))
        case Or(operands):
            return And(tuple(opposite(operand) for operand in operands))
        case _:
            return Not(condition)
