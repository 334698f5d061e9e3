"""Stage 2, derived facts: what type each has, and from what it is computed.

The condition of an aggregation is still a tree; `dsl.check_derive` types it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dsl import model, tree
from dsl.codes import Code
from dsl.comparisons import read_comparison
from dsl.core import (
    Aggregate,
    DaysBetween,
    FactType,
    Kind,
    ListType,
    Origin,
    Shift,
)
from dsl.derive import element_path
from dsl.diagnostics import Fix, Label, quoted
from dsl.found import Found
from dsl.quantities import QuantityReader
from dsl.scope import MapType
from dsl.source import Span

# Weakest first: a derived fact is no better than the weakest of what it is made of.
_STRENGTH = (Origin.REQUEST, Origin.LEDGER, Origin.CATALOGUE, Origin.VERIFIER, Origin.CLOCK)
_PHRASES = {
    "sum": "the sum of",
    "largest": "the largest",
    "smallest": "the smallest",
    "number": "the number of",
}


@dataclass(frozen=True)
class Stated:
    """What a charter can derive from, and who states each record that it sees."""

    facts: Mapping[str, FactType]
    maps: Mapping[str, MapType]
    lists: Mapping[str, ListType]
    records: Mapping[str, Origin]
    derived: frozenset[str]

    def paths(self) -> tuple[str, ...]:
        return (*self.facts, *self.maps, *self.lists)


@dataclass(frozen=True)
class Derived:
    """`where` and `elements`, the facts it may ask about, go with an aggregation."""

    fact: FactType
    derivation: model.Derivation
    where: tree.Condition | None
    elements: Mapping[str, FactType]


class DerivationReader:
    """Reads the derived facts of one charter; mistakes go to `found`."""

    def __init__(self, stated: Stated, time_zone: str, found: Found) -> None:
        self._stated = stated
        self._time_zone = time_zone
        self._found = found
        self._quantities = QuantityReader(found)

    def read(self, declared: tree.Derive) -> Derived | None:
        """The derived fact, or None where something in it is wrong."""
        if not self._is_free(declared):
            return None
        match declared.derivation:
            case tree.Aggregation():
                made = self._tally(declared, declared.derivation)
            case tree.Moved():
                made = self._shift(declared, declared.derivation)
            case tree.Between():
                made = self._between(declared, declared.derivation)
            case tree.Whether():
                made = self._whether(declared, declared.derivation)
        return made if made is not None and self._is_at_home(declared, made.fact) else None

    def _base(self, declared: tree.Derive, kind: Kind, *inputs: FactType | ListType) -> FactType:
        title = declared.title.text if declared.title else ""
        weakest = min((one.origin for one in inputs), key=_STRENGTH.index)
        return FactType(declared.path.text, kind, weakest, (), title)

    # --- where a derived fact goes ---

    def _is_free(self, declared: tree.Derive) -> bool:
        path = declared.path
        if path.text in self._stated.paths():
            self._found.report(
                Code.DECLARED_TWICE,
                f"{quoted(path.text)} is a field already",
                path.span,
                "give the derived fact a name of its own",
            )
            return False
        record = path.text.partition(".")[0]
        if path.text.count(".") != 1 or record not in self._stated.records:
            records = self._stated.records
            word = replace(path, text=record, span=_head(path, record))
            self._found.unknown(Code.UNKNOWN_NAME, "record", word, records)
            return False
        return True

    def _is_at_home(self, declared: tree.Derive, fact: FactType) -> bool:
        """A fact of a record from the catalogue that a caller can steer would be a claim in
        the dress of evidence."""
        record = declared.path.text.partition(".")[0]
        origin = self._stated.records[record]
        if origin is fact.origin:
            return True
        home = next((name for name, o in self._stated.records.items() if o is fact.origin), None)
        self._found.report(
            Code.DERIVED_ORIGIN,
            f"{quoted(record)} holds what comes from the {origin.value}, but this is derived "
            f"from what comes from the {fact.origin.value}",
            declared.path.span,
            f"derive it into a record from the {fact.origin.value}"
            + (f", such as `{home}`" if home else ""),
            Label(_input_span(declared.derivation), f"comes from the {fact.origin.value}"),
        )
        return False

    # --- what it is derived from ---

    def _tally(self, declared: tree.Derive, made: tree.Aggregation) -> Derived | None:
        path, _, name = made.path.text.rpartition(".")
        counts = made.word == "number"
        path = made.path.text if counts else path
        listed = self._stated.lists.get(path)
        if listed is None:
            self._no_list(made)
            return None
        elements = {
            element_path(path, own): replace(fact, path=element_path(path, own))
            for own, fact in listed.fields.items()
        }
        if counts:
            fact = replace(self._base(declared, Kind.INTEGER, listed), unit="items")
            tally = model.Tally(Aggregate.NUMBER, path, None, None, None)
            return Derived(fact, tally, made.where, elements)
        counted = self._counted(made, listed, name)
        if counted is None:
            return None
        fact = replace(
            self._base(declared, Kind.INTEGER, listed),
            unit=counted.unit,
            scale=counted.scale,
            may_be_negative=counted.may_be_negative,
        )
        otherwise = self._otherwise(made, fact)
        if otherwise is None and made.word != "sum":
            return None
        tally = model.Tally(Aggregate(made.word), path, name, None, otherwise)
        return Derived(fact, tally, made.where, elements)

    def _counted(self, made: tree.Aggregation, listed: ListType, name: str) -> FactType | None:
        field = listed.fields.get(name)
        if field is None:
            numbers = [f"{listed.path}.{own}" for own in listed.fields]
            self._found.unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", made.path, numbers)
            return None
        if field.kind is Kind.INTEGER:
            return field
        fit = [own for own, fact in listed.fields.items() if fact.kind is Kind.INTEGER]
        self._found.report(
            Code.DERIVED_FROM,
            f"{quoted(made.path.text)} is no number, and `{_PHRASES[made.word]}` counts numbers",
            made.path.span,
            f"name a field that is a number, such as `{listed.path}.{fit[0]}`"
            if fit
            else f"use `the number of {listed.path}`, with a condition after `where`",
        )
        return None

    def _otherwise(self, made: tree.Aggregation, fact: FactType) -> int | None:
        phrase = _PHRASES[made.word]
        if made.word == "sum" and made.otherwise is not None:
            self._found.report(
                Code.DERIVED_FROM,
                "the sum of nothing is 0, so `else` has no effect",
                made.otherwise.span,
                "remove `else` and what follows it",
            )
        if made.word == "sum":
            return None
        if made.otherwise is None:
            self._found.report(
                Code.DERIVED_FROM,
                f"`{phrase}` of an empty list is nothing, and this does not say what to take then",
                made.span,
                f"add `else` and a value, such as `else 0 {fact.unit}`",
            )
            return None
        return self._quantities.number(made.otherwise, fact)

    def _no_list(self, made: tree.Aggregation) -> None:
        """Say what the path is, if it is no list or no field of one."""
        stated, path, phrase = self._stated, made.path, _PHRASES[made.word]
        counts = made.word == "number"
        inside = path.text.rpartition(".")[0]
        fix: Fix | None = None
        if path.text in stated.lists:
            fields = stated.lists[path.text].fields
            numbers = [name for name, fact in fields.items() if fact.kind is Kind.INTEGER]
            field = (numbers or list(fields))[0]
            help_ = f"name a field of its elements, such as `{path.text}.{field}`"
            message = f"{quoted(path.text)} is a list, and `{phrase}` counts one field of a list"
        elif counts and inside in stated.lists:
            help_ = f"write `{phrase} {inside}`"
            fix = Fix(path.span, inside)
            message = (
                f"{quoted(path.text)} is a field, and `{phrase}` counts the elements of a list"
            )
        elif path.text in stated.derived:
            self._derived(path)
            return
        elif path.text in stated.facts or path.text in stated.maps:
            lists = ", ".join(f"`{name}`" for name in sorted(stated.lists)[:6])
            help_ = f"name one of the lists {lists}" if lists else "declare a field `list of …`"
            message = f"{quoted(path.text)} is no list, and `{phrase}` counts elements of a list"
        else:
            known = stated.lists if counts else self._fields_of_lists()
            self._found.unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, known)
            return
        self._found.report(Code.DERIVED_FROM, message, path.span, help_, fix=fix)

    def _fields_of_lists(self) -> list[str]:
        lists = self._stated.lists.values()
        return [f"{listed.path}.{name}" for listed in lists for name in listed.fields]

    def _derived(self, path: tree.Word) -> None:
        self._found.report(
            Code.DERIVED_FROM,
            f"{quoted(path.text)} is derived itself",
            path.span,
            "derive from what is stated",
            note="derived facts are computed once, from stated facts alone",
        )

    def _date(self, path: tree.Word) -> FactType | None:
        stated = self._stated
        fact = stated.facts.get(path.text)
        if fact is None and path.text in stated.derived:
            self._derived(path)
        elif fact is None and path.text not in stated.maps and path.text not in stated.lists:
            self._found.unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, stated.facts)
        elif fact is None or fact.kind is not Kind.DAY:
            self._found.report(
                Code.DERIVED_FROM,
                f"{quoted(path.text)} is no date",
                path.span,
                "name a field of the type `date`",
            )
        else:
            return fact
        return None

    def _shift(self, declared: tree.Derive, made: tree.Moved) -> Derived | None:
        fact = self._date(made.path)
        moved = self._quantities.shift(made.amount)
        if fact is None or moved is None:
            return None
        sign = -1 if made.minus else 1
        shift = Shift(fact.path, sign * moved[0], sign * moved[1])
        return Derived(self._base(declared, Kind.DAY, fact), shift, None, {})

    def _between(self, declared: tree.Derive, made: tree.Between) -> Derived | None:
        ends = [self._date(path) for path in (made.first, made.last) if path is not None]
        if not ends:
            self._found.report(
                Code.DERIVED_FROM,
                "from today to today there are no days",
                made.span,
                "name a date on one side",
            )
        dates = [fact for fact in ends if fact is not None]
        if not ends or len(dates) < len(ends):
            return None
        first = made.first.text if made.first else None
        last = made.last.text if made.last else None
        fact = replace(
            self._base(declared, Kind.INTEGER, *dates), unit="days", may_be_negative=True
        )
        return Derived(fact, DaysBetween(first, last, self._time_zone), None, {})

    # --- two facts compared ---

    def _whether(self, declared: tree.Derive, made: tree.Whether) -> Derived | None:
        left, right = self._stated_fact(made.left), self._stated_fact(made.right)
        if left is None or right is None:
            return None
        compare = read_comparison(made, left, right, self._found)
        if compare is None:
            return None
        return Derived(self._base(declared, Kind.TRUTH, left, right), compare, None, {})

    def _stated_fact(self, path: tree.Word) -> FactType | None:
        fact = self._stated.facts.get(path.text)
        if path.text in self._stated.derived:
            self._derived(path)
        elif fact is None:
            self._found.unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, self._stated.facts)
        else:
            return fact
        return None


def _head(path: tree.Word, record: str) -> Span:
    return path.span.source.span(path.span.start, path.span.start + len(record))


def _input_span(
    derivation: tree.Aggregation | tree.Moved | tree.Between | tree.Whether,
) -> Span:
    match derivation:
        case tree.Whether(left):
            return left.span
        case tree.Between(first, last, span):
            word = first or last
            return word.span if word else span
        case _:
            return derivation.path.span
