"""Core to Cedar: three policy sets and the schema that all of them pass strictly.

Every fact is an attribute of a flat context under its path: `context["data.labels"]`,
and the day in each time zone under `context["today Europe/Brussels"]`. All but the days
are optional. The principal is a `Subject` and the resource a `Resource`, in the words
of the OpenID AuthZEN Authorization API 1.0; neither carries anything, for what is known
of them is in the context.

    decide  Action::"place"         forbid: prohibitions not certainly clear;
                                    permit: permissions that certainly grant
    why     Action::"why:place"     permit: prohibitions certainly broken, and
                                    permissions not certainly closed
    duties  Action::"duties:place"  permit: duties not certainly spared

The last two have actions of their own, so that nothing in them can ever grant. What
determines an answer is told by the annotation `@id` of the policies in its reasons.

Cedar skips a policy that meets an error, a `forbid` as well, and then permits: hence
every attribute is tested with `has` before it is read, and whoever asks must give the
schema with each question and refuse any answer that lists errors. The schema holds the
types; it cannot hold a closed vocabulary or a taxonomy, so the question must be fit.

A chain of more than some 1,000 operands overruns the evaluator's stack guard, which is
such an error.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from dsl import cedar_layout as layout
from dsl.cedar_conditions import TODAY, certainly, quote
from dsl.cedar_layout import Doc
from dsl.core import (
    Citation,
    Condition,
    Constant,
    Duty,
    Effect,
    FactType,
    InForce,
    Kind,
    Program,
    Rule,
    atoms,
    conjuncts,
    opposite,
)
from dsl.fold import fold_program
from dsl.wellformed import check_program

WHY, DUTIES = "why:", "duties:"

_TYPES = {
    Kind.TRUTH: "Bool",
    Kind.TERM: "String",
    Kind.TERMS: "Set<String>",
    Kind.INTEGER: "Long",
}
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class CedarPolicies:
    """Three policy texts, each for actions of its own; see the module."""

    decide: str
    why: str
    duties: str


def cedar_schema(program: Program) -> str:
    """The schema of all three sets, in Cedar's schema syntax.

    Raises:
        CoreFormatError: The program is not well-formed.
    """
    check_program(program)
    attributes = [_attribute(fact) for _, fact in sorted(program.facts.items())]
    attributes += [
        f"  {quote(TODAY + zone)}: Long,  // day number, 1970-01-01 is 0"
        for zone in program.time_zones()
    ]
    lines = [
        "// Who asks, and about what. Neither carries attributes: facts are in the context.",
        "entity Subject, Resource;",
        "",
        "type Facts = {",
        *attributes,
        "};",
    ]
    for action in sorted(program.actions):
        names = ", ".join(quote(prefix + action) for prefix in ("", WHY, DUTIES))
        lines += [
            "",
            f"action {names} appliesTo {{",
            "  principal: Subject,",
            "  resource: Resource,",
            "  context: Facts,",
            "};",
        ]
    return "\n".join(lines) + "\n"


def _attribute(fact: FactType) -> str:
    notes = [note for note in (fact.title, fact.unit) if note]
    comment = f"  // {_one_line(', in '.join(notes))}" if notes else ""
    return f"  {quote(fact.path)}?: {_TYPES[fact.kind]},{comment}"


def cedar_policies(program: Program) -> CedarPolicies:
    """The three policy sets, in the layout of `cedar format`.

    Raises:
        CoreFormatError: The program is not well-formed.
    """
    check_program(program)
    rules = fold_program(program).rules
    return CedarPolicies(
        decide=_policy_set(_decide(rule) for rule in rules),
        why=_policy_set(_why(rule) for rule in rules),
        duties=_policy_set(_due(rule, duty) for rule in rules for duty in rule.duties),
    )


def _policy_set(policies: Iterable[str | None]) -> str:
    texts = [policy for policy in policies if policy is not None]
    return "\n\n".join(texts) + "\n" if texts else ""


# --- policies ------------------------------------------------------------------------


def _decide(rule: Rule) -> str | None:
    match rule.effect:
        case Effect.FORBID:
            return _policy(rule, "forbid", "", _unless_certainly_not(rule.formula))
        case Effect.PERMIT:
            return _policy(rule, "permit", "", _when_certainly(rule.formula))
        case Effect.OBLIGE:
            return None


def _why(rule: Rule) -> str | None:
    match rule.effect:
        case Effect.FORBID:
            return _policy(rule, "permit", WHY, _when_certainly(rule.formula))
        case Effect.PERMIT:
            return _policy(rule, "permit", WHY, _unless_certainly_not(rule.formula))
        case Effect.OBLIGE:
            return None


def _due(rule: Rule, duty: Duty) -> str | None:
    return _policy(rule, "permit", DUTIES, _unless_certainly_not(duty.condition), duty)


def _policy(
    rule: Rule, effect: str, prefix: str, conditions: list[Doc] | None, duty: Duty | None = None
) -> str | None:
    """One policy, or None where it can never apply."""
    if conditions is None:
        return None
    about = duty or rule
    days = _days(duty.condition if duty else rule.formula)
    actions = [f"Action::{quote(prefix + action)}" for action in sorted(rule.actions)]
    scope = layout.scope_list("==" if len(actions) == 1 else "in", actions)
    lines = [
        f"@id({quote(about.id)})",
        f"@title({quote(about.title)})",
        f"@cites({quote(_cited(about.citations))})",
        *([f"@days({quote(days)})"] if days else ()),
        f"{effect} (",
        "  principal,",
        f"  {layout.render(scope, indent=layout.INDENT)}",
        "  resource",
        ")" if conditions else ");",
        *(layout.render(condition) for condition in conditions[:-1]),
        *(layout.render(layout.ended(condition)) for condition in conditions[-1:]),
    ]
    return "\n".join(lines)


def _when_certainly(formula: Condition) -> list[Doc] | None:
    """Clauses that hold where the formula is certainly true; None where it never is."""
    if isinstance(formula, Constant):
        return [] if formula.value else None
    parts = [certainly(part) for part in conjuncts(formula)]
    return [layout.condition("when", part) for part in parts]


def _unless_certainly_not(formula: Condition) -> list[Doc] | None:
    """Clauses that hold where the formula is not certainly false; None where it is
    always. One `unless` per way out."""
    if isinstance(formula, Constant):
        return [] if formula.value else None
    ways = [certainly(opposite(part)) for part in conjuncts(formula)]
    return [layout.condition("unless", way) for way in ways]


# --- text ----------------------------------------------------------------------------


def _days(condition: Condition) -> str:
    """What the day numbers of a condition are to people: `17676 is 2018-05-25`."""
    intervals = [atom for atom in atoms(condition) if isinstance(atom, InForce)]
    bounds = {day for atom in intervals for day in (atom.first, atom.last) if day is not None}
    return ", ".join(f"{day} is {date.fromordinal(_EPOCH + day)}" for day in sorted(bounds))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _cited(citations: Iterable[Citation]) -> str:
    return "; ".join(f"{citation.law} {citation.locator}".strip() for citation in citations)
