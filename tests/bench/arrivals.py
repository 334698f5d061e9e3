"""Load that does not wait for answers: questions arrive at a rate, as they do from many
callers who know nothing of each other.

A server that is slow for a moment then has more to do, and the time counts from when a
question arrived, also where it waited for a connection. A client that asks again only once
it is answered asks less of a slow server, and its times are too good.
"""

import asyncio
import random
from collections.abc import Mapping
from time import perf_counter
from urllib.parse import urlsplit

from tests.bench.load import Result, percentiles
from tests.bench.target import Target, cpu_s, resident_mb

CONNECTIONS = 32
_SEED = 2026  # every server has the same arrivals
_END = b"\r\n\r\n"


def arriving(target: Target, per_second: float, seconds: float) -> Result:
    """Put questions at random instants, `per_second` on average, and wait for all answers."""
    before = cpu_s(target.pid)
    times, failed, took = asyncio.run(_arriving(target, per_second, seconds))
    spent = cpu_s(target.pid) - before
    return Result(
        (len(times) - failed) / took,
        *percentiles(times),
        spent / len(times) * 1_000_000,
        resident_mb(target.pid),
        failed,
    )


async def _arriving(
    target: Target, per_second: float, seconds: float
) -> tuple[list[float], int, float]:
    place = urlsplit(target.url)
    request = _request(place.netloc, place.path, target.headers, target.body)
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    opened = [await _Connection.open(place.netloc) for _ in range(CONNECTIONS)]
    for connection in opened:
        free.put_nowait(connection)
    times: list[float] = []
    failed = 0

    async def ask(arrived: float) -> None:
        nonlocal failed
        connection = await free.get()
        status = await connection.ask(request)
        failed += status != 200
        times.append((perf_counter() - arrived) * 1000)
        free.put_nowait(connection)

    drawn = random.Random(_SEED)  # noqa: S311
    begin = due = perf_counter()
    async with asyncio.TaskGroup() as asked:
        while (due := due + drawn.expovariate(per_second)) < begin + seconds:
            await asyncio.sleep(max(0.0, due - perf_counter()))
            asked.create_task(ask(due))
    took = perf_counter() - begin
    for connection in opened:
        connection.close()
    return times, failed, took


class _Connection:
    """HTTP/1.1, one question after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @staticmethod
    async def open(netloc: str) -> "_Connection":
        host, _, port = netloc.partition(":")
        return _Connection(*await asyncio.open_connection(host, int(port)))

    async def ask(self, request: bytes) -> int:
        """The status of the answer, once its body is read."""
        self._writer.write(request)
        head = (await self._reader.readuntil(_END)).decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (h.partition(":") for h in head)}
        if "content-length" in fields:
            await self._reader.readexactly(int(fields["content-length"]))
        else:
            await self._chunks()
        return int(head[0].split()[1])

    async def _chunks(self) -> None:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            await self._reader.readexactly(size + 2)
        await self._reader.readuntil(b"\r\n")

    def close(self) -> None:
        self._writer.close()


def _request(netloc: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _END + body
