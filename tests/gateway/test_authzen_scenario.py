"""The AuthZEN certification scenario, its text in full, at the HTTP door of a running gateway.

https://github.com/openid/authzen, certification/authorization-api-1_0-scenario.md; the numbers
in brackets are its sections. Its fixture is an ordinary charter with an ordinary catalogue.
"""

import copy
import json
from collections.abc import Generator
from typing import Any

import pytest

from gateway.verify import Trust, verify_decision
from tests.gateway.cli.commands import Charter
from tests.gateway_process import GatewayProcess, Reply, run_gateway
from tests.project import ROOT

FOLDER = ROOT / "tests" / "fixtures" / "authzen"
CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}
CONTEXTS: list[Any] = [None, {}, CONTEXT, {"nothing": {"we": ["know"]}}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[GatewayProcess]:
    state = tmp_path_factory.mktemp("authzen") / "state"
    with run_gateway(state, "--policies", str(FOLDER)) as running:
        yield running


def post(
    gateway: GatewayProcess, path: str, body: object, token: str | None = None, **headers: str
) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.request("POST", f"/access/v1/{path}", data, sent, token=token)


def said(gateway: GatewayProcess, path: str, body: object) -> Any:
    reply = post(gateway, path, body)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/json"
    return reply.json


def asked(user: str, name: str, record: str, **properties: Any) -> dict[str, Any]:
    """A question as the scenario writes it; properties of subject, action and resource."""
    members: dict[str, Any] = {
        "subject": {"type": "user", "id": user},
        "action": {"name": name},
        "resource": {"type": "record", "id": record},
    }
    for member, value in properties.items():
        members[member]["properties"] = value
    return members


ARCHIVED, ACTIVE, ADMIN = {"status": "archived"}, {"status": "active"}, {"role": "admin"}

DECISIONS: dict[str, tuple[dict[str, Any], bool]] = {
    "rule 1": (asked("alice", "read", "record-1"), True),
    "rule 2": (asked("alice", "write", "record-1"), True),
    "rule 2, the status said": (asked("alice", "write", "record-1", resource=ACTIVE), True),
    "rule 3": (asked("bob", "read", "record-1"), True),
    "rule 4": (asked("bob", "write", "record-1"), False),
    "rule 5": (asked("alice", "write", "record-2", resource=ARCHIVED), False),
    "rule 5, of the other record": (asked("alice", "write", "record-1", resource=ARCHIVED), False),
    "rule 6": (asked("bob", "write", "record-2", subject=ADMIN, resource=ARCHIVED), True),
    "rule 7": (asked("alice", "delete", "record-1", action={"soft": True}), True),
    "rule 8": (asked("alice", "delete", "record-1", action={"soft": False}), False),
    "2.2.8 additional properties": (
        asked("alice", "read", "record-1", subject={"department": "Sales", "role": "manager"},
              action={"method": "GET"}, resource={"status": "active", "owner": "bob"}), True),
    "2.2.9 unknown fields": (
        {**asked("alice", "read", "record-1"), "foo": "bar", "futureField": {"nested": True}},
        True),
    # Not prescribed, and as they should be: a claim opens nothing.
    "alice says she is an admin": (
        asked("alice", "write", "record-2", subject=ADMIN, resource=ARCHIVED), False),
    "alice says it is active": (asked("alice", "write", "record-2", resource=ACTIVE), False),
    "bob says it is archived": (
        asked("bob", "write", "record-1", subject=ADMIN, resource=ARCHIVED), False),
    "bob says he is alice": (
        asked("bob", "write", "record-1", subject={"login": "alice", "id": "alice"}), False),
    "nothing said of how": (asked("alice", "delete", "record-1"), False),
    "how is no truth value": (asked("alice", "delete", "record-1", action={"soft": "yes"}), False),
    "a stranger": (asked("mallory", "read", "record-1"), False),
    "an unknown record": (asked("alice", "read", "record-3"), False),
    "an unknown type": (
        {**asked("alice", "read", "record-1"), "subject": {"type": "robot", "id": "alice"}}, False),
    "an unknown action": (asked("alice", "burn", "record-1"), False),
}  # fmt: skip


# --- Basic [2] -----------------------------------------------------------------------


@pytest.mark.parametrize("context", CONTEXTS, ids=["none", "empty", "known", "unknown"])
@pytest.mark.parametrize("case", DECISIONS)
def test_the_decisions_hold_whatever_the_context(
    gateway: GatewayProcess, case: str, context: Any
) -> None:
    members, decision = DECISIONS[case]
    body = copy.deepcopy(members) | ({} if context is None else {"context": context})
    for _ in range(2):  # [2.6]
        answer = said(gateway, "evaluation", body)
        assert answer["decision"] is decision
        assert isinstance(answer["context"], dict)


@pytest.mark.parametrize("case", [case for case in DECISIONS if not DECISIONS[case][1]])
def test_hiding_what_was_said_permits_nothing_that_the_catalogue_alone_does_not(
    gateway: GatewayProcess, case: str
) -> None:
    members, _ = DECISIONS[case]
    plain = copy.deepcopy(members)
    for name in ("subject", "action", "resource"):
        plain[name].pop("properties", None)
    alone = said(gateway, "evaluation", plain)["decision"]
    for name in ("subject", "action", "resource"):
        hidden = copy.deepcopy(members)
        hidden[name].pop("properties", None)
        # What the caller says can make a permit of the catalogue a refusal, and never undo one.
        assert alone or not said(gateway, "evaluation", hidden)["decision"]


@pytest.mark.parametrize("case", [case for case in DECISIONS if case != "an unknown record"])
def test_a_decision_is_recorded_and_verifies(gateway: GatewayProcess, case: str) -> None:
    members, _ = DECISIONS[case]
    context = said(gateway, "evaluation", members)["context"]
    if "error" in context:
        assert context["error"]["status"] == 422
        return
    trust = Trust.from_json(gateway.trust.read_bytes())
    assert verify_decision(context, trust, expect_request=members).id == context["id"]


def test_what_is_disputed_and_ignored_is_named(gateway: GatewayProcess) -> None:
    body = asked("alice", "write", "record-1", resource={**ARCHIVED, "colour": "red"})
    answer = said(gateway, "evaluation", body)
    context = answer["context"]
    assert context["decision"] == "indeterminate"
    assert context["disputed"] == [{"path": "document.status", "origin": "catalogue"}]
    assert [note["pointer"] for note in answer["ignored"]] == ["/resource/properties/colour"]
    assert [missing["path"] for missing in context["missing"]] == ["document.status"]


def without(*path: str) -> dict[str, Any]:
    body = asked("alice", "read", "record-1")
    at = body
    for part in path[:-1]:
        at = at[part]
    del at[path[-1]]
    return body


def with_(value: object, *path: str) -> dict[str, Any]:
    body: dict[str, Any] = asked("alice", "read", "record-1")
    at = body
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return body


MISSING = [("subject",), ("action",), ("resource",), ("subject", "type"), ("subject", "id"),
           ("action", "name"), ("resource", "type"), ("resource", "id")]  # fmt: skip
WRONG: list[tuple[object, tuple[str, ...]]] = [
    ("alice", ("subject",)), ([], ("subject",)), (None, ("subject",)), (1, ("subject", "id")),
    (None, ("subject", "id")), ("", ("subject", "id")), ({}, ("subject", "type")),
    (123, ("action", "name")), ("read", ("action",)), (True, ("resource",)),
    ([], ("resource", "properties")), ("x", ("action", "properties")), ("x", ("context",)),
    ([], ("context",)), ("a" * 257, ("subject", "id")),
]  # fmt: skip
TEXT = json.dumps(asked("alice", "read", "record-1")).encode()
BROKEN = [b"", b" ", b"{", TEXT[:-1], TEXT + b"}", b"[]", b"null", b'"x"', b"\xff", b"<a/>",
          TEXT.replace(b'"id": "alice"', b'"id": "alice", "id": "bob"')]  # fmt: skip
DOORS = ["evaluation", "evaluations"]


def check_malformed(reply: Reply) -> None:
    assert reply.status == 400, reply.body
    assert isinstance(reply.json, str)
    assert b".py" not in reply.body


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", MISSING, ids=["/".join(p) for p in MISSING])
def test_what_is_missing_is_400(gateway: GatewayProcess, path: tuple[str, ...], door: str) -> None:
    check_malformed(post(gateway, door, without(*path)))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("value", "path"), WRONG)
