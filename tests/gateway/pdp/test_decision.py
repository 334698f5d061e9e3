"""Decisions: what an answer means, in a fixed order, with law, facts and ways out."""

from datetime import date
from typing import Any

import pytest

from dsl.core import And, Constant, InForce, Origin
from dsl.evaluate import Answer, evaluate
from gateway.pdp.dates import boundaries, day_of
from gateway.pdp.decider import Decider
from gateway.pdp.decision import Decision
from gateway.pdp.normalise import Days, Normaliser
from gateway.pdp.request import DecisionRequest
from tests import corpus
from tests.gateway.world import program, question, sites

TODAY = date(2026, 11, 22)
EEA_ONLY, FRESH = "test.law/eea-only", "test.law/fresh"


def decide(day: date = TODAY, **changes: Any) -> Decision:
    normaliser = Normaliser(program(), sites())
    days: Days = normaliser.everywhere(day)
    joined = normaliser.join_on(DecisionRequest.read(question(**changes)), days)
    answer = evaluate(program(), joined.question)
    return Decider(program()).decide(answer, joined.question, joined.origins, today=days.earliest)


def body(decision: Decision) -> Any:
    return decision.body()


def reasons(decision: Decision) -> list[tuple[str, str]]:
    return [(reason.rule.id, reason.status) for reason in decision.reasons]


def test_a_permit_has_no_reasons_and_no_missing_facts() -> None:
    decision = decide()
    assert decision.outcome.value == "permit"
    assert (decision.reasons, decision.missing, decision.obligations) == ((), (), ())


OPEN_SITE, TOOLS = "test.baseline/open-site", "test.law/eea-only/tools"
FAR: dict[str, Any] = {"resource__id": "far", "context__transfer__tool": "clauses"}


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        # The site lies in the area: no exception is needed, whatever tool there is.
        ({"context__transfer__tool": "clauses"}, [OPEN_SITE]),
        (FAR, [OPEN_SITE, TOOLS]),
        # Without personal data the rule does not reach the question.
        ({**FAR, "context__data__labels": ["public"]}, [OPEN_SITE]),
        # A refusal rests on its reasons.
        ({**FAR, "context__transfer__tool": "none"}, []),
        ({**FAR, "context__transfer__tool": None}, []),
    ],
)
def test_a_permit_names_the_permission_and_the_exceptions_it_rests_on(
    changes: dict[str, Any], rules: list[str]
) -> None:
    assert [ground.rule for ground in decide(**changes).grounds] == rules


def test_a_ground_cites_its_law() -> None:
    grounds = body(decide(**FAR))["grounds"]
    assert [(g["citations"][0]["law"], g["citations"][0]["article"]) for g in grounds] == [
        ("HOUSE", None),
        ("LEX", "2"),
    ]


def test_every_broken_rule_is_reported_in_the_order_of_ids() -> None:
    decision = decide(resource__id="far", context__transfer__age=366)
    assert decision.outcome.value == "deny"
    assert reasons(decision) == [(EEA_ONLY, "forbidden"), (FRESH, "forbidden")]


def test_forbidden_comes_before_undetermined_and_decides() -> None:
    decision = decide(resource__id="far", context__transfer__age=...)
    assert decision.outcome.value == "deny"
    assert reasons(decision) == [(EEA_ONLY, "forbidden"), (FRESH, "undetermined")]
    # In the order of status even where the ids run the other way.
    decision = decide(resource__id="far", context__transfer__tool=..., context__transfer__age=400)
    assert reasons(decision) == [(FRESH, "forbidden"), (EEA_ONLY, "undetermined")]


def test_an_unknown_that_matters_is_undetermined_and_named_with_its_pointer() -> None:
    decision = decide(resource__id="far", context__transfer__tool=...)
    assert decision.outcome.value == "indeterminate"
    assert reasons(decision) == [(EEA_ONLY, "undetermined")]
    (missing,) = body(decision)["missing"]
    assert missing == {
        "path": "transfer.tool",
        "rules": [EEA_ONLY],
        "origin": "request",
        "pointer": "/context/transfer/tool",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # The labels are unknown, but the site is in the area whatever they are.
        ({"context__data__labels": ...}, []),
        # Of an unknown site all is missing that a rule would read.
        (
            {"resource__id": "vague", "context__transfer__tool": "none"},
            ["destination.countries"],
        ),
        ({"resource__id": "vague", "context__transfer__tool": "clauses"}, ["destination.open"]),
        (
            {"resource__id": "far", "context__transfer": {}},
            ["transfer.age", "transfer.tool"],
        ),
        # Not public, not the tool: it is forbidden, and no fact could help.
        ({"resource__id": "far"}, []),
    ],
)
def test_missing_lists_the_unknown_facts_that_matter_and_no_others(
    changes: dict[str, Any], expected: list[str]
) -> None:
    assert [item.path for item in decide(**changes).missing] == expected


