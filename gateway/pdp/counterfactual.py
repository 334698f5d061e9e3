"""What an answer rests on, and what would change it.

A bounded search with the definition (`dsl.evaluate`), in a fixed order; nothing is
suggested that was not evaluated. Beside the facts of the request (`gateway.pdp.nearest`)
it looks at other places of the catalogue, and at days to come. It is information on the
rules: whether a fact is so, nobody here can know.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsl.core import Effect, InForce, Level, Program
from dsl.evaluate import Verdict, verdict
from dsl.residual import deciding
from gateway.pdp.nearest import Nearest, Suggestion
from gateway.pdp.request import DecisionRequest
from gateway.pdp.what_if import Join, WhatIf

MAX_EVALUATIONS = 20_000
MAX_PLACES = 1_000
MAX_SHOWN_PLACES = 5
HORIZON_DAYS = 366
MAX_LATER = 400


@dataclass(frozen=True, slots=True)
class Places:
    """Other entities in one place of the question: of `tried`, `permitted` would be
    permitted; `ids` are the first of them."""

    record: str
    entity: str
    ids: tuple[str, ...]
    permitted: int
    tried: int


@dataclass(frozen=True, slots=True)
class Later:
    """The answer from a day on: `days` from now, its verdict, its obligations."""

    days: int
    verdict: Verdict
    obligations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is to be said of an answer.

    Attributes:
        rests_on: The known facts that decided, sorted by path.
        suggestions: Of a refusal, smallest first; none is contained in another.
        places: Of a refusal, other entities where the question names one.
        later: The next day on which the verdict or the obligations change; None where none
            was found within `HORIZON_DAYS`, nor on a later day that the rules name.
        evaluated: How many questions were put to the definition.
        gave_up: Whether the search ended before it was through.
    """

    verdict: Verdict
    rests_on: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]
    places: tuple[Places, ...]
    later: Later | None
    evaluated: int
    gave_up: bool


def explain(
    program: Program,
    join: Join,
    request: DecisionRequest,
    *,
    entities: Mapping[str, Sequence[str]],
    budget: int = MAX_EVALUATIONS,
) -> Explanation:
    """What the answer to a request rests on, and what would change it.

    Args:
        entities: The ids the catalogue vouches for, by entity type.
        budget: Combinations of facts after which the search for changes gives up.

    Raises:
        RequestError: The request itself is malformed.
    """
    what_if = WhatIf(program, join, request, budget)
    refused = what_if.verdict is not Verdict.PERMIT
    suggestions = tuple(Nearest(what_if).suggestions()) if refused else ()
    places = tuple(_places(what_if, entities)) if refused else ()
    later = _later(what_if)
    return Explanation(
        verdict=what_if.verdict,
        rests_on=tuple(sorted(_rests_on(what_if))),
        suggestions=suggestions,
        places=places,
        later=later,
        evaluated=what_if.evaluated,
        gave_up=what_if.gave_up,
    )


def _rests_on(what_if: WhatIf) -> frozenset[str]:
    """The known facts that decided: of a permit, those that grant it and those that keep
    each prohibition from being broken; of a refusal, those of what refuses."""
    answer = what_if.answer
    counted = [rule for rule in what_if.rules.values() if rule.level is Level.ENFORCE]
    if what_if.verdict is Verdict.PERMIT:
        keep = {rule.id for rule in counted if rule.effect is Effect.FORBID} | answer.granted
    else:
        uncovered = {rule.id for rule in counted if rule.effect is Effect.PERMIT}
        keep = answer.denied or answer.open or uncovered
    decided = [rule for rule in counted if rule.id in keep]
    paths = (deciding(rule.formula, what_if.question) for rule in decided)
    return frozenset[str]().union(*paths)


def _places(what_if: WhatIf, entities: Mapping[str, Sequence[str]]) -> Iterator[Places]:
    """Other entities as the resource, with all else as it is."""
    for place in what_if.program.places:
        if place.wire != ("resource",) or what_if.question.action not in place.actions:
            continue
        asked = what_if.request.resource.id
        others = [one for one in sorted(entities.get(place.entity, ())) if one != asked]
        if len(others) > MAX_PLACES:
            what_if.gave_up = True
            others = others[:MAX_PLACES]
        what_if.evaluated += len(others)
        answers = ((one, what_if.at(one)) for one in others)
        permitted = [one for one, answer in answers if answer is not None and answer.permits]
        yield Places(
            place.record,
            place.entity,
            tuple(permitted[:MAX_SHOWN_PLACES]),
            len(permitted),
            len(others),
        )


def _later(what_if: WhatIf) -> Later | None:
    """The next day on which the verdict or the obligations are others: every day within the
    horizon, and beyond it the days that the rules name."""
    now = (what_if.verdict, what_if.obligations(what_if.answer))
    for days in _days(what_if):
        what_if.evaluated += 1
        answer = what_if.later(days)
        if answer is not None:
            then = (verdict(answer), what_if.obligations(answer))
            if then != now:
                return Later(days, *then)
    return None


def _days(what_if: WhatIf) -> list[int]:
    named = {
        day - what_if.question.today[atom.time_zone]
        for atom in what_if.program.atoms()
        if isinstance(atom, InForce)
        for day in (atom.first, None if atom.last is None else atom.last + 1)
        if day is not None
    }
    beyond = sorted(day for day in named if day > HORIZON_DAYS)
    return [*range(1, HORIZON_DAYS + 1), *beyond[:MAX_LATER]]