def test_what_is_of_a_wrong_type_is_400(
    gateway: GatewayProcess, value: object, path: tuple[str, ...], door: str
) -> None:
    check_malformed(post(gateway, door, with_(value, *path)))


@pytest.mark.parametrize("door", [*DOORS, "search/subject", "search/resource", "search/action"])
@pytest.mark.parametrize("sent", BROKEN)
def test_what_is_no_json_object_is_400(gateway: GatewayProcess, sent: bytes, door: str) -> None:
    check_malformed(post(gateway, door, sent))


@pytest.mark.parametrize("door", [*DOORS, "search/subject", "search/resource", "search/action"])
@pytest.mark.parametrize("media_type", ["text/plain", "", "application/xml", "application/jsonx"])
def test_another_media_type_is_400(gateway: GatewayProcess, media_type: str, door: str) -> None:
    check_malformed(post(gateway, door, TEXT, Content_Type=media_type))


def test_a_charset_is_no_other_media_type(gateway: GatewayProcess) -> None:
    assert (
        post(gateway, "evaluation", TEXT, Content_Type="application/json; charset=utf-8").status
        == 200
    )


@pytest.mark.parametrize("door", [*DOORS, "search/subject", "search/resource", "search/action"])
def test_nobody_is_answered_without_a_token(gateway: GatewayProcess, door: str) -> None:
    reply = post(gateway, door, TEXT, token="")
    assert reply.status == 401
    assert "www-authenticate" in reply.headers


