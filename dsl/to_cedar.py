"""Core to Cedar: policy sets and the schema that all of them pass strictly.

Every fact is an attribute of a flat context under its path: `context["data.labels"]`,
and the day in each time zone under `context["today Europe/Brussels"]`. All but the days
are optional. The principal is a `Subject` and the resource a `Resource`, in the words
of the OpenID AuthZEN Authorization API 1.0; neither carries anything, for what is known
of them is in the context.

    decide  Action::"place"         forbid: prohibitions not certainly clear;
                                    permit: permissions that certainly grant
    why     Action::"why:place"     permit: prohibitions certainly broken, permissions
                                    not certainly closed, and what is noted
    duties  Action::"duties:place"  permit: duties and advice not certainly spared,
                                    preferences that certainly hold, and what is noted
    asked   Action::"ask:place"     permit: prohibitions not certainly clear, permissions
                                    that certainly grant, and all of `duties`

The last three have actions of their own, so that nothing in them can ever grant. `asked` is
not published: it says in one question what `decide` and `duties` say in two. Noted is what a
rule below the level `enforce` would have said: such rules are in no other set.
What determines an answer is told by the annotation `@id` of the policies in its reasons.

Cedar skips a policy that meets an error, a `forbid` as well, and then permits: hence
every attribute is tested with `has` before it is read, and whoever asks must give the
schema with each question, or look at the types itself, and refuse any answer that lists
errors. The schema cannot hold a closed vocabulary or a taxonomy, so the question must be fit.

A chain of more than some 1,000 operands overruns the evaluator's stack guard, which is
such an error.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from dsl import cedar_layout as layout
from dsl.cedar_conditions import TODAY, Shared, certainly, quote, with_shared_values
from dsl.cedar_dates import with_dates_first
from dsl.core import (
    AtLeast,
    Citation,
    Condition,
    Constant,
    Duty,
    DutyKind,
    Effect,
    FactType,
    InForce,
    Kind,
    Level,
    OneOf,
    Program,
    Rule,
    Touches,
    Within,
    atoms,
    conjuncts,
    opposite,
)
from dsl.fold import fold_program
from dsl.spoken import spoken_bound, spoken_day
from dsl.uncollected import uncollected
from dsl.wellformed import check_program

WHY, DUTIES, ASKED = "why:", "duties:", "ask:"
MAX_KEPT_CLAUSES = 8192

# A word and what must certainly hold: `when` or `unless`.
Conditions = list[tuple[str, Condition]]

_TYPES = {
    Kind.TRUTH: "Bool",
    Kind.TERM: "String",
    Kind.TERMS: "Set<String>",
    Kind.INTEGER: "Long",
    Kind.DAY: "Long",
}


@dataclass(frozen=True, slots=True)
class CedarPolicies:
    """Three policy texts, each for actions of its own; see the module."""

    decide: str
    why: str
    duties: str


# The id of a rule or a duty, and its policy.
Part = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CedarParts:
    """The policies of each set one by one: any of them make a smaller set, which says of their
    rules and duties what the whole does. `asked` is empty of what is published."""

    decide: tuple[Part, ...]
    why: tuple[Part, ...]
    duties: tuple[Part, ...]
    asked: tuple[Part, ...] = ()


def shared_values(program: Program) -> dict[str, tuple[str, ...]]:
    """The attributes of the resource that policies with shared values read."""
    found = (
        atom.values
        for atom in map(with_shared_values, program.atoms())
        if isinstance(atom, OneOf | Within | Touches)
    )
    return {values.attribute: values for values in found if isinstance(values, Shared)}


def cedar_schema(program: Program, *, shared: bool = False) -> str:
    """The schema of all three sets, in Cedar's schema syntax; `shared` as of `cedar_parts`.

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
        *_entities(shared_values(program) if shared else {}),
        "",
        "type Facts = {",
        *attributes,
        "};",
    ]
    for action in sorted(program.actions):
        prefixes = ("", WHY, DUTIES, *([ASKED] if shared else []))
        names = ", ".join(quote(prefix + action) for prefix in prefixes)
        lines += [
            "",
            f"action {names} appliesTo {{",
            "  principal: Subject,",
            "  resource: Resource,",
            "  context: Facts,",
            "};",
        ]
    return "\n".join(lines) + "\n"


