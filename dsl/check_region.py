"""Stage 3, what stands at the right of a relation: values, sets and zones."""

from collections.abc import Iterator, Set
from itertools import islice

from dsl import model, tree
from dsl.codes import Code
from dsl.core import FactType, InForce, Kind
from dsl.diagnostics import Fix, Severity, quoted
from dsl.found import Found, spelling
from dsl.periods import Members, Periods, join
from dsl.scope import Scope, Vocabulary
from dsl.tree import Relation
from dsl.vocabularies import MAX_LISTED, check_value, choose, listed
from dsl.zone_parts import put_together

# A value with the periods in which it belongs to a region; empty means always.
Member = tuple[str, tuple[InForce, ...]]


class RegionChecker:
    """Checks values and regions of one charter; mistakes go to `found`."""

    def __init__(self, scope: Scope, found: Found) -> None:
        self._scope = scope
        self._found = found
        self._vocabularies = dict(scope.vocabularies)
        self._in_sight: dict[str | None, str | None] = {}

    def value(self, literal: tree.Literal | tree.Today, fact: FactType) -> str | None:
        """The value a literal names in the vocabulary of a TERM or TERMS fact."""
        known = self._vocabulary(fact)
        if isinstance(literal, tree.Word) and known is None:
            self._check_no_zone(literal, fact)
            return literal.text if check_value(literal, self._found) else None
        if isinstance(literal, tree.Word) and known is not None and literal.text in known.known:
            return literal.text
        if known is not None and isinstance(literal, tree.Word):
            if literal.text in self._scope.zones and not literal.quoted:
                self._zone_as_value(literal, fact)
            elif fact.order and self._ladder(literal, fact) is not None:
                self._other_ladder(literal, fact)
            else:
                help_ = _ask_known(literal, fact) or choose(known, self._scope.charter.name.text)
                self._found.unknown(
                    Code.UNKNOWN_VALUE, known.name, literal, known.values, help_=help_
                )
            return None
        some = ", ".join(known.values[:6]) if known else "a name, or a text in quotes"
        self._found.report(
            Code.TYPE_MISMATCH,
            f"{quoted(literal.span.text)} is no value of {quoted(fact.path)}",
            literal.span,
            f"write a value such as {some}" if known else f"write {some}",
        )
        return None

    def _ladder(self, word: tree.Word, fact: FactType) -> Vocabulary | None:
        """Other levels in sight that have a value of this name."""
        others = (v for name, v in self._vocabularies.items() if name != fact.vocabulary)
        return next((v for v in others if v.order and word.text in v.known), None)

    def _other_ladder(self, word: tree.Word, fact: FactType) -> None:
        other = self._ladder(word, fact)
        assert other is not None  # noqa: S101 - the caller has looked
        self._found.report(
            Code.OTHER_LADDER,
            f"{quoted(word.text)} is a level of `{other.name}`, but {quoted(fact.path)} has "
            f"levels of `{fact.vocabulary}`",
            word.span,
            f"write {listed([f'`{spelling(v)}`' for v in fact.order[:MAX_LISTED]])}",
            note="levels of two ladders cannot be compared",
        )

    def _zone_as_value(self, word: tree.Word, fact: FactType) -> None:
        words = "`within` or `touches`" if fact.kind is Kind.TERMS else "`in`"
        self._found.report(
            Code.TYPE_MISMATCH,
            f"{quoted(word.text)} is a zone, and one value goes here",
            word.span,
            f"use {words} with a zone",
        )

    def _check_no_zone(self, word: tree.Word, fact: FactType) -> None:
        """Any name will do as an identifier, also that of a zone, which is then one value."""
        if word.quoted or word.text not in self._scope.zones:
            return
        self._found.report(
            Code.ZONE_AS_VALUE,
            f"{quoted(word.text)} is a zone, but {quoted(fact.path)} is compared with the name",
            word.span,
            f'write `"{word.text}"` if that name is meant, else compare an attribute that holds '
            "what the zone has as members",
            fix=Fix(word.span, f'"{word.text}"'),
            severity=Severity.WARNING,
        )

    def _vocabulary(self, fact: FactType) -> Vocabulary | None:
        if fact.vocabulary is None:
            return None
        # A record can have fields of a vocabulary that this charter does not import.
        if fact.vocabulary not in self._vocabularies:
            made = Vocabulary(fact.vocabulary, fact.values or (), fact.broader, order=fact.order)
            self._vocabularies[fact.vocabulary] = made
        return self._vocabularies[fact.vocabulary]

    def region(self, operand: object, fact: FactType, relation: Relation) -> model.Region | None:
        """The values that an operand names, as `model.Region` says; None where something in
        it is wrong."""
        before = self._found.errors
        if not isinstance(operand, tree.Region):
            members = self._widened(operand, fact, relation)
            # Nothing is in an empty region, and nothing says so: that is no region.
            return _region(members) if members and self._found.errors == before else None
        parts = [self._widened(part, fact, relation) for part in operand.parts]
        if self._found.errors > before:
            return None
        self._check_taken(operand, parts, fact, relation)
        members = put_together(operand, parts, self._found)
        if members is not None and relation is Relation.WITHIN:
            self._check_closed(operand, fact, members.keys())
        return None if members is None or self._found.errors > before else _region(members)

    def _widened(self, part: object, fact: FactType, relation: Relation) -> Members:
        """One part of a region, closed downward in its taxonomy."""
        members: dict[str, Periods] = {}
        for value, periods in self._part(part, fact, relation):
            for one in self._narrower(value, fact, relation):
                # Only what is named twice has to be joined, day by day.
                named = join({one: members[one]}, {one: periods}) if one in members else None
                members[one] = named[one] if named else periods
        return members

    def _check_taken(
        self, region: tree.Region, parts: list[Members], fact: FactType, relation: Relation
    ) -> None:
        """In a set that arrives with every broader term, taking the narrower one away from
        what is touched would take nothing away."""
        if relation is not Relation.TOUCHES or not fact.broader:
            return
        kept = {v for i, part in enumerate(parts) if i not in region.minus for v in part}
        for index in sorted(region.minus):
            for value in sorted(parts[index]):
                above = sorted(kept & set(fact.broader.get(value, ())))
                if above:
                    self._found.report(
                        Code.BROADER_LEFT_OUT,
                        f"whatever is {quoted(value)} is also {quoted(above[0])}, so taking "
                        f"{quoted(value)} away has no effect",
                        region.parts[index].span,
                        f"write `and not {fact.path} has {value}`",
                    )
                    return

    def _part(self, part: object, fact: FactType, relation: Relation) -> Iterator[Member]:
        match part:
            case tree.ValueSet(values, span):
                if not values:
                    help_ = "write at least one value between the braces"
                    message = "nothing can be in an empty set"
                    self._found.report(Code.EMPTY_SET, message, span, help_)
                for literal in values:
                    value = self.value(literal, fact)
                    if value is not None:
                        yield value, ()
            case tree.Word() if relation in (Relation.IN, Relation.WITHIN, Relation.TOUCHES):
                yield from self._zone(part, fact)
            case tree.Word() | tree.Number() | tree.YesNo() | tree.Day() | tree.Today():
                value = self.value(part, fact)
                if value is not None:
                    yield value, ()
            case _:
                pass

    def _zone(self, word: tree.Word, fact: FactType) -> Iterator[Member]:
        zone = self._scope.zones.get(word.text)
        known = self._vocabulary(fact)
        if zone is None and known is not None and word.text in known.known:
            self._found.report(
                Code.UNKNOWN_ZONE,
                f"{quoted(word.text)} is a value, and a zone or a set goes here",
                word.span,
                f"write `{{{word.text}}}`",
                fix=Fix(word.span, f"{{{word.text}}}"),
            )
        elif zone is None:
            help_ = self._zones_in_sight(fact)
            self._found.unknown(Code.UNKNOWN_ZONE, "zone", word, self._scope.zones, help_=help_)
        elif zone.vocabulary != fact.vocabulary:
            holds = f"values of `{fact.vocabulary}`" if fact.vocabulary else "identifiers"
            self._found.report(
                Code.TYPE_MISMATCH,
                f"{quoted(word.text)} is a zone of `{zone.vocabulary}`, but {quoted(fact.path)} "
                f"holds {holds}",
                word.span,
                f"name a zone of `{fact.vocabulary}`" if fact.vocabulary else "write a set",
            )
        else:
            yield from zone.members.items()

    def _zones_in_sight(self, fact: FactType) -> str | None:
        if fact.vocabulary not in self._in_sight:
            self._in_sight[fact.vocabulary] = self._zones_of(fact.vocabulary)
        return self._in_sight[fact.vocabulary]

    def _zones_of(self, vocabulary: str | None) -> str | None:
        zones = self._scope.zones.items()
        fit = (f"`{name}`" for name, zone in zones if zone.vocabulary == vocabulary)
        shown = list(islice(fit, MAX_LISTED))
        if not shown:
            return None
        verb = "choose a zone such as" if len(shown) == MAX_LISTED else "write"
        return f"{verb} {listed(sorted(shown))}, or declare the zone"

    def _narrower(self, value: str, fact: FactType, relation: Relation) -> tuple[str, ...]:
        # Sets arrive closed upward, so a broader term is found in them as it is; for one
        # value, and for "all of them are", the terms below have to be named.
        known = self._vocabulary(fact)
        if known is None or not fact.broader or relation in (Relation.HAS, Relation.TOUCHES):
            return (value,)
        return known.with_narrower(value)

    def _check_closed(self, operand: object, fact: FactType, inside: Set[str]) -> None:
        """Sets arrive with all that lies above their values, so a region without that
        could never hold one of them."""
        assert isinstance(operand, tree.Region)  # noqa: S101 - `within` takes nothing else
        for value in sorted(inside):
            missing = sorted(set(fact.broader.get(value, ())) - inside)
            if missing:
                self._found.report(
                    Code.BROADER_LEFT_OUT,
                    f"nothing is ever within this set: whatever is {quoted(value)} is also "
                    f"{quoted(missing[0])}",
                    operand.span,
                    f"add {', '.join(missing)}, or use `has` or `touches`",
                )
                return


def _region(members: Members) -> model.Region:
    return model.Region(dict(sorted(members.items())))


def _ask_known(word: tree.Word, fact: FactType) -> str | None:
    """What to write for what other languages call the absence of a value."""
    if word.quoted or word.text not in ("none", "null", "nil", "missing", "undefined", "empty"):
        return None
    return f"ask whether anybody has stated it: `{fact.path} is known`, or `is not known`"