@pytest.mark.parametrize("door", DOORS)
def test_another_tenants_name_is_refused_declared_or_not(
    gateway: GatewayProcess, door: str
) -> None:
    reply = post(gateway, door, asked("alice", "read", "record-1", subject={"tenant": "other"}))
    assert reply.status == 403


def test_a_request_id_comes_back(gateway: GatewayProcess) -> None:
    assert post(gateway, "evaluation", TEXT, X_Request_ID="bfe9eb29-ab87").headers[
        "x-request-id"
    ] == "bfe9eb29-ab87"  # fmt: skip
    assert post(gateway, "evaluation", TEXT).status == 200


# --- Batch [3] -----------------------------------------------------------------------

ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
READ, WRITE = {"name": "read"}, {"name": "write"}
ONE, TWO = {"type": "record", "id": "record-1"}, {"type": "record", "id": "record-2"}
ONE_ACTIVE, TWO_ARCHIVED = {**ONE, "properties": ACTIVE}, {**TWO, "properties": ARCHIVED}

BATCHES: dict[str, tuple[dict[str, Any], list[bool]]] = {
    "3.2.1": ({"subject": ALICE, "action": READ,
               "evaluations": [{"resource": ONE}, {"resource": TWO}]}, [True, True]),
    "3.2.2": ({"subject": BOB, "resource": ONE,
               "evaluations": [{"action": READ}, {"action": WRITE}]}, [True, False]),
    "3.2.3": ({"subject": ALICE, "action": WRITE, "evaluations": [
        {"resource": ONE_ACTIVE}, {"resource": TWO_ARCHIVED}]}, [True, False]),
    "3.2.4": ({"action": WRITE, "resource": TWO_ARCHIVED, "evaluations": [
        {"subject": ALICE}, {"subject": {**BOB, "properties": ADMIN}}]}, [False, True]),
    "3.2.5": ({"evaluations": [asked("alice", "read", "record-1"),
                               asked("bob", "write", "record-1")]}, [True, False]),
    "3.2.6": ({"subject": ALICE, "action": READ, "context": CONTEXT, "evaluations": [
        {"resource": ONE}, {"resource": TWO, "context": {"source": "x"}}]}, [True, True]),
    "3.2.7": ({"subject": ALICE, "action": WRITE, "resource": ONE_ACTIVE,
               "evaluations": [{}, {"resource": TWO_ARCHIVED}]}, [True, False]),
    "3.4.1": ({"subject": ALICE, "action": READ, "options": {"evaluations_semantic": "execute_all"},
               "evaluations": [{"resource": ONE}, {}]}, [True, False]),
    "an item of another type": ({"subject": ALICE, "action": READ, "resource": ONE,
                                 "evaluations": [None, "x", [], 7, {}]},
                                [False, False, False, False, True]),
    "no merging inside": ({"subject": ALICE, "action": READ, "resource": ONE,
                           "evaluations": [{"resource": {"id": "record-2"}}, {}]}, [False, True]),
    "an action replaced by null": ({"subject": ALICE, "action": READ, "resource": ONE,
                                    "evaluations": [{"action": None}]}, [False]),
    "another tenant in one": ({"action": READ, "resource": ONE, "evaluations": [
        {"subject": {**ALICE, "properties": {"tenant": "other"}}}, {"subject": ALICE}]},
        [False, True]),
    "stops at the first denial": (
        {"subject": BOB, "resource": ONE,
         "options": {"evaluations_semantic": "deny_on_first_deny"},
         "evaluations": [{"action": READ}, {"action": WRITE}, {"action": READ}]}, [True, False]),
    "a fault is a denial": (
        {"subject": BOB, "resource": ONE,
         "options": {"evaluations_semantic": "deny_on_first_deny"},
         "evaluations": [{"action": READ}, {}, {"action": READ}]}, [True, False]),
    "stops at the first permit": (
        {"subject": BOB, "resource": ONE,
         "options": {"evaluations_semantic": "permit_on_first_permit"},
         "evaluations": [{"action": WRITE}, {"action": READ}, {"action": WRITE}]}, [False, True]),
    "no permit, no stop": (
        {"subject": BOB, "resource": ONE,
         "options": {"evaluations_semantic": "permit_on_first_permit", "more": 1},
         "evaluations": [{"action": WRITE}, {}, {"action": WRITE}]}, [False, False, False]),
}  # fmt: skip


