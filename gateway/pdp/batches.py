"""Questions for a process that answers several at a time, shared between tenants by the time that
each has used.

Between two of its answers a process has nothing to do until the event loop comes to it again, so
what waits is put to it together. A turn has the questions of one tenant alone: what delays the
others of a turn is the tenant's own. It has as many as took `TURN_S` before, so that whoever
comes waits for no longer than that.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import cast

from dsl.evaluate import Answer
from gateway.errors import EngineAnswerError, EngineError, EngineLateError, OverloadedError
from gateway.pdp.fair import Shares, asking

MOST = 16
MOST_BYTES = 256 * 1024
TURN_S = 0.01
# Of what the last turn says of the time of a question, beside what was known.
_NEWEST = 0.3
# How often it is looked for questions that have waited too long.
_LOOKS = 8

Reply = Mapping[str, object]
Said = Answer | EngineError | OverloadedError
Replies = asyncio.Future[Sequence[Reply]]


@dataclass(slots=True, eq=False)
class _Asked:
    """A question that waits: until when for its turn, and how long it may take from then."""

    text: bytes
    until: float
    limit_s: float
    ended: int  # turns that had, when it came
    answer: asyncio.Future[Said]


class Batches:
    """Belongs to one event loop.

    Args:
        engine: Its name, for messages.
        put: Puts questions to the process, which is free, and gives what will be its replies;
            raises an `EngineError` where there is none.
        read: What a reply says.
        queue_timeout_s: Seconds to wait for a turn.
    """

    def __init__(
        self,
        engine: str,
        put: Callable[[Sequence[bytes]], Replies],
        read: Callable[[Reply], Said],
        queue_timeout_s: float,
    ) -> None:
        self._engine = engine
        self._put = put
        self._read = read
        self._queue_timeout_s = queue_timeout_s
        self._shares = Shares()
        self._lines: dict[str, deque[_Asked]] = {}
        self._is_busy = False
        self._is_due = False  # a turn, at the end of this one of the loop
        self._looking: asyncio.TimerHandle | None = None
        self._ended = 0
        self._each_s = TURN_S  # of one question, as far as is known

    def soon(self, text: bytes, limit_s: float) -> asyncio.Future[Said]:
        """The answer to a question of the tenant of `asking`, or why there is none, within so
        many seconds of its turn. Who does not want it any more cancels it.

        `OverloadedError` where its turn did not come in time, though others ended, and
        `EngineLateError` where none did.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._queue_timeout_s
        one = _Asked(text, until, limit_s, self._ended, loop.create_future())
        tenant = asking.get()
        if tenant not in self._lines:
            self._shares.come(tenant)
            self._lines[tenant] = deque()
        self._lines[tenant].append(one)
        if not self._is_busy and not self._is_due:
            # What this turn of the loop asks besides goes with it.
            self._is_due = True
            loop.call_soon(self._begin)
        if self._looking is None:
            self._looking = loop.call_later(self._queue_timeout_s / _LOOKS, self._look)
        return one.answer

    # --- turns ----------------------------------------------------------------------------

    def _begin(self) -> None:
        """Put what is next."""
        self._is_due = False
        while not self._is_busy and self._lines:
            tenant = self._shares.next(self._lines)
            batch = self._take(tenant)
            if batch:
                self._turn(tenant, batch)
        if not self._lines and not self._is_busy:
            self._shares.rest()

    def _take(self, tenant: str) -> list[_Asked]:
        """The next of a tenant that somebody still waits for."""
        line, batch, size = self._lines[tenant], list[_Asked](), 0
        most = max(1, min(MOST, int(TURN_S / self._each_s)))
        while line and len(batch) < most and (not batch or size < MOST_BYTES):
            one = line.popleft()
            if not one.answer.done():
                batch.append(one)
                size += len(one.text)
        if not line:
            del self._lines[tenant]
        return batch

    def _turn(self, tenant: str, batch: Sequence[_Asked]) -> None:
        try:
            replies = self._put([one.text for one in batch])
        except EngineError as error:
            _say(batch, error)
            return
        except Exception as error:
            _say(batch, self._failed(error))
            return
        self._is_busy = True
        limit_s = min(one.limit_s for one in batch)
        loop = asyncio.get_running_loop()
        late = loop.call_later(limit_s, self._too_late, batch, limit_s)
        replies.add_done_callback(partial(self._end, tenant, batch, late, perf_counter()))

    def _too_late(self, batch: Sequence[_Asked], limit_s: float) -> None:
        """Nobody waits any longer. The turn lasts until the process is free all the same."""
        words = f"no answer within {limit_s:g} s"
        _say(batch, EngineLateError(self._engine, words))

    def _end(
        self,
        tenant: str,
        batch: Sequence[_Asked],
        late: asyncio.TimerHandle,
        since: float,
        replies: Replies,
    ) -> None:
        late.cancel()
        took_s = perf_counter() - since
        self._shares.used(tenant, took_s)
        self._each_s += _NEWEST * (max(took_s / len(batch), 1e-6) - self._each_s)
        self._ended += 1
        self._is_busy = False
        if (error := replies.exception()) is not None:
            _say(batch, cast("EngineError", error))
        else:
            for one, reply in zip(batch, replies.result(), strict=True):
                if not one.answer.done():
                    one.answer.set_result(self._read_one(reply))
        self._begin()

    def _read_one(self, reply: Reply) -> Said:
        try:
            return self._read(reply)
        except Exception as error:
            return self._failed(error)

    def _failed(self, error: Exception) -> EngineError:
        return EngineAnswerError(self._engine, f"it failed with {type(error).__name__}")

    # --- waiting too long -----------------------------------------------------------------

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now, self._looking = loop.time(), None
        # Where a turn is due it begins now, but uvloop looks at its timers first: a loop that was
        # held up for so long would refuse what nobody else keeps waiting.
        lines = () if self._is_due else tuple(self._lines.items())
        for tenant, line in lines:
            while line and (line[0].until <= now or line[0].answer.done()):
                one = line.popleft()
                _say([one], self._no_turn(one))
            if not line:
                del self._lines[tenant]
        if self._lines:
            self._looking = loop.call_later(self._queue_timeout_s / _LOOKS, self._look)

    def _no_turn(self, one: _Asked) -> EngineError | OverloadedError:
        words = f"no turn within {self._queue_timeout_s:g} s"
        if self._ended == one.ended:
            return EngineLateError(self._engine, words)
        return OverloadedError(f"{self._engine}: {words}")


def _say(batch: Sequence[_Asked], said: Said) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_result(said)
