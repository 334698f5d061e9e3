"""Reading decisions again: within the bounds of a tenant, in turn, and beside those that decide."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Callers, Role, TokenRow
from gateway.web.app import create_app
from gateway.web.limits import MAX_IN_FLIGHT
from tests.gateway.web.test_access import Client, a_token
from tests.gateway.world import TENANT, World, body, run

OTHER = "clinic-b"
PLACES = ("/v1/decisions/{id}", "/v1/decisions/{id}/proof", "/v1/decisions/{id}/explain")


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


@pytest.fixture
def client(world: World) -> Client:
    rows: list[TokenRow] = []
    asking = frozenset({Role.SCHEDULER})
    tokens = {name: a_token(rows, name, roles=asking) for name in (TENANT, OTHER)}
    return Client(
        create_app(world.service, Callers(rows), world.trust.to_json(), clock=world.clock), tokens
    )


async def send(client: Client, method: str, path: str, tenant: str, sent: bytes = b"") -> Any:
    return await client._send(method, path, client.tokens[tenant], sent, {})  # pyright: ignore[reportPrivateUsage]


def hold(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have the disk of the log give nothing until the returned function is called."""
    free = asyncio.Event()

    async def held(*_: object) -> None:
        await free.wait()

    for name in ("again", "proof"):
        monkeypatch.setattr(world.service.recorded, name, held)
    return free.set


@pytest.mark.parametrize("place", PLACES)
def test_a_tenant_that_reads_more_than_it_may_at_once_is_refused_and_costs_nobody_a_decision(
    place: str, world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flooded() -> tuple[Counter[int], int]:
        let_go = hold(world, monkeypatch)
        path = place.format(id="x")
        reads = [
            asyncio.create_task(send(client, "GET", path, TENANT)) for _ in range(MAX_IN_FLIGHT + 5)
        ]
        await asyncio.sleep(0.05)
        status, _, _ = await send(
            client, "POST", "/v1/decisions", OTHER, body(subject__properties__tenant=OTHER)
        )
        let_go()
        said = [one[0] for one in await asyncio.gather(*reads)]
        return Counter(said), status

    said, decided = run(flooded())
    assert decided == 200
    assert said == {404: MAX_IN_FLIGHT, 429: 5}


@pytest.mark.parametrize("place", PLACES)
def test_whoever_reads_what_another_tenant_cannot_wait_for_is_told_so_and_not_kept(
    place: str, world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk hangs: those whose turn does not come are refused within their time."""

    async def flooded() -> list[int]:
        let_go = hold(world, monkeypatch)
        path = place.format(id="x")
        first = [asyncio.create_task(send(client, "GET", path, TENANT)) for _ in range(4)]
        await asyncio.sleep(0.05)
        status, _, _ = await asyncio.wait_for(send(client, "GET", path, OTHER), 3)
        let_go()
        return [status, *sorted([one[0] for one in await asyncio.gather(*first)])]

    said = run(flooded())
    assert said[0] == 503
    assert set(said[1:]) == {404, 503}


def test_a_decision_read_again_is_the_one_that_was_answered_and_nobody_elses(
    world: World, client: Client
) -> None:
    async def both() -> None:
        _, _, answer = await send(client, "POST", "/v1/decisions", TENANT, body())
        made = json.loads(answer)
        status, headers, again = await send(client, "GET", f"/v1/decisions/{made['id']}", TENANT)
        read = json.loads(again)
        assert (status, headers["cache-control"]) == (200, "no-store")
        assert {**read, "proof": ""} == {**made, "proof": ""}
        for place in PLACES:
            path = place.format(id=made["id"])
            assert (await send(client, "GET", path, TENANT))[0] == 200
            assert (await send(client, "GET", path, OTHER))[0] == 404

    run(both())
