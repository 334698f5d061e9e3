"""Machines in decisions: what one has proved counts for questions about its own site, of its own
tenant, for as long as it lasts; and nothing that a caller says makes up for it."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import DecisionTimeoutError, RequestError
from gateway.nodes.errors import EvidenceStoreError
from gateway.pdp.supplied import ATTESTATION
from tests.gateway.nodes import machines
from tests.gateway.nodes.deciding import (
    BAD,
    CLINIC_B,
    ELSEWHERE,
    OWN,
    Gateway,
    attested_facts,
    flow,
    program,
    question,
    said,
)
from tests.gateway.nodes.machines import SECOND, SITE, Machine
from tests.gateway.world import CALLER, run

MINUTE = timedelta(minutes=1)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- what counts ---------------------------------------------------------------------


def test_what_stands_of_a_node_makes_the_permit_and_the_record_says_why(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        shown = gateway.counter.answer(OWN)
        answered = gateway.ask(question())
        predicate = gateway.verify(answered, question())
    assert answered["decision"] == "permit"
    assert predicate["evidence"] == [shown.body()]
    one = said(predicate)
    assert (one["source"], one["origin"], one["about"], one["id"], one["status"]) == (
        "attestation", "verifier", ATTESTATION, "n1", "stated",
    )  # fmt: skip
    assert one["digest"] == shown.body()["digest"]
    facts = attested_facts(predicate)
    assert facts == {name.partition(".")[2]: value for name, value in one["said"].items()}
    assert (facts["technology"], facts["place"], facts["age"]) == ("tpm", "enrolled", 1)
    origins = {f["origin"] for f in predicate["facts"] if f["path"].startswith("attestation.")}
    assert origins == {"verifier"}


def test_evidence_with_the_question_counts_for_it_alone(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        asked = question(attestation=gateway.shows(OWN))
        answered = gateway.ask(asked)
        assert answered["decision"] == "permit"
        (body,) = gateway.verify(answered, asked)["evidence"]
        assert (body["purpose"], body["freshness"]) == ("decision", "challenged")
        # It does not stand, and its challenge is used up.
        assert gateway.outcome(question()) == "indeterminate"
        again = gateway.ask(asked)
    assert again["decision"] == "indeterminate"
    assert [one["reason"] for one in again["evidence"]] == ["evidence-nonce"]
    assert said(again)["status"] == "refused"
    assert attested_facts(again) == {}


def test_a_decision_ends_with_the_evidence(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        shown = gateway.counter.answer(OWN)
        assert shown.result.valid_until is not None
        gateway.later(shown.result.valid_until - gateway.clock.now - MINUTE)
        answered = gateway.ask(question())
    assert answered["decision"] == "permit"
    assert instant(answered["valid_until"]) == shown.result.valid_until


def test_other_questions_say_nothing_of_machines(tmp_path: Path) -> None:
    asked = question(labels=["internal"])
    del asked["context"]["attestation"]
    with Gateway(tmp_path) as gateway:
        gateway.counter.answer(OWN)
        answered = gateway.ask(asked)
    assert answered["decision"] == "permit"
    assert (answered["evidence"], "sources" in answered) == ([], False)


# --- what does not -------------------------------------------------------------------

HOURS = timedelta(hours=30)
LOST: dict[str, Callable[[Gateway], Any]] = {
    "never shown": lambda gateway: None,
    "refused": lambda gateway: gateway.counter.answer(BAD),
    "accepted, and refused since": lambda gateway: (
        gateway.counter.answer(OWN), gateway.counter.answer(BAD),
    ),
    "expired": lambda gateway: (gateway.counter.answer(OWN), gateway.later(HOURS)),
    "of another device": lambda gateway: gateway.counter.answer(Machine(SECOND)),
}  # fmt: skip


@pytest.mark.parametrize("case", LOST)
def test_what_does_not_count_leaves_the_question_open_and_names_what_is_missing(
    tmp_path: Path, case: str
) -> None:
    with Gateway(tmp_path) as gateway:
        LOST[case](gateway)
        answered = gateway.ask(question())
        gateway.verify(answered, question())
        # Data that needs no machine moves as ever.
        assert gateway.outcome(question(labels=["internal"])) == "permit"
    assert answered["decision"] == "indeterminate"
    assert attested_facts(answered) == {}
    assert {one["path"] for one in answered["missing"]} == {
        "attestation.place", "attestation.trust[executables]",
    }  # fmt: skip
    assert said(answered)["said"] == {}


@pytest.mark.parametrize("case", ["refused", "accepted, and refused since", "expired"])
def test_an_open_answer_for_want_of_evidence_is_valid_for_no_time(
    tmp_path: Path, case: str
) -> None:
    with Gateway(tmp_path) as gateway:
        LOST[case](gateway)
        answered = gateway.ask(question())
    assert answered["valid_until"] == answered["decided_at"]


@pytest.mark.parametrize(
    ("machine", "status", "reason"),
    [
        (BAD, "refused", "appraisal-executables"),
        (Machine(SECOND), "refused", "node-device"),
        (Machine(ec.generate_private_key(ec.SECP256R1())), "undecided", "evidence-incomplete"),
        (OWN.without_pcr(machines.GOOD_PCR), "refused", "appraisal-executables"),
    ],
    ids=["another start", "another device", "a key of nobody", "without what is asked"],
)
def test_evidence_of_a_question_that_does_not_count_is_recorded_with_the_reason(
    tmp_path: Path, machine: Machine, status: str, reason: str
) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.counter.answer(OWN)
        # What stands does not help a question that shows something else.
        answered = gateway.ask(question(attestation=gateway.shows(machine)))
    assert answered["decision"] == "indeterminate"
    assert (said(answered)["status"], attested_facts(answered)) == (status, {})
    assert [one["reason"] for one in answered["evidence"]] == [reason]


def test_another_tenant_does_not_see_what_stands(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.counter.answer(OWN)
        assert gateway.outcome(question()) == "permit"
        answered = gateway.ask(question(), CLINIC_B)
    assert (answered["decision"], said(answered)["status"]) == ("indeterminate", "absent")
    assert answered["evidence"] == []


def test_a_machine_at_one_site_says_nothing_of_another(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.counter.answer(OWN)
        answered = gateway.ask(question(site=ELSEWHERE))
        moving = gateway.ask(flow(site=ELSEWHERE))
    assert (answered["decision"], said(answered)["status"]) == ("indeterminate", "elsewhere")
    assert (attested_facts(answered), attested_facts(moving)) == ({}, {})
    # The record says whose evidence it was that did not count.
    assert answered["evidence"][0]["site"] == SITE


def test_a_node_whose_place_is_only_declared_is_not_enrolled(tmp_path: Path) -> None:
    with Gateway(tmp_path, machines.node("n1")) as gateway:
        gateway.counter.answer(OWN)
        answered = gateway.ask(question())
    assert answered["decision"] == "deny"
    assert attested_facts(answered)["place"] == "declared"


def test_background_evidence_has_no_age_and_is_not_challenged(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        shown = gateway.shows(OWN, answers=False)
        placed, moved = (
            gateway.ask(question(attestation=shown)), gateway.ask(flow(attestation=shown)),
        )  # fmt: skip
    assert (placed["decision"], moved["decision"]) == ("permit", "deny")
    assert attested_facts(moved)["freshness"] == "background"
    assert "age" not in attested_facts(moved)


# --- age -----------------------------------------------------------------------------


def test_age_is_asked_anew_and_no_answer_outlives_its_minute(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        shown = gateway.counter.answer(OWN)
        judged_at = shown.result.appraised_at
        gateway.later(30 * MINUTE)
        first = gateway.ask(flow())
        assert first["decision"] == "permit"
        assert instant(first["valid_until"]) == judged_at + 30 * MINUTE
        # Where no rule of the action asks how old it is, an answer lasts as ever.
        assert instant(gateway.ask(question())["valid_until"]) > judged_at + 31 * MINUTE
        gateway.later(timedelta(milliseconds=1))
        second = gateway.ask(flow())
    assert second["decision"] == "deny"
    assert attested_facts(second)["age"] == 31


@pytest.mark.parametrize("seconds", [0, 1, 59.5, 61, 300, 1799.9])
def test_a_decision_that_asked_for_the_age_is_as_short_as_it_is_true(
    tmp_path: Path, seconds: float
) -> None:
    with Gateway(tmp_path) as gateway:
        shown = gateway.counter.answer(OWN)
        gateway.later(timedelta(seconds=seconds))
        answered = gateway.ask(flow())
    assert answered["decision"] == "permit"
    until = instant(answered["valid_until"])
    age = attested_facts(answered)["age"]
    assert until == shown.result.appraised_at + age * MINUTE
    assert timedelta(0) <= until - gateway.clock.now <= MINUTE


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=st.lists(st.integers(0, 4_000_000), min_size=1, max_size=8))
def test_no_decision_outlives_the_evidence_that_it_had(
    tmp_path_factory: pytest.TempPathFactory, moments: list[int]
) -> None:
    with Gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        shown = gateway.counter.answer(OWN).result
        start, ends = gateway.clock.now, shown.valid_until
        assert ends is not None
        for moment in sorted(moments):
            gateway.later(start + timedelta(milliseconds=moment) - gateway.clock.now)
            for asked in (question(), flow()):
                answered = gateway.ask(asked)
                lasts = gateway.clock.now < ends
                assert bool(attested_facts(answered)) is lasts
                if answered["decision"] == "permit":
                    assert lasts
                    assert instant(answered["valid_until"]) <= ends


# --- nothing is remembered that differs ----------------------------------------------


def test_two_nodes_never_share_an_answer(tmp_path: Path) -> None:
    rows = (machines.node("n1", [OWN.device]), machines.node("n2", [Machine(SECOND).device]))
    with Gateway(tmp_path, *rows) as gateway:
        gateway.counter.answer(OWN)
        for _ in range(2):
            assert gateway.outcome(question()) == "permit"
            assert gateway.outcome(question(attestation={"node": "n2"})) == "indeterminate"
        gateway.counter.node = "n2"
        gateway.counter.answer(Machine(SECOND))
        answers = [gateway.ask(question(attestation={"node": n})) for n in ("n1", "n2", "n1")]
    assert [one["decision"] for one in answers] == ["permit"] * 3
    assert [one["evidence"][0]["node"] for one in answers] == ["n1", "n2", "n1"]
    assert [attested_facts(one)["device"] for one in answers] == [
        OWN.device, Machine(SECOND).device, OWN.device,
    ]  # fmt: skip


def test_the_same_question_follows_what_stands(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        said_each_time: list[str] = []
        for machine in (None, OWN, BAD, OWN):
            if machine is not None:
                gateway.counter.answer(machine)
            gateway.later(MINUTE)
            said_each_time += [gateway.outcome(question()) for _ in range(3)]
    assert said_each_time == [
        *["indeterminate"] * 3, *["permit"] * 3, *["indeterminate"] * 3, *["permit"] * 3,
    ]  # fmt: skip


# --- what a caller says --------------------------------------------------------------


def _claims() -> dict[str, dict[str, Any]]:
    """By path, what stands at `context.attestation` where a caller claims the fact."""
    found: dict[str, dict[str, Any]] = {}
    for path, fact in program().facts.items():
        if fact.wire[:2] == ("context", "attestation") and path != "attestation.node":
            kinds: dict[str, Any] = {"truth": True, "integer": 1, "terms": []}
            value: Any = kinds.get(fact.kind.value, "tpm")
            for part in reversed(fact.wire[2:]):
                value = {part: value}
            found[path] = value
    return found


@pytest.mark.parametrize("takes_evidence", [True, False])
def test_no_caller_says_what_a_machine_has_proved(tmp_path: Path, takes_evidence: bool) -> None:
    assert len(_claims()) > 60
    with Gateway(tmp_path, takes_evidence=takes_evidence) as gateway:
        gateway.counter.answer(OWN)
        for path, claim in _claims().items():
            for shown in (claim, {"node": "n1", **claim}):
                with pytest.raises(RequestError) as refused:
                    gateway.ask(question(attestation=shown))
                assert refused.value.kind == "foreign-origin", path
                assert str(refused.value.pointer).startswith("/context/attestation"), path
        assert gateway.ledger.size == 0


MALFORMED: dict[str, tuple[Any, str]] = {
    "a text": ("n1", "/context/attestation"),
    "a list": (["n1"], "/context/attestation"),
    "empty": ({}, "/context/attestation/node"),
    "a node that is a number": ({"node": 1}, "/context/attestation/node"),
    "a node without a name": ({"node": ""}, "/context/attestation/node"),
    "a node that nobody registered": ({"node": "n9"}, "/context/attestation/node"),
    "a challenge and nothing shown": (
        {"node": "n1", "challenge": "x"}, "/context/attestation/challenge",
    ),
    "evidence that is a text": ({"node": "n1", "evidence": "x"}, "/context/attestation/evidence"),
    "evidence of no format": ({"node": "n1", "evidence": {}}, "/context/attestation/evidence"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_what_names_no_machine_is_refused_by_name_and_not_recorded(
    tmp_path: Path, case: str
) -> None:
    shown, pointer = MALFORMED[case]
    with Gateway(tmp_path) as gateway:
        with pytest.raises(RequestError) as refused:
            gateway.ask(question(attestation=shown))
        assert gateway.ledger.size == 0
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("shown", [{"node": "n1"}, {"node": "n1", "evidence": OWN.evidence()}, {}])
def test_a_gateway_without_a_register_says_that_it_takes_no_evidence(
    tmp_path: Path, shown: dict[str, Any]
) -> None:
    with (
        Gateway(tmp_path, takes_evidence=False) as gateway,
        pytest.raises(RequestError, match="takes no evidence") as refused,
    ):
        gateway.ask(question(attestation=shown))
    assert refused.value.pointer == "/context/attestation"


def test_a_machine_that_is_null_is_none(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.counter.answer(OWN)
        answered = gateway.ask(question(attestation=None))
    assert (answered["decision"], answered["evidence"]) == ("indeterminate", [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"site": "nimbus/nowhere"},
        {"action": {"name": "fly"}},
        {"labels": ["no-such-label"]},
        {"resource": {"type": "site", "id": SITE, "properties": {"countries": ["FR"]}}},
    ],
)
def test_a_malformed_question_uses_up_no_challenge(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with Gateway(tmp_path) as gateway:
        shown = gateway.shows(OWN)
        with pytest.raises(RequestError):
            gateway.ask(question(attestation=shown, **wrong))
        assert gateway.outcome(question(attestation=shown)) == "permit"


# --- when something fails ------------------------------------------------------------


def test_while_the_store_fails_no_evidence_counts_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.counter.answer(OWN)
        shown = gateway.shows(OWN)
        gateway.desk.close()
        for file in tmp_path.glob("attestation.sqlite3*"):
            file.write_bytes(b"no database at all")
        with pytest.raises(EvidenceStoreError):
            gateway.counter.stands()
        for named in ({"node": "n1"}, shown):
            answered = gateway.ask(question(attestation=named))
            assert (answered["decision"], said(answered)["status"]) == (
                "indeterminate", "unreachable",
            )  # fmt: skip
            assert (answered["evidence"], attested_facts(answered)) == ([], {})
            assert answered["valid_until"] == answered["decided_at"]
        assert gateway.outcome(question(labels=["internal"])) == "permit"


def test_evidence_that_takes_too_long_leads_to_no_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.counter.answer(OWN)

        async def never(*_: object, **__: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr("gateway.nodes.asking.Office.look", never)
        gateway.service._timeout_s = 0.01  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(DecisionTimeoutError):
            gateway.ask(question())
        assert gateway.ledger.size == 0


def test_looking_at_evidence_does_not_hold_up_other_questions(tmp_path: Path) -> None:
    async def both(gateway: Gateway) -> None:
        looked, other = question(), question(labels=["internal"])
        del other["context"]["attestation"]
        started, may_end = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        before = gateway.desk.standing

        def waiting(*given: Any, **named: Any) -> Any:
            loop.call_soon_threadsafe(started.set)
            asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()
            return before(*given, **named)

        gateway.desk.standing = waiting
        first = asyncio.create_task(gateway.service.decide(json.dumps(looked).encode(), CALLER))
        await started.wait()
        assert (await gateway.service.decide(json.dumps(other).encode(), CALLER))[
            "decision"
        ] == "permit"
        assert not first.done()
        may_end.set()
        assert (await first)["decision"] == "permit"

    with Gateway(tmp_path) as gateway:
        gateway.counter.answer(OWN)
        run(both(gateway))