def test_a_fact_that_the_catalogue_lacks_has_no_pointer() -> None:
    (item,) = decide(resource__id="vague", context__transfer__tool="clauses").missing
    assert item.body()["origin"] == "catalogue"
    assert item.body()["pointer"] is None


def test_one_missing_fact_names_every_rule_that_waits_for_it() -> None:
    subject = corpus.program(
        corpus.permit(corpus.ENCRYPTED),
        corpus.rule("other", corpus.Effect.PERMIT, corpus.ENCRYPTED),
    )
    asked = corpus.Question("place", {}, {})
    decision = Decider(subject).decide(evaluate(subject, asked), asked, {}, today=TODAY)
    assert [item.rules for item in decision.missing] == [
        ("test.charter/other", "test.charter/permission")
    ]


def test_a_question_that_no_permit_reaches_names_the_permits() -> None:
    decision = decide(resource__id="closed")
    assert decision.outcome.value == "deny"
    assert reasons(decision) == [("test.baseline/open-site", "uncovered")]
    (reason,) = decision.reasons
    assert [(f.path, f.value, f.origin) for f in reason.facts] == [
        ("destination.open", False, Origin.CATALOGUE)
    ]


def test_an_action_that_nothing_permits_is_uncovered_without_reasons() -> None:
    decision = decide(action__name="sleep")
    assert (decision.outcome.value, decision.reasons) == ("deny", ())


def test_a_reason_cites_its_law_and_says_what_would_help() -> None:
    (reason,) = body(decide(resource__id="far"))["reasons"]
    assert reason["title"] == "Personal data stays in the area"
    assert reason["because"] == "The law says so."
    assert reason["remedies"] == ["Choose a site in the area.", "Use clauses."]
    (citation,) = reason["citations"]
    assert (citation["law"], citation["locator"]) == ("LEX", "art 1")
    assert citation["celex"] == "32000R0001"
    assert citation["url"].endswith("CELEX:32000R0001")
    assert reason["facts"] == [
        {"path": "data.labels", "value": ["health", "personal"], "origin": "request"},
        {"path": "destination.countries", "value": ["US"], "origin": "catalogue"},
        {"path": "transfer.tool", "value": "none", "origin": "request"},
    ]


@pytest.mark.parametrize(
    ("day", "due"), [(TODAY, "2026-12-22"), (date(2026, 12, 31), "2027-01-30")]
)
def test_obligations_come_sorted_with_the_day_on_which_they_are_due(day: date, due: str) -> None:
    decision = decide(day, resource__id="far", context__transfer__tool="clauses")
    assert decision.outcome.value == "permit"
    listed = body(decision)["obligations"]
    assert [(o["id"], o["due"], o["rule"]) for o in listed] == [
        ("keep-record", None, f"{EEA_ONLY}/tools"),
        ("tell-owner", due, f"{EEA_ONLY}/tools"),
    ]


@pytest.mark.parametrize(
    ("day", "outcome"),
    [
        (date(2026, 6, 30), "permit"),
        (date(2026, 7, 1), "deny"),
        (date(2027, 1, 15), "deny"),
    ],
)
def test_the_law_of_the_day_decides(day: date, outcome: str) -> None:
    assert decide(day, resource__id="far").outcome.value == outcome


@pytest.mark.parametrize(
    ("day", "outcome"), [(date(2027, 1, 15), "permit"), (date(2027, 1, 16), "deny")]
)
def test_an_exception_ends_after_its_last_day(day: date, outcome: str) -> None:
    decision = decide(day, resource__id="far", context__transfer__tool="clauses")
    assert decision.outcome.value == outcome


def test_the_same_answer_gives_the_same_bytes_of_reasons() -> None:
    first = decide(resource__id="far", context__transfer={})
    assert first.body() == decide(resource__id="far", context__transfer={}).body()


def test_an_answer_with_a_rule_nobody_knows_is_a_fault_not_a_decision() -> None:
    asked = corpus.Question("place", {}, {})
    answer = Answer(frozenset({"nobody/knows"}), frozenset())
    with pytest.raises(KeyError):
        Decider(program()).decide(answer, asked, {}, today=TODAY)


def test_boundaries_are_first_days_and_days_after_last_days() -> None:
    found = {zone: [day_of(day) for day in days] for zone, days in boundaries(program()).items()}
    assert found == {
        "Europe/Brussels": [date(2026, 7, 1), date(2027, 1, 16)],
        "Pacific/Auckland": [date(2026, 2, 1)],
    }


def test_boundaries_are_seen_inside_conditions_and_duties() -> None:
    inner = InForce("Europe/Tallinn", 10, 20)
    subject = corpus.program(
        corpus.permit(
            And((corpus.ENCRYPTED, corpus.Not(inner))),
            duties={"d": corpus.Or((Constant(False), InForce("Europe/Riga", None, 5)))},
        )
    )
    assert boundaries(subject) == {"Europe/Tallinn": (10, 21), "Europe/Riga": (6,)}
