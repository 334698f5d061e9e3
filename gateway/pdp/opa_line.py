"""Questions to an Open Policy Agent of ours, over its socket in the file system.

A client for anybody's server costs a fifth of a millisecond of this thread for a question:
redirections, cookies, proxies, pools. Here a question is one write and its answer is read by
the parser of the gateway's own HTTP server. A connection carries one question at a time; whose
answer nobody waits for any more is closed, so that nobody gets the answer to another question.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

import httptools

from gateway.pdp.opa_client import MAX_REPLY_BYTES, ReplyError

# Connections at once; whoever comes then waits for one.
MAX_LINES = 64
MAX_HEAD_BYTES = 16 * 1024

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_CONSTANT = "Host: localhost\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\n"


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, lost: Callable[["Line"], None]) -> None:
        self._lost = lost
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._size = 0
        self.is_open = False

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        """The status and the body of the reply to a request.

        Raises:
            ReplyError: It is no reply, or too long.
            ConnectionError: There is none.
        """
        if self._transport is None or not self.is_open:
            raise ConnectionResetError("the connection is closed")
        waiting = self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            return await waiting
        finally:
            self._waiting = None
            if not waiting.done() or waiting.cancelled() or waiting.exception() is not None:
                self.close()

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            return
        if self._waiting is None:
            self.close()  # it says what nobody asked
            return
        self._size += len(data)
        if self._size > MAX_REPLY_BYTES + MAX_HEAD_BYTES:
            self._fail(ReplyError("the reply is too long"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(ReplyError("the reply is no HTTP"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionResetError("the server closed the connection"))
        self._lost(self)

    def _fail(self, error: Exception) -> None:
        self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

    # --- called by the parser ------------------------------------------------------------

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        waiting, body = self._waiting, b"".join(self._pieces)
        self._pieces, self._size = [], 0
        if waiting is None or waiting.done():
            self.close()  # it says what nobody asked
            return
        self.is_open = self._parser.should_keep_alive()
        waiting.set_result((self._parser.get_status_code(), body))


class OpaLines:
    """A client of the server at a socket.

    Args:
        path: The socket.
        timeout_s: Seconds to reply.
    """

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        self._path = str(path)
        self._timeout_s = timeout_s
        self._idle: list[Line] = []
        self._open: set[Line] = set()
        self._room = asyncio.Semaphore(MAX_LINES)
        self._heads: dict[tuple[str, str], str] = {}

    async def result(self, package: str, rule: str, given: object) -> object:
        """What a rule says of an input, as JSON.

        Raises:
            ReplyError: The reply is no such thing, or the rule is undefined.
            OSError: The server does not answer.
            TimeoutError: It does not in time.
        """
        head = self._heads.get((package, rule))
        if head is None:
            place = f"{package}.{rule}".replace(".", "/")
            head = f"POST /v1/data/{place} HTTP/1.1\r\n{_CONSTANT}Content-Length: "
            self._heads[package, rule] = head
        body = _ENCODE({"input": given}).encode()
        status, text = await self._ask(f"{head}{len(body)}\r\n\r\n".encode("ascii") + body)
        if status != 200:
            raise ConnectionError(f"the server answers {status}")
        try:
            reply = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ReplyError("the reply is no JSON") from error
        if not isinstance(reply, dict) or "result" not in reply:
            raise ReplyError("the answer is undefined: is the bundle loaded?")
        return cast("dict[str, object]", reply)["result"]

    async def is_healthy(self) -> bool:
        """Whether the server says so."""
        try:
            status, _ = await self._ask(f"GET /health HTTP/1.1\r\n{_CONSTANT}\r\n".encode("ascii"))
        except (OSError, TimeoutError, ReplyError):
            return False
        return status == 200

    async def _ask(self, data: bytes) -> tuple[int, bytes]:
        async with asyncio.timeout(self._timeout_s), self._room:
            line = await self._line()
            try:
                return await line.ask(data)
            finally:
                if line.is_open:
                    self._idle.append(line)

    async def _line(self) -> Line:
        while self._idle:
            line = self._idle.pop()
            if line.is_open:
                return line
        loop = asyncio.get_running_loop()
        _, line = await loop.create_unix_connection(lambda: Line(self._open.discard), self._path)
        self._open.add(line)
        return line

    async def close(self) -> None:
        self._idle.clear()
        for line in tuple(self._open):
            line.close()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
