"""One second before and after a day begins: the law changes, and no answer outlives it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dsl.core import (
    Aggregate,
    AtLeast,
    Condition,
    Constant,
    DaysBetween,
    Effect,
    FactType,
    InForce,
    Kind,
    Not,
    NotBefore,
    OneOf,
    Origin,
    Program,
    Rule,
    Tally,
)
from dsl.model import Model
from gateway.bundle import Bundle
from gateway.in_force import MAX_VALIDITY
from tests.gateway.language import BRUSSELS, KIRITIMATI, PROGRAM, day, rule, sites
from tests.gateway.world import World

SECOND = timedelta(seconds=1)

# A time zone, a day, and the instant of UTC at which that day begins there.
BEGINNINGS = [
    (BRUSSELS, "2026-12-01", "2026-11-30T23:00:00Z"),  # UTC+1, winter
    (BRUSSELS, "2026-07-01", "2026-06-30T22:00:00Z"),  # UTC+2, summer
    (BRUSSELS, "2026-03-29", "2026-03-28T23:00:00Z"),  # the clocks go forward that day
    (BRUSSELS, "2026-03-30", "2026-03-29T22:00:00Z"),  # after 23 hours
    (BRUSSELS, "2026-10-26", "2026-10-25T23:00:00Z"),  # after 25 hours
    (KIRITIMATI, "2026-12-01", "2026-11-30T10:00:00Z"),  # UTC+14
    (KIRITIMATI, "2028-02-29", "2028-02-28T10:00:00Z"),
]


def _since(path: str, zone: str, first: int) -> Tally:
    where = InForce(zone, first, None)
    return Tally(Aggregate.NUMBER, path, None, where)


def laws(zone: str, text: str) -> dict[str, tuple[Condition, dict[str, Any]]]:
    """Prohibitions that hold from that day on and not before, each in another way, with
    what is derived for it. The contract ends on the day before."""
    first = day(text)
    count = FactType("destination.counted", Kind.INTEGER, Origin.CATALOGUE, (), unit="items")
    left = FactType(
        "contract.left", Kind.INTEGER, Origin.REQUEST, (), unit="days", may_be_negative=True
    )
    return {
        "in force from": (InForce(zone, first, None), {}),
        "in force until": (Not(InForce(zone, None, first - 1)), {}),
        "not before today": (Not(NotBefore("contract.ends", zone, 0)), {}),
        "not before some days": (Not(NotBefore("contract.ends", zone, -1)), {"shift": -1}),
        "derived from today": (
            Not(AtLeast("contract.left", 0)),
            {"fact": left, "derivation": DaysBetween(None, "contract.ends", zone)},
        ),
        "derived under a date": (
            AtLeast("destination.counted", 1),
            {"fact": count, "derivation": _since("destination.holders", zone, first)},
        ),
    }


WAYS = list(laws(BRUSSELS, "2026-12-01"))


def program(formula: Condition, derived: dict[str, Any]) -> Program:
    rules: tuple[Rule, ...] = (
        rule("law", Effect.FORBID, formula),
        rule("yes", Effect.PERMIT, OneOf("user.id", ("alice",))),
    )
    made = replace(PROGRAM, rules=rules, derived={}, profiles=())
    if "fact" not in derived:
        return made
    path = derived["fact"].path
    return replace(
        made,
        facts={**PROGRAM.facts, path: derived["fact"]},
        derived={path: derived["derivation"]},
    )


@contextmanager
def gateway(folder: Path, law: Program, remember: int) -> Generator[World]:
    model = Model(law.facts, law.places, law.actions, {}, ())
    bundle = Bundle(law, model, {}, (), "sha256:" + "0" * 64)
    with World(folder, law=bundle, known=sites(), remember=remember) as world:
        yield world


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("zone", "text", "begins"), BEGINNINGS)
def test_a_day_begins_at_its_instant_and_answers_end_there(
    tmp_path: Path, way: str, zone: str, text: str, begins: str
) -> None:
    formula, derived = laws(zone, text)[way]
    midnight = datetime.fromisoformat(begins)
    ends = date.fromisoformat(text) - timedelta(days=1 - derived.get("shift", 0))
    asked: dict[str, Any] = {
        "subject__type": "user",
        "subject__id": "alice",
        "context": {"contract": {"ends": ends.isoformat()}},
    }
    said: dict[str, tuple[str, str]] = {}
    with gateway(tmp_path, program(formula, derived), 1000) as world:
        for name, now in (
            ("an hour before", midnight - MAX_VALIDITY - SECOND),
            ("a second before", midnight - SECOND),
            ("then", midnight),
            ("a second after", midnight + SECOND),
        ):
            world.clock.now = now
            answer = world.decide(**asked)
            said[name] = (answer["decision"], answer["valid_until"])
    assert said == {
        "an hour before": ("permit", _text(midnight - SECOND)),
        "a second before": ("permit", _text(midnight)),
        "then": ("deny", _text(midnight + MAX_VALIDITY)),
        "a second after": ("deny", _text(midnight + SECOND + MAX_VALIDITY)),
    }


def test_a_rule_that_counts_from_today_ends_every_answer_at_midnight(tmp_path: Path) -> None:
    law = program(Not(NotBefore("contract.ends", KIRITIMATI, 0)), {})
    with gateway(tmp_path, law, 1000) as world:
        world.clock.now = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
        asked: dict[str, Any] = {"context": {"contract": {"ends": "2030-01-01"}}}
        answer = world.decide(subject__type="user", subject__id="alice", **asked)
    assert answer["decision"] == "permit"
    assert answer["valid_until"] == "2026-11-22T10:00:00.000Z"


def test_where_no_rule_reads_the_clock_an_answer_outlives_midnight(tmp_path: Path) -> None:
    with gateway(tmp_path, program(Constant(value=False), {}), 1000) as world:
        world.clock.now = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
        answer = world.decide(subject__type="user", subject__id="alice", context={})
    assert answer["valid_until"] == "2026-11-23T00:30:00.000Z"


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
