"""The machine of a question at each door: asked for by name, shown with evidence, never claimed."""

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Callers, Role, TokenRow
from gateway.web.app import create_app
from tests.gateway.nodes.deciding import (
    BAD,
    ELSEWHERE,
    OWN,
    Gateway,
    attested_facts,
    flow,
    question,
    said,
)
from tests.gateway.nodes.machines import SITE
from tests.gateway.web.test_access import Client, a_token
from tests.gateway.web.test_openapi import validator
from tests.project import ROOT


class Doors:
    """A gateway, and its doors as one caller of the tenant finds them."""

    def __init__(self, gateway: Gateway) -> None:
        rows: list[TokenRow] = []
        tokens = {role.value: a_token(rows, roles=frozenset({role})) for role in Role}
        tokens["other_tenant"] = a_token(rows, "clinic-b")
        self.gateway = gateway
        app = create_app(
            gateway.service, Callers(rows), gateway.trust.to_json(), clock=gateway.clock
        )
        self.client = Client(app, tokens)

    def post(
        self, place: str, body: object, who: str = "scheduler", **headers: str
    ) -> tuple[int, Any]:
        data = json.dumps(body).encode()
        sent = self.client.send("POST", place, self.client.tokens[who], data, **headers)
        return sent[0], json.loads(sent[2])

    def get(self, place: str) -> Any:
        sent = self.client.send("GET", place, self.client.tokens["scheduler"])
        assert sent[0] == 200, sent
        return json.loads(sent[2])

    def evaluation(self, body: object, who: str = "scheduler") -> Any:
        status, answered = self.post("/access/v1/evaluation", body, who)
        assert status == 200, answered
        return answered

    def shows(self) -> dict[str, Any]:
        """Evidence for a challenge that was asked for at the door."""
        body = {"node": "n1", "purpose": "decision"}
        status, asked = self.post("/v1/attestation/challenge", body)
        assert status == 201, asked
        evidence = OWN.evidence(bytes.fromhex(asked["nonce"]))
        return {"node": "n1", "challenge": asked["challenge"], "evidence": evidence}


@pytest.fixture
def doors(tmp_path: Path) -> Generator[Doors]:
    with Gateway(tmp_path) as gateway:
        yield Doors(gateway)


@pytest.fixture
def without(tmp_path: Path) -> Generator[Doors]:
    with Gateway(tmp_path, takes_evidence=False) as gateway:
        yield Doors(gateway)


# --- the native door -----------------------------------------------------------------


def test_a_question_with_evidence_is_answered_as_the_openapi_file_says(doors: Doors) -> None:
    asked = question(attestation=doors.shows())
    status, answered = doors.post("/v1/decisions", asked)
    assert (status, answered["decision"]) == (200, "permit")
    doors.gateway.verify(answered, asked)
    file = json.loads(doors.client.send("GET", "/openapi.json", None)[2])
    validator(file, "Decision").validate(answered)
    assert doors.get(f"/v1/decisions/{answered['id']}")["evidence"] == answered["evidence"]


@pytest.mark.parametrize("takes_evidence", [True, False])
def test_a_claim_is_a_problem_that_names_it(tmp_path: Path, takes_evidence: bool) -> None:
    asked = question(attestation={"node": "n1", "technology": "tdx"})
    with Gateway(tmp_path, takes_evidence=takes_evidence) as gateway:
        status, problem = Doors(gateway).post("/v1/decisions", asked)
    assert (status, problem["type"].rpartition("/")[2]) == (422, "foreign-origin")
    assert problem["errors"][0]["pointer"].startswith("/context/attestation")


