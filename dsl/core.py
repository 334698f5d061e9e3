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

from dsl.calculations import Compare, DaysBetween, Shift

# --- facts ---------------------------------------------------------------------------


class Kind(Enum):
    """The shape of a fact's value once it is fit (see `dsl.facts`)."""

    TRUTH = "truth"  # bool
    TERM = "term"  # str
    TERMS = "terms"  # tuple[str, ...], sorted, without repeats
    INTEGER = "integer"  # int within +-(2**53 - 1): a count of its unit, in steps of 10**-scale
    DAY = "day"  # int: days since 1970-01-01, of the years 1 to 9999


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

    `values` is the closed vocabulary of a TERM or TERMS fact, sorted, or None where any
    identifier will do; `vocabulary` is its name, and `order` the same values from lowest to
    highest where they are levels. `unit` is what an INTEGER counts, in steps of
    10**-`scale`: with a scale of 2, 2410 is 24.10. It is 0 or more unless
    `may_be_negative`. An empty set counts as unknown unless `may_be_empty`. `wire` is where
    the fact sits in a question, `("context", "data", "labels")`; it is empty for a fact
    that is derived, and for the profile.
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
    order: tuple[str, ...] = ()
    scale: int = 0
    may_be_negative: bool = False
    # Taxonomy: each value with all values above it; empty where values are flat.
    broader: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the wire that names an entity of the catalogue, such as a site.

    The facts below `record` are what the catalogue states of that entity. `wire` is where
    the reference `{"type", "id"}` stands in a question; `actions` must carry one.
    """

    record: str
    entity: str
    wire: tuple[str, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListType:
    """A list that the catalogue states: elements with `fields`, by their own names.

    No engine sees a list; derived facts are computed from it.
    """

    path: str
    origin: Origin
    wire: tuple[str, ...]
    title: str
    fields: Mapping[str, FactType]


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
    """The INTEGER or DAY fact is `bound` or more; the other comparisons are made of this.
    A bound of an INTEGER is in steps of the fact's scale."""

    path: str
    bound: int


@dataclass(frozen=True, slots=True)
class NotBefore:
    """The DAY fact is on or after the day that lies `offset` days after today in
    `time_zone`; before it where `offset` is negative."""

    path: str
    time_zone: str
    offset: int


@dataclass(frozen=True, slots=True)
class Known:
    """The fact is known. True or false, never unknown; it may only stand where a hidden
    fact cannot help the caller (`dsl.wellformed`)."""

    path: str


@dataclass(frozen=True, slots=True)
class InForce:
    """Today, in `time_zone`, is on or after `first` and on or before `last`, day numbers from
    1970-01-01; None leaves that end open. Never unknown."""

    time_zone: str
    first: int | None
    last: int | None


FactAtom = Holds | OneOf | Within | Touches | AtLeast | NotBefore | Known
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


# --- derived facts -------------------------------------------------------------------


class Aggregate(Enum):
    SUM = "sum"
    LARGEST = "largest"
    SMALLEST = "smallest"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Tally:
    """One number out of a list: of `field` in the elements where `where` is true.

    `where` reads facts of an element under the name of the list and the field,
    `holders.country`. `field` is None for NUMBER; `otherwise` is the value of LARGEST and
    SMALLEST over no element, in steps of the fact's scale.
    """

    aggregate: Aggregate
    list: str
    field: str | None
    where: Condition
    otherwise: int | None = None


Derivation = Tally | Shift | DaysBetween | Compare


# --- rules ---------------------------------------------------------------------------


class Effect(Enum):
    """`FORBID` breaks where its formula is not certainly false; `PERMIT` grants where it
    is certainly true; `OBLIGE` neither breaks nor grants and only carries duties;
    `PREFER` adds to the rank of a permitted candidate where it is certainly true."""

    PERMIT = "permit"
    FORBID = "forbid"
    OBLIGE = "oblige"
    PREFER = "prefer"


