"""Stage 3: tree → model, charters as wholes. What is wrong in one rule is `dsl.check_rule`'s."""

from collections.abc import Mapping

from dsl import model
from dsl.check_derive import check_derived
from dsl.check_invariant import check_invariants
from dsl.check_profile import Profiles, check_profiles
from dsl.check_rule import RuleChecker
from dsl.codes import Code
from dsl.core import PROFILE_PATH, FactType, ListType
from dsl.diagnostics import quoted
from dsl.found import Found
from dsl.resolve import Resolved
from dsl.scope import Scope


def check(resolved: Resolved, found: Found) -> model.Model:
    """The model of all charters; what is wrong in their rules goes to `found`, and a rule
    with an error is not in the model."""
    rules: list[model.Rule] = []
    invariants: list[model.Invariant] = []
    facts: dict[str, FactType] = {}
    lists: dict[str, ListType] = {}
    places: set[model.Place] = set()
    actions: set[str] = set()
    derived: dict[str, model.Derivation] = {}
    for scope in resolved.scopes:
        facts.update(scope.facts)
        facts.update(_keyed(scope))
        lists.update(scope.lists)
        places.update(scope.places.values())
        actions.update(scope.actions)
        own = resolved.derived.get(scope.charter.name.text, ())
        derived.update(check_derived(scope, own, found))
        rules.extend(RuleChecker(scope, found).rules())
        invariants.extend(check_invariants(scope, found))
    profiles = check_profiles(resolved.scopes, found)
    _put_profile(facts, profiles, resolved, found)
    return model.Model(
        facts=dict(sorted(facts.items())),
        places=tuple(sorted(places, key=lambda place: place.record)),
        actions=tuple(sorted(actions)),
        entities=resolved.entities,
        rules=tuple(sorted(rules, key=lambda rule: rule.id)),
        lists=dict(sorted(lists.items())),
        derived=dict(sorted(derived.items())),
        profiles=profiles.profiles,
        permits=profiles.permits,
        invariants=tuple(sorted(invariants, key=lambda invariant: invariant.id)),
    )


def _keyed(scope: Scope) -> Mapping[str, FactType]:
    """The facts of maps, one a key."""
    maps = scope.maps.values()
    return {fact.path: fact for known in maps for fact in known.facts.values()}


def _put_profile(
    facts: dict[str, FactType], profiles: Profiles, resolved: Resolved, found: Found
) -> None:
    """The fact that says which profile a caller has; nobody may declare it."""
    if profiles.fact is None:
        return
    for scope in resolved.scopes:
        word = scope.declares(PROFILE_PATH)
        if word is not None:
            found.report(
                Code.DECLARED_TWICE,
                f"{quoted(PROFILE_PATH)} is the profile of whoever asks",
                word.span,
                "give the field another name",
            )
    facts[PROFILE_PATH] = profiles.fact
