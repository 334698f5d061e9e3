"""The doors of evidence, as schedulers and nodes find them."""

import base64
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.attestation.evidence import Technology
from gateway.callers import Callers, Role, TokenRow
from gateway.in_force import InForce
from gateway.nodes import challenge as challenges
from gateway.nodes.desk import Desk
from gateway.nodes.store import FILE
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.web.app import create_app
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import SECOND, Machine
from tests.gateway.web.test_access import Client, a_token
from tests.gateway.web.test_openapi import validator
from tests.gateway.web.test_wire_formats import blocks, shape
from tests.gateway.world import World, made, sites

OWN = Machine()


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    terms = machines.terms(tmp_path / "terms")
    engines = [ReferenceEngine(made().program)]
    in_force = InForce(made(), sites(), engines, attestation=terms)
    with World(tmp_path, in_force=in_force) as made_world:
        made_world.service.desk = Desk(tmp_path / FILE)
        yield made_world


@pytest.fixture
def client(world: World) -> Client:
    return client_of(world)


def client_of(world: World) -> Client:
    rows: list[TokenRow] = []
    tokens = {role.value: a_token(rows, roles=frozenset({role})) for role in Role}
    tokens["second"] = a_token(rows)
    tokens["other_tenant"] = a_token(rows, "clinic-b")
    app = create_app(world.service, Callers(rows), world.trust.to_json(), clock=world.clock)
    return Client(app, tokens)


def post(client: Client, place: str, body: object, who: str = "scheduler") -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = client.send("POST", f"/v1/attestation/{place}", client.tokens[who], data)
    return sent[0], json.loads(sent[2])


def get(client: Client, node: str, who: str = "scheduler") -> tuple[int, Any]:
    sent = client.send("GET", f"/v1/attestation/nodes/{node}", client.tokens[who])
    return sent[0], json.loads(sent[2])


def challenge(client: Client, who: str = "scheduler", **changes: Any) -> dict[str, Any]:
    asked = {"node": "n1", "purpose": "standing", **changes}
    status, found = post(client, "challenge", asked, who)
    assert status == 201, found
    return found


def shown(asked: dict[str, Any], machine: Machine = OWN, **changes: Any) -> dict[str, Any]:
    evidence = machine.evidence(bytes.fromhex(asked["nonce"]))
    return {"node": "n1", "challenge": asked["challenge"], "evidence": evidence, **changes}


def test_a_challenge_is_answered_and_what_stands_can_be_read(client: Client) -> None:
    asked = challenge(client)
    assert len(asked["nonce"]) == 64
    status, answer = post(client, "evidence", shown(asked))
    assert (status, answer["verdict"], answer["freshness"]) == (201, "accepted", "challenged")
    assert answer["nonce"] == asked["nonce"]
    assert get(client, "n1") == (200, answer)
    assert get(client, "n1", "auditor") == (200, answer)


def test_a_challenge_is_as_the_page_says(client: Client) -> None:
    written = json.loads(blocks("Attestation")[1])
    given = challenge(client)
    assert shape(given) == shape(written)
    assert {len(given[name]) for name in ("challenge", "nonce")} == {32, 64}
    assert [len(given[name]) for name in given] == [len(written[name]) for name in given]


def test_a_node_may_have_slashes_in_its_name(world: World, tmp_path: Path) -> None:
    row = machines.node("rack-1/n1", [OWN.device])
    world.service.in_force.attestation = machines.terms(tmp_path / "racks", row)
    client = client_of(world)
    asked = challenge(client, node="rack-1/n1")
    assert post(client, "evidence", shown(asked, node="rack-1/n1"))[1]["verdict"] == "accepted"
    assert get(client, "rack-1/n1")[0] == 200
    assert get(client, "rack-1")[0] == get(client, "rack-1/n1/")[0] == 404


def test_answers_are_as_the_openapi_file_says(client: Client) -> None:
    file = json.loads(client.send("GET", "/openapi.json", None)[2])
    for machine in (OWN, Machine(SECOND)):
        _, answer = post(client, "evidence", shown(challenge(client), machine))
        validator(file, "Attestation").validate(answer)


def test_nobody_else_of_the_tenant_and_no_other_tenant_answers_a_challenge(client: Client) -> None:
    asked = challenge(client)
    for token in ("second", "other_tenant"):
        status, answer = post(client, "evidence", shown(asked), token)
        assert (status, answer["verdict"]) == (201, "refused")
        assert answer["reason"] == "evidence-nonce"
    assert get(client, "n1")[0] == 404
    assert post(client, "evidence", shown(asked))[1]["verdict"] == "accepted"
    assert get(client, "n1", "second")[0] == 200
    assert get(client, "n1", "other_tenant")[0] == 404


def test_a_challenge_for_a_decision_makes_nothing_stand(client: Client) -> None:
    asked = challenge(client, purpose="decision")
    assert post(client, "evidence", shown(asked))[1]["reason"] == "evidence-nonce"
    assert get(client, "n1")[0] == 404


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.AUTHOR, Role.OPERATOR])
def test_who_asks_for_no_decisions_shows_no_evidence(client: Client, role: Role) -> None:
    for place in ("challenge", "evidence"):
        assert post(client, place, {}, role.value)[0] == 403


