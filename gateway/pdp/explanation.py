"""An explanation with its facts and days: what an answer rests on, and what would change it."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from dsl.core import Program
from dsl.evaluate import Verdict
from dsl.facts import Value, wire_value
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.counterfactual import MAX_EVALUATIONS, Explanation, Later, explain
from gateway.pdp.nearest import Change, Suggestion
from gateway.pdp.normalise import Days, Joined, Normaliser
from gateway.pdp.profiles import Profiles
from gateway.pdp.request import DecisionRequest
from gateway.pdp.rows import Said
from gateway.pdp.supplied import NOTHING, Supplied

_DECISIONS = {
    Verdict.PERMIT: "permit",
    Verdict.FORBIDDEN: "deny",
    Verdict.UNDETERMINED: "indeterminate",
    Verdict.UNCOVERED: "deny",
}


@dataclass(frozen=True)
class Explained:
    """An explanation with the facts and the day it speaks of."""

    found: Explanation
    joined: Joined
    program: Program
    day: date
    catalogue: Catalogue

    def said(self, path: str) -> Said | None:
        """Who states a fact of the catalogue; None of any other fact."""
        for record, kind, entity in self.joined.entities:
            entry = self.catalogue.entries[kind][entity]
            name = path.removeprefix(f"{record}.")
            if name != path and name in entry.facts:
                return entry.said(name)
        return None


@dataclass(frozen=True)
class When:
    """The days an answer was made for: an instant, or days chosen on the command line."""

    now: datetime | None = None
    as_of: date | None = None
    known_on: date | None = None

    def days(self, normaliser: Normaliser) -> Days:
        if self.now is not None:
            return normaliser.days_at(self.now)
        assert self.as_of is not None  # noqa: S101 - one of the two is given
        return normaliser.everywhere(self.as_of, self.known_on)


def explained(
    program: Program,
    catalogue: Catalogue,
    request: DecisionRequest,
    when: When,
    *,
    tenant: str | None,
    profile: str | None = None,
    budget: int = MAX_EVALUATIONS,
    supplied: Supplied = NOTHING,
) -> Explained:
    """The explanation of the answer to a request; `budget` as of `explain`. `supplied` is what
    sources said, as far as it is about what is asked.

    Raises:
        RequestError: The request is malformed.
        ConfigurationError: The program has no such profile.
    """
    normaliser, profiles = Normaliser(program, catalogue), Profiles(program)
    chosen = profiles.of(tenant) if profile is None else profiles.named(profile)
    days = when.days(normaliser)

    def join(asked: DecisionRequest, later: int) -> Joined:
        # The catalogue as it stands: what it will say then, nobody knows.
        today = {zone: day + later for zone, day in days.today.items()}
        return normaliser.join_on(
            asked, replace(days, today=today), chosen, tenant=tenant, supplied=supplied
        )

    entities = {
        entity: catalogue.valid_ids(entity, days.of_catalogue) for entity in catalogue.entries
    }
    found = explain(program, join, request, entities=entities, budget=budget)
    return Explained(found, join(request, 0), program, days.earliest, catalogue)


# --- JSON ----------------------------------------------------------------------------


def to_body(explained: Explained) -> dict[str, object]:
    """The explanation as JSON; values as they stand on the wire."""
    found = explained.found
    return {
        "rests_on": [
            {
                "path": path,
                "value": wire_value(explained.program.facts[path], known(explained, path)),
                "origin": explained.joined.origins[path].value,
                **_stated_by(explained, path),
            }
            for path in found.rests_on
        ],
        "would_permit": [_suggestion_body(one) for one in found.suggestions],
        "elsewhere": [
            {
                "record": places.record,
                "entity": places.entity,
                "ids": list(places.ids),
                "permitted": places.permitted,
                "tried": places.tried,
            }
            for places in found.places
        ],
        "changes_on": found.later
        and {
            "day": day_of(explained, found.later).isoformat(),
            "decision": _DECISIONS[found.later.verdict],
            "obligations": list(found.later.obligations),
        },
        "vouched_until": vouched_until(explained),
        "evaluated": found.evaluated,
        "gave_up": found.gave_up,
    }


def _suggestion_body(one: Suggestion) -> dict[str, object]:
    return {
        "changes": [
            {
                "path": change.fact.path,
                "pointer": "/" + "/".join(change.fact.wire),
                "from": None if change.before is None else wire_value(change.fact, change.before),
                "to": [wire_value(change.fact, value) for value in change.values],
                "between": _ends(change),
            }
            for change in one.changes
        ],
        "obligations": list(one.obligations),
    }


def _stated_by(explained: Explained, path: str) -> dict[str, object]:
    said = explained.said(path)
    if said is None:
        joined = explained.joined
        found = joined.supplied.states(path, joined.entities)
        told = None if found is None else found.body()
        names = ("source", "about", "id", "observed_at", "digest")
        return {} if told is None else {"stated_by": {name: told[name] for name in names}}
    layer = said.layer
    return {"stated_by": {"file": layer.name, "digest": layer.digest, "source": said.source}}


def _ends(change: Change) -> list[object] | None:
    """The ends of the interval of which all would do; null is an open end."""
    if change.span is None:
        return None
    return [None if end is None else wire_value(change.fact, end) for end in change.span]


def known(explained: Explained, path: str) -> Value:
    return explained.joined.question.facts[path]


def day_of(explained: Explained, later: Later) -> date:
    return explained.day + timedelta(days=later.days)


def vouched_until(explained: Explained) -> str | None:
    until = explained.joined.vouched_until
    return None if until in (None, date.max) else until.isoformat()
