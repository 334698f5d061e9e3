"""Erasing a decision on legal grounds: who may, what is answered in its place, and what the
auditor makes of it."""

import asyncio
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Callers, Role, TokenRow
from gateway.cli import exit_codes
from gateway.erasure import Grounds, erase
from gateway.errors import RecordError
from gateway.ledger.erased import ErasedEntryError, ErasureRefusedError
from gateway.self_check import TENANT as OWN
from gateway.verify import Trust
from gateway.verify.decision import verify_decision
from gateway.verify.erased import verify_answer
from gateway.verify.refused import DecisionErasedError
from gateway.web.app import create_app
from tests.gateway.cli.commands import Charter
from tests.gateway.web.test_access import Client, a_token
from tests.gateway.world import NOW, TENANT, World, body, run

GROUNDS = {"reason": "asked for by the person", "authority": "GDPR art 17(1)(b)"}
OTHER = "clinic-b"
REASON = b"asked for by the person"


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


@pytest.fixture
def client(world: World) -> Client:
    rows: list[TokenRow] = []
    tokens = {
        TENANT: a_token(rows, TENANT, roles=frozenset({Role.SCHEDULER})),
        OTHER: a_token(rows, OTHER, roles=frozenset({Role.SCHEDULER})),
        "operator": a_token(rows, "operations", roles=frozenset({Role.OPERATOR})),
    }
    app = create_app(world.service, Callers(rows), world.trust.to_json(), clock=world.clock)
    return Client(app, tokens)


async def send(
    client: Client, who: str, method: str, path: str, sent: object = b"", **headers: str
) -> tuple[int, Any]:
    data = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    status, _, answer = await client._send(method, path, client.tokens[who], data, headers)  # pyright: ignore[reportPrivateUsage]
    try:
        return status, json.loads(answer)
    except ValueError:
        return status, answer.decode()


def decided(client: Client, **headers: str) -> dict[str, Any]:
    status, answer = run(send(client, TENANT, "POST", "/v1/decisions", body(), **headers))
    assert status == 200, answer
    return answer


def erasure_of(
    client: Client, decision_id: str, sent: object = GROUNDS, who: str = "operator"
) -> Any:
    return run(send(client, who, "POST", f"/v1/decisions/{decision_id}/erasure", sent))


def read(client: Client, path: str, who: str = TENANT) -> Any:
    return run(send(client, who, "GET", f"/v1/decisions/{path}"))


# --- over HTTP -----------------------------------------------------------------------


def test_an_erased_decision_is_answered_with_its_tombstone(client: Client, world: World) -> None:
    before, other = decided(client), decided(client)
    status, said = erasure_of(client, before["id"])
    assert status == 200
    assert (said["id"], said["index"], said["tidy"]) == (before["id"], 0, True)
    for path in (before["id"], f"{before['id']}/explain"):
        status, told = read(client, path)
        assert (status, told["type"].rpartition("/")[2]) == (410, "erased")
        assert told["id"] == before["id"]
        assert told["erased"]["reason"] == GROUNDS["reason"]
        assert told["erased"]["authority"] == GROUNDS["authority"]
        with pytest.raises(DecisionErasedError, match=r"GDPR art 17\(1\)\(b\)"):
            verify_answer(told, world.trust)
    status, proof = read(client, f"{before['id']}/proof")
    assert status == 200
    assert proof == read(client, before["id"])[1]["place"]
    # What a caller has saved is not reached, and still verifies; so does everything else.
    verify_decision(before, world.trust)
    status, answer = read(client, other["id"])
    assert status == 200
    verify_decision(answer, world.trust)


def test_the_tenant_reads_what_says_why(client: Client, world: World) -> None:
    before = decided(client)
    _, said = erasure_of(client, before["id"])
    status, answer = read(client, said["erasure_id"])
    assert status == 200
    verified = verify_decision(answer, world.trust)
    assert verified.predicate["erased"] == answer["erased"]
    assert verified.decision == "deny"


def test_an_erasure_is_no_news_for_another_tenant(client: Client) -> None:
    before = decided(client)
    _, said = erasure_of(client, before["id"])
    for path in (before["id"], f"{before['id']}/proof", said["erasure_id"]):
        assert read(client, path, OTHER)[0] == 404


def test_a_question_under_a_key_whose_decision_was_erased_is_not_decided_again(
    client: Client, world: World
) -> None:
    key = {"idempotency-key": '"once"'}
    before = decided(client, **key)
    erasure_of(client, before["id"])
    size = world.ledger.size
    status, told = run(send(client, TENANT, "POST", "/v1/decisions", body(), **key))
    assert (status, told["type"].rpartition("/")[2]) == (410, "erased")
    assert world.ledger.size == size


@pytest.mark.parametrize("who", [TENANT, OTHER])
def test_only_an_operator_erases(client: Client, world: World, who: str) -> None:
    before = decided(client)
    assert erasure_of(client, before["id"], who=who)[0] == 403
    assert read(client, before["id"])[0] == 200
    assert world.ledger.size == 1


