"""Around the whole application: every request gets an id, is counted, and is told where it
was refused. A plain ASGI callable, since it stands in the way of every answer."""

import logging
import random
import re
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.watch import decisions, request_id
from gateway.web.metrics import Metrics
from gateway.web.problem import IN_SCOPE

HEADER = b"x-request-id"
TRACEPARENT = b"traceparent"
_FIT = re.compile(rb"[!-~]{1,128}")
UNROUTED = "(none)"
# Of ids, which are no secrets: `/readyz` and refusals are told also where the system has no
# randomness to give.
_IDS = random.Random()  # noqa: S311

log = logging.getLogger("charter")


def new_id() -> bytes:
    """An id for a request that brings none."""
    return b"%032x" % _IDS.getrandbits(128)


@dataclass
class Told:
    """What is known of a request when it is over; `status` 0 where nobody was answered.
    `decisions` are ids and outcomes."""

    method: str
    route: str = UNROUTED
    status: int = 0
    decisions: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


class Tracing(Protocol):
    """Keeps a span for each request."""

    def span(self, told: Told, traceparent: str) -> AbstractContextManager[object]:
        """A block that is the request; `told` is complete at its end."""
        ...

    def close(self) -> None:
        """Send what is left. It may take seconds."""
        ...


class Watched:
    """The application, watched."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _headers(scope)
        own_id = given.get(HEADER, b"")
        if not _FIT.fullmatch(own_id):
            own_id = new_id()
        told = Told(scope["method"])

        async def send_watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                told.status = message["status"]
                message["headers"] = [*message.get("headers", ()), (HEADER, own_id)]
            await send(message)

        token = request_id.set(own_id.decode("ascii"))
        started = perf_counter()
        self._metrics.in_flight += 1
        try:
            with self._span(told, given):
                try:
                    await self._app(scope, receive, send_watched)
                finally:
                    told.route = getattr(scope.get("route"), "path", UNROUTED)
        finally:
            self._metrics.in_flight -= 1
            tell(self._metrics, told, scope, perf_counter() - started)
            request_id.reset(token)

    def _span(self, told: Told, given: Mapping[bytes, bytes]) -> AbstractContextManager[object]:
        if self._tracing is None:
            return nullcontext()
        decisions.set(told.decisions)
        parent = given.get(TRACEPARENT, b"").decode("latin-1")
        return self._tracing.span(told, parent)


def tell(metrics: Metrics, told: Told, scope: MutableMapping[str, object], seconds: float) -> None:
    """Count a request that is over; where it was refused, its scope says why."""
    metrics.answered(told.method, told.route, told.status)
    if told.status < 400:
        return
    reason = str(scope.get(IN_SCOPE, f"http-{told.status}"))
    metrics.refused(reason)
    line = {
        "route": told.route,
        "status": told.status,
        "reason": reason,
        "milliseconds": round(seconds * 1000, 3),
    }
    log.info("refused", extra={"charter": line})


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Of the headers that matter here, those that stand once."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in (HEADER, TRACEPARENT):
            found[name] = b"" if name in found else value
    return found
