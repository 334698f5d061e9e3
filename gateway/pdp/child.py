"""One process with an engine, from the gateway's side of the socket.

What an engine in C++ can do to a process it does to its own: run out of memory, crash, or
never come back. It has no environment and may write no file, and is ended when it takes
longer or more memory than it is given. The gateway looks at its memory itself: regopy's
allocator reserves 256 GiB of address space when it is loaded, so no limit of the system on
address space or data can be low enough to mean anything.
"""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gateway.errors import EngineAnswerError, EngineError, EngineUnavailableError
from gateway.pdp.frames import MAX_REPLY_BYTES, FrameError, Frames, asking_frame, frame, framed
from gateway.pdp.process import Process, room_to_pass

# Without an answer for so long a process is taken to hang, and ended. Longer than any time
# limit of a question: a machine that stands still for a moment is no fault of the engine.
HANG_S = 5.0
# To load the largest program on a slow machine.
START_S = 120.0
CLOSE_S = 2.0
# How often the gateway looks at a process that is at work.
LOOK_S = 0.05
# The program that becomes the process; its arguments are the path of modules, the socket, and
# a file in memory where there is one.
BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from gateway.pdp.engine_worker import main; main(*map(int, sys.argv[2:]))"
)

log = logging.getLogger("charter")


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a process may take: MiB of memory, questions until a successor, and seconds until
    it is taken to hang."""

    memory_mib: int = 1024
    questions: int = 200_000
    hang_s: float = HANG_S


class Child(asyncio.Protocol):
    """One process with an engine, from the gateway's side."""

    def __init__(self, name: str, given: Confinement) -> None:
        self._name = name
        self._given = given
        self._frames = Frames(MAX_REPLY_BYTES)
        self._transport: asyncio.WriteTransport | None = None
        self._process: Process | None = None
        self._waiting: asyncio.Future[Any] | None = None
        self._number = 0  # of the frame under way
        self._count: int | None = None  # of the questions in it; None of what is no question
        self._is_due = False  # a reply, whether somebody still waits for it or not
        self._until = 0.0  # of the loop's clock, when what is under way hangs
        self._looking: asyncio.TimerHandle | None = None
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.asked = 0
        self.size = 0  # bytes of memory, as it last said
        self.since = asyncio.get_running_loop().time()

    @classmethod
    async def launch(cls, name: str, program: bytes, given: Confinement) -> "Child":
        """A process with the program loaded.

        Raises:
            EngineUnavailableError: It does not start, or does not accept the program.
        """
        ours, theirs = socket.socketpair()
        child = cls(name, given)
        try:
            ours.setblocking(False)
            with theirs, room_to_pass() as room:
                await asyncio.get_running_loop().create_connection(lambda: child, sock=ours)
                command = [sys.executable, "-I", "-B", "-c", BOOT]
                keep = [theirs.fileno(), *room]
                command += [json.dumps(sys.path), *map(str, keep)]
                child._process = Process(
                    command,
                    limits={"RLIMIT_FSIZE": 0},
                    environment={"MALLOC_ARENA_MAX": "2", "LC_ALL": "C.UTF-8"},
                    keep=keep,
                )
            loaded = await asyncio.wait_for(child._load(program), START_S)
        except (OSError, TimeoutError, EngineError) as error:
            detail = await child._why_not() or str(error) or "not in time"
            raise EngineUnavailableError(name, f"its process is not ready: {detail}") from error
        except BaseException:
            await child.end()
            ours.close()
            raise
        if "ready" not in loaded:
            await child.end()
            raise EngineUnavailableError(name, str(loaded.get("refused", "it is not ready")))
        return child

    async def _why_not(self) -> str:
        """What it said when it ended by itself; it is ended where it did not."""
        if self._process is not None:
            await asyncio.wait([self._process.ended], timeout=1.0)
        await self.end()
        return "" if self._process is None else self._process.last_words

    async def _load(self, program: bytes) -> Mapping[str, object]:
        self._send(frame({"engine": self._name}) + framed(program))
        return await self._due(START_S, None)

    def put(self, questions: Sequence[bytes]) -> asyncio.Future[Sequence[Mapping[str, object]]]:
        """What it will say to some questions, each as of `question_text`, one reply for each in
        their order. The process must be `free`.

        Whoever waits may give up; what is under way goes on until the process answers, or
        is taken to hang and ended. Then, and where what it says are no replies to these
        questions, an `EngineError` is what comes of all of them.

        Raises:
            EngineUnavailableError: It is gone.
        """
        self._number += 1
        self._send(asking_frame(self._number, questions))
        self.asked += len(questions)
        return self._due(self._given.hang_s, len(questions))

    async def ask(self, question: bytes) -> Mapping[str, object]:
        """What it says to one question; one waits for the other. Raises an `EngineError`."""
        while self.free is not None:
            await asyncio.wait([self.free])
        (said,) = await self.put([question])
        return said

    def _send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise EngineUnavailableError(self._name, "its process is gone")
        self._transport.write(data)

    def _due(self, most_s: float, count: int | None) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        waiting = self._waiting = loop.create_future()
        self._is_due, self._count = True, count
        self._until = loop.time() + most_s
        if self._looking is None:
            self._look()
        return waiting

    def _look(self) -> None:
        """Look again and again while there is no reply, whoever still waits for it; and once
        more after it, so that a process whose questions are short is looked at as often."""
        self._looking = None
        if self._process is None or self._lost.done():
            return
        loop = asyncio.get_running_loop()
        if self._is_due and loop.time() > self._until:
            self._give_up("its process hung")
        elif self._process.memory() > self._given.memory_mib << 20:
            self._give_up("its process took too much memory")
        elif self._is_due:
            self._looking = loop.call_later(LOOK_S, self._look)

    def _give_up(self, why: str) -> None:
        self._end(EngineUnavailableError(self._name, why))
        self.kill()

    @property
    def free(self) -> asyncio.Future[Any] | None:
        """What is under way; None where nothing is."""
        if self._is_due and (self._waiting is None or self._waiting.done()):
            self._waiting = asyncio.get_running_loop().create_future()  # whoever waited gave up
        return self._waiting if self._is_due else None

    @property
    def ended(self) -> asyncio.Future[str]:
        assert self._process is not None  # noqa: S101
        return self._process.ended

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Let it answer what it was asked, and end."""
        if self.free is not None:
            await asyncio.wait([self.free], timeout=self._given.hang_s)
        if self._transport is not None:
            self._transport.close()
        await asyncio.wait([self.ended], timeout=CLOSE_S)
        await self.end()

    async def end(self) -> None:
        """End it now."""
        self.kill()
        over = [self._lost] if self._transport is not None else []
        over += [self._process.ended] if self._process is not None else []
        await asyncio.sleep(0)  # for a transport that was not made in time
        if over:
            await asyncio.wait(over, timeout=CLOSE_S)

    # --- asyncio.Protocol ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for said in self._frames.feed(data):
                self._heard(said)
        except FrameError as error:
            self._end(EngineAnswerError(self._name, f"its process does not keep to form: {error}"))
            self.kill()

    def _heard(self, said: Mapping[str, object]) -> None:
        if "said" in said:
            log.warning("engine %s: %s", self._name, said["said"])
        elif not self._is_due:
            raise FrameError("it answers what nobody asked")
        else:
            what = said if self._count is None else self._replies(said, self._count)
            self._is_due = False
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(what)

    def _replies(self, said: Mapping[str, object], count: int) -> Sequence[Mapping[str, object]]:
        if said.get("n") != self._number:
            raise FrameError("it answers another question")
        replies = said.get("replies")
        if not isinstance(replies, list):
            raise FrameError("it gives no replies")
        replies = cast("list[object]", replies)
        if len(replies) != count or not all(isinstance(one, dict) for one in replies):
            raise FrameError("it does not give one reply to each question")
        size = said.get("bytes")
        self.size = size if isinstance(size, int) else self.size
        return cast("list[Mapping[str, object]]", replies)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(EngineUnavailableError(self._name, "its process ended"))
        self._lost.set_result("")

    def _end(self, error: EngineUnavailableError | EngineAnswerError) -> None:
        self._is_due = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
            self._waiting.exception()  # whoever waited may have given up