class Level(Enum):
    """Whether a prohibition or permission counts: WARN is told and SHADOW recorded, and
    neither changes an outcome."""

    ENFORCE = "enforce"
    WARN = "warn"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Citation:
    """One clause of law: `law` is the short name, `locator` such as `art 46(2)(c)`."""

    law: str
    title: str
    locator: str
    celex: str | None = None
    url: str | None = None


class DutyKind(Enum):
    """An enforcement point that does not understand an OBLIGATION must refuse; ADVICE it
    may ignore."""

    OBLIGATION = "obligation"
    ADVICE = "advice"


class DueUnit(Enum):
    MINUTES = "minutes"
    DAYS = "days"
    MONTHS = "months"


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline, counted from the decision."""

    amount: int
    unit: DueUnit


# A parameter as it goes out on the wire.
ParameterValue = bool | int | str


@dataclass(frozen=True, slots=True)
class Duty:
    """What a permit may ask of the enforcement point, or advise it.

    `id` is unique in the program. The duty applies where `condition` is not certainly
    false. Without `due` it binds from now on. `parameters` are sorted by name.
    """

    id: str
    obligation: str
    title: str
    rule: str
    condition: Condition
    citations: tuple[Citation, ...]
    due: Due | None = None
    kind: DutyKind = DutyKind.OBLIGATION
    parameters: tuple[tuple[str, ParameterValue], ...] = ()


@dataclass(frozen=True, slots=True)
class ExceptionNote:
    """What is left of an exception for people: its formula went into the rule's. `condition`
    says when it is what saves: it holds, and the rule would be broken without it. No verdict
    depends on it."""

    id: str
    title: str
    citations: tuple[Citation, ...]
    condition: Condition


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `id` is `<charter>/<rule>`; `formula` is described by `Effect`. `weight` is
    that of PREFER, 0 for every other effect."""

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
    level: Level = Level.ENFORCE
    weight: int = 0


# Where the profile of the caller stands among the facts, in programs that have profiles.
PROFILE_PATH = "deployment.profile"


@dataclass(frozen=True, slots=True)
class Profile:
    """Which charters a deployment, or some of its tenants, has in force. The profile
    without `tenants` is that of everybody else. Its permission is an ordinary rule."""

    name: str
    title: str
    charters: tuple[str, ...]
    tenants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Invariant:
    """A claim about the whole program: where `condition` is certainly true, none of
    `actions` is ever permitted. No engine reads it; a solver may prove it."""

    id: str
    title: str
    actions: tuple[str, ...]
    condition: Condition
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled set of charters. Rules are sorted by id, facts by path."""

    facts: Mapping[str, FactType]
    places: tuple[Place, ...]
    actions: tuple[str, ...]
    rules: tuple[Rule, ...]
    lists: Mapping[str, ListType] = field(default_factory=dict[str, ListType])
    derived: Mapping[str, Derivation] = field(default_factory=dict[str, Derivation])
    profiles: tuple[Profile, ...] = ()
    invariants: tuple[Invariant, ...] = ()

    def time_zones(self) -> tuple[str, ...]:
        """The time zones whose calendar day some rule or derived fact reads, sorted."""
        dated = (*self.atoms(), *self.atoms_of_derived())
        zones = {atom.time_zone for atom in dated if isinstance(atom, InForce | NotBefore)}
        between = (d for d in self.derived.values() if isinstance(d, DaysBetween))
        zones.update(d.time_zone for d in between if None in (d.first, d.last))
        return tuple(sorted(zones))

    def atoms_of_derived(self) -> Iterator[Atom]:
        """Every atom that a derived fact asks of elements of a list."""
        for derivation in self.derived.values():
            if isinstance(derivation, Tally):
                yield from atoms(derivation.where)

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
    # Without a generator for each part: every stage asks this of every condition.
    parts = [condition]
    while parts:
        part = parts.pop()
        if isinstance(part, And | Or):
            parts.extend(reversed(part.operands))
        else:
            yield part.operand if isinstance(part, Not) else part


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
