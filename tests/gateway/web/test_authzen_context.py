"""What an AuthZEN answer says besides its decision: nothing, where nobody would read it, and
then no permit that comes with a duty; or obligations as the draft profile has them."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from dsl.evaluate import Answer
from dsl.facts import Question
from gateway.errors import EngineUnavailableError
from gateway.web.context import obligations
from tests.gateway.web.test_public import Client
from tests.gateway.world import FakeEngine, World, question, run

DUTIES = {"resource__id": "far", "context__transfer__tool": "clauses"}
SUPPORTED = {"context__obligations_supported": ["custom"]}


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


@pytest.fixture
def client(world: World, tmp_path: Path) -> Client:
    return Client(world, tmp_path)


def put(client: Client, path: str, value: object, context: str | None = None) -> tuple[int, Any]:
    headers = {} if context is None else {"charter-context": context}
    sent = json.dumps(value).encode()
    status, _, data = run(client.send("POST", f"/access/v1/{path}", sent, headers))
    return status, json.loads(data)


# --- without a context ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({}, True),
        ({"resource__id": "far"}, False),
        ({"resource__id": "nowhere"}, False),
        ({"action__name": "fly"}, False),
        ({"context__nothing": 1}, True),
        # A permit with duties, of which the caller would not be told.
        (DUTIES, False),
        ({**DUTIES, **SUPPORTED}, False),
    ],
)
def test_without_a_context_an_answer_is_its_decision_and_nothing_else(
    client: Client, changes: dict[str, Any], decision: bool
) -> None:
    assert put(client, "evaluation", question(**changes), "none") == (200, {"decision": decision})
    many = {"evaluations": [question(**changes)]}
    assert put(client, "evaluations", many, "none") == (
        200, {"evaluations": [{"decision": decision}]},
    )  # fmt: skip


def test_the_same_permit_with_a_context_is_a_permit_with_its_duties(client: Client) -> None:
    for context in (None, "whole"):
        status, answer = put(client, "evaluation", question(**DUTIES), context)
        assert (status, answer["decision"]) == (200, True)
        assert {duty["id"] for duty in answer["context"]["obligations"]} == {
            "keep-record", "tell-owner",
        }  # fmt: skip


def test_a_permit_that_is_none_without_a_context_does_not_end_a_batch(client: Client) -> None:
    asked = {
        "evaluations": [question(**DUTIES), question(resource__id="far"), question(), question()],
        "options": {"evaluations_semantic": "permit_on_first_permit"},
    }
    assert put(client, "evaluations", asked, "none")[1] == {
        "evaluations": [{"decision": False}, {"decision": False}, {"decision": True}]
    }
    assert len(put(client, "evaluations", asked)[1]["evaluations"]) == 1


def test_what_is_answered_without_a_context_is_recorded_all_the_same(
    world: World, client: Client
) -> None:
    put(client, "evaluation", question(), "none")
    assert world.ledger.size == 1


@pytest.mark.parametrize("context", ["", "None", "no", "whole, none", "NONE"])
def test_another_context_is_malformed_and_nothing_is_recorded(
    world: World, client: Client, context: str
) -> None:
    status, message = put(client, "evaluation", question(), context)
    assert (status, type(message)) == (400, str)
    assert put(client, "evaluations", {"evaluations": [question()]}, context)[0] == 400
    assert world.ledger.size == 0


def test_a_tenant_of_the_settings_has_no_context_unless_it_asks(
    world: World, tmp_path: Path
) -> None:
    from starlette.requests import Request

    from gateway.callers import Caller
    from gateway.web.context import Context, context_of

    def request(*values: bytes) -> Request:
        return Request({"type": "http", "headers": [(b"charter-context", v) for v in values]})

    interop, other = Caller("a", "interop"), Caller("b", "other")
    without = frozenset({"interop"})
    assert context_of(request(), interop, without) is Context.NONE
    assert context_of(request(b"whole"), interop, without) is Context.WHOLE
    assert context_of(request(), other, without) is Context.WHOLE
    assert context_of(request(), other, frozenset()) is Context.WHOLE


# --- obligations of the draft profile ------------------------------------------------


def test_whoever_says_what_it_supports_gets_obligations_of_the_profile(
    world: World, client: Client
) -> None:
    status, answer = put(client, "evaluation", question(**DUTIES, **SUPPORTED))
    assert (status, answer["decision"]) == (200, True)
    told = answer["context"]["obligations"]
    assert [(one["type"], one["id"]) for one in told] == [
        ("custom", "keep-record"), ("custom", "tell-owner"),
    ]  # fmt: skip
    assert told[1]["properties"] == {
        "obligation": "tell-owner",
        "rule": "test.law/eea-only/tools",
        "title": "Tell the owner",
        "parameters": {},
        "due": "2026-12-22",
    }
    assert "ignored" not in answer
    # The record is of the question as it came, and is read again in its own shape.
    _, _, found = run(client.send("GET", f"/v1/decisions/{answer['context']['id']}"))
    whole = json.loads(found)
    assert whole["record"] == answer["context"]["record"]
    world.verify(whole, question(**DUTIES, **SUPPORTED))
    assert {**answer["context"], "obligations": whole["obligations"]} == whole | {
        "proof": answer["context"]["proof"]
    }


@pytest.mark.parametrize("supported", [None, "custom", {"custom": 1}, [1], 7])
def test_what_is_no_list_of_types_changes_nothing(client: Client, supported: object) -> None:
    asked = question(**DUTIES, context__obligations_supported=supported)
    _, answer = put(client, "evaluation", asked)
    assert all("rule" in duty for duty in answer["context"]["obligations"])


def test_a_denial_and_an_item_of_many_have_the_shape_too(client: Client) -> None:
    _, denied = put(client, "evaluation", question(resource__id="far", **SUPPORTED))
    assert (denied["decision"], denied["context"]["obligations"]) == (False, [])
    many = {"evaluations": [question(**DUTIES, **SUPPORTED), question(**DUTIES)]}
    first, second = put(client, "evaluations", many)[1]["evaluations"]
    assert [one["type"] for one in first["context"]["obligations"]] == ["custom"] * 2
    assert [duty["id"] for duty in second["context"]["obligations"]] == [
        "keep-record", "tell-owner",
    ]  # fmt: skip


def test_a_search_puts_obligations_beside_the_results_that_have_some(client: Client) -> None:
    asked = question(**DUTIES, **SUPPORTED)
    asked["resource"] = {"type": "site"}
    found = put(client, "search/resource", asked)[1]["results"]
    by_id = {one["id"]: one for one in found}
    assert [one["id"] for one in by_id["far"]["context"]["obligations"]] == [
        "keep-record", "tell-owner",
    ]  # fmt: skip
    assert "context" not in by_id["near"]
    del asked["context"]["obligations_supported"]
    assert all("context" not in one for one in put(client, "search/resource", asked)[1]["results"])


def test_two_duties_of_one_id_have_two_ids() -> None:
    duty = {"id": "notify", "rule": "r", "title": "t", "parameters": {"to": "a"}, "due": None}
    told = obligations([duty, {**duty, "parameters": {"to": "b"}}, {**duty, "id": "keep"}])
    assert [one["id"] for one in told] == ["notify", "notify#2", "keep"]


async def _silent(question: Question) -> Answer:
    raise EngineUnavailableError("one", "no answer")


def test_a_search_says_of_how_many_candidates_nothing_is_known(tmp_path: Path) -> None:
    asked = {**question(), "resource": {"type": "site"}}
    with World(tmp_path / "whole") as world:
        (tmp_path / "a").mkdir()
        status, whole = put(Client(world, tmp_path / "a"), "search/resource", asked)
    assert (status, "unanswered" in whole["context"]) == (200, False)
    assert whole["results"]
    with World(tmp_path / "silent", engines=[FakeEngine("one", _silent)]) as world:
        (tmp_path / "b").mkdir()
        status, found = put(Client(world, tmp_path / "b"), "search/resource", asked)
    assert (status, found["results"]) == (200, [])
    assert found["context"]["unanswered"] >= len(whole["results"])
