"""Stage 3, conditions beside each other: what can never hold together, and what follows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dsl import model, tree
from dsl.claims import Claim, excludes, implies
from dsl.claims_of import claim
from dsl.codes import Code
from dsl.diagnostics import Label, Severity, quoted
from dsl.found import Found
from dsl.source import Span

# Each is compared with each; a rule with more comparisons is refused for its size.
MAX_COMPARED = 500


@dataclass(frozen=True)
class Conjunct:
    """One of the conditions that must all hold, with its place."""

    span: Span
    condition: model.Condition
    claim: Claim | None


def conjuncts(written: tree.Condition, typed: model.Condition) -> list[Conjunct]:
    """The parts of a conjunction, however it is bracketed. `typed` is `written`, checked, so
    the two have one shape."""
    return list(_conjuncts(written, typed))


def _conjuncts(
    written: tree.Condition, typed: model.Condition, *, denied: bool = False
) -> Iterator[Conjunct]:
    match written, typed:
        case tree.Not(tree.Test() as test), model.Not(operand):
            # The words of the author include the `not`.
            whole = replace(test, span=written.span)
            yield from _conjuncts(whole, operand, denied=not denied)
        case tree.Not(inner), model.Not(operand):
            yield from _conjuncts(inner, operand, denied=not denied)
        case tree.And(parts), model.And(operands) if not denied:
            for part, operand in zip(parts, operands, strict=True):
                yield from _conjuncts(part, operand)
        case tree.Or(parts), model.Or(operands) if denied:
            for part, operand in zip(parts, operands, strict=True):
                yield from _conjuncts(part, operand, denied=True)
        case _, model.Each(every, tests) if every is not denied:
            for test in tests:
                yield _conjunct(written.span, test, denied=denied)
        case _:
            yield _conjunct(written.span, typed, denied=denied)


def _conjunct(span: Span, typed: model.Condition, *, denied: bool) -> Conjunct:
    condition = model.Not(typed) if denied else typed
    return Conjunct(span, condition, claim(condition))


def clash(one: Iterable[Conjunct], other: Iterable[Conjunct]) -> tuple[Conjunct, Conjunct] | None:
    """The first two that are never true together."""
    others = [(part, part.claim) for part in other if part.claim is not None]
    for part in one:
        if part.claim is None:
            continue
        for second, theirs in others:
            if excludes(part.claim, theirs):
                return part, second
    return None


def follows(typed: model.Condition, given: Iterable[Conjunct], *, denied: bool = False) -> bool:
    """Whether a condition (or its opposite, where `denied`) is true wherever all of `given`
    are."""
    match typed:
        case model.Not(operand):
            return follows(operand, given, denied=not denied)
        case model.And(operands):
            each = (follows(operand, given, denied=denied) for operand in operands)
            return any(each) if denied else all(each)
        case model.Or(operands):
            each = (follows(operand, given, denied=denied) for operand in operands)
            return all(each) if denied else any(each)
        case model.Each(every, tests):
            each = (follows(test, given, denied=denied) for test in tests)
            return all(each) if every is not denied else any(each)
        case _:
            condition = model.Not(typed) if denied else typed
            own = claim(condition)
            return any(
                part.condition == condition
                or (own is not None and part.claim is not None and implies(part.claim, own))
                for part in given
            )


def check_itself(
    written: tree.Condition | None, typed: model.Condition | None, found: Found
) -> list[Conjunct]:
    """The conjuncts of a condition, reported where two of them contradict each other."""
    if written is None or typed is None:
        return []
    parts = conjuncts(written, typed)
    if len(parts) > MAX_COMPARED:
        return parts
    _warn_always(written, typed, found)
    for number, part in enumerate(parts):
        pair = clash([part], parts[:number])
        if pair is not None and pair[0].span != pair[1].span:
            later, earlier = pair
            found.report(
                Code.CONTRADICTION,
                f"{quoted(earlier.span.words)} and {quoted(later.span.words)} are never "
                "true together",
                later.span,
                "write `or` if either will do, else remove one of them",
                Label(earlier.span, "the other one"),
            )
            return parts
    return parts


def _warn_always(written: tree.Condition, typed: model.Condition, found: Found) -> None:
    """Warn of two parts joined by `or` of which one is true whatever the facts: `and` was
    meant, and a requirement, exception or permission asks for nothing."""
    for parts, denied in _alternatives(written, typed):
        pairs = (clash([part], parts[:number]) for number, part in enumerate(parts))
        later, earlier = next((pair for pair in pairs if pair is not None), (None, None))
        if later is None or earlier is None or later.span == earlier.span:
            continue
        one, other = quoted(earlier.span.words), quoted(later.span.words)
        found.report(
            Code.ALWAYS_SO,
            f"{one} and {other} are never true together, so it is always so that not both are"
            if denied
            else f"of {one} and {other} one is always true",
            later.span,
            "write `or` in these brackets if neither may be, else remove them"
            if denied
            else "write `and` if both are meant, else remove them",
            Label(earlier.span, "the other one"),
            severity=Severity.WARNING,
        )
        return


def _alternatives(
    written: tree.Condition, typed: model.Condition, *, denied: bool = False
) -> Iterator[tuple[list[Conjunct], bool]]:
    """Of each disjunction, its parts denied: where two of them clash, one part is true. With
    each, whether it is a denied conjunction, whose parts are as they are written."""
    match written, typed:
        case tree.Not(inner), model.Not(operand):
            yield from _alternatives(inner, operand, denied=not denied)
        case (tree.And(parts), model.And(operands)) | (tree.Or(parts), model.Or(operands)):
            if isinstance(written, tree.And) is denied:
                alternatives = list(_conjuncts(written, typed, denied=not denied))
                yield (alternatives if len(alternatives) <= MAX_COMPARED else []), denied
            for part, operand in zip(parts, operands, strict=True):
                yield from _alternatives(part, operand, denied=denied)
        case _:
            pass
