"""Stage 3, duties of one rule: whoever relies on an exception has those of the exception, and
of a rule that refuses those of the rule as well. One duty must not be asked for in two ways."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from dsl import model, tree
from dsl.check_together import Conjunct, clash
from dsl.claims import excludes
from dsl.claims_of import days
from dsl.codes import Code
from dsl.core import InForce
from dsl.diagnostics import Diagnostic, Label, Severity, quoted
from dsl.found import Found
from dsl.source import Span

_REFUSING = (model.Effect.REQUIRE, model.Effect.FORBID)


@dataclass(frozen=True)
class Asking:
    """A rule or an exception with what it asks for. `when` is its condition, in parts."""

    what: str
    name: str
    clauses: Sequence[tree.RuleClause]
    when: Sequence[Conjunct]
    in_force: InForce
    obliges: Sequence[model.Oblige]

    def oblige(self, obligation: str) -> Span:
        obliges = (c for c in self.clauses if isinstance(c, tree.Oblige))
        return next(clause.span for clause in obliges if clause.obligation.text == obligation)

    def due(self, obligation: str) -> str:
        """The deadline as written."""
        clauses = (c for c in self.clauses if isinstance(c, tree.Oblige))
        found = next(clause for clause in clauses if clause.obligation.text == obligation)
        return quoted(found.due.span.words) if found.due else "at once"

    def cited(self) -> list[Label]:
        cites = (clause for clause in self.clauses if isinstance(clause, tree.Cites))
        return [Label(clause.span, f"cited by {quoted(self.name)}") for clause in cites]


def check_clashes(
    rule: Asking, effect: model.Effect, exceptions: Sequence[Asking], found: Found
) -> None:
    """Report pairs that can ask together for one duty in two ways, the first of each pair."""
    pairs = list(combinations(exceptions, 2))
    if effect in _REFUSING:
        # Of other rules the duties apply only where no exception does.
        pairs += [(rule, exception) for exception in exceptions]
    for one, other in pairs:
        if clash(one.when, other.when) is None and not excludes(
            days(one.in_force), days(other.in_force)
        ):
            found_one = next(_differing(one, other), None)
            if found_one is not None:
                found.add(found_one)


def _differing(one: Asking, other: Asking) -> Iterator[Diagnostic]:
    """What is asked for in two ways: parameters, which nobody can follow, before deadlines."""
    first = {oblige.obligation: oblige for oblige in one.obliges}
    both = [(first[o.obligation], o) for o in other.obliges if o.obligation in first]
    yield from _parameters(one, other, both)
    for earlier, second in both:
        if earlier.due != second.due:
            yield _deadlines(one, other, second.obligation)


def _parameters(
    one: Asking, other: Asking, both: Iterable[tuple[model.Oblige, model.Oblige]]
) -> Iterator[Diagnostic]:
    for earlier, second in both:
        pairs = zip(earlier.parameters, second.parameters, strict=True)
        differs = next((name for (name, mine), (_, theirs) in pairs if mine != theirs), None)
        if differs is not None:
            yield Diagnostic(
                Code.EXCEPTION_CLASH,
                f"{_both(one, other)} can hold together, and ask for "
                f"{quoted(second.obligation)} with another {quoted(differs)}",
                (
                    Label(other.oblige(second.obligation)),
                    Label(one.oblige(second.obligation), "asks for the other"),
                    *one.cited(),
                    *other.cited(),
                ),
                help="ask for the same, or add to one of them what the other is not, "
                "such as `and not …`",
            )


def _deadlines(one: Asking, other: Asking, obligation: str) -> Diagnostic:
    return Diagnostic(
        Code.TWO_DEADLINES,
        f"{_both(one, other)} can hold together, and give {quoted(obligation)} two deadlines: "
        f"{one.due(obligation)}, and {other.due(obligation)}",
        (
            Label(other.oblige(obligation)),
            Label(one.oblige(obligation), "gives the other"),
            *one.cited(),
            *other.cited(),
        ),
        ("both are in the answer, and only the earlier keeps both",),
        "write one deadline in both places",
        severity=Severity.WARNING,
    )


def _both(one: Asking, other: Asking) -> str:
    if one.what == other.what:
        return f"the {one.what}s {quoted(one.name)} and {quoted(other.name)}"
    return f"the {one.what} {quoted(one.name)} and its {other.what} {quoted(other.name)}"
