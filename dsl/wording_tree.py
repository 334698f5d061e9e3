"""Comparisons as their authors wrote them, in plain words; zones by their names."""

from collections.abc import Sequence

from dsl import tree
from dsl.core import FactType, Kind
from dsl.tree import Relation
from dsl.units import SPOKEN_BARE, UNITS
from dsl.wording import (
    all_among,
    grouped,
    holds,
    includes,
    known,
    listed,
    named,
    none_of,
    subject,
    value,
)


def written_in_words(test: tree.Test, facts: Sequence[FactType], *, negated: bool = False) -> str:
    """One comparison as its author wrote it.

    Args:
        facts: The fact it reads; those of all keys of a map, with `every` and `some`; none
            where it compares today.
    """
    if not facts:
        words = f"today is {test.relation.value} {_operand(test, None)}"
        return f"it is not so that {words}" if negated else words
    fact = facts[0]
    if test.quantifier is None:
        return _test(test, fact, named(fact.path, fact), negated=negated)
    return _quantified(test, fact, negated=negated)


_ARTICLES = {
    (tree.Quantifier.EVERY, False): "every",
    (tree.Quantifier.EVERY, True): "not every",
    (tree.Quantifier.SOME, False): "at least one",
    (tree.Quantifier.SOME, True): "no",
}
# What denies every value, or denies that some is denied, is said of none and of any: nobody
# can tell whether "every seal is not SEAL-1" denies the seals or the "every".
_TURNED = {"every": "no", "not every": "at least one", "no": "every"}


def _quantified(test: tree.Test, fact: FactType, *, negated: bool) -> str:
    """Over all keys of a map; the denial stands in front of `every` and `at least one`."""
    assert test.quantifier is not None  # noqa: S101 - the caller's
    article, denies = _ARTICLES[test.quantifier, negated], _denies(test)
    if denies and article in _TURNED:
        article, denies = _TURNED[article], False
    if fact.kind is Kind.TRUTH and test.relation not in (Relation.KNOWN, Relation.NOT_KNOWN):
        words = f"{holds(test.path.text, fact.title, negated=denies)} in"
        if article == "not every":
            return f"it is not so that {words} every respect"
        return f"{words} {article} respect"
    what = subject(test.path.text, fact.kind, article=article)
    not_ = "not " if denies else ""
    match test.relation:
        case Relation.KNOWN | Relation.NOT_KNOWN:
            return f"{what} is {not_}known"
        case Relation.IS | Relation.IS_NOT:
            return f"{what} is {not_}{_operand(test, fact)}"
        case Relation.WITHIN | Relation.TOUCHES:
            assert isinstance(test.operand, tree.Region)  # noqa: S101 - the grammar's
            zones = any(isinstance(part, tree.Word) for part in test.operand.parts)
            much = "entirely" if test.relation is Relation.WITHIN else "at least in part"
            if zones:
                return f"{what} lies {much} in {_among(test.operand, 'or')}"
            return f"{what} is {much} among {_among(test.operand, 'and')}"
        case _:
            return _test(test, fact, what, negated=False)


def _denies(test: tree.Test) -> bool:
    """Whether the comparison itself denies what it names."""
    if isinstance(test.operand, tree.YesNo):
        return test.operand.value is (test.relation is Relation.IS_NOT)
    return test.relation in (Relation.IS_NOT, Relation.NOT_KNOWN)


def _test(test: tree.Test, fact: FactType, what: str, *, negated: bool) -> str:
    not_ = "not " if negated else ""
    match test.relation:
        case Relation.HOLDS:
            return holds(fact.path, fact.title, negated=negated)
        case Relation.IS | Relation.IS_NOT:
            return _is(test, fact, what, negated=negated is not (test.relation is Relation.IS_NOT))
        case Relation.HAS:
            return includes(what, fact.path, _operand(test, fact), negated=negated)
        case Relation.IN | Relation.WITHIN | Relation.TOUCHES:
            return _region(test, fact, what, negated=negated)
        case Relation.LAST:
            return f"{what} is {not_}within the last {_operand(test, fact)}"
        case Relation.NEXT:
            return f"{what} is {not_}within the next {_operand(test, fact)}"
        case Relation.KNOWN | Relation.NOT_KNOWN:
            unknown = negated is not (test.relation is Relation.NOT_KNOWN)
            return known(fact.path, fact, negated=unknown)
        case relation:
            return f"{what} is {not_}{relation.value} {_operand(test, fact)}"


