"""`/v1/decisions/batch` over HTTP: each question answered in its place, whatever the others."""

import json
from collections.abc import Generator
from typing import Any

import pytest

from tests.gateway.serving import Served, served
from tests.gateway.world import question
from tests.gateway_process import Reply

TYPES = "https://charter.example/problems/"
GOOD, DENIED = question(), question(resource__id="far")
FLOW: dict[str, Any] = {"action__name": "flow", "context__origin": {"type": "site", "id": "near"}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def post(gateway: Served, body: object, token: str | None = None, **headers: str) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} | headers
    return gateway.gateway.request("POST", "/v1/decisions/batch", data, sent, token=token)


def answers(gateway: Served, *questions: object, token: str | None = None) -> list[Any]:
    reply = post(gateway, {"questions": list(questions)}, token)
    assert reply.status == 200, reply.body
    assert reply.headers["cache-control"] == "no-store"
    return reply.json["answers"]


def test_each_is_answered_in_order_with_a_record_of_its_own_in_one_group(gateway: Served) -> None:
    before = gateway.size
    asked = [GOOD, DENIED, question(**FLOW), GOOD] * 25
    said = answers(gateway, *asked)
    assert [one["decision"] for one in said] == ["permit", "deny", "permit", "permit"] * 25
    for one, put in zip(said, asked, strict=True):
        gateway.verify(one, expect_request=put)
    assert gateway.size == before + 100
    assert len({one["id"] for one in said}) == 100
    assert len({one["proof"].partition("\n\n")[2] for one in said}) == 1


def test_each_is_what_it_would_be_alone(gateway: Served) -> None:
    differ = {"id", "decided_at", "valid_until", "record", "proof"}
    for put, said in zip([GOOD, DENIED], answers(gateway, GOOD, DENIED), strict=True):
        alone = gateway.ask(put).json
        assert {name: said[name] for name in said.keys() - differ} == {
            name: alone[name] for name in alone.keys() - differ
        }


WRONG: list[tuple[object, str, str]] = [
    (None, "malformed-question", ""),
    ("x", "malformed-question", ""),
    ([], "malformed-question", ""),
    ({}, "malformed-question", "/subject"),
    (question(action__name="fly"), "unknown-action", "/action/name"),
    (question(resource__id="moon"), "unknown-entity", "/resource/id"),
    (question(context__data__label=[]), "unknown-attribute", "/context/data/label"),
    (question(context__data__labels=["x"]), "unfit-value", "/context/data/labels"),
    (question(context__destination={"open": True}), "foreign-origin", "/context/destination"),
    (question(subject__properties={"tenant": "clinic-b"}), "forbidden-caller", ""),
]


@pytest.mark.parametrize(("wrong", "slug", "pointer"), WRONG)
def test_a_malformed_one_gets_a_problem_in_its_place_and_spoils_nothing(
    gateway: Served, wrong: object, slug: str, pointer: str
) -> None:
    before = gateway.size
    first, refused, last = answers(gateway, GOOD, wrong, DENIED)
    assert (first["decision"], last["decision"]) == ("permit", "deny")
    assert refused["type"] == TYPES + slug
    assert "decision" not in refused
    if pointer or slug == "malformed-question":
        assert [one["pointer"] for one in refused["errors"]] == ["/questions/1" + pointer]
    assert gateway.size == before + 2


def test_malformed_ones_alone_record_nothing(gateway: Served) -> None:
    before = gateway.size
    assert [one["status"] for one in answers(gateway, {}, None)] == [422, 422]
    assert gateway.size == before


def test_an_action_that_the_token_does_not_cover_is_refused_in_its_place(gateway: Served) -> None:
    place, flow = answers(gateway, GOOD, question(**FLOW), token=gateway.flow_only)
    assert (place["status"], flow["decision"]) == (403, "permit")


WHOLES: list[tuple[object, int, str, str | None]] = [
    (b"", 400, "malformed-json", None),
    (b'{"questions": [', 400, "malformed-json", None),
    (b'{"questions": [1.5]}', 400, "malformed-json", "/questions/0"),
    (b'{"questions": [{"a": 1, "a": 2}]}', 400, "malformed-json", "/questions/0/a"),
    ([], 422, "malformed-question", ""),
    ({}, 422, "malformed-question", "/questions"),
    ({"questions": []}, 422, "malformed-question", "/questions"),
    ({"questions": {}}, 422, "malformed-question", "/questions"),
    ({"questions": GOOD}, 422, "malformed-question", "/questions"),
    ({"questions": [GOOD], "more": 1}, 422, "malformed-question", "/more"),
    ({"questions": [GOOD] * 101}, 400, "too-many-items", "/questions"),
]


@pytest.mark.parametrize(("body", "status", "slug", "pointer"), WHOLES)
def test_a_malformed_batch_is_refused_as_a_whole(
    gateway: Served, body: object, status: int, slug: str, pointer: str | None
) -> None:
    before = gateway.size
    reply = post(gateway, body)
    assert (reply.status, reply.json["type"]) == (status, TYPES + slug)
    if pointer is not None:
        assert [one["pointer"] for one in reply.json["errors"]] == [pointer]
    assert gateway.size == before


def test_more_than_a_single_question_may_have_fits_and_more_than_4_mib_does_not(
    gateway: Served,
) -> None:
    long = question(context__data__datasets=["x" * 200 + str(n) for n in range(900)])
    assert len(json.dumps([long] * 8)) > 1024 * 1024
    assert len(answers(gateway, *[long] * 8)) == 8
    head = (
        "POST /v1/decisions/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {gateway.own}\r\nContent-Length: {4 * 1024 * 1024 + 1}\r\n\r\n"
    )
    said = gateway.raw(head.encode())
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"body-too-large" in said


@pytest.mark.parametrize("token", ["", "charter_x"])
def test_nobody_is_answered_without_a_token(gateway: Served, token: str) -> None:
    assert post(gateway, {"questions": [GOOD]}, token).status in (401,)


def test_another_media_type_is_415(gateway: Served) -> None:
    assert post(gateway, {"questions": [GOOD]}, **{"Content-Type": "text/plain"}).status == 415
    assert post(gateway, {"questions": [GOOD]}, **{"Content-Encoding": "gzip"}).status == 415