def test_the_attestation_of_the_page_has_the_shape_of_a_real_one(doors: Doors) -> None:
    page = (ROOT / "docs" / "wire_formats.md").read_text(encoding="utf-8")
    section = page.partition("\n## Attestation\n")[2].partition("\n## ")[0]
    example = json.loads(section.partition("```json\n")[2].partition("```")[0])
    _, answered = doors.post("/v1/decisions", question(attestation=doors.shows()))
    (real,) = answered["evidence"]
    assert list(example) == list(doors.gateway.counter.answer(OWN).body())
    assert example.keys() == real.keys()
    file = json.loads(doors.client.send("GET", "/openapi.json", None)[2])
    for body in (example, real):
        validator(file, "Attestation").validate(body)
    named = re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.M)))
    assert set(named) == example.keys()


def test_a_gateway_without_a_register_refuses_to_take_evidence(without: Doors) -> None:
    status, problem = without.post("/v1/decisions", question())
    assert (status, problem["errors"][0]["pointer"]) == (422, "/context/attestation")
    assert "takes no evidence" in problem["detail"]


def test_each_question_of_a_batch_has_a_machine_of_its_own(doors: Doors) -> None:
    doors.gateway.counter.answer(OWN)
    shown = doors.shows()
    bare = question()
    del bare["context"]["attestation"]
    asked = [
        question(), bare, question(attestation=shown), question(attestation=shown),
        question(attestation={"node": "n9"}), question(attestation={"node": "n1", "age": 1}),
        question(attestation={"node": "n2"}),
    ]  # fmt: skip
    status, answered = doors.post("/v1/decisions/batch", {"questions": asked})
    assert status == 200
    answers = answered["answers"]
    assert [one.get("decision") for one in answers] == [
        "permit", "indeterminate", "permit", "indeterminate", None, None, "indeterminate",
    ]  # fmt: skip
    # One challenge counts once, also within a batch.
    assert answers[3]["evidence"][0]["reason"] == "evidence-nonce"
    pointers = [one["errors"][0]["pointer"] for one in answers[4:6]]
    assert pointers == [f"/questions/{at}/context/attestation/{name}" for at, name in
                        ((4, "node"), (5, "age"))]  # fmt: skip


def test_a_question_that_is_repeated_under_its_key_uses_up_its_challenge_once(
    doors: Doors,
) -> None:
    asked = question(attestation=doors.shows())
    key = '"6e2d5c1e-place-w-1"'
    first, second = (
        doors.post("/v1/decisions", asked, idempotency_key=key) for _ in range(2)
    )  # fmt: skip
    assert first[0] == 200
    assert (first[1]["decision"], second[1]["decision"]) == ("permit", "permit")
    assert first[1]["id"] == second[1]["id"]
    _, other = doors.post("/v1/decisions", asked)
    assert other["evidence"][0]["reason"] == "evidence-nonce"


# --- AuthZEN -------------------------------------------------------------------------


def test_an_enforcement_point_of_authzen_names_the_machine_too(doors: Doors) -> None:
    assert doors.evaluation(question())["decision"] is False
    doors.gateway.counter.answer(OWN)
    answered = doors.evaluation(question())
    assert answered["decision"] is True
    assert "ignored" not in answered
    assert said(answered["context"])["status"] == "stated"
    assert doors.evaluation(question(), "other_tenant")["decision"] is False
    shown = doors.evaluation(question(attestation=doors.shows()))
    assert (shown["decision"], shown["context"]["evidence"][0]["purpose"]) == (True, "decision")


@pytest.mark.parametrize(
    ("claim", "permitted"),
    [
        ({"place": "enrolled"}, True),
        ({"place": "measured"}, False),
        ({"trust": {"executables": "affirming"}}, True),
        ({"trust": {"executables": "warning"}}, False),
        ({"trust": {"hardware": "warning"}}, True),  # of what no rule reads
        ({"technology": "tdx"}, True),
        ({"place": "enrolled", "said": "by me"}, True),
    ],
)
def test_what_a_caller_says_besides_can_only_dispute(
    doors: Doors, claim: dict[str, Any], permitted: bool
) -> None:
    doors.gateway.counter.answer(OWN)
    answered = doors.evaluation(question(attestation={"node": "n1", **claim}))
    assert answered["decision"] is permitted