def _is(test: tree.Test, fact: FactType, what: str, *, negated: bool) -> str:
    if isinstance(test.operand, tree.YesNo):
        return holds(fact.path, fact.title, negated=negated is test.operand.value)
    return f"{what} is {'not ' if negated else ''}{_operand(test, fact)}"


def _operand(test: tree.Test, fact: FactType | None) -> str:
    match test.operand:
        case tree.Word(text):
            return value(text)
        case tree.Number() as number:
            return _number(number, fact)
        case tree.Day(day):
            return day.isoformat()
        case tree.Today(None):
            return "today"
        case tree.Today(offset, minus) if offset is not None:
            return f"today {'minus' if minus else 'plus'} {_number(offset, None)}"
        case _:
            return ""


def _number(number: tree.Number, fact: FactType | None) -> str:
    unit = number.unit or (fact.unit if fact is not None else None)
    digits = f"{abs(number.value):0{number.decimals + 1}}"
    whole, part = digits[: len(digits) - number.decimals], digits[len(digits) - number.decimals :]
    text = ("-" if number.value < 0 else "") + whole + (f".{part}" if part else "")
    if unit is not None and UNITS[unit].name in SPOKEN_BARE:
        return text
    return f"{grouped(text)} {'percent' if unit == '%' else unit or ''}".rstrip()


def _region(test: tree.Test, fact: FactType, what: str, *, negated: bool) -> str:
    assert isinstance(test.operand, tree.Region)  # noqa: S101 - the grammar's
    zones = any(isinstance(part, tree.Word) for part in test.operand.parts)
    among = _among(test.operand, "or")
    match test.relation:
        case Relation.IN if zones:
            return f"{what} {'does not lie' if negated else 'lies'} in {among}"
        case Relation.IN:
            taken, left = _parts(test.operand)
            if negated and left:
                return f"it is not so that {what} is {among}"
            return f"{what} is {none_of(taken) if negated else among}"
        case Relation.WITHIN if zones:
            return all_among(fact.path, ("lie in", "lies in"), among, negated=negated)
        case Relation.WITHIN:
            both = f"among {_among(test.operand, 'and')}"
            return all_among(fact.path, ("are", "is"), both, negated=negated)
        case _:
            verb = "lies in" if zones else "is"
            return f"{'none' if negated else 'at least one'} of {what} {verb} {among}"


def _among(region: tree.Region, joint: str) -> str:
    """Zones and values: `EEA or ADEQUATE, but not in US`."""
    taken, left = _parts(region)
    if region.minus and max(region.minus) < len(region.parts) - 1:
        return _in_order(region)
    return listed(taken, joint) + (f", but not in {listed(left, 'or')}" if left else "")


def _in_order(region: tree.Region) -> str:
    """Where something is added after something was taken away, the order says which counts:
    `EEA, less FR, with CORE, in this order`."""
    words: list[str] = []
    for number, part in enumerate(region.parts):
        named = part.text if isinstance(part, tree.Word) else listed(_values(part), "and")
        sign = "less " if number in region.minus else "with " if number else ""
        words.append(f"{sign}{named}")
    return f"{', '.join(words)}, in this order"


def _parts(region: tree.Region) -> tuple[list[str], list[str]]:
    taken: list[str] = []
    left: list[str] = []
    for number, part in enumerate(region.parts):
        words = [part.text] if isinstance(part, tree.Word) else _values(part)
        (left if number in region.minus else taken).extend(words)
    return taken, left


def _values(part: tree.ValueSet) -> list[str]:
    return [value(one.text) for one in part.values if isinstance(one, tree.Word)]
