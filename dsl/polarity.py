"""Stage 3, where `is known` may stand: only where hiding the fact cannot help the caller.

Whether a fact is known is true or false, never unknown, so it must not open what an
unknown fact would keep shut: a prohibition may ask it only in a way that knowing clears,
a permission or a preference only in a way that knowing earns, a duty only in a way that
knowing lifts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from dsl import tree
from dsl.codes import Code
from dsl.diagnostics import Fix, quoted
from dsl.found import Found
from dsl.source import Span
from dsl.tree import Relation


@dataclass(frozen=True)
class _Rule:
    """Whether `is known` may stand there, and `is not known`; what else an author hears."""

    positive: bool
    negative: bool
    message: str
    help: str


class Place(Enum):
    """Where a condition stands."""

    REFUSES = _Rule(
        positive=False,
        negative=True,
        message="whoever hides {path} would escape this rule",
        help="so that hiding it is refused, or ask it in `require`",
    )
    REQUIRES = _Rule(
        positive=True,
        negative=False,
        message="whoever hides {path} would meet this requirement",
        help="so that hiding it does not meet this, or ask it in `when`",
    )
    GRANTS = _Rule(
        positive=True,
        negative=False,
        message="whoever hides {path} would be granted this",
        help="or leave it out: what is not known grants nothing",
    )
    PREFERS = _Rule(
        positive=True,
        negative=False,
        message="whoever hides {path} would be preferred",
        help="or leave it out: what is not known is not preferred",
    )
    OBLIGES = _Rule(
        positive=False,
        negative=True,
        message="whoever hides {path} would escape this duty",
        help="or leave it out: the duty also applies where a fact is not known",
    )
    GRANTS_WITH_DUTY = _Rule(
        positive=False,
        negative=False,
        message="whoever hides {path} would escape the grant or its duty, as it suits",
        help="make a rule of its own of the duty, or leave it out",
    )
    EXCEPTION = _Rule(
        positive=False,
        negative=False,
        message="an exception cannot ask whether {path} is known",
        help="ask for the value that the exception needs: one that is not known excepts nothing",
    )
    DERIVE = _Rule(
        positive=False,
        negative=False,
        message="a derived fact cannot ask whether {path} is known",
        help="ask for a value: where the field of an element is not known, neither is the result",
    )


def check_known(condition: tree.Condition, place: Place, found: Found) -> None:
    """Report every `is known` and `is not known` that stands the wrong way round."""
    rule = place.value
    for test, positive in _known(condition, positive=True):
        if rule.positive if positive else rule.negative:
            continue
        path = _path(test)
        opposite, help_ = None, rule.help
        if rule.positive is not rule.negative:
            opposite = _opposite(test)
            written = opposite.text if test.quantifier else f"{path} {opposite.text}"
            help_ = f"write `{written}`, {rule.help}"
        found.report(
            Code.KNOWN_HELPS,
            rule.message.format(path=quoted(path)),
            test.span,
            help_,
            note="hiding a fact may only ever hurt the caller",
            fix=opposite,
        )


def _known(condition: tree.Condition, *, positive: bool) -> Iterator[tuple[tree.Test, bool]]:
    match condition:
        case tree.And(operands) | tree.Or(operands):
            for operand in operands:
                yield from _known(operand, positive=positive)
        case tree.Not(operand):
            yield from _known(operand, positive=not positive)
        case tree.Test(relation=Relation.KNOWN):
            yield condition, positive
        case tree.Test(relation=Relation.NOT_KNOWN):
            yield condition, not positive
        case _:
            pass


def _path(test: tree.Test) -> str:
    key = f"[{test.key.text}]" if test.key else ""
    quantifier = f"{test.quantifier.value} " if test.quantifier else ""
    return f"{quantifier}{test.path.text}{key}"


def _opposite(test: tree.Test) -> Fix:
    """`is known` for `is not known`, and the other way round; then `every` is `some`."""
    words = {Relation.KNOWN: "is not known", Relation.NOT_KNOWN: "is known"}[test.relation]
    if test.quantifier is not None:
        other = "some" if test.quantifier is tree.Quantifier.EVERY else "every"
        return Fix(test.span, f"{other} {test.path.text} {words}")
    text = test.span.text
    start = test.span.start + text.rindex("is", 0, text.rindex("known"))
    return Fix(Span(test.span.source, start, test.span.end), words)
