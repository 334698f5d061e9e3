"""The tree of all that a charter declares besides rules: vocabulary, profiles, claims."""

from dataclasses import dataclass
from enum import Enum

from dsl.source import Span
from dsl.tree_conditions import Cites, Condition, Literal, Number, Period, Region, Relation, Word


@dataclass(frozen=True)
class Law:
    name: Word
    title: Word
    celex: Word | None
    url: Word | None


@dataclass(frozen=True)
class Action:
    name: Word
    title: Word


@dataclass(frozen=True)
class Enumeration:
    name: Word
    title: Word
    values: tuple[Word, ...]


@dataclass(frozen=True)
class Term:
    name: Word
    title: Word
    under: tuple[Word, ...]


@dataclass(frozen=True)
class Levels:
    """Ordered levels, from lowest to highest."""

    name: Word
    title: Word
    values: tuple[Word, ...]


@dataclass(frozen=True)
class Taxonomy:
    name: Word
    title: Word
    terms: tuple[Term, ...]


class Shape(Enum):
    TERM = "term"
    SET = "set"
    SET_OR_NONE = "set or none"
    TRUTH = "yes or no"
    NUMBER = "number"
    MAP = "map"
    LIST = "list"


@dataclass(frozen=True)
class Type:
    """`name` is the type of a term or of a set's elements, a number's unit, a map's key or
    the structure of a list's elements. `of` is the type of a map's values. `decimals` is
    None where a number does not say."""

    shape: Shape
    name: Word | None
    span: Span
    of: "Type | None" = None
    decimals: Word | None = None
    negative: bool = False


@dataclass(frozen=True)
class Field:
    name: Word
    type: Type
    title: Word | None


@dataclass(frozen=True)
class Structure:
    """What an element of a list is made of."""

    name: Word
    title: Word
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Entity:
    name: Word
    title: Word
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Record:
    """A record with `fields` of its own, or, where `entity` is set, a place on the wire
    that names an entity of the catalogue and has that entity's fields."""

    name: Word
    title: Word | None
    origin: Word
    wire: Word
    fields: tuple[Field, ...]
    entity: Word | None
    actions: tuple[Word, ...]


@dataclass(frozen=True)
class Member:
    values: tuple[Word, ...]
    basis: Word | None
    celex: Word | None
    period: Period


@dataclass(frozen=True)
class Zone:
    """A zone by its members or, where `region` is set, put together of others."""

    name: Word
    title: Word
    members: tuple[Member, ...]
    region: Region | None = None


@dataclass(frozen=True)
class Obligation:
    """What a permit may oblige to; `fields` are the parameters of the duty."""

    name: Word
    title: Word
    fields: tuple[Field, ...] = ()
    has_deadline: bool = False


@dataclass(frozen=True)
class Advice:
    name: Word
    title: Word
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Aggregation:
    """`the sum of path where condition`, and so on; `word` is `sum`, `largest`, `smallest`
    or `number`."""

    word: str
    path: Word
    where: Condition | None
    otherwise: Literal | None
    span: Span


@dataclass(frozen=True)
class Moved:
    """A date plus or minus an amount of time."""

    path: Word
    amount: Number
    minus: bool
    span: Span


@dataclass(frozen=True)
class Between:
    """`the days from first to last`; None stands for today."""

    first: Word | None
    last: Word | None
    span: Span


@dataclass(frozen=True)
class Whether:
    """`whether left … right`, two attributes compared."""

    left: Word
    relation: Relation
    right: Word
    span: Span


@dataclass(frozen=True)
class Derive:
    path: Word
    title: Word | None
    derivation: Aggregation | Moved | Between | Whether


@dataclass(frozen=True)
class Profile:
    name: Word
    title: Word
    charters: tuple[Word, ...]
    tenants: tuple[Word, ...]
    permits: tuple[Word, ...]
    when: Condition | None


@dataclass(frozen=True)
class Invariant:
    name: Word
    title: Word
    cites: tuple[Cites, ...]
    actions: tuple[Word, ...]
    condition: Condition
    span: Span
