"""A server of ours that does not reply as it should gives no answer, and no question gets the
reply to another."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.pdp.opa_client import MAX_REPLY_BYTES, ReplyError
from gateway.pdp.opa_line import MAX_LINES, OpaLines

T = TypeVar("T")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, object]]:
    """The request line and the body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    line, *headers = head.split("\r\n")
    length = next((h for h in headers if h.lower().startswith("content-length:")), ":0")
    body = await reader.readexactly(int(length.partition(":")[2]))
    return line, json.loads(body or b"{}")


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def result_of(value: object) -> bytes:
    return reply(json.dumps({"result": value}).encode())


def using(
    serve: Serve, folder: Path, work: Callable[[OpaLines], Awaitable[T]], timeout_s: float = 5
) -> tuple[T, int]:
    """What comes of the work with a server, and how many connections it made."""

    async def whole() -> tuple[T, int]:
        count = 0

        async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            count += 1
            try:
                await serve(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        address = folder / "s"
        server = await asyncio.start_unix_server(counted, address)
        client = OpaLines(address, timeout_s=timeout_s)
        try:
            return await work(client), count
        finally:
            await client.close()
            server.close()

    return asyncio.run(whole())


def always(data: bytes) -> Serve:
    """The same reply to everything; then the connection stays open."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(data)

    return serve


async def one(client: OpaLines) -> object:
    return await client.result("charter.part", "answer", {"x": "é"})


def test_a_question_is_put_as_the_documentation_says_and_its_result_read(tmp_path: Path) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_request(reader))
        writer.write(result_of({"denied": []}))
        await reader.read()

    said, _ = using(serve, tmp_path, one)
    assert said == {"denied": []}
    line = "POST /v1/data/charter/part/answer HTTP/1.1"
    assert asked == [(line, {"input": {"x": "é"}})]


def test_a_long_answer_in_chunks_is_read_whole(tmp_path: Path) -> None:
    text = json.dumps({"result": ["x" * 5000] * 3}).encode()
    chunks = [text[at : at + 4000] for at in range(0, len(text), 4000)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    said, _ = using(
        always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body), tmp_path, one
    )
    assert said == ["x" * 5000] * 3


BROKEN = {
    "no HTTP": b"nonsense\r\n\r\n",
    "no JSON": reply(b"{"),
    "deep": reply(b"[" * 100_000),
    "no object": reply(b"[1]"),
    "undefined": reply(b"{}"),
    "a list of results": reply(b'[{"result": 1}]'),
    "an error": reply(b'{"result": 1}', status="500 Internal Server Error"),
    "not there": reply(b'{"result": 1}', status="404 Not Found"),
    "elsewhere": reply(b'{"result": 1}', "Location: http://x.test/", status="302 Found"),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "go on": b"HTTP/1.1 100 Continue\r\n\r\n",
    "packed": reply(b"\x1f\x8b\x08\x00", "Content-Encoding: gzip"),
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Length: 13\r\n\r\n"
    b'{"result":1}',
    "two framings": b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'{"result":1}',
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
    b'Connection: upgrade\r\n\r\n{"result":1}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_reply_is_no_result(name: str, tmp_path: Path) -> None:
    async def work(client: OpaLines) -> None:
        with pytest.raises((ReplyError, OSError)):
            await one(client)

    using(always(BROKEN[name]), tmp_path, work)


@pytest.mark.parametrize("cut", [0, 5, 30, 45])
def test_a_reply_that_is_cut_off_is_none(cut: int, tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(result_of("long enough")[:cut])

    async def work(client: OpaLines) -> None:
        with pytest.raises((ConnectionError, ReplyError)):
            await one(client)

    using(serve, tmp_path, work)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_endless_reply_is_not_kept(start: bytes, tmp_path: Path) -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(start)
        while True:
            piece = b"X-Header: x\r\n" * 1000
            writer.write(piece)
            sent += len(piece)
            await writer.drain()

    async def work(client: OpaLines) -> None:
        with pytest.raises(ReplyError):
            await one(client)

    using(serve, tmp_path, work)
    assert sent < 4 * MAX_REPLY_BYTES


def test_a_server_that_says_nothing_is_given_up_in_time(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def work(client: OpaLines) -> None:
        with pytest.raises(TimeoutError):
            await one(client)

    using(serve, tmp_path, work, timeout_s=0.05)


def test_a_server_that_is_not_there_is_an_error_and_not_healthy(tmp_path: Path) -> None:
    async def work() -> bool:
        client = OpaLines(tmp_path / "none", timeout_s=1)
        with pytest.raises(OSError, match="No such file"):
            await one(client)
        return await client.is_healthy()

    assert not asyncio.run(work())


# --- whose reply it is ---------------------------------------------------------------


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each question with itself, some later than others."""
    while True:
        _, asked = await read_request(reader)
        given = asked["input"]
        assert isinstance(given, int)
        await asyncio.sleep(0.001 * (given % 5))
        writer.write(result_of(given))


def test_many_at_once_get_their_own_and_share_few_connections(tmp_path: Path) -> None:
    async def work(client: OpaLines) -> list[object]:
        return list(await asyncio.gather(*(client.result("p", "r", n) for n in range(300))))

    said, connections = using(echo, tmp_path, work)
    assert said == list(range(300))
    assert connections <= MAX_LINES


def test_a_connection_is_used_again(tmp_path: Path) -> None:
    async def work(client: OpaLines) -> list[object]:
        return [await client.result("p", "r", n) for n in range(20)]

    said, connections = using(echo, tmp_path, work)
    assert said == list(range(20))
    assert connections == 1


def test_nobody_gets_the_reply_to_a_question_that_was_given_up(tmp_path: Path) -> None:
    async def work(client: OpaLines) -> list[object]:
        said: list[object] = []
        for n in range(4, 200, 10):
            late = asyncio.create_task(client.result("p", "r", n))  # replied to after 4 ms
            await asyncio.sleep(0.002)
            late.cancel()
            said.append(await client.result("p", "r", n + 1))
        return said

    said, _ = using(echo, tmp_path, work)
    assert said == list(range(5, 201, 10))


def test_what_a_server_says_unasked_is_nobodys_answer(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, asked = await read_request(reader)
        writer.write(result_of(asked["input"]))
        await asyncio.sleep(0.01)
        writer.write(result_of("unasked")[:-3])  # and the rest when it is asked again
        await read_request(reader)
        writer.write(b'd"}')

    async def work(client: OpaLines) -> list[object]:
        first = await client.result("p", "r", 1)
        await asyncio.sleep(0.03)
        return [first, await client.result("p", "r", 2)]

    said, connections = using(serve, tmp_path, work)
    assert said == [1, 2]
    assert connections == 2


def test_two_replies_to_one_question_close_the_connection(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, asked = await read_request(reader)
            writer.write(result_of(asked["input"]) + result_of("another"))

    async def work(client: OpaLines) -> list[object]:
        return [await client.result("p", "r", n) for n in range(3)]

    said, connections = using(serve, tmp_path, work)
    assert said == [0, 1, 2]
    assert connections == 3


def test_a_connection_that_the_server_closes_is_not_used_again(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, asked = await read_request(reader)
        writer.write(reply(json.dumps({"result": asked["input"]}).encode(), "Connection: close"))

    async def work(client: OpaLines) -> list[object]:
        return [await client.result("p", "r", n) for n in range(3)]

    said, connections = using(serve, tmp_path, work)
    assert said == [0, 1, 2]
    assert connections == 3


def test_after_its_end_nobody_waits(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def work(client: OpaLines) -> None:
        waiting = asyncio.create_task(one(client))
        await asyncio.sleep(0.02)
        await client.close()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(waiting, 1)

    using(serve, tmp_path, work)
