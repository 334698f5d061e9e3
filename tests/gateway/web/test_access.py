"""Who may use which place: every role with every place, and what the gate does when it fails."""

import asyncio
import json
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.callers import ALL_ROLES, Callers, Credentials, Identity, Known, Role, TokenRow
from gateway.callers.tokens import make
from gateway.errors import AuthenticationError, ConfigurationError
from gateway.web.access import ACCESS, ANYBODY, BELOW, Gate, caller_of, roles_for
from gateway.web.app import create_app
from tests.gateway.world import NOW, TENANT, World, body

EVERY_ROLE = sorted(ALL_ROLES)


class Client:
    """Calls an ASGI application in memory, with a token for each role and one for none."""

    def __init__(self, app: Any, tokens: dict[str, str]) -> None:
        self.app = app
        self.tokens = tokens

    def send(
        self, method: str, path: str, token: str | None, sent: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        return asyncio.run(self._send(method, path, token, sent, headers))

    async def _send(
        self, method: str, path: str, token: str | None, sent: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], Any]:
        given = [("content-type", "application/json")]
        given += [(name.replace("_", "-"), value) for name, value in headers.items()]
        if token is not None:
            given.append(("authorization", f"Bearer {token}"))
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "scheme": "http", "client": None, "server": None,
            "headers": [(name.encode(), value.encode()) for name, value in given],
        }  # fmt: skip
        answer: dict[str, Any] = {"body": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def take(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = int(message["status"])
                answer["headers"] = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                answer["body"] += message.get("body", b"")

        await self.app(scope, receive, take)
        return answer["status"], answer["headers"], answer["body"]


def a_token(rows: list[TokenRow], *tenants: str, **changes: Any) -> str:
    row, text = make(tenants=tenants or (TENANT,), **changes)
    rows.append(row)
    return text


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


@pytest.fixture
def client(world: World) -> Client:
    rows: list[TokenRow] = []
    tokens = {role.value: a_token(rows, roles=frozenset({role})) for role in ALL_ROLES}
    tokens["several"] = a_token(rows, TENANT, "clinic-b")
    app = create_app(world.service, Callers(rows), world.trust.to_json(), clock=world.clock)
    return Client(app, tokens)


def places(client: Client) -> list[tuple[str, str]]:
    """Every method and path that is served."""
    return sorted(
        (method, route.path)
        for route in client.app.routes
        for method in route.methods
        if method != "HEAD"
    )


@pytest.mark.parametrize("second", [TENANT, "clinic-b", ""])
@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/decisions/batch", "/v1/catalogue"])
def test_a_tenant_that_is_named_twice_is_none(client: Client, second: str, path: str) -> None:
    """Of two headers, a proxy may read the other one."""
    method = "GET" if path == "/v1/catalogue" else "POST"
    given = {"charter-tenant": TENANT, "Charter-Tenant": second}
    headers = [(name.lower(), value) for name, value in given.items()]
    status, _, _ = asyncio.run(twice(client, method, path, headers))
    assert status == 403


async def twice(
    client: Client, method: str, path: str, headers: list[tuple[str, str]]
) -> tuple[int, dict[str, str], Any]:
    class Twice(dict[str, str]):
        def items(self) -> Any:
            return headers

    return await client._send(  # pyright: ignore[reportPrivateUsage]
        method, path, client.tokens["several"], body(), Twice()
    )


def test_numbers_that_name_every_tenant_are_for_operators_alone() -> None:
    assert roles_for("GET", "/metrics") == {Role.OPERATOR}


def test_every_place_needs_one_of_its_roles_and_no_other_will_do(client: Client) -> None:
    """Each role with each place: 403 exactly where the table does not name the role."""
    seen: set[bool] = set()
    for method, path in places(client):
        needed = roles_for(method, path)
        at = path.replace("{id}", "x").replace("{name:path}", "x")
        for role in EVERY_ROLE:
            status, _, _ = client.send(method, at, client.tokens[role], b"{}")
            lets_through = needed is None or role in needed
            assert (status not in (401, 403)) == lets_through, (method, path, role, status)
            seen.add(lets_through)
    assert seen == {True, False}


def test_without_a_token_that_counts_every_place_but_the_open_ones_is_401(client: Client) -> None:
    opened: set[str] = set()
    for method, path in places(client):
        for token in (None, "", "x", client.tokens["auditor"][:-1] + "_"):
            status, headers, _ = client.send(method, path.replace("{id}", "x"), token, b"{}")
            if roles_for(method, path) is ANYBODY:
                assert status not in (401, 403), path
                opened.add(path)
                continue
            assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="charter"'), path
            assert headers["connection"] == "close"
    # Named once more by hand: what is open to everybody is not opened by the way.
    assert opened <= {
        "/v1/attestation/gateway", "/v1/attestation/gateway/{sha256}",
        "/checkpoint", "/healthz", "/livez", "/readyz", "/openapi.json", "/v1/trust",
        "/.well-known/authzen-configuration", "/.well-known/jwks.json",
        "/checkpoint/witnessed", "/problems/{slug}", "/tile/{path:path}", "/v1/timestamps/{size}",
        "/shards/{number}/checkpoint", "/shards/{number}/tile/{path:path}",
    }  # fmt: skip


def test_what_the_openapi_file_calls_open_is_what_the_gate_leaves_open(client: Client) -> None:
    described = json.loads(client.send("GET", "/openapi.json", None)[2])
    for path, methods in described["paths"].items():
        for method, entry in methods.items():
            if method in ("get", "post", "put", "delete"):
                is_open = roles_for(method.upper(), path) is ANYBODY
                assert (entry["security"] == []) == is_open, path


def test_a_place_that_no_row_names_is_not_served() -> None:
    async def handler(_: Request) -> Response:
        return Response("inside")

    for route in (
        Route("/v1/new", handler, methods=["GET"]),
        Route("/v1/decisions", handler, methods=["DELETE"]),
        Route("/v1/decisions/", handler, methods=["POST"]),
        Route("/v1/decisions/{id}/proof/x", handler, methods=["GET"]),
    ):
        with pytest.raises(ConfigurationError, match="no row"):
            Gate(Callers(()), lambda: NOW).guard([route])


def test_no_row_of_the_table_is_of_a_place_that_is_not_served(client: Client) -> None:
    served = {f"{method} {path}" for method, path in places(client)}
    assert set(ACCESS) - served == set()
    assert [folder for folder in BELOW if not any(p.startswith(folder) for p in served)] == []


def test_nobody_but_the_gate_names_a_caller() -> None:
    with pytest.raises(KeyError):
        caller_of(Request({"type": "http", "headers": [(b"charter.caller", b"x")]}))


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_no_role_gives_what_another_has_by_the_way(role: Role) -> None:
    """A role alone reaches something, and never everything."""
    needed = [roles for roles in ACCESS.values() if roles is not None]
    assert any(role in roles for roles in needed)
    assert not all(role in roles for roles in needed) or role is Role.OPERATOR


# --- tenants -------------------------------------------------------------------------


def test_a_caller_of_several_tenants_names_one_of_them(client: Client) -> None:
    token = client.tokens["several"]
    for tenant in (TENANT, "clinic-b"):
        answer = client.send("POST", "/v1/decisions", token, body(), charter_tenant=tenant)
        assert (answer[0], json.loads(answer[2])["tenant"]) == (200, tenant)


@pytest.mark.parametrize("named", [None, "clinic-c", "", "CLINIC-A", f"{TENANT},clinic-b"])
def test_a_caller_of_several_tenants_that_names_none_of_them_is_403(
    client: Client, world: World, named: str | None
) -> None:
    before = world.ledger.latest_checkpoint()
    more = {} if named is None else {"charter_tenant": named}
    status, _, _ = client.send("POST", "/v1/decisions", client.tokens["several"], body(), **more)
    assert status == 403
    assert world.ledger.latest_checkpoint() == before


def test_a_caller_of_one_tenant_cannot_name_another(client: Client) -> None:
    token = client.tokens["scheduler"]
    answer = client.send("POST", "/v1/decisions", token, body(), charter_tenant="clinic-b")
    assert answer[0] == 403


def test_a_tenant_that_exists_and_one_that_does_not_are_refused_in_the_same_words(
    client: Client,
) -> None:
    token = client.tokens["scheduler"]
    said = [
        client.send("GET", "/v1/decisions/x", token, charter_tenant=name)[2]
        for name in ("clinic-b", "no-such-clinic")
    ]
    assert said[0] == said[1]


# --- a gate that fails ---------------------------------------------------------------


class Broken(Known):
    """Fails in a way that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(Callers(()))

    async def identify(self, credentials: Credentials, *, now: datetime) -> Identity:
        raise ZeroDivisionError


def test_a_fault_in_the_gate_never_reaches_the_handler(world: World) -> None:
    app = create_app(world.service, Broken(), world.trust.to_json(), clock=world.clock)
    before = world.ledger.latest_checkpoint()
    with pytest.raises(ZeroDivisionError):  # answered with 500; raised again for the server
        Client(app, {}).send("POST", "/v1/decisions", "x", body())
    assert world.ledger.latest_checkpoint() == before


def test_two_authorization_headers_are_401_also_if_one_is_good() -> None:
    rows: list[TokenRow] = []
    good = f"Bearer {a_token(rows)}"
    known = Known(Callers(rows))
    asyncio.run(known.identify(Credentials([good]), now=NOW))
    for several in ([good, good], [good, "Bearer x"], ["Bearer x", good], []):
        with pytest.raises(AuthenticationError):
            asyncio.run(known.identify(Credentials(several), now=NOW))