@pytest.mark.parametrize("case", BATCHES)
def test_each_is_answered_in_its_place(gateway: GatewayProcess, case: str) -> None:
    body, decisions = BATCHES[case]
    answer = said(gateway, "evaluations", body)
    assert [one["decision"] for one in answer["evaluations"]] == decisions
    assert "decision" not in answer


def test_every_item_has_a_record_of_its_own_in_one_commit_group(gateway: GatewayProcess) -> None:
    body, _ = BATCHES["3.2.7"]
    answers = said(gateway, "evaluations", body)["evaluations"]
    trust = Trust.from_json(gateway.trust.read_bytes())
    defaults = {name: body[name] for name in ("subject", "action", "resource")}
    for answer, item in zip(answers, body["evaluations"], strict=True):
        verify_decision(answer["context"], trust, expect_request={**defaults, **item})
    notes = {answer["context"]["proof"].partition("\n\n")[2] for answer in answers}
    assert len(notes) == 1


@pytest.mark.parametrize("more", [{}, {"evaluations": []}])
def test_without_items_it_is_a_single_evaluation(
    gateway: GatewayProcess, more: dict[str, Any]
) -> None:
    assert said(gateway, "evaluations", asked("alice", "read", "record-1") | more)["decision"]


WHOLES: list[dict[str, Any]] = [
    {"options": {"evaluations_semantic": "first"}},
    {"options": {"evaluations_semantic": 1}},
    {"options": {"evaluations_semantic": None}},
    {"options": []},
    {"options": "execute_all"},
    {"evaluations": {}},
    {"evaluations": "x"},
    {"evaluations": [{}] * 101},
    {"evaluations": [{}], "subject": "alice"},
    {"evaluations": [{}], "context": []},
]


@pytest.mark.parametrize("more", WHOLES)
def test_a_malformed_whole_is_400(gateway: GatewayProcess, more: dict[str, Any]) -> None:
    check_malformed(post(gateway, "evaluations", asked("alice", "read", "record-1") | more))


# --- Search [4] ----------------------------------------------------------------------

