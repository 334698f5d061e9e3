"""An engine in a process of its own: this is the process.

It is told over one socket which engine to load and with which program, says that it is
ready, and then answers one frame of questions after another. It ends when the socket does.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, cast

from dsl.core import Program
from dsl.core_json import program_digest, program_from_json
from dsl.errors import CoreFormatError
from dsl.evaluate import Answer
from dsl.facts import Question, Value
from gateway.errors import ConfigurationError, EngineAnswerError, EngineError, OverloadedError
from gateway.pdp.combine import at_once, one_at_a_time
from gateway.pdp.engine import Engine
from gateway.pdp.engines import make_engine
from gateway.pdp.frames import (
    HEAD_BYTES,
    MAX_QUESTION_BYTES,
    FrameError,
    Frames,
    answer_members,
    frame,
)
from gateway.pdp.process import memory_of

# Its size is told with every so many answers.
WEIGHED_EVERY = 64
OUT_OF_MEMORY = 70


def main(descriptor: int, room: int | None = None) -> None:
    """`room` is the descriptor of a file as of `gateway.pdp.process.make_room`."""
    with socket.socket(fileno=descriptor) as line:
        try:
            asyncio.run(_work(line, room))
        except (asyncio.IncompleteReadError, ConnectionError, FrameError):
            pass  # the gateway is gone, or has no use for this process any more
        except MemoryError:
            # Nothing that needs memory can be done in order any more.
            os._exit(OUT_OF_MEMORY)


async def _work(line: socket.socket, room: int | None) -> None:
    reader, writer = await asyncio.open_connection(sock=line)
    _tell_what_is_logged(writer)
    name = str(json.loads(await _read(reader))["engine"])
    try:
        program = program_from_json(await _read(reader))
        engine = make_engine(name, program, alone=True, room=room)
    except (ConfigurationError, CoreFormatError) as error:
        writer.write(frame({"refused": str(error)}))
        await writer.drain()
        return
    writer.write(frame({"ready": program_digest(program), "bytes": memory_of("self")}))
    questions = _Questions(Worker(engine, program), writer.transport)
    writer.transport.set_protocol(questions)
    await questions.ended


class _Questions(asyncio.Protocol):
    """The line once the engine is there: answers what comes, as it comes."""

    def __init__(self, worker: "Worker", transport: asyncio.WriteTransport) -> None:
        self._worker = worker
        self._transport = transport
        self._frames = Frames(MAX_QUESTION_BYTES)
        self._later: set[asyncio.Task[None]] = set()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        for asked in self._frames.feed(data):
            said = self._worker.reply_at_once(asked)
            if said is not None:
                self._transport.write(frame(said))
                continue
            task = asyncio.create_task(self._reply(asked))
            self._later.add(task)
            task.add_done_callback(self._replied)

    async def _reply(self, asked: Mapping[str, Any]) -> None:
        self._transport.write(frame(await self._worker.reply(asked)))

    def _replied(self, task: asyncio.Task[None]) -> None:
        self._later.discard(task)
        if not task.cancelled():
            self.connection_lost(task.exception(), is_over=task.exception() is not None)

    def connection_lost(self, exc: BaseException | None, *, is_over: bool = True) -> None:
        if is_over and not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError())


async def _read(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(HEAD_BYTES), "big")
    if length > MAX_QUESTION_BYTES:
        raise ConnectionError
    return await reader.readexactly(length)


class Worker:
    """Answers questions as they stand in frames."""

    def __init__(self, engine: Engine, program: Program) -> None:
        self._engine = engine
        self._digest = program_digest(program)
        self._answered = 0

    def reply_at_once(self, asked: Mapping[str, Any]) -> dict[str, object] | None:
        """The replies to the questions of a frame; None where the engine has to be waited for."""
        answer = at_once(self._engine)
        if answer is None:
            return None
        return self._told(asked, [self._reply_at_once(answer, one) for one in asked["asked"]])

    def _reply_at_once(
        self, answer: Callable[[Question], Answer], asked: Mapping[str, Any]
    ) -> Mapping[str, object]:
        try:
            return self._answer(answer(_question(asked)))
        except (EngineError, OverloadedError) as error:
            return _why_none(error)

    async def reply(self, asked: Mapping[str, Any]) -> dict[str, object]:
        """The replies to the questions of a frame."""
        return self._told(asked, [await self._reply(one) for one in asked["asked"]])

    async def _reply(self, asked: Mapping[str, Any]) -> Mapping[str, object]:
        turns = one_at_a_time(self._engine)
        try:
            async with nullcontext() if turns is None else turns.turn():
                return self._answer(await self._engine.ask(_question(asked)))
        except (EngineError, OverloadedError) as error:
            return _why_none(error)

    def _answer(self, answer: Answer) -> Mapping[str, object]:
        return {"answer": answer_members(answer, self._digest)}

    def _told(
        self, asked: Mapping[str, Any], replies: Sequence[Mapping[str, object]]
    ) -> dict[str, object]:
        said: dict[str, object] = {"n": asked["n"], "replies": replies}
        before = self._answered // WEIGHED_EVERY
        self._answered += len(replies)
        if self._answered // WEIGHED_EVERY > before:
            said["bytes"] = memory_of("self")
        return said


def _question(asked: Mapping[str, Any]) -> Question:
    facts = cast("dict[str, Any]", asked["facts"])
    inner: dict[str, Value] = {
        path: tuple(cast("list[str]", value)) if isinstance(value, list) else value
        for path, value in facts.items()
    }
    return Question(asked["action"], inner, asked["today"])


def _why_none(error: EngineError | OverloadedError) -> Mapping[str, object]:
    if isinstance(error, EngineAnswerError):
        return {"wrong": error.detail}
    return {"none": error.detail if isinstance(error, EngineError) else str(error)}


class _Told(logging.Handler):
    """What is logged here is told to the gateway, which logs it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(logging.WARNING)
        self._writer = writer
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        said = frame({"said": record.getMessage()[:1000]})
        self._loop.call_soon_threadsafe(self._writer.write, said)


def _tell_what_is_logged(writer: asyncio.StreamWriter) -> None:
    logger = logging.getLogger("charter")
    logger.addHandler(_Told(writer))
    logger.propagate = False
