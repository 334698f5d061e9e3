"""Something between a gateway and an Open Policy Agent that spoils what goes through."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

KINDS = (
    "reset",  # every connection
    "black hole",  # takes everything, says nothing
    "delay",  # each answer by `seconds`
    "rate",  # a byte at a time
    "cut",  # in the middle of the answer
    "corrupt",  # one byte of the answer
    "for ever",  # an answer without an end
    "nonsense",  # an answer of another protocol
    "deep",  # JSON that no reader should follow
    "permits",  # a well-formed permit to every question
    "other bundle",  # a well-formed permit of another program
    "redirect",  # to somewhere else
)


@dataclass
class Proxy:
    """A TCP proxy. While `fault` is None, bytes go through as they are."""

    target: int
    permit: dict[str, object]
    fault: str | None = None
    seconds: float = 2.0
    port: int = 0
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while question := await reader.read(65536):
                    if self.fault == "reset":
                        writer.transport.abort()
                        break
                    if self.fault == "black hole":
                        continue
                    if self.fault in ("for ever", "nonsense", "deep", "permits", "other bundle"):
                        await self._invent(writer)
                        continue
                    if self.fault == "redirect":
                        # To where the right answer would be had.
                        place = f"http://127.0.0.1:{self.target}/v1/data/charter/answer"
                        head = f"HTTP/1.1 307 x\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"
                        writer.write(head.encode())
                        continue
                    there.write(question)
                    answer = await there_reader.read(65536)
                    await self._pass_on(answer, writer)
        finally:
            for one in (writer, there):
                one.close()
                one.transport.abort()

    async def _pass_on(self, answer: bytes, writer: asyncio.StreamWriter) -> None:
        match self.fault:
            case "delay":
                await asyncio.sleep(self.seconds)
                writer.write(answer)
            case "rate":
                for place in range(len(answer)):
                    writer.write(answer[place : place + 1])
                    await asyncio.sleep(self.seconds / 20)
            case "cut":
                writer.write(answer[: len(answer) - 5])
                await writer.drain()
                writer.close()
            case "corrupt":
                place = answer.index(b'"result"') + 12
                writer.write(answer[:place] + bytes([answer[place] ^ 1]) + answer[place + 1 :])
            case _:
                writer.write(answer)

    async def _invent(self, writer: asyncio.StreamWriter) -> None:
        match self.fault:
            case "nonsense":
                writer.write(b"220 mail.example ESMTP\r\n")
                return
            case "for ever":
                writer.write(_head(None) + b'{"result": "')
                while True:
                    writer.write(b"a" * 65536)
                    await writer.drain()
            case "deep":
                body = b"[" * 200_000
            case "other bundle":
                body = json.dumps({"result": {**self.permit, "program": "sha256:00"}}).encode()
            case _:
                body = json.dumps({"result": self.permit}).encode()
        writer.write(_head(len(body)) + body)


def _head(length: int | None) -> bytes:
    size = b"Transfer-Encoding: identity" if length is None else b"Content-Length: %d" % length
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + size + b"\r\n\r\n"


@asynccontextmanager
async def proxied(target: int, permit: dict[str, object]) -> AsyncGenerator[Proxy]:
    """A proxy to a port of this machine, for the length of the block."""
    proxy = Proxy(target, permit)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        proxy.tasks.add(task)
        try:
            await proxy.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            proxy.tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(proxy.tasks):
            task.cancel()
        await asyncio.sleep(0.05)