USERS = [{"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}]
USER, RECORD = {"type": "user"}, {"type": "record"}
BOB_ADMIN = {**BOB, "properties": ADMIN}
SEARCHES: dict[str, tuple[str, dict[str, Any], list[dict[str, str]]]] = {
    "4.2.1 S1": ("subject", {"subject": USER, "action": READ, "resource": ONE}, USERS),
    "4.2.3 the id ignored": ("subject", {"subject": ALICE, "action": READ, "resource": ONE}, USERS),
    "an id of any type ignored": (
        "subject", {"subject": {**USER, "id": 7}, "action": READ, "resource": ONE}, USERS),
    "4.2.4 S4": ("subject", {"subject": USER, "action": WRITE, "resource": TWO_ARCHIVED}, [BOB]),
    "4.3.1 S2": ("resource", {"subject": ALICE, "action": READ, "resource": RECORD}, [ONE, TWO]),
    "4.3.3 the id ignored": (
        "resource", {"subject": ALICE, "action": READ, "resource": ONE}, [ONE, TWO]),
    "4.3.4 S5": ("resource", {"subject": BOB_ADMIN, "action": WRITE, "resource": RECORD}, [TWO]),
    "what alice writes": (
        "resource", {"subject": ALICE, "action": WRITE, "resource": RECORD}, [ONE]),
    "what alice writes, said to be archived": (
        "resource",
        {"subject": ALICE, "action": WRITE, "resource": {**RECORD, "properties": ARCHIVED}}, []),
    "4.4.1 S3": (
        "action", {"subject": ALICE, "resource": ONE}, [{"name": "read"}, {"name": "write"}]),
    "4.4.3 S6": (
        "action", {"subject": BOB_ADMIN, "resource": TWO_ARCHIVED},
        [{"name": "read"}, {"name": "write"}]),
    "an action that is there is ignored": (
        "action", {"subject": ALICE, "resource": ONE, "action": 7},
        [{"name": "read"}, {"name": "write"}]),
    "4.6.1": ("action", {"subject": {**USER, "id": "nobody"}, "resource": ONE}, []),
    "an unknown subject": (
        "resource", {"subject": {**USER, "id": "nobody"}, "action": READ, "resource": RECORD}, []),
    "an unknown resource": (
        "subject", {"subject": USER, "action": READ, "resource": {**RECORD, "id": "x"}}, []),
    "4.6.2": ("subject", {"subject": {"type": "spaceship"}, "action": READ, "resource": ONE}, []),
    "an unknown type of resource": (
        "resource", {"subject": ALICE, "action": READ, "resource": {"type": "spaceship"}}, []),
    "an unknown type beside": (
        "action", {"subject": ALICE, "resource": {"type": "spaceship", "id": "x"}}, []),
    "an unknown action": (
        "resource", {"subject": ALICE, "action": {"name": "burn"}, "resource": RECORD}, []),
}  # fmt: skip


@pytest.mark.parametrize("context", CONTEXTS, ids=["none", "empty", "known", "unknown"])
@pytest.mark.parametrize("case", SEARCHES)
def test_a_search_finds_what_would_be_permitted_and_nothing_else(
    gateway: GatewayProcess, case: str, context: Any
) -> None:
    kind, body, expected = SEARCHES[case]
    body = {**body, "foo": "bar"} | ({} if context is None else {"context": context})
    answer = said(gateway, f"search/{kind}", body)
    assert answer["results"] == expected
    assert "page" not in answer


@pytest.mark.parametrize("case", [case for case in SEARCHES if SEARCHES[case][2]])
def test_each_found_is_permitted_when_asked_alone(gateway: GatewayProcess, case: str) -> None:
    kind, body, expected = SEARCHES[case]
    for found in expected:
        asked_alone = {**body, kind: {**body.get(kind, {}), **found} if kind != "action" else found}
        assert said(gateway, "evaluation", asked_alone)["decision"] is True


def test_a_search_records_nothing(gateway: GatewayProcess) -> None:
    before = gateway.request("GET", "/checkpoint").body.split(b"\n")[1]
    said(gateway, "search/resource", SEARCHES["4.3.1 S2"][1])
    assert gateway.request("GET", "/checkpoint").body.split(b"\n")[1] == before


PAGES: list[Any] = [
    [], "x", None, {"limit": 0}, {"limit": -1}, {"limit": 1001}, {"limit": True},
    {"limit": "1"}, {"token": 7}, {"token": "x"}, {"token": ""}, {"properties": []},
    {"properties": {"refused": "yes"}}, {"token": "W10="}, {"token": "x" * 5000},
    {"token": "\u00e9"},
]  # fmt: skip
NO_SEARCHES: list[tuple[str, dict[str, Any]]] = [
    ("subject", {"subject": USER, "resource": ONE}),
    ("subject", {"subject": USER, "action": READ, "resource": RECORD}),
    ("subject", {"subject": {}, "action": READ, "resource": ONE}),
    ("subject", {"action": READ, "resource": ONE}),
    ("subject", {"subject": "user", "action": READ, "resource": ONE}),
    ("resource", {"action": READ, "resource": RECORD}),
    ("resource", {"subject": USER, "action": READ, "resource": RECORD}),
    ("resource", {"subject": ALICE, "action": READ}),
    ("resource", {"subject": ALICE, "action": {}, "resource": RECORD}),
    ("action", {"subject": ALICE}),
    ("action", {"subject": USER, "resource": ONE}),
    ("action", {"subject": ALICE, "resource": RECORD}),
    *(("subject", {"subject": USER, "action": READ, "resource": ONE, "page": p}) for p in PAGES),
]


@pytest.mark.parametrize(("kind", "body"), NO_SEARCHES)
def test_a_malformed_search_is_400(gateway: GatewayProcess, kind: str, body: object) -> None:
    check_malformed(post(gateway, f"search/{kind}", body))


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("refused", [False, True])
def test_a_paged_walk_finds_what_one_answer_finds(
    gateway: GatewayProcess, limit: int, refused: bool
) -> None:
    kind, body, expected = SEARCHES["4.2.4 S4"]
    properties = {"properties": {"refused": refused}}
    page: dict[str, Any] = {"limit": limit, **properties}
    found: list[Any] = []
    not_found: list[Any] = []
    while True:
        answer = said(gateway, f"search/{kind}", {**body, "page": page})
        found += answer["results"]
        not_found += answer["context"].get("refused", [])
        assert answer["page"]["total"] == len(expected)
        if not answer["page"]["next_token"]:
            break
        # [4.5.2] sends the token without the limit.
        page = {"token": answer["page"]["next_token"], **properties}
    assert found == expected
    assert [one["id"] for one in not_found] == (["alice"] if refused else [])


def test_a_token_is_for_the_question_it_came_with(gateway: GatewayProcess) -> None:
    body = {**SEARCHES["4.2.1 S1"][1], "page": {"limit": 1}}
    token = said(gateway, "search/subject", body)["page"]["next_token"]
    assert token
    for changed in (
        {"action": WRITE, "page": {"token": token}},
        {"resource": TWO, "page": {"token": token}},
        {"context": {"a": 1}, "page": {"token": token}},
        {"page": {"token": token, "limit": 2}},
        {"page": {"token": token, "properties": {"refused": True}}},
    ):
        check_malformed(post(gateway, "search/subject", {**body, **changed}))
    check_malformed(post(gateway, "search/resource", {**body, "page": {"token": token}}))
    assert said(gateway, "search/subject", {**body, "page": {"token": token}})["results"] == [BOB]


def test_the_decisive_reason_is_told_on_request(gateway: GatewayProcess) -> None:
    _, body, _ = SEARCHES["what alice writes"]
    page = {"properties": {"refused": True}}
    context = said(gateway, "search/resource", {**body, "page": page})["context"]
    (refused,) = context["refused"]
    assert (refused["type"], refused["id"], refused["decision"]) == ("record", "record-2", "deny")
    assert refused["reason"]["status"] == "uncovered"
    assert refused["reason"]["citations"]
    assert context["ranked"] == [{**ONE, "preference": 0, "obligations": []}]


# --- Discovery [6] -------------------------------------------------------------------


def test_the_metadata_names_the_places_that_are_served(gateway: GatewayProcess) -> None:
    reply = gateway.request("GET", "/.well-known/authzen-configuration", token="")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json["policy_decision_point"] == gateway.url
    places = {name: url for name, url in reply.json.items() if name.endswith("_endpoint")}
    assert len(places) == 5
    for url in places.values():
        assert url.startswith(f"{gateway.url}/access/v1/")
        assert post(gateway, url.removeprefix(f"{gateway.url}/access/v1/"), b"").status == 400


def test_the_metadata_names_the_address_that_callers_use(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    state = tmp_path_factory.mktemp("public") / "state"
    url = "https://pdp.example/eu"
    with run_gateway(state, "--policies", str(FOLDER), "--public-url", url + "/") as running:
        told = running.request("GET", "/.well-known/authzen-configuration").json
    assert told["policy_decision_point"] == url
    assert told["access_evaluation_endpoint"] == f"{url}/access/v1/evaluation"


# --- the fixture ---------------------------------------------------------------------


def test_its_examples_hold_on_every_engine(capsys: pytest.CaptureFixture[str]) -> None:
    charter = Charter(capsys)
    checked = charter("check", FOLDER)
    assert (checked.code, checked.err) == (0, "")
    tested = charter("test", FOLDER)
    assert tested.code == 0, tested.out
    assert "13 cases on cedar, rego, reference, 0 failures" in tested.out


def test_the_fixture_is_what_a_user_would_keep() -> None:
    files = (path for path in FOLDER.rglob("*") if path.is_file())
    assert sorted(path.relative_to(FOLDER).as_posix() for path in files) == [
        "catalogue/sites.toml",
        "fixtures/sites.toml",
        "records.charter",
        "vocabulary.charter",
    ]
