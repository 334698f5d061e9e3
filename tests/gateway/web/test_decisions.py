"""`/v1/decisions` over HTTP: what is wrong is refused by name and leaves no trace."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.serving import Served, served
from tests.gateway.world import question
from tests.gateway_process import Reply

PROBLEM = "application/problem+json"
TYPES = "https://charter.example/problems/"
FLOW: dict[str, Any] = {"action__name": "flow", "context__origin": {"type": "site", "id": "near"}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def check_problem(reply: Reply, status: int, slug: str, pointer: str | None = None) -> Any:
    assert (reply.status, reply.json["type"]) == (status, TYPES + slug), reply.body
    assert reply.headers["content-type"] == PROBLEM
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json["status"] == status
    assert reply.json["title"]
    if pointer is not None:
        assert [error["pointer"] for error in reply.json["errors"]] == [pointer]
    assert b"Traceback" not in reply.body
    assert b".py" not in reply.body
    return reply.json


# --- decisions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({}, "permit"),
        ({"resource__id": "far"}, "deny"),
        ({"resource__id": "far", "context__transfer__tool": None}, "indeterminate"),
        ({"context__data__labels": [], "resource__id": "far"}, "indeterminate"),
        (FLOW, "permit"),
    ],
)
def test_every_decision_is_200_signed_recorded_and_not_to_be_cached(
    gateway: Served, changes: dict[str, Any], decision: str
) -> None:
    before = gateway.size
    asked = question(**changes)
    reply = gateway.ask(asked)
    assert (reply.status, reply.json["decision"]) == (200, decision)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json["engines"] == {"cedar": decision, "rego": decision}
    assert gateway.verify(reply.json, expect_request=asked).decision == decision
    assert gateway.size == before + 1


def test_a_refusal_cites_its_law_and_says_what_would_help(gateway: Served) -> None:
    for reason in gateway.ask(question(resource__id="far")).json["reasons"]:
        assert reason["citations"][0]["locator"]
        assert reason["because"]
        assert reason["remedies"]
        assert {fact["origin"] for fact in reason["facts"]} == {"request", "catalogue"}


def test_a_media_type_may_have_parameters(gateway: Served) -> None:
    reply = gateway.ask(question(), Content_Type="Application/JSON; charset=utf-8")
    assert reply.status == 200


# --- malformed questions -------------------------------------------------------------

QUESTIONS: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown attribute", {"context__data__label": []}, "unknown-attribute", "/context/data/label"),
    ("unknown record", {"context__nothing": {}}, "unknown-attribute", "/context/nothing"),
    ("wrong type", {"context__data__labels": "x"}, "unfit-value", "/context/data/labels"),
    ("outside vocabulary", {"context__data__labels": ["x"]}, "unfit-value", "/context/data/labels"),
    ("truth as text", {"context__transfer__encrypted": "yes"}, "unfit-value",
     "/context/transfer/encrypted"),
    ("record is a list", {"context__data": []}, "malformed-question", "/context/data"),
    ("foreign in resource", {"resource__properties": {"countries": ["FR"]}}, "foreign-origin",
     "/resource/properties/countries"),
    ("foreign in context", {"context__destination": {"open": True}}, "foreign-origin",
     "/context/destination"),
    ("foreign in a reference", FLOW | {"context__origin": FLOW["context__origin"] | {"open": 1}},
     "foreign-origin", "/context/origin/open"),
    ("unknown site", {"resource__id": "moon"}, "unknown-entity", "/resource/id"),
    ("lapsed site", {"resource__id": "lapsed"}, "unknown-entity", "/resource/id"),
    ("site of another type", {"resource__type": "x"}, "malformed-question", "/resource/type"),
    ("unknown action", {"action__name": "fly"}, "unknown-action", "/action/name"),
    ("flow without origin", {"action__name": "flow"}, "malformed-question", "/context/origin"),
    ("place with origin", {"context__origin": {"type": "site", "id": "near"}},
     "malformed-question", "/context/origin"),
    ("null context", {"context": None}, "malformed-question", "/context"),
    ("no subject", {"subject": ...}, "malformed-question", "/subject"),
    ("a fifth member", {"now": "2020-01-01"}, "malformed-question", "/now"),
    ("another tenant as member", {"tenant": "clinic-b"}, "malformed-question", "/tenant"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "slug", "pointer"), [case[1:] for case in QUESTIONS], ids=[q[0] for q in QUESTIONS]
)
def test_a_malformed_question_is_422_names_the_field_and_records_nothing(
    gateway: Served, changes: dict[str, Any], slug: str, pointer: str
) -> None:
    before = gateway.size
    check_problem(gateway.ask(question(**changes)), 422, slug, pointer)
    assert gateway.size == before


DEEP = 40
TEXT = json.dumps(question())
NOT_JSON: list[tuple[str, bytes, str]] = [
    ("empty", b"", ""),
    ("half", TEXT[:-1].encode(), ""),
    ("two values", (TEXT + TEXT).encode(), ""),
    ("a byte order mark", b"\xef\xbb\xbf" + TEXT.encode(), ""),
    ("UTF-16", TEXT.encode("utf-16"), ""),
    ("Latin-1", TEXT.replace("near", "n\xe9ar").encode("latin-1"), ""),
    ("single quotes", TEXT.replace('"', "'").encode(), ""),
    ("a comment", TEXT.replace("{", "{/**/", 1).encode(), ""),
    (
        "a key twice",
        TEXT.replace('"id": "w-1"', '"id": "w-1", "id": "w-2"').encode(),
        "/subject/id",
    ),
    ("NaN", TEXT.replace(": 10", ": NaN").encode(), "/context/transfer/age"),
    ("Infinity", TEXT.replace(": 10", ": Infinity").encode(), "/context/transfer/age"),
    ("a float", TEXT.replace(": 10", ": 10.0").encode(), "/context/transfer/age"),
    ("an exponent", TEXT.replace(": 10", ": 1e1").encode(), "/context/transfer/age"),
    ("2^53", TEXT.replace(": 10", f": {2**53}").encode(), "/context/transfer/age"),
    ("a number of 5000 digits", TEXT.replace(": 10", ": " + "9" * 5000).encode(), ""),
    ("a leading nought", TEXT.replace(": 10", ": 010").encode(), ""),
    ("a lone surrogate", TEXT.replace("w-1", "\\ud800").encode(), "/subject/id"),
    ("NUL by escape", TEXT.replace("w-1", "\\u0000").encode(), "/subject/id"),
    ("NUL as it is", TEXT.replace("w-1", "\0").encode(), ""),
    ("a key with NUL", TEXT.replace('"type"', '"\\u0000"', 1).encode(), "/subject"),
    ("nested deeply", TEXT.replace(": 10", ": " + "[" * DEEP + "]" * DEEP).encode(), ""),
    ("nested 100,000 deep", b"[" * 100_000, ""),
    ("objects nested deeply", b'{"a":' * 50_000, ""),
    ("too many keys", json.dumps({str(n): n for n in range(10_001)}).encode(), ""),
    ("a string too long", TEXT.replace("w-1", "x" * 65_537).encode(), "/subject/id"),
]


@pytest.mark.parametrize(
    ("sent", "pointer"), [case[1:] for case in NOT_JSON], ids=[case[0] for case in NOT_JSON]
)
def test_what_is_not_json_with_one_meaning_is_400_and_records_nothing(
    gateway: Served, sent: bytes, pointer: str
) -> None:
    before = gateway.size
    problem = check_problem(gateway.ask(sent), 400, "malformed-json")
    if pointer:
        assert problem["errors"][0]["pointer"].startswith(pointer)
    assert gateway.size == before


@pytest.mark.parametrize("sent", [b"[]", b"null", b"7", b'"place"', b"true"])
def test_json_that_is_no_object_is_422(gateway: Served, sent: bytes) -> None:
    check_problem(gateway.ask(sent), 422, "malformed-question", "")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": ""},
        {"Content_Type": "application/json+x"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Encoding": "gzip"},
        {"Content_Encoding": "identity"},
    ],
)
def test_another_media_type_or_a_compressed_body_is_415(
    gateway: Served, headers: dict[str, str]
) -> None:
    before = gateway.size
    check_problem(gateway.ask(question(), **headers), 415, "unsupported-media-type")
    assert gateway.size == before


# --- who asks ------------------------------------------------------------------------


def test_nobody_is_answered_without_a_token_that_counts(gateway: Served) -> None:
    before = gateway.size
    wrong = gateway.own[:-1] + ("A" if gateway.own[-1] != "A" else "B")
    for token in ("", wrong, gateway.expired, "x", "charter_"):
        for reply in (
            gateway.ask(question(), token=token),
            # Before the body is read: what it holds makes no difference.
            gateway.ask(b"\xff" * 1000, token=token, Content_Type="text/plain"),
            gateway.gateway.request("GET", "/v1/decisions/x", token=token),
            gateway.gateway.request("GET", "/v1/decisions/x/proof", token=token),
        ):
            check_problem(reply, 401, "unauthenticated")
            assert reply.headers["www-authenticate"] == 'Bearer realm="charter"'
    assert gateway.size == before


def test_an_action_that_the_token_does_not_cover_is_403(gateway: Served) -> None:
    before = gateway.size
    reply = gateway.ask(question(), token=gateway.flow_only)
    check_problem(reply, 403, "forbidden-caller")
    assert gateway.size == before
    assert gateway.ask(question(**FLOW), token=gateway.flow_only).status == 200


@pytest.mark.parametrize("tenant", ["clinic-b", "Clinic-a", "clinic-a ", ""])
def test_another_tenants_name_is_403(gateway: Served, tenant: str) -> None:
    before = gateway.size
    reply = gateway.ask(question(subject__properties={"tenant": tenant}))
    check_problem(reply, 403, "forbidden-caller")
    assert gateway.size == before


def test_ones_own_tenants_name_is_a_fact(gateway: Served) -> None:
    reply = gateway.ask(question(subject__properties={"tenant": "clinic-a"}))
    assert {"path": "workload.tenant", "value": "clinic-a", "origin": "request"} in reply.json[
        "facts"
    ]


# --- reading again -------------------------------------------------------------------


def test_a_decision_is_read_again_with_a_proof_that_verifies(gateway: Served) -> None:
    first = gateway.ask(question()).json
    gateway.ask(question())
    reply = gateway.gateway.request("GET", f"/v1/decisions/{first['id']}")
    assert reply.headers["cache-control"] == "no-store"
    assert gateway.verify(reply.json, expect_request=question()).id == first["id"]
    assert {**reply.json, "proof": ""} == {**first, "proof": ""}
    alone = gateway.gateway.request("GET", f"/v1/decisions/{first['id']}/proof")
    assert alone.headers["content-type"].startswith("text/plain")
    gateway.verify({"record": first["record"], "proof": alone.body.decode()})


def test_another_tenants_decision_is_404_in_the_form_of_a_missing_one(gateway: Served) -> None:
    made = gateway.ask(question()).json["id"]
    missing = "01a20297-8952-733e-93d6-96ac5bfd492f"
    for end in ("", "/proof"):
        replies = [
            gateway.gateway.request("GET", f"/v1/decisions/{one}{end}", token=gateway.other_tenant)
            for one in (made, missing)
        ]
        for reply in replies:
            check_problem(reply, 404, "not-found")
            for of_each in ("date", "x-request-id"):
                reply.headers.pop(of_each, None)
        assert replies[0] == replies[1]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/decisions/%00",
        "/v1/decisions/%ff%fe",
        "/v1/decisions/..%2f..%2forigin",
        "/v1/decisions/x'%20OR%201=1",
        "/v1/decisions/" + "x" * 4000,
        "/v1/decisions/",
        "/v1/decisions//proof",
        "/v1/Decisions",
        "/V1/decisions",
        "/",
        "/debug",
        "/docs",
        "/v1",
        "/v1/decisions/x/y/z",
        "//v1/decisions",
    ],
)
def test_what_is_not_there_is_404(gateway: Served, path: str) -> None:
    check_problem(gateway.gateway.request("GET", path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/decisions", {"POST"}),
        ("PUT", "/v1/decisions", {"POST"}),
        ("DELETE", "/v1/decisions", {"POST"}),
        ("OPTIONS", "/v1/decisions", {"POST"}),
        ("TRACE", "/v1/decisions", {"POST"}),
        ("DELETE", "/v1/decisions/x", {"GET", "HEAD"}),
        ("POST", "/v1/decisions/x/proof", {"GET", "HEAD"}),
        ("POST", "/checkpoint", {"GET", "HEAD"}),
        ("OPTIONS", "/healthz", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_405_and_says_which_are_allowed(
    gateway: Served, method: str, path: str, allowed: set[str]
) -> None:
    reply = gateway.gateway.request(method, path)
    check_problem(reply, 405, "method-not-allowed")
    assert set(reply.headers["allow"].split(", ")) == allowed


def test_head_is_get_without_the_body(gateway: Served) -> None:
    made = gateway.ask(question()).json["id"]
    for path in ("/healthz", "/checkpoint", f"/v1/decisions/{made}"):
        reply = gateway.gateway.request("HEAD", path)
        assert (reply.status, reply.body) == (200, b"")
    assert gateway.gateway.request("HEAD", "/v1/decisions").status == 405
    assert gateway.gateway.request("HEAD", f"/v1/decisions/{made}", token="").status == 401


# --- what stays inside ---------------------------------------------------------------


def test_tokens_and_content_are_in_no_line_that_the_process_wrote(gateway: Served) -> None:
    gateway.ask(question(context__data__datasets=["patients-of-ward-7"]))
    gateway.ask(question(context__data__datasets=["patients-of-ward-8"], resource__id="moon"))
    said = "".join(gateway.gateway.stderr)
    assert '"event": "decision"' in said
    for secret in (gateway.own, gateway.other_tenant, gateway.expired):
        assert secret.split("_", 2)[2] not in said
    assert "PRIVATE" not in said
    assert "ward-" not in said
    assert "Traceback" not in said
    keys = (Path(gateway.gateway.state) / "decision.key").read_text().split("\n")[1]
    assert keys not in said