MALFORMED: dict[str, tuple[str, Any, str, str]] = {
    "no node": ("challenge", {"purpose": "standing"}, "malformed-question", "/node"),
    "no purpose": ("challenge", {"node": "n1"}, "malformed-question", "/purpose"),
    "a foreign purpose": (
        "challenge", {"node": "n1", "purpose": "for ever"}, "malformed-question", "/purpose",
    ),
    "a list": ("challenge", [], "malformed-question", ""),
    "a nonce of one's own": (
        "challenge", {"node": "n1", "purpose": "standing", "nonce": "00"}, "malformed-question", "",
    ),
    "an unknown node": (
        "challenge", {"node": "n9", "purpose": "standing"}, "unknown-entity", "/node",
    ),
    "no evidence": ("evidence", {"node": "n1"}, "malformed-question", "/evidence"),
    "evidence of an unknown node": (
        "evidence", {"node": "n9", "evidence": OWN.evidence()}, "unknown-entity", "/node",
    ),
    "evidence of another format": (
        "evidence", {"node": "n1", "evidence": {"format": "x"}}, "malformed-question", "/evidence",
    ),
    "a verdict": (
        "evidence", {"node": "n1", "evidence": OWN.evidence(), "verdict": "accepted"},
        "foreign-origin", "/verdict",
    ),
    "a number for a challenge": (
        "evidence", {"node": "n1", "evidence": OWN.evidence(), "challenge": 1},
        "malformed-question", "/challenge",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_malformed_is_refused_by_name(client: Client, what: str) -> None:
    place, body, slug, pointer = MALFORMED[what]
    status, found = post(client, place, body)
    assert (status, found["type"].rsplit("/", 1)[1]) == (422, slug)
    assert found["errors"][0]["pointer"] == pointer
    assert get(client, "n1")[0] == 404


def test_a_body_that_is_no_json_or_too_large_is_refused(client: Client) -> None:
    assert post(client, "evidence", b"{")[0] == 400
    assert post(client, "challenge", b" " * 5000)[0] == 413


def test_a_tenant_with_too_many_challenges_is_told_to_come_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenges, "MAX_OPEN", 1)
    challenge(client)
    status, found = post(client, "challenge", {"node": "n1", "purpose": "standing"})
    assert (status, found["type"].rsplit("/", 1)[1]) == (429, "too-many-challenges")
    assert found["retry_after_ms"] > 0


def test_a_gateway_without_a_register_takes_no_evidence(tmp_path: Path) -> None:
    with World(tmp_path) as bare:
        client = client_of(bare)
        for place in ("challenge", "evidence"):
            status, found = post(client, place, {"node": "n1"})
            assert (status, "no evidence" in found["detail"]) == (404, True)
        assert get(client, "n1")[0] == 404


def test_without_its_store_no_evidence_counts_and_decisions_go_on(
    world: World, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = challenge(client)
    assert world.service.desk is not None
    world.service.desk.close()
    for name in tmp_path.glob(f"{FILE}*"):
        name.unlink()
    (tmp_path / FILE).write_bytes(b"no database at all " * 100)
    status, found = post(client, "evidence", shown(asked))
    assert (status, found["type"].rsplit("/", 1)[1]) == (503, "evidence-unavailable")
    assert str(tmp_path) not in json.dumps(found)
    assert get(client, "n1")[0] == 503
    assert "no evidence counts until" in caplog.text
    assert world.decide()["decision"] == "permit"
    (tmp_path / FILE).unlink()
    assert post(client, "evidence", shown(challenge(client)))[1]["verdict"] == "accepted"
    assert "counts" in caplog.text


def test_what_stands_follows_what_is_in_force(world: World, client: Client, tmp_path: Path) -> None:
    post(client, "evidence", shown(challenge(client)))
    row = machines.node("n1", [Machine(SECOND).device])
    moved = machines.terms(tmp_path / "moved", row)
    world.service.in_force.attestation = moved
    status, answer = get(client, "n1")
    assert (status, answer["verdict"], answer["reason"]) == (200, "refused", "node-device")
    assert answer["register"] == f"sha256:{moved.register.sha256}"


PARTS = st.sampled_from(["quote", "signature", "pcrs", "ak_pem", "public", "ak_path", "gpus", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=8) | st.just("AAAA"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARTS, inner, max_size=3),
    max_leaves=6,
)
HOSTILE = st.fixed_dictionaries(
    {},
    optional={
        "node": st.sampled_from(["n1", "n2", "n9"]) | VALUES,
        "challenge": VALUES,
        "purpose": VALUES,
        "evidence": VALUES
        | st.fixed_dictionaries(
            {
                "format": st.just("charter-evidence/v1"),
                "technology": st.sampled_from([one.value for one in Technology]),
                "evidence": VALUES,
            },
            optional={"endorsements": VALUES, "gpus": VALUES},
        ),
    },
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=VALUES | HOSTILE, place=st.sampled_from(["challenge", "evidence"]))
def test_hostile_bodies_are_answered_and_make_nothing_count(
    client: Client, body: object, place: str
) -> None:
    status, found = post(client, place, body)
    assert status in {201, 400, 422}, found
    assert place == "challenge" or found.get("verdict") != "accepted"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.integers(0, 10_000), bit=st.integers(0, 7), part=st.sampled_from(["quote", "pcrs"]))
def test_no_evidence_with_another_bit_counts(
    client: Client, where: int, bit: int, part: str
) -> None:
    asked = challenge(client)
    body = shown(asked)
    data = bytearray(base64.b64decode(body["evidence"]["evidence"][part]))
    data[where % len(data)] ^= 1 << bit
    body["evidence"]["evidence"][part] = base64.b64encode(data).decode()
    status, found = post(client, "evidence", body)
    # Of a file of PCRs, what is not quoted is left out.
    assert (status, part == "pcrs" or found["verdict"] != "accepted") == (201, True)
    if found["verdict"] == "accepted":
        assert found["measurements"] == MEASURED


MEASURED = {f"sha256:{number}": value.hex() for (_, number), value in OWN.values.items()}
