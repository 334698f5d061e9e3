"""An engine in a process of its own: this is the process.

It is told over one socket which engine to load and with which program, says that it is
ready, and then answers one question after another. It ends when the socket does.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, cast

from dsl.core import Program
from dsl.core_json import program_digest, program_from_json
from dsl.errors import CoreFormatError
from dsl.facts import Question, Value
from gateway.errors import ConfigurationError, EngineAnswerError, EngineError, OverloadedError
from gateway.pdp.combine import one_at_a_time
from gateway.pdp.engine import Engine
from gateway.pdp.engines import make_engine
from gateway.pdp.frames import HEAD_BYTES, MAX_QUESTION_BYTES, answer_members, frame
from gateway.pdp.process import memory_of

# Its size is told with every so many answers.
WEIGHED_EVERY = 64
OUT_OF_MEMORY = 70


def main(descriptor: int) -> None:
    with socket.socket(fileno=descriptor) as line:
        try:
            asyncio.run(_work(line))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway is gone, or has no use for this process any more
        except MemoryError:
            # Nothing that needs memory can be done in order any more.
            os._exit(OUT_OF_MEMORY)


async def _work(line: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=line)
    _tell_what_is_logged(writer)
    name = str(json.loads(await _read(reader))["engine"])
    try:
        program = program_from_json(await _read(reader))
        engine = make_engine(name, program, alone=True)
    except (ConfigurationError, CoreFormatError) as error:
        writer.write(frame({"refused": str(error)}))
        await writer.drain()
        return
    writer.write(frame({"ready": program_digest(program), "bytes": memory_of("self")}))
    worker = Worker(engine, program)
    while True:
        writer.write(frame(await worker.reply(json.loads(await _read(reader)))))


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

    async def reply(self, asked: Mapping[str, Any]) -> dict[str, object]:
        said: dict[str, object] = {"n": asked["n"]}
        facts = cast("dict[str, Any]", asked["facts"])
        inner: dict[str, Value] = {
            path: tuple(cast("list[str]", value)) if isinstance(value, list) else value
            for path, value in facts.items()
        }
        question = Question(asked["action"], inner, asked["today"])
        engine, turns = self._engine, one_at_a_time(self._engine)
        try:
            async with nullcontext() if turns is None else turns.turn():
                said["answer"] = answer_members(await engine.ask(question), self._digest)
        except EngineAnswerError as error:
            said["wrong"] = error.detail
        except EngineError as error:
            said["none"] = error.detail
        except OverloadedError as error:
            said["none"] = str(error)
        self._answered += 1
        if self._answered % WEIGHED_EVERY == 0:
            said["bytes"] = memory_of("self")
        return said


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