@pytest.mark.parametrize("shown", [{}, {"node": "n1"}, {"node": "n2"}])
def test_no_claim_makes_up_for_evidence(doors: Doors, shown: dict[str, Any]) -> None:
    doors.gateway.counter.answer(BAD)
    claim = {"trust": {"executables": "affirming"}, "place": "measured", "site": SITE}
    answered = doors.evaluation(question(attestation={**shown, **claim}))
    assert answered["decision"] is False
    assert attested_facts(answered["context"]) == {}


@pytest.mark.parametrize("shown", ["n1", ["n1"], 7, {"node": 7}, {"node": "n9"}])
def test_what_names_no_machine_permits_nothing(doors: Doors, shown: Any) -> None:
    doors.gateway.counter.answer(OWN)
    assert doors.evaluation(question(attestation=shown))["decision"] is False


def test_a_gateway_without_a_register_ignores_the_machine_and_says_so(without: Doors) -> None:
    shown = {"node": "n1", "evidence": OWN.evidence()}
    answered = without.evaluation(question(attestation=shown))
    assert answered["decision"] is False
    assert [one["pointer"] for one in answered["ignored"]] == ["/context/attestation/evidence"]
    other = without.evaluation(question(attestation=shown, labels=["internal"]))
    assert other["decision"] is True


def test_a_machine_named_once_is_that_of_all_evaluations(doors: Doors) -> None:
    doors.gateway.counter.answer(OWN)
    asked = question()
    sites = [{"resource": {"type": "site", "id": site}} for site in (SITE, ELSEWHERE)]
    status, answered = doors.post("/access/v1/evaluations", {**asked, "evaluations": sites})
    assert status == 200
    assert [one["decision"] for one in answered["evaluations"]] == [True, False]


def test_a_search_asks_about_no_machine_and_uses_up_no_challenge(doors: Doors) -> None:
    doors.gateway.counter.answer(OWN)
    shown = doors.shows()
    for named in ({"node": "n1"}, shown, {"place": "measured"}, "n1"):
        asked = question(attestation=named)
        del asked["resource"]["id"]
        status, found = doors.post("/access/v1/search/resource", asked)
        assert (status, found["results"]) == (200, [])
    asked = question(labels=["internal"], attestation={"node": "n1"})
    del asked["resource"]["id"]
    _, found = doors.post("/access/v1/search/resource", asked)
    assert {"type": "site", "id": SITE} in found["results"]
    assert doors.evaluation(question(attestation=shown))["decision"] is True


# --- explanations --------------------------------------------------------------------


def explained(doors: Doors, asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    _, answered = doors.post("/v1/decisions", asked)
    return answered, doors.get(f"/v1/decisions/{answered['id']}/explain")["explanation"]


def test_an_explanation_says_who_stated_what_a_machine_has_proved(doors: Doors) -> None:
    shown = doors.gateway.counter.answer(OWN)
    answered, found = explained(doors, question())
    assert answered["decision"] == "permit"
    rests = {one["path"]: one for one in found["rests_on"]}
    place = rests["attestation.place"]
    assert (place["value"], place["origin"]) == ("enrolled", "verifier")
    assert place["stated_by"] == {
        "source": "attestation", "about": "attestation/node", "id": "n1",
        "observed_at": shown.body()["appraised_at"], "digest": shown.body()["digest"],
    }  # fmt: skip


def test_no_explanation_proposes_to_say_what_a_verifier_says(doors: Doors) -> None:
    doors.gateway.counter.answer(BAD)
    for asked in (question(), flow()):
        answered, found = explained(doors, asked)
        assert answered["decision"] == "indeterminate"
        paths = {
            change["path"] for one in found["would_permit"] for change in one["changes"]
        }  # fmt: skip
        assert paths
        assert not any(path.startswith("attestation.") for path in paths)
