"""An Open Policy Agent that is dead, slow, cut off, lying or not there: no answer within the
time limit, never a permit of its own, and served again by itself."""

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dsl.core_json import program_digest
from dsl.evaluate import Answer, evaluate
from gateway.errors import ConfigurationError, EngineError, EngineUnavailableError
from gateway.pdp.combine import Combined, IncidentKind, ask_all
from gateway.pdp.engine import Engine
from gateway.pdp.engine_opa import OpaEngine, OwnOpaEngine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.engines import Arrangement, arrange_engines
from gateway.pdp.frames import answer_members
from gateway.pdp.health import Guarded
from gateway.pdp.opa_server import OpaServer, check_binary
from tests.faults.lying import KINDS, proxied
from tests.gateway.world import made
from tests.opa import OpaServer as Running
from tests.opa import require_opa, run_opa

PROGRAM = made().program
VECTORS = made().vectors
PERMITTED = next(v.question for v in VECTORS if v.answer.permits)
REFUSED = next(v.question for v in VECTORS if not v.answer.permits and v.answer.denied)
RIGHT = evaluate(PROGRAM, PERMITTED)
PERMIT = answer_members(Answer(frozenset(), RIGHT.granted), program_digest(PROGRAM))
LIMIT_S = 0.2


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with run_opa(made().opa_tarball()) as running:
        yield running


def pair(port: int, limit_s: float = LIMIT_S) -> list[Engine]:
    """The definition and a server at a port, both guarded."""
    engines = (
        ReferenceEngine(PROGRAM),
        OpaEngine(PROGRAM, host="127.0.0.1", port=port, timeout_s=5),
    )
    return [Guarded(engine, VECTORS, timeout_s=limit_s) for engine in engines]


async def close(engines: list[Engine]) -> None:
    for engine in engines:
        await engine.close()


async def comes(true: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Whether it is so within that time."""
    began = time.monotonic()
    while not true() and time.monotonic() - began < within_s:  # noqa: ASYNC110 - of a process
        await asyncio.sleep(0.02)
    return true()


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def ports(pid: int) -> list[str]:
    """The network sockets of a process."""
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    found: list[str] = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with suppress(FileNotFoundError):
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
            found += [line for line in lines if f"socket:[{line.split()[9]}]" in links]
    return found


async def until_right(engines: list[Engine], within_s: float = 25.0) -> float:
    """Seconds until they agree again."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        combined = await ask_all(engines, PERMITTED)
        if combined.answer is not None:
            assert combined.answer == RIGHT
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    raise AssertionError("it does not answer again")


# --- a server of somebody's ----------------------------------------------------------


@pytest.mark.parametrize("fault", KINDS)
def test_what_goes_wrong_on_the_way_permits_nothing_in_time_and_is_got_over(
    fault: str, server: Running
) -> None:
    async def spoil() -> tuple[list[Combined], list[float], float]:
        async with proxied(server.port, PERMIT) as proxy:
            engines = pair(proxy.port)
            try:
                assert (await ask_all(engines, REFUSED, timeout_s=5)).incident is None
                proxy.fault = fault
                said: list[Combined] = []
                took: list[float] = []
                for _ in range(5):
                    began = time.monotonic()
                    said.append(await ask_all(engines, REFUSED))
                    took.append(time.monotonic() - began)
                proxy.fault = None
                return said, took, await until_right(engines)
            finally:
                await close(engines)

    said, took, back = asyncio.run(spoil())
    assert all(one.answer is None and one.incident is not None for one in said)
    assert max(took) < LIMIT_S + 0.3
    assert back < 20


def test_a_server_that_permits_everything_is_an_incident_and_found_out(server: Running) -> None:
    async def lie() -> tuple[Combined, str | None, str | None]:
        async with proxied(server.port, PERMIT) as proxy:
            engines = pair(proxy.port)
            try:
                await ask_all(engines, REFUSED, timeout_s=5)
                proxy.fault = "permits"
                first = await ask_all(engines, REFUSED)
                await asyncio.sleep(0.5)
                downs = [engine.down for engine in engines if isinstance(engine, Guarded)]
                return first, downs[0], downs[1]
            finally:
                await close(engines)

    first, honest, liar = asyncio.run(lie())
    assert first.incident is not None
    assert first.incident.kind is IncidentKind.DISAGREEMENT
    assert honest is None
    assert liar is not None
    assert "a question of the bundle" in liar


def test_a_server_that_nobody_asks_is_found_dead(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.pdp.health.BEAT_S", 0.1)

    async def wait() -> tuple[bool, bool]:
        async with proxied(server.port, PERMIT) as proxy:
            engines = pair(proxy.port)
            try:
                await ask_all(engines, PERMITTED, timeout_s=5)
                guarded = engines[1]
                assert isinstance(guarded, Guarded)
                proxy.fault = "reset"
                was_down = await comes(lambda: guarded.down is not None)
                proxy.fault = None
                return was_down, await comes(lambda: guarded.down is None)
            finally:
                await close(engines)

    assert asyncio.run(wait()) == (True, True)


def test_an_endless_answer_is_not_kept_in_memory(server: Running) -> None:
    import tracemalloc

    async def flood() -> int:
        async with proxied(server.port, PERMIT) as proxy:
            engine = OpaEngine(PROGRAM, host="127.0.0.1", port=proxy.port, timeout_s=3)
            proxy.fault = "for ever"
            tracemalloc.start()
            with pytest.raises(EngineError, match="too long"):
                await engine.ask(PERMITTED)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            await engine.close()
            return peak

    assert asyncio.run(flood()) < 32 << 20


# --- a server of our own -------------------------------------------------------------


def own(binary: Path | None = None) -> Guarded:
    how = Arrangement(opa_start=binary or check_binary(require_opa()))
    (engine,) = arrange_engines(("opa",), PROGRAM, VECTORS, how)
    assert isinstance(engine, Guarded)
    return engine


def running(engine: Guarded) -> OpaServer:
    inner = engine._engine  # pyright: ignore[reportPrivateUsage]
    assert isinstance(inner, OwnOpaEngine)
    return inner._keeper.running()  # pyright: ignore[reportPrivateUsage]


def test_a_server_of_our_own_answers_as_the_definition_does_and_leaves_nothing() -> None:
    async def ask() -> tuple[list[Answer | None], int, Path]:
        engine = own()
        said = [(await ask_all([engine], v.question, timeout_s=5)).answer for v in VECTORS]
        server = running(engine)
        folder = server._folder.path  # pyright: ignore[reportPrivateUsage]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert b"SECRET" not in environment(server.pid)
        await engine.close()
        return said, server.pid, folder

    os.environ["CHARTER_TEST_SECRET"] = "SECRET"
    try:
        said, pid, folder = asyncio.run(ask())
    finally:
        del os.environ["CHARTER_TEST_SECRET"]
    assert said == [vector.answer for vector in VECTORS]
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_a_server_of_our_own_that_dies_or_hangs_is_replaced(number: signal.Signals) -> None:
    async def hurt() -> tuple[list[Combined], list[float], float, int, int]:
        engine = own()
        await ask_all([engine], PERMITTED, timeout_s=5)
        before = running(engine).pid
        os.kill(before, number)
        await asyncio.sleep(0.05)
        said: list[Combined] = []
        took: list[float] = []
        for _ in range(4):
            began = time.monotonic()
            said.append(await ask_all([engine], PERMITTED, timeout_s=LIMIT_S))
            took.append(time.monotonic() - began)
        back = await until_right([engine])
        after = running(engine).pid
        await engine.close()
        return said, took, back, before, after

    said, took, back, before, after = asyncio.run(hurt())
    assert said[0].incident is not None
    assert all(one.answer in (None, RIGHT) for one in said)
    assert max(took) < LIMIT_S + 0.3
    assert back < 15
    assert after != before
    assert not Path(f"/proc/{before}").exists()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo 'Version: 0.70.0'", "version 0.70; at least 1.0 is needed"),
        ("echo something", "no Open Policy Agent"),
        ("exit 3", "no Open Policy Agent"),
        ("echo 'Version: x.y.z'", "no Open Policy Agent"),
    ],
)
def test_what_is_no_opa_of_today_is_refused_before_it_is_started(
    text: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        check_binary(script(tmp_path / "opa", text))


def test_an_opa_that_is_not_there_or_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Version: 1.0.0")
    (tmp_path / "binary").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "binary").chmod(0o755)
    for name in ("nothing", "text", "binary", "."):
        with pytest.raises(ConfigurationError, match="--opa-start"):
            check_binary(tmp_path / name)


