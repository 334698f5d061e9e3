"""What anybody may read, and faults inside, through the application itself."""

import asyncio
import io
import json
import re
import tarfile
from collections.abc import Generator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.callers import Callers, TokenFile, issue
from gateway.verify import Trust
from gateway.web.app import create_app
from gateway.web.limits import MAX_IN_FLIGHT
from gateway.web.problem import BASE, PROBLEMS
from gateway.web.watched import Tracing
from tests.gateway.world import NOW, TENANT, FakeEngine, World, body, made, program, run

JSON = {"content-type": "application/json"}
SLUGS = [problem.slug for problem in PROBLEMS]


class Client:
    """Calls an ASGI application in memory."""

    def __init__(self, world: World, folder: Path, tracing: Tracing | None = None) -> None:
        self.service = world.service
        path = folder / "tokens.json"
        self.token = issue(path, tenant=TENANT)
        callers = Callers(TokenFile.model_validate_json(path.read_bytes()).tokens)
        self.app = create_app(
            world.service,
            callers,
            world.trust.to_json(),
            clock=lambda: world.clock.now,
            tracing=tracing,
        )

    async def send(
        self, method: str, path: str, sent: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        given = {"authorization": f"Bearer {self.token}", **JSON, **(headers or {})}
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "scheme": "http", "client": None, "server": None,
            "headers": [(k.encode(), v.encode()) for k, v in given.items()],
        }  # fmt: skip
        answer: dict[str, Any] = {"body": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def take(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                answer["headers"] = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                answer["body"] += message.get("body", b"")

        with suppress(ZeroDivisionError):  # answered already; raised again for the server
            await self.app(scope, receive, take)  # pyright: ignore[reportArgumentType]
        return answer["status"], answer["headers"], answer["body"]

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return run(self.send("GET", path, headers={"authorization": "", **headers}))

    def get_as_caller(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return run(self.send("GET", path, headers=headers))


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


@pytest.fixture
def client(world: World, tmp_path: Path) -> Client:
    return Client(world, tmp_path)


def test_health_trust_and_checkpoint_need_no_token(client: Client, world: World) -> None:
    assert client.get("/healthz")[2] == b'{"status":"ok"}'
    assert Trust.from_json(client.get("/v1/trust")[2]) == world.trust
    assert client.get("/checkpoint")[2].decode() == world.ledger.latest_checkpoint()


def test_the_manifest_names_the_digest_that_decisions_name(client: Client, world: World) -> None:
    manifest = json.loads(client.get_as_caller("/v1/bundle")[2])
    assert manifest["digest"] == world.decide()["bundle"]
    assert set(manifest["files"]) == set(made().files)


def test_the_opa_bundle_is_what_the_bundle_holds_and_is_polled_by_its_etag(client: Client) -> None:
    status, headers, data = client.get_as_caller("/bundles/charter.tar.gz")
    assert (status, headers["content-type"]) == (200, "application/gzip")
    assert headers["etag"] == f'"{sha256(data).hexdigest()}"'
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = {name.removeprefix("/").removeprefix("./") for name in archive.getnames()}
    assert {f"opa/{name}" for name in names} <= set(made().files)
    again = client.get_as_caller("/bundles/charter.tar.gz", **{"if-none-match": headers["etag"]})
    assert (again[0], again[2]) == (304, b"")
    other = client.get_as_caller("/bundles/charter.tar.gz", **{"if-none-match": '"other"'})
    assert other[0] == 200


def test_public_places_tell_nothing_of_any_tenant(client: Client, world: World) -> None:
    decided = world.decide(context__data__datasets=["ward-7"])
    for path in ("/healthz", "/v1/trust", "/checkpoint", "/v1/bundle"):
        text = client.get_as_caller(path)[2].decode()
        assert TENANT not in text
        assert decided["id"] not in text
        assert "ward-7" not in text


# --- faults inside -------------------------------------------------------------------


def test_a_ledger_that_takes_no_entries_is_503_without_a_decision(
    client: Client, world: World
) -> None:
    world.ledger.close()
    status, headers, data = run(client.send("POST", "/v1/decisions", body()))
    assert (status, headers["retry-after"]) == (503, "5")
    assert json.loads(data)["type"].endswith("/ledger-unavailable")
    assert b"decision" not in data.replace(b"No decision can be recorded", b"")


def test_a_fault_nobody_foresaw_is_500_without_its_words(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(world.service, "answer", broken)
    status, headers, data = run(client.send("POST", "/v1/decisions", body()))
    assert (status, headers["content-type"]) == (500, "application/problem+json")
    assert b"secret" not in data
    assert [r.getMessage() for r in caplog.records] == ["unforeseen: ZeroDivisionError"]


def test_a_damaged_ledger_is_500_without_its_words(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.errors import LedgerError

    def damaged(_: str, **_tenant: str) -> None:
        raise LedgerError("secret")

    monkeypatch.setattr(world.ledger, "get", damaged)
    status, _, data = run(client.send("GET", "/v1/decisions/x"))
    assert status == 500
    assert b"secret" not in data


def test_the_token_is_judged_by_the_clock_that_was_given(client: Client, world: World) -> None:
    assert run(client.send("POST", "/v1/decisions", body()))[0] == 200
    assert world.clock.now == NOW


def test_beyond_the_limit_a_tenants_questions_are_429_and_the_others_are_answered(
    tmp_path: Path,
) -> None:
    gate = asyncio.Event()

    async def waits(asked: Question) -> Answer:
        await gate.wait()
        return evaluate(program(), asked)

    async def load(client: Client) -> list[int]:
        tasks = [
            asyncio.create_task(client.send("POST", "/v1/decisions", body()))
            for _ in range(MAX_IN_FLIGHT + 5)
        ]
        for _ in range(5):  # those that need not wait
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0.02)
        gate.set()
        return [status for status, _, _ in await asyncio.gather(*tasks)]

    with World(tmp_path, engines=[FakeEngine("fake", waits)]) as world:
        statuses = run(load(Client(world, tmp_path)))
        assert (statuses.count(200), statuses.count(429)) == (MAX_IN_FLIGHT, 5)
        assert world.ledger.size == MAX_IN_FLIGHT


def test_stopping_the_application_closes_the_ledger(client: Client, world: World) -> None:
    async def live_and_die() -> list[str]:
        said: list[str] = []
        told = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> dict[str, Any]:
            return {"type": next(told)}

        async def take(message: Any) -> None:
            said.append(message["type"])

        scope: Any = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        await client.app(scope, receive, take)
        return said

    assert run(live_and_die())[-1] == "lifespan.shutdown.complete"
    assert run(client.send("POST", "/v1/decisions", body()))[0] == 503


# --- pages of problems ---------------------------------------------------------------


@pytest.mark.parametrize("slug", SLUGS)
def test_the_path_of_the_type_of_a_problem_is_its_page(client: Client, slug: str) -> None:
    (problem,) = (problem for problem in PROBLEMS if problem.slug == slug)
    path = "/" + str(problem.body()["type"]).removeprefix(BASE.removesuffix("problems/"))
    status, headers, page = run(client.send("GET", path, headers={"authorization": ""}))
    assert (status, headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert page.decode().startswith(
        f"# `{slug}`\n\nStatus {int(problem.status)}. *{problem.title}.*"
    )
    assert b"**What to do:**" in page
    assert b"](#" not in page
    for link in re.findall(rb"\]\(([a-z-]+)\)", page):
        assert link.decode() in SLUGS


@pytest.mark.parametrize("slug", ["", "x", "..", "unknown", "Unauthenticated", "%2e%2e%2fx"])
def test_what_is_no_problem_has_no_page(client: Client, slug: str) -> None:
    status, headers, _ = run(client.send("GET", f"/problems/{slug}"))
    assert (status, headers["content-type"]) == (404, "application/problem+json")
