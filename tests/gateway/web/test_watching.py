"""Whoever runs a gateway sees whether it answers, and never what it was asked."""

import http.client
import json
import re
import socket
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.service import Service
from gateway.web.metrics import MAX_TENANTS, OTHERS, Metrics
from tests.gateway.serving import Served, served
from tests.gateway.web.test_public import Client
from tests.gateway.world import FakeEngine, World, body, program, question, run
from tests.gateway_process import Reply


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


@pytest.fixture
def client(world: World, tmp_path: Path) -> Client:
    return Client(world, tmp_path)


def numbers(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels; text that is not of the format fails."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(text: bytes, name: str, **labels: str) -> float:
    return numbers(text).get((name, tuple(sorted(labels.items()))), 0.0)


# --- alive and ready -----------------------------------------------------------------


def test_alive_and_not_ready_until_something_was_proved(client: Client, world: World) -> None:
    assert client.get("/livez")[0] == client.get("/healthz")[0] == 200
    status, headers, data = client.get("/readyz")
    assert (status, headers["retry-after"]) == (503, "5")
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(data)["type"].endswith("/not-ready")
    assert run(client.send("POST", "/v1/decisions", body()))[0] == 200
    assert client.get("/readyz")[0] == 200
    assert world.ledger.size == 1


def test_a_malformed_question_proves_nothing(client: Client) -> None:
    assert run(client.send("POST", "/v1/decisions", b"{}"))[0] == 422
    assert client.get("/readyz")[0] == 503


def test_a_log_that_takes_no_entries_is_not_ready_and_alive(client: Client, world: World) -> None:
    run(world.service.self_check(world.trust.to_json()))
    assert client.get("/readyz")[0] == 200
    world.ledger.close()
    status, _, data = client.get("/readyz")
    assert (status, json.loads(data)["detail"]) == (503, "the log takes no entries")
    assert client.get("/livez")[0] == 200


def test_a_started_gateway_is_ready_before_anybody_asks(gateway: Served) -> None:
    reply = gateway.gateway.request("GET", "/readyz", token="")
    assert (reply.status, reply.json) == (200, {"status": "ready"})
    assert gateway.size >= 1
    assert reply.headers["cache-control"] == "no-store"


# --- ids of requests -----------------------------------------------------------------


def ask(gateway: Served, *ids: str) -> tuple[int, list[str]]:
    """A question with these request ids; all that come back."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.gateway.port, timeout=10)
    sent = json.dumps(question()).encode()
    try:
        connection.putrequest("POST", "/v1/decisions")
        connection.putheader("Authorization", f"Bearer {gateway.own}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(sent)))
        for one in ids:
            connection.putheader("X-Request-ID", one.encode("latin-1"))
        connection.endheaders(sent)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers.get_all("x-request-id") or []
    finally:
        connection.close()


@pytest.mark.parametrize("own", ["a", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "!~" * 64])
def test_the_id_of_a_request_comes_back_unchanged(gateway: Served, own: str) -> None:
    assert ask(gateway, own) == (200, [own])


@pytest.mark.parametrize(
    "ids", [(), ("",), ("x" * 129,), ("a b",), ("\xe9",), ("a\tb",), ("one", "two")]
)
def test_an_id_that_is_absent_or_unfit_is_replaced(gateway: Served, ids: tuple[str, ...]) -> None:
    status, (made,) = ask(gateway, *ids)
    assert status == 200
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert ask(gateway, *ids)[1] != [made]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/v1/decisions", 405), ("POST", "/v1/decisions", 401)],
)
def test_a_refusal_has_the_id_too(gateway: Served, method: str, path: str, status: int) -> None:
    reply = gateway.gateway.request(method, path, headers={"X-Request-ID": "mine"}, token="")
    assert (reply.status, reply.headers["x-request-id"]) == (status, "mine")


def test_a_fault_has_the_id_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Service) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Service, "not_ready", broken)
    status, headers, _ = client.get("/readyz", **{"x-request-id": "mine"})
    assert (status, headers["x-request-id"]) == (500, "mine")


# --- numbers -------------------------------------------------------------------------


def read(client: Client) -> bytes:
    status, headers, data = run(client.send("GET", "/metrics"))
    assert (status, headers["content-type"]) == (200, "text/plain; version=1.0.0; charset=utf-8")
    return data


def test_numbers_need_a_token(gateway: Served) -> None:
    reply = gateway.gateway.request("GET", "/metrics", token="")
    assert reply.status == 401
    assert b"charter_ledger" not in reply.body


def test_every_decision_is_counted_once_by_its_verdict_and_tenant(
    client: Client, world: World
) -> None:
    for site in ("near", "far", "near"):
        run(client.send("POST", "/v1/decisions", body(resource__id=site)))
    run(client.send("POST", "/v1/decisions", b"{"))
    text = read(client)
    tenant = "clinic-a"
    assert value(text, "charter_decisions_total", verdict="permit", tenant=tenant) == 2
    assert value(text, "charter_decisions_total", verdict="deny", tenant=tenant) == 1
    assert value(text, "charter_decision_duration_seconds_count") == 3
    assert value(text, "charter_ledger_entries") == world.ledger.size == 3
    assert value(text, "charter_ledger_commit_group_size_sum") == 3
    assert value(text, "charter_decisions_lost") == 0
    assert value(text, "charter_refused_total", reason="malformed-json") == 1
    assert value(text, "charter_ready") == 1
    assert 0 <= value(text, "charter_policy_age_seconds") < 60
    assert (
        value(
            text, "charter_policy_info",
            **world.service.in_force.named(),
        )
        == 1
    )  # fmt: skip
    assert (
        value(
            text, "charter_http_requests_total",
            method="POST", route="/v1/decisions", status="200",
        )
        == 3
    )  # fmt: skip


def test_a_decision_that_the_log_does_not_cover_is_told_as_lost(
    client: Client, world: World
) -> None:
    metrics = world.service.watch
    assert isinstance(metrics, Metrics)
    world.decide()
    assert value(metrics.text(), "charter_decisions_lost") == 0
    metrics.decided("permit", "clinic-a", 0.001, None)  # with no entry behind it
    assert value(metrics.text(), "charter_decisions_lost") == 1
    assert client is not None


def test_engines_that_differ_or_fail_are_counted(tmp_path: Path) -> None:
    async def right(asked: Question) -> Answer:
        return evaluate(program(), asked)

    async def wrong(asked: Question) -> Answer:
        answer = evaluate(program(), asked)
        if asked.facts.get("transfer.age") == 3:
            raise ZeroDivisionError
        return Answer(answer.denied, frozenset())

    engines = [FakeEngine("one", right), FakeEngine("two", wrong)]
    with World(tmp_path, engines=engines) as world:
        client = Client(world, tmp_path)
        for age in (1, 2, 3):
            run(client.send("POST", "/v1/decisions", body(context__transfer__age=age)))
        text = read(client)
    assert value(text, "charter_engine_disagreements_total") == 2
    assert value(text, "charter_incidents_total", kind="engine-disagreement") == 2
    assert value(text, "charter_incidents_total", kind="engine-error") == 1


def test_what_anybody_can_choose_is_no_label(gateway: Served) -> None:
    gateway.gateway.request("GET", "/v1/decisions/guess-1")
    gateway.gateway.request("GET", "/nowhere/guess-2", token="")
    gateway.gateway.request("PURGE", "/livez", token="")
    gateway.ask(question(subject__id="guess-3", context__data__datasets=["guess-4"]))
    text = gateway.gateway.request("GET", "/metrics").body
    assert b"guess" not in text
    assert b"PURGE" not in text
    route = "/v1/decisions/{id}"
    assert value(text, "charter_http_requests_total", method="GET", route=route, status="404") >= 1
    method = {"method": "other", "route": "/livez", "status": "405"}
    assert value(text, "charter_http_requests_total", **method) >= 1


def test_the_number_of_tenants_with_a_label_is_bounded(world: World) -> None:
    metrics = Metrics(world.service)
    for number in range(MAX_TENANTS + 50):
        metrics.decided("deny", f"tenant-{number}", 0.001, None)
    labels = {
        dict(labels)["tenant"]
        for name, labels in numbers(metrics.text())
        if name == "charter_decisions_total"
    }
    assert len(labels) == MAX_TENANTS + 1
    assert value(metrics.text(), "charter_decisions_total", verdict="deny", tenant=OTHERS) == 50


def test_what_never_reached_the_application_is_counted_as_refused(gateway: Served) -> None:
    before = gateway.gateway.request("GET", "/metrics").body
    gateway.raw(b"GARBAGE\r\n\r\n")
    after = gateway.gateway.request("GET", "/metrics").body
    reason = "malformed-http"
    assert (
        value(after, "charter_refused_total", reason=reason)
        == value(before, "charter_refused_total", reason=reason) + 1
    )


def test_what_is_in_flight_is_counted_and_counted_down(gateway: Served) -> None:
    def in_flight() -> float:
        text = gateway.gateway.request("GET", "/metrics").body
        return value(text, "charter_requests_in_flight")

    assert in_flight() == 1  # this one
    with socket.create_connection(("127.0.0.1", gateway.gateway.port), 5) as held:
        held.sendall(
            b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {gateway.own}\r\nContent-Length: 9\r\n\r\n".encode()
        )
        time.sleep(0.1)
        assert in_flight() == 2
    time.sleep(0.1)
    assert in_flight() == 1


# --- logs ----------------------------------------------------------------------------

# Facts whose values stand nowhere else.
PRIVATE = {
    "subject__id": "dr-who-7781",
    "context__data__datasets": ["ward-7-oncology"],
    "context__transfer__age": 77123,
}


def log_lines(gateway: Served) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gateway.gateway.stderr if line.startswith("{")]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, Any]], Served]:
    """All that a run says after questions that are good, malformed, hostile or refused."""
    with served(tmp_path_factory.mktemp("logged"), "--format", "json") as gateway:
        private = question(**PRIVATE)
        replies: list[Reply] = [gateway.ask(private, X_Request_ID="asked-1")]
        hostile: tuple[dict[str, Any], ...] = (
            {"context__data__labels": ["secret-label-9"]},
            {"context__transfer__tool": "secret-tool-9"},
            {"context__secret_member_9": {}},
            {"action__name": "secret-action-9"},
            {"resource__id": "secret-site-9"},
            {"subject__properties": {"tenant": "secret-tenant-9"}},
        )
        for changes in hostile:
            replies.append(gateway.ask(question(**{**PRIVATE, **changes})))
        replies.append(gateway.ask(json.dumps(private).encode()[:-1]))
        for token in ("wrong-token-9", gateway.expired, gateway.own[:-1] + "x"):
            replies.append(gateway.ask(private, token=token))
        gateway.gateway.request("GET", "/v1/decisions/secret-id-9?secret-query-9=1")
        gateway.raw(b"GET /secret-path-9 HTTP/1.1\r\nHost: secret-host-9\r\nX: \x00\r\n\r\n")
        assert {reply.status for reply in replies} >= {200, 400, 401, 422}
        time.sleep(0.2)
        text = "".join(gateway.gateway.stderr)
        lines = log_lines(gateway)
    return text, lines, gateway


def test_no_token_and_nothing_of_a_question_is_in_the_log(
    said: tuple[str, list[dict[str, Any]], Served],
) -> None:
    text, _, gateway = said
    assert text.count('"event"') > 5
    for token in (gateway.own, gateway.expired):
        assert token.split("_", 2)[2] not in text
    for secret in ("dr-who", "ward-7", "77123", "secret", "wrong-token", "Bearer"):
        assert secret not in text, secret
    assert "health" not in re.sub(r"/healthz", "", text)  # the label of the data


def test_a_decision_is_one_line_with_its_request_and_its_outcome(
    said: tuple[str, list[dict[str, Any]], Served],
) -> None:
    _, lines, gateway = said
    (line,) = [line for line in lines if line["event"] == "decision"]
    assert (line["request_id"], line["decision"]) == ("asked-1", "deny")
    assert re.fullmatch("[0-9a-f-]{36}", line["decision_id"])
    assert line["milliseconds"] > 0
    assert line["caller"] in gateway.own


def test_a_refusal_is_one_line_with_its_reason_and_its_route(
    said: tuple[str, list[dict[str, Any]], Served],
) -> None:
    _, lines, _ = said
    refused = [line for line in lines if line["event"] == "refused"]
    assert {line["reason"] for line in refused} >= {
        "malformed-json", "unauthenticated", "unfit-value", "unknown-action", "not-found",
    }  # fmt: skip
    assert {line["route"] for line in refused} == {"/v1/decisions", "/v1/decisions/{id}"}
    assert all(re.fullmatch("[0-9a-f]{32}", line["request_id"]) for line in refused)
