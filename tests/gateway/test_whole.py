"""Every construct of the language from source text to signed record, on both engines."""

from collections.abc import Generator
from datetime import date
from typing import Any

import pytest

from dsl.evaluate import evaluate
from dsl.examples import cases, failure
from gateway.callers import Caller
from gateway.errors import RequestError
from gateway.pdp.engines import make_engines
from gateway.pdp.judge import Judge
from gateway.pdp.request import DecisionRequest
from tests.gateway import whole
from tests.gateway.world import World, question, run

CLINIC, OTHER = Caller("c-1", "clinic-b"), Caller("c-2", "somebody")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with whole.world(tmp_path_factory.mktemp("whole")) as made:
        run(made.service.check_engines())
        yield made


def decide(world: World, caller: Caller = CLINIC, **changes: Any) -> dict[str, Any]:
    members = whole.asked(**changes)
    answer = world.decide(caller, **members)
    world.verify(answer, question(**members))
    return answer


def contract(**members: Any) -> dict[str, Any]:
    known = whole.CONTEXT
    return {"context": {**known, "contract": {**known["contract"], **members}}}


def rules(answer: dict[str, Any], member: str = "reasons") -> list[str]:
    return [reason["rule"].partition("/")[2] for reason in answer[member]]


def test_the_examples_of_the_charters_hold() -> None:
    made = whole.made()
    found = [
        (case.name, failure(case, evaluate(case.program, case.question)))
        for case in cases(made.model, made.program, whole.sites().raw_facts())
    ]
    assert len(found) > 15
    assert [said for said in found if said[1] is not None] == []


def test_the_vectors_of_the_bundle_show_every_profile_and_none() -> None:
    profiles = {vector.question.facts.get("deployment.profile") for vector in whole.made().vectors}
    assert {"clinics", "others"} <= profiles


def test_a_permit_carries_duties_advice_preference_and_warnings(world: World) -> None:
    said = decide(world)
    assert said["decision"] == "permit"
    assert said["engines"] == {"cedar": "permit", "rego": "permit"}
    assert [(d["id"], d["due"], d["parameters"]) for d in said["obligations"]] == [
        (
            "notify",
            "2026-11-25T09:30:15.250Z",
            {"authority": "lex-office", "copies": 2, "filed_on": "2027-01-12"},
        ),
        ("review", "2027-02-22", {}),
    ]
    assert [(d["id"], d["due"]) for d in said["advice"]] == [("start-logs", None)]
    assert (said["preference"], rules(said, "preferences")) == (10, ["spare"])
    assert (rules(said, "warnings"), rules(said, "shadow")) == (["dear"], [])


def test_a_refusal_names_rules_facts_and_what_is_only_noted(world: World) -> None:
    said = decide(world, resource__id="far")
    assert said["decision"] == "deny"
    assert rules(said) == ["owned-here", "sealed"]
    assert (rules(said, "warnings"), rules(said, "shadow")) == (["dear"], ["fresh"])
    (share,) = [f for f in said["reasons"][0]["facts"] if f["path"] != "deployment.profile"]
    assert share == {"path": "destination.foreign_share", "value": "100.00", "origin": "catalogue"}
    assert (said["preference"], said["advice"]) == (0, [])


@pytest.mark.parametrize(
    ("changes", "decision", "broken"),
    [
        (contract(ends="2026-12-22"), "permit", []),
        (contract(ends="2026-12-21"), "deny", ["contract-lasts"]),
        (contract(ends=None), "indeterminate", ["contract-lasts"]),
        (contract(price="1000.00"), "permit", []),
        (contract(price=None), "permit", []),
        ({"subject": {"type": "robot", "id": "r2"}}, "deny", ["clinics"]),
        ({**whole.LEAVE, **contract(notified_on="2026-01-31")}, "permit", []),
        ({**whole.LEAVE, **contract(notified_on="2026-05-22")}, "permit", []),
        ({**whole.LEAVE, **contract(notified_on="2026-05-23")}, "deny", ["notice-over"]),
        ({**whole.LEAVE, **contract(notified_on=None)}, "deny", ["notice-given", "notice-over"]),
    ],
)
def test_dates_decimals_and_what_is_known_decide(
    world: World, changes: dict[str, Any], decision: str, broken: list[str]
) -> None:
    said = decide(world, **changes)
    assert (said["decision"], rules(said)) == (decision, broken)


@pytest.mark.parametrize(
    ("notified_on", "in_time"),
    [("2027-06-29", True), ("2027-06-30", False), (None, None)],
)
def test_facts_are_derived_from_facts(
    world: World, notified_on: str | None, in_time: bool | None
) -> None:
    said = decide(world, **contract(notified_on=notified_on))
    known = {fact["path"]: fact["value"] for fact in said["facts"]}
    assert known.get("contract.noticed_in_time") is in_time
    assert known.get("contract.notice_ends") == (notified_on and "2027-12-" + notified_on[-2:])
    assert known["destination.assessment_age"] == 21
    assert (known["destination.vetoes"], known["destination.largest_share"]) == (1, "75.50")


def test_what_must_be_known_is_missing_with_its_pointer(world: World) -> None:
    said = decide(world, **whole.LEAVE)
    assert [(m["path"], m["pointer"], m["rules"]) for m in said["missing"]] == [
        (
            "contract.notified_on",
            "/context/contract/notified_on",
            ["whole.law/notice-given", "whole.law/notice-over"],
        )
    ]


def test_a_tenant_of_no_profile_has_that_of_everybody_else(world: World) -> None:
    said = decide(world, OTHER)
    assert (said["decision"], said["tenant"]) == ("deny", "somebody")
    assert rules(said) == []  # nothing permits that action to it at all
    said = decide(world, OTHER, **whole.LEAVE, **contract(notified_on="2026-01-31"))
    assert (said["decision"], rules(said, "grounds")) == ("permit", ["others"])


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"resource__properties": {"holders": []}}, "/resource/properties/holders"),
        ({"resource__properties": {"foreign_share": "0"}}, "/resource/properties/foreign_share"),
        ({"resource__properties": {"vetoes": 0}}, "/resource/properties/vetoes"),
        ({"context__deployment": {"profile": "clinics"}}, "/context/deployment"),
        (contract(notice_ends="2020-01-01"), "/context/contract/notice_ends"),
    ],
)
def test_nothing_that_is_derived_or_chosen_can_be_claimed(
    world: World, changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(RequestError) as caught:
        decide(world, OTHER, **changes)
    assert (caught.value.kind, caught.value.pointer) == ("foreign-origin", pointer)


def test_a_day_is_judged_with_the_catalogue_of_another() -> None:
    made = whole.made()
    engines = make_engines(("cedar", "rego"), made.program, opa_url=None)
    judge = Judge(made.program, whole.sites(), engines)
    asked = DecisionRequest.read(question(**whole.asked()))

    async def on(day: date, known_on: date | None) -> Any:
        return (await judge.judge_on(asked, day, known_on, profile="clinics")).body()

    later = run(on(date(2027, 3, 1), date(2026, 2, 1)))
    assert (later["decision"], rules(later, "shadow")) == ("permit", ["fresh"])
    assert later["obligations"][1]["due"] == "2027-06-01"
    with pytest.raises(RequestError, match="its row begins on 2026-01-01"):
        run(on(date(2027, 3, 1), date(2025, 12, 31)))
