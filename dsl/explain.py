"""A rule in plain sentences: what it is about, what it asks, what saves from it, the law it
rests on, and a truth table. For people who do not program; nothing depends on it."""

from collections.abc import Iterable
from dataclasses import dataclass

from dsl import model
from dsl.core import Program
from dsl.errors import DslError
from dsl.explain_items import Paragraph
from dsl.explain_rule import Teller, outcomes, short
from dsl.explain_table import Table, table_of
from dsl.near import nearest
from dsl.parse import parse
from dsl.source import SourceText
from dsl.wording import listed


class UnknownRuleError(DslError):
    """No rule has the name, or several have it; the message says which there are."""


@dataclass(frozen=True)
class Explanation:
    """A rule explained; `place` is where it stands, as `file:line`."""

    rule: str
    title: str
    place: str
    paragraphs: tuple[Paragraph, ...]
    table: Table


def find_rule(checked: model.Model, name: str) -> model.Rule:
    """A rule by its id, or by its short name where only one has it.

    Raises:
        UnknownRuleError: None has it, or several.
    """
    found = [rule for rule in checked.rules if name in (rule.id, short(rule.id))]
    if len(found) == 1:
        return found[0]
    if found:
        ids = listed((f"`{rule.id}`" for rule in found), "or")
        raise UnknownRuleError(f"several rules are called `{name}`: write {ids}")
    ids = [rule.id for rule in checked.rules]
    near = nearest(name, [*ids, *map(short, ids)])
    if near is None:
        raise UnknownRuleError(f"there is no rule `{name}`; there are: {', '.join(sorted(ids))}")
    raise UnknownRuleError(f"there is no rule `{name}`; did you mean `{near}`?")


def explain(
    checked: model.Model, program: Program, sources: Iterable[SourceText], name: str
) -> Explanation:
    """Explain one rule.

    Args:
        program: Lowered from `checked`.
        sources: Those that were compiled.
        name: Id or short name of the rule.

    Raises:
        UnknownRuleError: No rule has the name, or several have it.
    """
    rule = find_rule(checked, name)
    charters = [parsed.charter for parsed in map(parse, sources) if parsed.charter is not None]
    teller = Teller(rule, program, charters)
    line, _ = rule.span.position
    does = outcomes(rule)
    return Explanation(
        rule.id,
        rule.title,
        f"{rule.span.source.shown}:{line}",
        tuple(teller.paragraphs()),
        table_of(teller.parts, lambda truth: does[truth]),
    )
