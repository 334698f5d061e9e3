"""A writer and workers in one process, over a real socket: what the tests ask and break."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.ledger.log import Log
from gateway.workers.client import LedgerClient
from gateway.workers.server import LedgerServer
from gateway.workers.socket_file import connected, listen
from tests.gateway.ledger.logs import KEY, body_of, open_log

WITHIN_S = 10.0


def run(case: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a case in the event loop that gateways run in."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(case())


@asynccontextmanager
async def writer(state: Path, log: Ledger | None = None) -> AsyncGenerator[LedgerServer]:
    """The writer of a state folder, for the length of the block; its log is closed after it
    where none is given."""
    opened: Log | None = None
    if log is None:
        log = opened = open_log(state / "ledger")
    listener = listen(state)
    server = LedgerServer(log)
    loop = asyncio.get_running_loop()
    listening = await loop.create_unix_server(server.connection, sock=listener)
    telling = asyncio.create_task(server.tell_now_and_then(until=lambda: False))
    try:
        yield server
    finally:
        telling.cancel()
        listening.close()
        for connection in list(server.connections):
            connection.end()
        if opened is not None:
            await asyncio.to_thread(opened.close)
        await asyncio.sleep(0.02)


@asynccontextmanager
async def worker(state: Path, **options: Any) -> AsyncGenerator[LedgerClient]:
    client = await LedgerClient.open(state, KEY.public, within_s=WITHIN_S, **options)
    try:
        yield client
    finally:
        await asyncio.to_thread(client.close)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fails where it does not in time."""
    for _ in range(int(WITHIN_S / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never held")


async def append(ledger: Ledger, *entry_ids: str, tenant: str = "clinic-a") -> list[Receipt]:
    """Append entries together and wait for all of them."""
    futures = ledger.append_all([(one, tenant, body_of(one)) for one in entry_ids])
    return [await asyncio.wait_for(asyncio.wrap_future(one), WITHIN_S) for one in futures]


async def said(state: Path, *sent: bytes) -> bytes:
    """What a writer says to whoever sends that, until it cuts the connection off."""

    def talk() -> bytes:
        with connected(state) as connection:
            connection.settimeout(WITHIN_S)
            for part in sent:
                connection.sendall(part)
            return _all(connection)

    return await asyncio.to_thread(talk)


def _all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return received
