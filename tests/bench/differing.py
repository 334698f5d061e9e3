"""Load in which no two questions have the same facts, so that every one of them is new to what
a server remembers: a number that rules read is another one each time.

`hey` puts one body over and over. Here as many connections as are told each ask again once they
are answered, from this process, which takes some 40 us of a core for each answer.
"""

import asyncio
import copy
import itertools
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from urllib.parse import urlsplit

from tests.bench.load import Result, percentiles
from tests.bench.servers import Law
from tests.bench.target import Target, cpu_s, resident_mb

# Stands for the number, and has as many digits, so that all bodies are of one length.
MARK = 987_654_321
_FIRST = 100_000_000
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


def law(given: Law) -> Law:
    """The same with a number in its questions that rules of the pack read and that permits."""

    def marked(question: dict[str, object]) -> dict[str, object]:
        changed: dict[str, dict[str, dict[str, object]]] = copy.deepcopy(question)  # type: ignore[assignment]
        changed["context"]["ai"]["log_retention"] = MARK
        return changed  # type: ignore[return-value]

    name = f"{given.name}, all different"
    question, refused = marked(given.question), marked(given.refused)
    return replace(given, name=name, question=question, refused=refused)


def bodies(body: bytes) -> Iterator[bytes]:
    """Bodies that differ in the number that stands at the mark.

    Raises:
        ValueError: There is no mark in it, or several.
    """
    before, mark, after = body.partition(b"%d" % MARK)
    if not mark or b"%d" % MARK in after:
        raise ValueError("one number must be marked")
    # No two runs against one server begin alike.
    first = _FIRST + int(perf_counter() * 1000) % 100_000 * 1000
    return (b"%b%d%b" % (before, number, after) for number in itertools.count(first))


def closed(target: Target, connections: int, seconds: float) -> Result:
    """Load one server.

    Raises:
        RuntimeError: Nothing was answered.
    """
    before = cpu_s(target.pid)
    times, failed, took = asyncio.run(_load(target, connections, seconds))
    spent = cpu_s(target.pid) - before
    if not times:
        raise RuntimeError(f"{target.name}: nothing was answered")
    return Result(
        (len(times) - failed) / took,
        *percentiles(times),
        spent / len(times) * 1_000_000,
        resident_mb(target.pid),
        failed,
    )


async def _load(target: Target, connections: int, seconds: float) -> tuple[list[float], int, float]:
    place = urlsplit(target.url)
    lines = [f"POST {place.path} HTTP/1.1", f"Host: {place.netloc}"]
    lines += [f"{name}: {value}" for name, value in target.headers.items()]
    fields = "\r\n".join(lines).encode()
    asked = (
        b"%b\r\nContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)
        for body in bodies(target.body)
    )
    host, _, port = place.netloc.partition(":")
    begin = perf_counter()
    loop = asyncio.get_running_loop()
    made = [_Line(asked, begin + seconds) for _ in range(connections)]
    for one in made:
        await loop.create_connection(lambda one=one: one, host, int(port))
    for one in made:
        await one.ended
    last = max(one.last for one in made)
    return [ms for one in made for ms in one.times], sum(o.failed for o in made), last - begin


class _Line(asyncio.Protocol):
    """One connection: asks, and asks again once it is answered, until an instant."""

    def __init__(self, asked: Iterator[bytes], until: float) -> None:
        self._asked = asked
        self._until = until
        self._since = 0.0
        self._said = bytearray()
        self._transport: asyncio.Transport | None = None
        self.times: list[float] = []  # ms
        self.failed = 0
        self.last = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._since = perf_counter()
        self._transport.write(next(self._asked))

    def data_received(self, data: bytes) -> None:
        self._said += data
        end = self._said.find(_END)
        if end < 0:
            return
        head = bytes(self._said[:end]).lower()
        if _LENGTH not in head:
            self._close(RuntimeError("an answer of no stated length"))
            return
        length = int(head.partition(_LENGTH)[2].split(b"\r\n", 1)[0])
        if len(self._said) < end + len(_END) + length:
            return
        self._said.clear()
        self.last = perf_counter()
        self.times.append((self.last - self._since) * 1000)
        self.failed += head.split(None, 2)[1] != b"200"
        if self.last < self._until:
            self._ask()
        else:
            self._close(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._close(exc or ConnectionResetError("it hung up"))

    def _close(self, error: Exception | None) -> None:
        if self._transport is not None:
            self._transport.close()
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