BAD: dict[str, object] = {
    "no grounds": {},
    "no authority": {"reason": "because"},
    "an empty reason": {**GROUNDS, "reason": ""},
    "blanks": {**GROUNDS, "reason": "   "},
    "a line break": {**GROUNDS, "authority": "art 17\nart 18"},
    "too many words": {**GROUNDS, "reason": "x" * 1001},
    "a number": {**GROUNDS, "reason": 17},
    "who it is by": {**GROUNDS, "by": "somebody else"},
    "a list": [GROUNDS],
    "nothing": None,
}


@pytest.mark.parametrize("name", BAD)
def test_grounds_that_say_nothing_erase_nothing(client: Client, world: World, name: str) -> None:
    before = decided(client)
    status, told = erasure_of(client, before["id"], BAD[name])
    assert (status, told["type"].rpartition("/")[2]) == (422, "malformed-question")
    assert read(client, before["id"])[0] == 200
    assert world.ledger.size == 1


def test_what_is_not_there_or_is_an_erasure_is_refused(client: Client, world: World) -> None:
    before = decided(client)
    _, said = erasure_of(client, before["id"])
    for decision_id, expected in (
        ("nobody", (404, "not-found")),
        (said["erasure_id"], (409, "erasure-refused")),
    ):
        status, told = erasure_of(client, decision_id)
        assert (status, told["type"].rpartition("/")[2]) == expected
    status, told = erasure_of(client, before["id"])
    assert (status, told["type"].rpartition("/")[2]) == (410, "erased")
    assert world.ledger.size == 2


def test_what_the_gateway_records_of_itself_is_not_erased(world: World) -> None:
    run(world.service.self_check(world.trust.to_json()))
    own = world.ledger.get_at(0)
    assert own is not None
    assert own.tenant == OWN
    with pytest.raises(ErasureRefusedError, match="own"):
        asyncio.run(world.service.recorded.erase(own.id, Grounds("r", "a", "b")))
    assert world.ledger.size == 1


# --- by the function -----------------------------------------------------------------


@pytest.mark.parametrize("by_index", [True, False])
def test_an_entry_is_erased_by_its_id_or_its_index(world: World, by_index: bool) -> None:
    answer = world.decide()
    grounds = Grounds("r", "a", "b")
    entry = 0 if by_index else answer["id"]
    done = erase(world.ledger, world.decision_key, entry=entry, grounds=grounds, now=NOW)
    assert (done.id, done.index, done.erasure_index, done.is_tidy) == (answer["id"], 0, 1, True)
    with pytest.raises(ErasedEntryError):
        world.ledger.get_at(0)


@pytest.mark.parametrize("entry", [-1, 1, "nobody", ""])
def test_an_entry_that_is_not_there_is_not_erased(world: World, entry: int | str) -> None:
    world.decide()
    with pytest.raises(ErasureRefusedError):
        erase(
            world.ledger, world.decision_key, entry=entry, grounds=Grounds("r", "a", "b"), now=NOW
        )
    assert world.ledger.size == 1


def test_a_restart_goes_on_behind_an_erased_entry(tmp_path: Path) -> None:
    with World(tmp_path / "one") as world:
        world.decide()
        answer = world.decide()
        erase(
            world.ledger, world.decision_key, entry=answer["id"],
            grounds=Grounds("r", "a", "b"), now=NOW,
        )  # fmt: skip
        run(world.service.self_check(world.trust.to_json()))
        assert world.service.not_ready() is None


# --- for the auditor -----------------------------------------------------------------


@pytest.mark.parametrize("style", ["plain", "json"])
def test_charter_verify_cannot_tell_and_says_why(
    client: Client, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], style: str
) -> None:
    charter = Charter(capsys)
    before = decided(client)
    erasure_of(client, before["id"])
    saved, trust = tmp_path / "tombstone.json", tmp_path / "trust.json"
    saved.write_text(json.dumps(read(client, before["id"])[1]))
    trust.write_text(json.dumps(world.trust.to_json()))
    ran = charter("verify", saved, "--trust", trust, "--format", style)
    assert ran.code == exit_codes.INDETERMINATE
    assert "erased" in ran.out
    assert REASON.decode() in ran.out
    if style == "json":
        assert json.loads(ran.out)["verdict"] == "cannot tell"
    # The same in a pack.
    packed = tmp_path / "evidence.zip"
    assert charter("pack", saved, "--output", packed).code == 0
    ran = charter("verify", "--bundle", packed, "--trust", trust)
    assert (ran.code, json.loads(ran.out)["reason"]) == (2, "erased")


def test_a_tombstone_does_not_hold_for_whoever_trusts_another_gateway(
    client: Client, world: World, tmp_path: Path
) -> None:
    before = decided(client)
    erasure_of(client, before["id"])
    told = read(client, before["id"])[1]
    with World(tmp_path / "stranger") as stranger:
        trust = Trust.from_json(json.dumps(stranger.trust.to_json()).encode())
    with pytest.raises(RecordError):
        verify_answer(told, trust)
