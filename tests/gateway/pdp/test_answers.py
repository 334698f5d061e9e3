"""What a decision says of duties, advice, preferences, and rules that are not enforced."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dsl.core import Program
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.judge import Judge
from gateway.pdp.request import DecisionRequest
from tests.gateway.language import PROGRAM, SITES, request, sites

NOW = datetime(2026, 11, 30, 9, 30, 15, 250_000, tzinfo=UTC)
CLINIC, OTHER = "clinic-a", "somebody"


def judge(program: Program = PROGRAM) -> Judge:
    return Judge(program, sites(), [ReferenceEngine(program)])


def body(now: datetime = NOW, tenant: str | None = CLINIC, **changes: Any) -> Any:
    asked = DecisionRequest.read(request(**changes))
    return asyncio.run(judge().judge(asked, now=now, tenant=tenant)).body()


def shown(items: list[dict[str, Any]], *members: str) -> list[tuple[Any, ...]]:
    return [tuple(item[member] for member in members) for item in items]


def test_duties_and_advice_come_apart_each_with_its_deadline() -> None:
    said = body()
    assert said["decision"] == "permit"
    assert shown(said["obligations"], "id", "due") == [
        ("at-once", None),
        ("in-days", "2026-12-30"),
        ("in-minutes", "2026-12-03T09:30:15.250Z"),
        ("in-months", "2027-02-28"),
    ]
    assert shown(said["advice"], "id", "due", "parameters") == [
        ("start-logs", "2026-12-01", {"copies": 1})
    ]
    assert said["obligations"][0].keys() == said["advice"][0].keys()


def test_a_duty_says_its_parameters_in_their_types() -> None:
    said = {duty["id"]: duty["parameters"] for duty in body()["obligations"]}
    assert said["in-minutes"] == {
        "authority": "bnetza",
        "by": "2027-01-12",
        "copies": 2,
        "sealed": True,
    }
    assert said["at-once"] == {}


def test_a_remembered_decision_has_the_deadlines_of_its_own_instant() -> None:
    asked = DecisionRequest.read(request())

    async def twice() -> list[Any]:
        one = judge()
        return [
            (await one.judge(asked, now=NOW + timedelta(hours=hour), tenant=CLINIC)).body()
            for hour in (0, 1)
        ]

    first, second = asyncio.run(twice())
    dues = [duty["due"] for said in (first, second) for duty in said["obligations"]]
    assert dues[2::4] == ["2026-12-03T09:30:15.250Z", "2026-12-03T10:30:15.250Z"]
    assert dues[:2] == dues[4:6]


def test_preferences_are_summed_and_named() -> None:
    said = body()
    assert said["preference"] == 15
    assert said["preferences"] == [
        {"rule": "test.all/near", "title": "The rule near", "weight": 10},
        {"rule": "test.all/seal-1", "title": "The rule seal-1", "weight": 5},
    ]
    # What is not certainly so adds nothing.
    said = body(context__csf=None)
    assert (said["decision"], said["preference"]) == ("permit", 10)
    assert shown(said["preferences"], "rule") == [("test.all/near",)]


def test_what_is_refused_is_not_ranked_and_has_no_duties() -> None:
    said = body(context__contract__ends="2026-12-01")
    assert said["decision"] == "deny"
    empty = ("obligations", "advice", "preferences", "grounds")
    assert [said[member] for member in empty] == [[], [], [], []]
    assert said["preference"] == 0


@pytest.mark.parametrize("ends", ["2027-06-30", "2026-12-01"])
def test_rules_that_are_not_enforced_are_told_of_permits_and_refusals(ends: str) -> None:
    said = body(
        context__contract__ends=ends,
        context__contract__persons=10,
        action__properties={"soft": True},
    )
    assert said["decision"] == ("permit" if ends > "2027" else "deny")
    assert shown(said["warnings"], "rule", "status") == [
        ("test.all/warn-permit", "permitted"),
        ("test.all/warn-rule", "forbidden"),
    ]
    assert shown(said["shadow"], "rule", "status") == [
        ("test.all/shadow-permit", "permitted"),
        ("test.all/shadow-rule", "forbidden"),
    ]
    assert said["shadow"][1]["facts"] == [
        {"path": "contract.price", "value": "24.10", "origin": "request"}
    ]
    named = {reason["rule"] for reason in said["reasons"]}
    assert not named & {"test.all/warn-rule", "test.all/shadow-rule", "test.all/warn-permit"}


def test_a_rule_that_is_not_enforced_and_undetermined_says_so() -> None:
    said = body(context__contract__persons=None)
    assert said["decision"] == "permit"
    assert shown(said["warnings"], "rule", "status") == [("test.all/warn-rule", "undetermined")]
    assert said["missing"] == []


def test_facts_are_shown_as_the_wire_has_them() -> None:
    known = {fact["path"]: (fact["value"], fact["origin"]) for fact in body()["facts"]}
    assert known["contract.ends"] == ("2027-06-30", "request")
    assert known["contract.price"] == ("24.10", "request")
    assert known["contract.balance"] == ("-0.05", "request")
    assert known["contract.notice_ends"] == ("2027-02-28", "request")
    assert known["contract.left"] == (212, "request")
    assert known["destination.foreign_share"] == ("24.50", "catalogue")
    assert known["destination.assessed_on"] == ("2026-05-31", "catalogue")
    assert known["destination.load"] == ("24.1", "catalogue")
    assert known["csf.seal[SOV-2]"] == ("SEAL-2", "request")
    assert known["deployment.profile"] == ("clinics", "catalogue")


# --- what is missing -----------------------------------------------------------------


def test_for_a_derived_fact_its_input_is_missing_with_a_pointer() -> None:
    said = body(context__contract__ends=None)
    assert said["decision"] == "indeterminate"
    assert said["missing"] == [
        {
            "path": "contract.ends",
            "rules": ["test.all/ends-later", "test.all/left"],
            "origin": "request",
            "pointer": "/context/contract/ends",
        }
    ]


def test_for_a_fact_that_is_tallied_its_list_is_missing() -> None:
    said = body(resource__id="bare")
    assert said["missing"] == [
        {
            "path": "destination.holders",
            "rules": ["test.all/foreign"],
            "origin": "catalogue",
            "pointer": None,
        }
    ]


def test_a_derived_fact_that_nothing_could_settle_is_missing_itself() -> None:
    leaving: dict[str, Any] = {"action__name": "leave", "resource": {"type": "x", "id": "y"}}
    said = body(**leaving, context__contract__notified_on="9999-12-31")
    assert said["decision"] == "indeterminate"
    assert shown(said["missing"], "path", "pointer") == [("contract.notice_ends", None)]
    said = body(**leaving, context__contract__notified_on=None)
    assert shown(said["missing"], "path", "pointer") == [
        ("contract.notified_on", "/context/contract/notified_on")
    ]


def test_the_explanation_is_not_that_of_a_question_with_other_inputs() -> None:
    """The derived fact is unknown in both; what is missing differs."""
    leaving: dict[str, Any] = {"action__name": "leave", "resource": {"type": "x", "id": "y"}}
    # No rule reads the input itself.
    one = judge(replace(PROGRAM, rules=tuple(r for r in PROGRAM.rules if "told" not in r.id)))

    async def ask(notified: str | None) -> Any:
        asked = request(**leaving, context__contract__notified_on=notified)
        return (await one.judge(DecisionRequest.read(asked), now=NOW, tenant=CLINIC)).body()

    async def both() -> list[str]:
        said = [await ask("9999-12-31"), await ask(None)]
        return [item["path"] for one_said in said for item in one_said["missing"]]

    assert asyncio.run(both()) == ["contract.notice_ends", "contract.notified_on"]


def test_a_refusal_for_what_is_not_known_names_what_to_state() -> None:
    said = body(action__name="stop", context__contract__notified_on=None)
    assert said["decision"] == "deny"
    assert shown(said["reasons"], "rule", "status") == [("test.all/told", "forbidden")]
    assert shown(said["missing"], "path", "pointer", "rules") == [
        ("contract.notified_on", "/context/contract/notified_on", ["test.all/told"])
    ]
    assert body(action__name="stop")["decision"] == "permit"


# --- profiles ------------------------------------------------------------------------


def test_each_tenant_is_judged_by_its_profile() -> None:
    for tenant, ground in ((CLINIC, "test.all/yes"), (OTHER, "test.all/yes-everybody")):
        assert shown(body(tenant=tenant)["grounds"], "rule") == [(ground,)]


def test_an_uncovered_question_names_the_permissions_of_its_profile_alone() -> None:
    known = sites(SITES.replace("open = true", "open = false", 1))
    closed = Judge(PROGRAM, known, [ReferenceEngine(PROGRAM)])
    asked = DecisionRequest.read(request())
    said: Any = asyncio.run(closed.judge(asked, now=NOW, tenant=CLINIC)).body()
    assert said["decision"] == "deny"
    assert shown(said["reasons"], "rule", "status") == [("test.all/yes", "uncovered")]


def test_a_day_may_be_asked_for_under_another_profile() -> None:
    async def on(**more: Any) -> Any:
        asked = DecisionRequest.read(request())
        return (await judge().judge_on(asked, date(2026, 11, 30), **more)).body()

    grounds = [asyncio.run(on(**more))["grounds"][0]["rule"] for more in (
        {}, {"tenant": CLINIC}, {"profile": "clinics"}, {"tenant": CLINIC, "profile": "everybody"},
    )]  # fmt: skip
    assert [ground.partition("/")[2] for ground in grounds] == [
        "yes-everybody",
        "yes",
        "yes",
        "yes-everybody",
    ]


def test_the_law_of_a_day_is_asked_with_the_catalogue_of_another() -> None:
    async def on(day: date, known_on: date | None) -> Any:
        asked = DecisionRequest.read(request(resource__id="past"))
        return (await judge().judge_on(asked, day, known_on)).body()

    then = asyncio.run(on(date(2026, 11, 30), date(2025, 12, 31)))
    assert then["decision"] == "permit"
    assert then["today"]["Europe/Brussels"] == "2026-11-30"
    # Deadlines count from the day of the law.
    assert then["obligations"][1]["due"] == "2026-12-30"
    assert then["obligations"][2]["due"] == "2026-12-03T00:00:00.000Z"