def _entities(values: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if not values:
        yield "// Who asks, and about what. Neither carries attributes: facts are in the context."
        yield "entity Subject, Resource;"
        return
    yield "entity Subject;"
    attributes = ", ".join(f"{quote(name)}: Set<String>" for name in sorted(values))
    yield f"entity Resource = {{ {attributes} }};"


def _attribute(fact: FactType) -> str:
    notes = [_one_line(note) for note in (fact.title, _measure(fact)) if note]
    comment = f"  // {', in '.join(notes)}" if notes else ""
    return f"  {quote(fact.path)}?: {_TYPES[fact.kind]},{comment}"


def _measure(fact: FactType) -> str | None:
    """What a number counts, and in which steps."""
    if fact.kind is Kind.DAY:
        return "days since 1970-01-01"
    if not fact.scale:
        return fact.unit
    step = f"0.{'1'.zfill(fact.scale)}"
    return f"steps of {step} {fact.unit}" if fact.unit else f"steps of {step}"


def cedar_policies(program: Program) -> CedarPolicies:
    """The three policy sets, in the layout of `cedar format`.

    Raises:
        CoreFormatError: The program is not well-formed.
    """
    parts = cedar_parts(program)
    return CedarPolicies(policy_set(parts.decide), policy_set(parts.why), policy_set(parts.duties))


@uncollected()
def cedar_parts(program: Program, *, shared: bool = False) -> CedarParts:
    """The policies of the three sets one by one; raises as `cedar_policies`.

    Args:
        program: What to compile.
        shared: Whether large sets of values are attributes of the resource, as
            `shared_values` gives them, and the set `asked` is there. The policies that are
            published spell them.
    """
    check_program(program)
    emit = _Policies(program.facts, shared=shared)
    rules = fold_program(program).rules
    return CedarParts(
        decide=_parts((rule.id, emit.decide(rule)) for rule in rules),
        why=_parts((rule.id, emit.why(rule)) for rule in rules),
        duties=_parts(part for rule in rules for part in emit.on_permit(rule, DUTIES)),
        asked=_parts(part for rule in rules for part in emit.asked(rule)) if shared else (),
    )


def _parts(policies: Iterable[tuple[str, str | None]]) -> tuple[Part, ...]:
    return tuple((name, text) for name, text in policies if text is not None)


def policy_set(parts: Iterable[Part]) -> str:
    """Policies as one text, in their order."""
    texts = [text for _, text in parts]
    return "\n\n".join(texts) + "\n" if texts else ""


# --- policies ------------------------------------------------------------------------


class _Policies:
    """The policies of single rules; None for one that can never apply."""

    def __init__(self, facts: Mapping[str, FactType], *, shared: bool) -> None:
        self._facts = facts
        self._shared = shared

    def decide(self, rule: Rule) -> str | None:
        match rule.effect, rule.level:
            case Effect.FORBID, Level.ENFORCE:
                return self._policy(rule, "forbid", "", self._unless_certainly_not(rule.formula))
            case Effect.PERMIT, Level.ENFORCE:
                return self._policy(rule, "permit", "", self._when_certainly(rule.formula))
            case _:
                return None

    def why(self, rule: Rule) -> str | None:
        match rule.effect, rule.level:
            case Effect.FORBID, Level.ENFORCE:
                return self._policy(rule, "permit", WHY, self._when_certainly(rule.formula))
            case Effect.PERMIT, Level.ENFORCE:
                return self._policy(rule, "permit", WHY, self._unless_certainly_not(rule.formula))
            case _:
                return self._noted(rule, WHY)

    def on_permit(self, rule: Rule, prefix: str) -> Iterator[tuple[str, str | None]]:
        """What the `duties` set has of a rule, by the ids of the rule and of its duties."""
        if rule.level is not Level.ENFORCE:
            yield rule.id, self._noted(rule, prefix)
            return
        if rule.effect is Effect.PREFER:
            yield rule.id, self._policy(rule, "permit", prefix, self._when_certainly(rule.formula))
        for duty in rule.duties:
            yield duty.id, self._due(rule, duty, prefix)

    def _due(self, rule: Rule, duty: Duty, prefix: str) -> str | None:
        return self._policy(
            rule, "permit", prefix, self._unless_certainly_not(duty.condition), duty
        )

    def asked(self, rule: Rule) -> Iterator[tuple[str, str | None]]:
        """The same of the set `asked`."""
        match rule.effect, rule.level:
            case Effect.FORBID, Level.ENFORCE:
                possibly = self._unless_certainly_not(rule.formula)
                yield rule.id, self._policy(rule, "permit", ASKED, possibly)
            case Effect.PERMIT, Level.ENFORCE:
                granting = self._when_certainly(rule.formula)
                yield rule.id, self._policy(rule, "permit", ASKED, granting)
            case _:
                pass
        yield from self.on_permit(rule, ASKED)

    def _noted(self, rule: Rule, prefix: str) -> str | None:
        match rule.effect, rule.level:
            case (_, Level.ENFORCE) | (Effect.OBLIGE | Effect.PREFER, _):
                return None
            case Effect.FORBID, _:
                return self._policy(
                    rule, "permit", prefix, self._unless_certainly_not(rule.formula)
                )
            case Effect.PERMIT, _:
                return self._policy(rule, "permit", prefix, self._when_certainly(rule.formula))

    def _policy(
        self,
        rule: Rule,
        effect: str,
        prefix: str,
        conditions: Conditions | None,
        duty: Duty | None = None,
    ) -> str | None:
        """One policy, or None where it can never apply."""
        if conditions is None:
            return None
        actions = [f"Action::{quote(prefix + action)}" for action in sorted(rule.actions)]
        scope = layout.scope_list("==" if len(actions) == 1 else "in", actions)
        lines = [
            *self._annotations(rule, duty),
            f"{effect} (",
            "  principal,",
            f"  {layout.render(scope, indent=layout.INDENT)}",
            "  resource",
            ")" if conditions else ");",
            *(self._clause(word, holds, last=False) for word, holds in conditions[:-1]),
            *(self._clause(word, holds, last=True) for word, holds in conditions[-1:]),
        ]
        return "\n".join(lines)

    def _when_certainly(self, formula: Condition) -> Conditions | None:
        return _when_certainly(self._ordered(formula))

    def _unless_certainly_not(self, formula: Condition) -> Conditions | None:
        return _unless_certainly_not(self._ordered(formula))

    def _ordered(self, formula: Condition) -> Condition:
        # What is published stays in the order of the authors.
        return with_dates_first(formula) if self._shared else formula

    def _clause(self, word: str, holds: Condition, *, last: bool) -> str:
        return _clause(word, holds, last=last, shared=self._shared)

    def _annotations(self, rule: Rule, duty: Duty | None) -> Iterator[str]:
        about = duty or rule
        yield f"@id({quote(about.id)})"
        yield f"@title({quote(about.title)})"
        yield f"@cites({quote(_cited(about.citations))})"
        if duty is None and rule.level is not Level.ENFORCE:
            yield f'@level("{rule.level.value}")'
        if duty is None and rule.weight:
            yield f'@weight("{rule.weight}")'
        if duty is not None and duty.kind is DutyKind.ADVICE:
            yield f"@advice({quote(duty.obligation)})"
        if duty is not None and duty.due is not None:
            yield f'@due("within {duty.due.amount} {duty.due.unit.value}")'
        condition = duty.condition if duty else rule.formula
        for name, notes in (("days", _days(condition)), ("bounds", self._bounds(condition))):
            if notes:
                yield f"@{name}({quote(notes)})"

    def _bounds(self, condition: Condition) -> str:
        """What the bounds of a condition are to people: `2410 is 24.10 percent`."""
        found = {
            (atom.bound, spoken_bound(self._facts[atom.path], atom.bound))
            for atom in atoms(condition)
            if isinstance(atom, AtLeast)
        }
        said = sorted((bound, spoken) for bound, spoken in found if spoken)
        return ", ".join(f"{bound} is {_one_line(spoken)}" for bound, spoken in said)


def _when_certainly(formula: Condition) -> Conditions | None:
    """Clauses that hold where the formula is certainly true; None where it never is."""
    if isinstance(formula, Constant):
        return [] if formula.value else None
    return [("when", part) for part in conjuncts(formula)]


def _unless_certainly_not(formula: Condition) -> Conditions | None:
    """Clauses that hold where the formula is not certainly false; None where it is
    always. One `unless` per way out."""
    if isinstance(formula, Constant):
        return [] if formula.value else None
    return [("unless", opposite(part)) for part in conjuncts(formula)]


@lru_cache(maxsize=MAX_KEPT_CLAUSES)
def _clause(word: str, holds: Condition, *, last: bool, shared: bool) -> str:
    """A clause in its layout; rules share conditions, and most outlive an edit."""
    clause = layout.condition(word, certainly(with_shared_values(holds) if shared else holds))
    return layout.render(layout.ended(clause) if last else clause)


# --- text ----------------------------------------------------------------------------


def _days(condition: Condition) -> str:
    """What the day numbers of a condition are to people: `17676 is 2018-05-25`."""
    intervals = [atom for atom in atoms(condition) if isinstance(atom, InForce)]
    bounds = {day for atom in intervals for day in (atom.first, atom.last) if day is not None}
    return ", ".join(f"{day} is {spoken_day(day)}" for day in sorted(bounds))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _cited(citations: Iterable[Citation]) -> str:
    return "; ".join(f"{citation.law} {citation.locator}".strip() for citation in citations)
