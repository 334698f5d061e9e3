"""One source: asked once at a time for one thing, for so long, and believed for so long.

Whatever goes wrong leaves facts unknown and is told as a status; nothing is raised.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.errors import FactSourceError, FetchTimeoutError
from gateway.pdp.memo import Bounded
from gateway.pdp.supplied import Statement, Status
from gateway.sources.allowed import Allowed
from gateway.sources.answer import Answer, read_answer
from gateway.sources.breaker import Breaker
from gateway.sources.interface import Backend, Key

SKEW = timedelta(seconds=2)  # by which clocks of other machines may be ahead
THREADS = 8
AGAIN_S = 1.0  # after which a source is asked again whose answer is too old
OPEN = 64  # questions to one source that have not ended

log = logging.getLogger("charter")


@dataclass(frozen=True)
class Terms:
    """How a source is asked, and how far it is believed.

    Attributes:
        max_age: After which what was observed is not known any more.
        keep_s: How long an answer is used before the source is asked again.
        remember: How many answers are kept.
    """

    name: str
    timeout_s: float
    max_age: timedelta
    keep_s: float
    remember: int = 10_000


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a question: an answer where the status is `STATED`."""

    status: Status
    answer: Answer | None = None
    at: float = 0.0


class Source:
    """Asks one backend.

    Args:
        seconds: A clock that never steps back.
    """

    def __init__(
        self,
        terms: Terms,
        allowed: Allowed,
        backend: Backend,
        *,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.terms = terms
        self.allowed = allowed
        self.names = allowed.names()
        self._backend = backend
        self._seconds = seconds
        self._kept: Bounded[Key, _Outcome] = Bounded(terms.remember)
        self._asking: dict[Key, asyncio.Task[_Outcome]] = {}
        self._breaker = Breaker(seconds)
        self._open = 0
        self._last = Status.STATED
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=f"source-{terms.name}")

    async def ask(self, key: Key, now: datetime) -> Statement:
        """What it says of one thing, as far as that can be believed at an instant."""
        kept = self._kept.get(key)
        if kept is not None:
            statement = self._statement(key, kept, now)
            keep_s = self.terms.keep_s
            if statement.status.is_fault:  # it may know better by now
                keep_s = min(keep_s, AGAIN_S)
            if self._seconds() - kept.at < keep_s:
                return statement
        task = self._asking.get(key)
        if task is None:
            if max(self._open, len(self._asking)) >= OPEN:
                return self._statement(key, _Outcome(Status.BUSY), now)
            if not self._breaker.admit():
                return self._statement(key, _Outcome(Status.SUSPENDED), now)
            task = asyncio.create_task(self._ask(key))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            # Whoever asks may go away; others wait for the same answer.
            outcome = await asyncio.wait_for(asyncio.shield(task), self.terms.timeout_s)
        except TimeoutError:
            outcome = _Outcome(Status.LATE)
        return self._statement(key, outcome, now)

    async def _ask(self, key: Key) -> _Outcome:
        loop = asyncio.get_running_loop()
        # Counted until the thread has ended: resolving a name can outlast every limit.
        self._open += 1
        reading = loop.run_in_executor(self._pool, self._read, key)
        reading.add_done_callback(self._ended)
        try:
            found = await asyncio.wait_for(asyncio.shield(reading), self.terms.timeout_s)
        except (TimeoutError, FetchTimeoutError):
            return self._failed(Status.LATE, "it did not answer in time")
        except FactSourceError as error:
            return self._failed(Status(error.status), str(error))
        except Exception as error:  # a gateway that decides must not end of a source
            log.exception("fact source %s", self.terms.name)
            return self._failed(Status.MALFORMED, type(error).__name__)
        self._breaker.succeeded()
        self._tell(Status.STATED, "it answers")
        for name in () if found is None else found.unfit:
            log.error("fact source %s: `%s` does not fit its type", self.terms.name, name)
        status = Status.ABSENT if found is None else Status.STATED
        outcome = _Outcome(status, found, self._seconds())
        self._kept.put(key, outcome)
        return outcome

    def _read(self, key: Key) -> Answer | None:
        raw = self._backend.read(key)
        return None if raw is None else read_answer(raw, key, self.allowed.fields)

    def _ended(self, reading: "asyncio.Future[Answer | None]") -> None:
        self._open -= 1
        if not reading.cancelled():
            reading.exception()  # nobody may be waiting for it any more

    def _failed(self, status: Status, words: str) -> _Outcome:
        self._breaker.failed()
        self._tell(status, words)
        return _Outcome(status)

    def _tell(self, status: Status, words: str) -> None:
        """Once, when it changes: a source that is away is not told of with each question."""
        if status is not self._last:
            self._last = status
            level = logging.INFO if status is Status.STATED else logging.ERROR
            log.log(level, "fact source %s: %s", self.terms.name, words)

    def _statement(self, key: Key, outcome: _Outcome, now: datetime) -> Statement:
        terms, allowed, answer = self.terms, self.allowed, outcome.answer
        if answer is None:
            return Statement(terms.name, allowed.origin, allowed.about, key.id, outcome.status)
        until = answer.observed_at + terms.max_age
        status = outcome.status
        if answer.observed_at > now + SKEW:
            status = Status.AHEAD
        elif until <= now:
            status = Status.STALE
        is_believed = status is Status.STATED
        return Statement(
            terms.name,
            allowed.origin,
            allowed.about,
            key.id,
            status,
            answer.observed_at,
            until if is_believed else None,
            answer.digest,
            answer.said if is_believed else {},
            answer.facts if is_believed else {},
            answer.lists if is_believed else {},
        )

    async def close(self) -> None:
        """Ask nothing any more."""
        for task in list(self._asking.values()):
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
