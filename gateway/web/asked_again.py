"""Plain questions whose head came before on their connection: what the short way does for them,
without a request of the framework or of the server."""

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from starlette.types import Message, Scope

from gateway.watch import request_id
from gateway.web.access import knock
from gateway.web.known_heads import Answered, KnownHead
from gateway.web.metrics import Metrics
from gateway.web.straight import FIXED, METHOD, PATH, Questions, plain
from gateway.web.watched import HEADER, TRACEPARENT, Told, new_id, tell

_ALWAYS = b"".join(b"%b: %b\r\n" % header for header in FIXED)


class AskedAgain:
    """Says of requests whether they are answered here when they come again.

    Args:
        metrics: Where they are counted, as all requests are.
    """

    def __init__(self, questions: Questions, metrics: Metrics) -> None:
        self._questions = questions
        self._metrics = metrics

    def __call__(self, scope: Scope) -> KnownHead | None:
        """What is to be done with the next request of the same head; None where it is not
        plain, or where its head has what is new in each request."""
        headers = plain(scope)
        if headers is None:
            return None
        if any(name in (HEADER, TRACEPARENT) for name, _ in scope["headers"]):
            return None
        return _Known(self._questions, self._metrics, scope, headers)


class _Known:
    """One head."""

    def __init__(
        self,
        questions: Questions,
        metrics: Metrics,
        scope: Scope,
        headers: Mapping[bytes, bytes],
    ) -> None:
        self.length = int(headers[b"content-length"])
        self._questions = questions
        self._metrics = metrics
        # A connection knows many heads, and each of them has a hundred headers at most.
        self._scope: dict[str, Any] = {**scope, "headers": ()}
        self._knock = knock(scope, headers)

    async def answer(self, body: bytes) -> Answered | None:
        questions, metrics = self._questions, self._metrics
        try:
            caller = await questions.caller(self._knock)
            place = questions.entrance.enter(caller, len(body))
        except BaseException as error:
            if _is_the_end(error):
                raise
            return None  # found and told once more on the way of all requests
        own_id = new_id()
        request_id.set(own_id.decode("ascii"))  # of the task, which ends with the answer
        metrics.in_flight += 1
        started = perf_counter()
        try:
            answer = await questions.answer(body, caller)
        except BaseException as error:
            if _is_the_end(error):
                raise
            return await self._told(error, own_id, started)
        finally:
            metrics.in_flight -= 1
            questions.entrance.leave(caller, place)
        metrics.answered(METHOD, PATH, 200)
        lines = b"content-length: %d\r\n%b%b: %b\r\n" % (len(answer), _ALWAYS, HEADER, own_id)
        return Answered(200, lines, answer)

    async def _told(self, error: BaseException, own_id: bytes, started: float) -> Answered:
        """What the framework would send of an error."""
        if not isinstance(error, Exception):
            error = _UnforeseenEndError(error)
        scope, said = dict(self._scope), Told(METHOD, PATH)
        lines: list[bytes] = []
        body = b""

        async def take(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                said.status = message["status"]
                lines.extend(b"%b: %b\r\n" % header for header in message["headers"])
            else:
                body += message.get("body", b"")

        await self._questions.told(error, scope)(scope, _nothing, take)
        tell(self._metrics, said, scope, perf_counter() - started)
        lines.append(b"%b: %b\r\n" % (HEADER, own_id))
        return Answered(said.status, b"".join(lines), body)


class _UnforeseenEndError(Exception):
    """Something that was waited for was cancelled."""


def _is_the_end(error: BaseException) -> bool:
    """Whether it ends this task, and not only something that it waited for."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return not isinstance(error, Exception)


async def _nothing() -> Message:
    """No answer reads what it answers."""
    return {"type": "http.disconnect"}
