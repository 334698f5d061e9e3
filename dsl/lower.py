"""Stage 4: model → core. Exceptions, profiles and the author's spelling are compiled away.

One formula a rule: `profile and in force and when and not require and not e1 and not e2
...`, in negation normal form (`dsl.lower_condition`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dsl import core, model
from dsl.core import PROFILE_PATH, Condition, Constant, FactType, Kind, OneOf, Origin, opposite
from dsl.lower_condition import condition, conjunction, disjunction

__all__ = ["condition", "conjunction", "disjunction", "lower"]


def lower(checked: model.Model) -> core.Program:
    """The program of a model; rules sorted by id, facts by path."""
    profiles = tuple(sorted(checked.profiles, key=lambda profile: profile.name))
    rules = [_rule(rule, _reach(rule.charter, profiles)) for rule in checked.rules]
    rules += [_permit(permit) for permit in checked.permits]
    facts = dict(checked.facts)
    if profiles:
        facts[PROFILE_PATH] = _profile_fact(profiles)
    return core.Program(
        facts=dict(sorted(facts.items())),
        places=checked.places,
        actions=checked.actions,
        rules=tuple(sorted(rules, key=lambda rule: rule.id)),
        lists=dict(sorted(checked.lists.items())),
        derived={path: _derivation(d) for path, d in sorted(checked.derived.items())},
        profiles=profiles,
        invariants=tuple(_invariant(i) for i in sorted(checked.invariants, key=lambda i: i.id)),
    )


# --- rules ---------------------------------------------------------------------------

_EFFECTS = {
    model.Effect.PERMIT: core.Effect.PERMIT,
    model.Effect.FORBID: core.Effect.FORBID,
    model.Effect.REQUIRE: core.Effect.FORBID,
    model.Effect.OBLIGE: core.Effect.OBLIGE,
    model.Effect.PREFER: core.Effect.PREFER,
}


@dataclass(frozen=True)
class _Parts:
    """The conditions that a rule is made of. `reach` says whom it concerns, `broken` when
    it would break or hold but for its exceptions, `excepted` when each of those holds."""

    reach: Condition
    broken: Condition
    excepted: tuple[Condition, ...]

    @property
    def formula(self) -> Condition:
        return conjunction([self.broken, *(opposite(holds) for holds in self.excepted)])

    def needed(self, number: int) -> Condition:
        """When an exception is what saves: it holds, and the rule is broken without it."""
        return conjunction([self.broken, self.excepted[number]])


def _rule(rule: model.Rule, profile: Sequence[Condition]) -> core.Rule:
    when = [] if rule.when is None else [condition(rule.when)]
    reach = conjunction([*profile, rule.in_force, *when])
    refused = [] if rule.require is None else [opposite(condition(rule.require))]
    excepted = tuple(conjunction([e.in_force, condition(e.when)]) for e in rule.exceptions)
    parts = _Parts(reach, conjunction([reach, *refused]), excepted)
    return core.Rule(
        id=rule.id,
        effect=_EFFECTS[rule.effect],
        actions=rule.actions,
        formula=parts.formula,
        title=rule.title,
        citations=rule.citations,
        because=rule.because,
        remedies=rule.remedies,
        exceptions=_notes(rule, parts),
        duties=_duties(rule, parts),
        level=rule.level,
        weight=rule.weight,
    )


def _notes(rule: model.Rule, parts: _Parts) -> tuple[core.ExceptionNote, ...]:
    return tuple(
        core.ExceptionNote(e.id, e.title, e.citations, parts.needed(number))
        for number, e in enumerate(rule.exceptions)
    )


def _duties(rule: model.Rule, parts: _Parts) -> tuple[core.Duty, ...]:
    # A refusal that is excepted still leaves its duty to those it reaches. A permission or
    # a mere duty that is excepted is as if it were not there.
    refuses = _EFFECTS[rule.effect] is core.Effect.FORBID
    owed = parts.reach if refuses else parts.formula
    duties = [_duty(rule.id, rule.id, o, owed, rule.citations) for o in rule.obliges]
    for number, exception in enumerate(rule.exceptions):
        # The duty of an exception binds whoever needs the exception.
        needed = parts.needed(number)
        duties.extend(
            _duty(rule.id, exception.id, oblige, needed, exception.citations)
            for oblige in exception.obliges
        )
    return tuple(duties)


def _duty(
    rule: str,
    source: str,
    oblige: model.Oblige,
    holds: Condition,
    citations: tuple[core.Citation, ...],
) -> core.Duty:
    return core.Duty(
        id=f"{source}#{oblige.obligation}",
        obligation=oblige.obligation,
        title=oblige.title,
        rule=rule,
        condition=holds,
        citations=citations,
        due=oblige.due,
        kind=oblige.kind,
        parameters=tuple(sorted(oblige.parameters, key=lambda parameter: parameter[0])),
    )


# --- profiles ------------------------------------------------------------------------


def _profile_fact(profiles: Sequence[core.Profile]) -> FactType:
    names = tuple(profile.name for profile in profiles)
    return FactType(
        PROFILE_PATH,
        Kind.TERM,
        Origin.CATALOGUE,
        (),
        title="The profile that the caller has",
        values=names,
    )


def _reach(charter: str, profiles: Sequence[core.Profile]) -> list[Condition]:
    """That the caller's profile has the charter in force; nothing where there are none."""
    names = tuple(profile.name for profile in profiles if charter in profile.charters)
    return [OneOf(PROFILE_PATH, names)] if profiles else []


def _permit(permit: model.ProfilePermit) -> core.Rule:
    when = [] if permit.when is None else [condition(permit.when)]
    return core.Rule(
        id=permit.id,
        effect=core.Effect.PERMIT,
        actions=permit.actions,
        formula=conjunction([OneOf(PROFILE_PATH, (permit.profile,)), *when]),
        title=permit.title,
        citations=(),
        because=f"The profile permits {' and '.join(permit.actions)}.",
        remedies=(),
        exceptions=(),
        duties=(),
    )


# --- derived facts and invariants ----------------------------------------------------


def _derivation(derivation: model.Derivation) -> core.Derivation:
    if not isinstance(derivation, model.Tally):
        return derivation
    where = Constant(value=True) if derivation.where is None else condition(derivation.where)
    return core.Tally(
        derivation.aggregate, derivation.list, derivation.field, where, derivation.otherwise
    )


def _invariant(invariant: model.Invariant) -> core.Invariant:
    return core.Invariant(
        invariant.id,
        invariant.title,
        invariant.actions,
        condition(invariant.condition),
        invariant.citations,
    )
