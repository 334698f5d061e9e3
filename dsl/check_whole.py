"""Stage 3, a rule as a whole: dates, conditions and exceptions that cannot mean what they
say beside each other."""

from collections.abc import Sequence

from dsl import model, tree
from dsl.check_clash import Asking, check_clashes
from dsl.check_together import Conjunct, check_itself, clash, follows
from dsl.claims import Numbers, excludes, implies
from dsl.claims_of import days
from dsl.codes import Code
from dsl.core import InForce
from dsl.diagnostics import Label, quoted
from dsl.found import Found
from dsl.source import Span

_VERBS = {
    model.Effect.PERMIT: "permits",
    model.Effect.OBLIGE: "obliges",
    model.Effect.PREFER: "prefers",
}


def check_whole(rule: tree.Rule, made: model.Rule, found: Found) -> None:
    """Report what is wrong between the parts of a rule, each of which is right by itself."""
    when = check_itself(_written(rule.clauses, tree.When), made.when, found)
    check_itself(_written(rule.clauses, tree.Require), made.require, found)
    _check_days(rule, made, when, found)
    kept: list[_Exception] = []
    for declared in rule.exceptions:
        typed = next(e for e in made.exceptions if e.id.endswith(f"/{declared.name.text}"))
        own = _Exception(declared, typed, found)
        if own.check(rule, made, when):
            kept.append(own)
    asking = Asking("rule", rule.name.text, rule.clauses, when, made.in_force, made.obliges)
    check_clashes(asking, made.effect, [one.asking() for one in kept], found)


def _written(
    clauses: Sequence[tree.RuleClause], kind: type[tree.When] | type[tree.Require]
) -> tree.Condition | None:
    return next((clause.condition for clause in clauses if isinstance(clause, kind)), None)


def _dates(clauses: Sequence[tree.RuleClause], fallback: Span) -> Span:
    return next((c.span for c in clauses if isinstance(c, tree.InForce)), fallback)


def _check_days(rule: tree.Rule, made: model.Rule, when: Sequence[Conjunct], found: Found) -> None:
    """A rule whose condition is about other days than those on which it is in force."""
    own = days(made.in_force)
    for part in when:
        if part.claim is not None and excludes(own, part.claim):
            found.report(
                Code.NEVER_IN_FORCE,
                f"the rule {quoted(rule.name.text)} can never apply: it is not in force on the "
                "days of its condition",
                part.span,
                "change one of the two dates",
                Label(_dates(rule.clauses, rule.name.span), "when it is in force"),
            )
            return


class _Exception:
    def __init__(self, declared: tree.Exceptional, typed: model.Exceptional, found: Found) -> None:
        self.declared = declared
        self.typed = typed
        self._found = found
        self.when: list[Conjunct] = []

    def asking(self) -> Asking:
        name, typed = self.declared.name.text, self.typed
        clauses = self.declared.clauses
        return Asking("exception", name, clauses, self.when, typed.in_force, typed.obliges)

    def check(self, rule: tree.Rule, made: model.Rule, when: Sequence[Conjunct]) -> bool:
        """Whether the exception can apply, and leaves something to the rule."""
        before = self._found.errors
        written = _written(self.declared.clauses, tree.When)
        self.when = check_itself(written, self.typed.when, self._found)
        if self._found.errors > before:
            return False
        self._check_days(rule, made)
        if self._found.errors == before:
            self._check_applies(when)
        if self._found.errors == before:
            self._check_leaves_something(rule, made, when)
        return self._found.errors == before

    def _check_days(self, rule: tree.Rule, made: model.Rule) -> None:
        own = days(self.typed.in_force)
        if excludes(own, days(made.in_force)):
            self._found.report(
                Code.NEVER_IN_FORCE,
                f"the exception {quoted(self.declared.name.text)} is in force only when its rule "
                "is not",
                _dates(self.declared.clauses, self.declared.name.span),
                "change one of the two dates, or remove the exception",
                Label(_dates(rule.clauses, rule.name.span), "when the rule is in force"),
            )
            return
        for part in self.when:
            if part.claim is not None and excludes(own, part.claim):
                self._found.report(
                    Code.NEVER_IN_FORCE,
                    f"the exception {quoted(self.declared.name.text)} can never apply: it is not "
                    "in force on the days of its condition",
                    part.span,
                    "change one of the two dates",
                    Label(_dates(self.declared.clauses, self.declared.name.span), "when in force"),
                )
                return

    def _check_applies(self, when: Sequence[Conjunct]) -> None:
        pair = clash(self.when, when)
        if pair is None:
            return
        own, of_rule = pair
        self._found.report(
            Code.CONTRADICTION,
            f"the exception {quoted(self.declared.name.text)} never holds where its rule does",
            own.span,
            "change one of the two conditions, or remove the exception",
            Label(of_rule.span, "what the rule asks"),
        )

    def _check_leaves_something(
        self, rule: tree.Rule, made: model.Rule, when: Sequence[Conjunct]
    ) -> None:
        if not when or not _covers(self.typed.in_force, made.in_force):
            return
        if not follows(self.typed.when, when):
            return
        clauses = (c for c in self.declared.clauses if isinstance(c, tree.When))
        of_rule = (c for c in rule.clauses if isinstance(c, tree.When))
        verb = _VERBS.get(made.effect, "refuses")
        self._found.report(
            Code.EXCEPTION_WIDER,
            f"the exception {quoted(self.declared.name.text)} holds wherever its rule does, so "
            f"the rule never {verb} anything",
            next(clauses).span,
            "narrow the exception with `and` and what sets it apart, or remove the rule",
            Label(next(of_rule).span, "all of this makes the exception hold"),
        )


def _covers(wide: InForce, narrow: InForce) -> bool:
    whole = Numbers(("today", narrow.time_zone), days(wide).intervals)
    same_clock = wide.time_zone == narrow.time_zone or (wide.first, wide.last) == (None, None)
    return same_clock and implies(days(narrow), whole)