def test_an_opa_that_hangs_when_asked_for_its_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.pdp.opa_server._VERSION_S", 0.2)
    with pytest.raises(ConfigurationError, match="does not tell its version"):
        check_binary(script(tmp_path / "opa", "exec sleep 9"))


@pytest.mark.parametrize(
    ("text", "words"),
    [("echo out of order >&2; exit 3", "out of order"), ("exit 3", "exit code 3")],
)
def test_a_server_that_does_not_start_is_refused_in_its_own_words(
    text: str, words: str, tmp_path: Path
) -> None:
    async def start() -> None:
        engine = own(script(tmp_path / "opa", text))
        try:
            combined = await ask_all([engine], PERMITTED)
            assert combined.incident is not None
            assert words in combined.incident.description
        finally:
            await engine.close()

    asyncio.run(start())


def test_a_server_that_never_gets_ready_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.pdp.opa_server.START_S", 0.3)

    async def start() -> None:
        engine = OwnOpaEngine(PROGRAM, binary=script(tmp_path / "opa", "exec sleep 9"))
        with pytest.raises(EngineUnavailableError, match="not ready in time"):
            await engine.open()
        await engine.close()

    asyncio.run(start())


def test_a_server_loaded_with_another_bundle_is_not_believed_when_it_starts() -> None:
    async def start() -> None:
        engine = own()
        inner = engine._engine  # pyright: ignore[reportPrivateUsage]
        assert isinstance(inner, OwnOpaEngine)
        other = b'package charter\n\nanswer := {"allow": true}\n'
        from dsl.to_rego import tarball

        inner._bundle = tarball(  # pyright: ignore[reportPrivateUsage]
            {"charter/charter.rego": other, ".manifest": b'{"roots": ["charter"]}'}
        )
        try:
            combined = await ask_all([engine], PERMITTED)
            assert combined.answer is None
            assert combined.incident is not None
            assert "another program" in combined.incident.description
        finally:
            await engine.close()

    asyncio.run(start())


def test_nobody_else_can_reach_a_server_of_our_own_by_a_port() -> None:
    async def look() -> list[str]:
        engine = own()
        await ask_all([engine], PERMITTED, timeout_s=5)
        found = ports(running(engine).pid)
        await engine.close()
        return found

    assert asyncio.run(look()) == []


def test_at_a_port_where_somebody_else_listens_there_is_no_answer() -> None:
    async def ask() -> Combined:
        with socket.create_server(("127.0.0.1", 0)) as other:
            engines = pair(other.getsockname()[1])
            try:
                return await ask_all(engines, PERMITTED)
            finally:
                await close(engines)

    combined = asyncio.run(ask())
    assert combined.answer is None
    assert combined.incident is not None
