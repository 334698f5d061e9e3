"""Stage 3, the effect of a rule: the one it has, and the clauses that do not go with it."""

from typing import Final

from dsl import model, tree
from dsl.check_clauses import ClauseChecker
from dsl.codes import Code
from dsl.diagnostics import Fix, Label, quoted
from dsl.found import Found
from dsl.source import Span

MAX_WEIGHT: Final = 1_000

_Effectful = tree.Permit | tree.Forbid | tree.Require | tree.Prefer
_EFFECTS = {
    tree.Permit: model.Effect.PERMIT,
    tree.Forbid: model.Effect.FORBID,
    tree.Require: model.Effect.REQUIRE,
    tree.Prefer: model.Effect.PREFER,
}


class EffectChecker:
    """Checks the effects of rules; mistakes go to `found`."""

    def __init__(self, clauses: ClauseChecker, found: Found) -> None:
        self._clauses = clauses
        self._found = found

    def effect(self, rule: tree.Rule) -> model.Effect:
        """The effect of a rule; OBLIGE where it only has duties, or none."""
        found = [clause for clause in rule.clauses if isinstance(clause, _Effectful)]
        for kind in (tree.Permit, tree.Forbid, tree.Prefer):
            self._clauses.one(found, kind)
        effect = _EFFECTS[type(found[0])] if found else model.Effect.OBLIGE
        other = next((clause for clause in found if type(clause) is not type(found[0])), None)
        if other is not None:
            self._two(rule, found[0], other)
        elif not found and not any(isinstance(clause, tree.Oblige) for clause in rule.clauses):
            self._none(rule)
        elif effect is model.Effect.PREFER:
            self._check_preference(rule)
        if effect in (model.Effect.OBLIGE, model.Effect.PREFER) and other is None:
            self._check_level(rule, effect)
        return effect

    def _two(self, rule: tree.Rule, first: _Effectful, other: _Effectful) -> None:
        self._found.report(
            Code.TWO_EFFECTS,
            f"the rule {quoted(rule.name.text)} has two effects",
            other.span,
            "keep one of `permit`, `forbid`, `require` and `prefer`, or make a rule of each",
            Label(first.span, "the first effect"),
        )

    def _none(self, rule: tree.Rule) -> None:
        self._found.report(
            Code.NO_EFFECT,
            f"the rule {quoted(rule.name.text)} has no effect",
            rule.name.span,
            "write `permit`, `forbid`, `require` with a condition, `prefer` with a weight, or "
            "`oblige` with a duty",
        )

    def _check_level(self, rule: tree.Rule, effect: model.Effect) -> None:
        level = next((c for c in rule.clauses if isinstance(c, tree.LevelClause)), None)
        if level is None:
            return
        what = "duties" if effect is model.Effect.OBLIGE else "a preference"
        self._found.report(
            Code.LEVEL_WITHOUT_VERDICT,
            f"the rule {quoted(rule.name.text)} only has {what}, and a level says whether a "
            "verdict counts",
            level.span,
            "remove `level`",
            note="levels go with `permit`, `forbid` and `require`",
            fix=Fix(_with_space(level.span), ""),
        )

    def _check_preference(self, rule: tree.Rule) -> None:
        """A preference ranks what is permitted; it refuses nothing and asks for nothing."""
        clauses = [*rule.clauses, *(c for e in rule.exceptions for c in e.clauses)]
        for clause in clauses:
            if isinstance(clause, tree.Remedy | tree.Oblige):
                word = clause.span.text.split()[0]
                help_ = {
                    "remedy": "remove `remedy`",
                }.get(word, f"make a rule of its own with `{word}`")
                self._found.report(
                    Code.PREFERENCE,
                    f"a preference refuses nothing and asks for nothing, so `{word}` has no "
                    "effect here",
                    clause.span,
                    help_,
                    fix=Fix(_with_space(clause.span), "") if word == "remedy" else None,
                )
                return

    def weight(self, rule: tree.Rule) -> int:
        """The weight of a preference, 0 for every other effect."""
        clause = next((c for c in rule.clauses if isinstance(c, tree.Prefer)), None)
        if clause is None:
            return 0
        weight = clause.weight
        if weight.decimals or not 1 <= weight.value <= MAX_WEIGHT:
            self._found.report(
                Code.PREFERENCE,
                f"{quoted(weight.span.text)} is no weight of a preference",
                weight.span,
                f"write a whole number from 1 to {MAX_WEIGHT:,}".replace(",", ""),
            )
            return 0
        return weight.value


def _with_space(span: Span) -> Span:
    """A clause with the white space before it."""
    before = span.source.text[: span.start]
    return Span(span.source, len(before.rstrip()), span.end)
