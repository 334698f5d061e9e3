"""`POST /v1/decisions` on the short way: a plain ASGI callable in front of the application.

It takes the plain request alone: one JSON body of stated length, one header of each kind that
matters, no key to repeat it under. Every other one, and every one that is refused before its
body is read, goes the way of all requests, which gives the same answers to the same requests
(`tests/gateway/web/test_straight.py`). Routing, the objects of a framework and contexts inside
each other cost more than a decision.
"""

from collections.abc import Callable
from time import perf_counter

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.callers import Caller
from gateway.errors import GatewayError
from gateway.service import MAX_BODY_BYTES, Service
from gateway.web.access import Gate, knock
from gateway.web.entrance import Entrance, RefusedError
from gateway.web.limits import BODY_TIMEOUT_S, TooBusyError
from gateway.web.problem import TOO_LARGE, TOO_SLOW
from gateway.web.waits import within

METHOD, PATH = "POST", "/v1/decisions"
Failed = Callable[[Request, Exception], Response]

# Headers that a plain request has none of.
_OTHERS = frozenset(
    (b"transfer-encoding", b"content-encoding", b"idempotency-key", b"expect", b"upgrade")
)
# Headers of which it has one at most.
_KNOWN = frozenset((b"authorization", b"content-type", b"content-length", b"charter-tenant"))
_DIGITS = 16
# Headers of every answer.
FIXED = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


class Questions:
    """How a question is answered once it is here, or refused, without a framework.

    Args:
        route: Of the place, by which its requests are counted.
        refused: The answer to an error of ours.
        failed: The answer to any other.
    """

    def __init__(
        self,
        route: Route,
        service: Service,
        gate: Gate,
        entrance: Entrance,
        *,
        refused: Failed,
        failed: Failed,
    ) -> None:
        self.route = route
        self.entrance = entrance
        self.caller = gate.caller_for(METHOD, PATH)
        self._service = service
        self._refused = refused
        self._failed = failed

    async def answer(self, body: bytes, caller: Caller) -> bytes:
        """The decision, in its turn."""
        arrived = perf_counter()
        turns = self.entrance.turns
        turn = turns.enter(caller.tenant, len(body))
        try:
            await turns.come(turn)
            return await self._service.answer(body, caller, arrived)
        finally:
            turns.leave(caller.tenant, turn)

    def told(self, error: Exception, scope: Scope) -> Response:
        """What is said of an error that an answer ended with."""
        if isinstance(error, RefusedError):
            return error.response()
        if isinstance(error, GatewayError):
            return self._refused(Request(scope), error)
        return self._failed(Request(scope), error)


class Straight:
    """Answers plain questions, and leaves the rest to the application."""

    def __init__(self, app: ASGIApp, questions: Questions) -> None:
        self._app = app
        self._questions = questions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = plain(scope)
        if headers is None:
            await self._app(scope, receive, send)
            return
        questions = self._questions
        entrance = questions.entrance
        try:
            caller = await questions.caller(knock(scope, headers))
            place = entrance.enter(caller, int(headers[b"content-length"]))
        except GatewayError:  # found and told once more on the way of all requests
            await self._app(scope, receive, send)
            return
        except TooBusyError:
            scope["route"] = questions.route
            refused = await entrance.too_busy()
            await refused.response()(scope, receive, send)
            return
        scope["route"] = questions.route
        try:
            await self._say(await self._answer(receive, caller), send)
        except Exception as error:
            await questions.told(error, scope)(scope, receive, send)
            if not isinstance(error, (RefusedError, GatewayError)):
                raise
        finally:
            entrance.leave(caller, place)

    async def _answer(self, receive: Receive, caller: Caller) -> bytes:
        try:
            body = await within(BODY_TIMEOUT_S, lambda: _read(receive))
        except TimeoutError:
            raise RefusedError(TOO_SLOW) from None
        return await self._questions.answer(body, caller)

    @staticmethod
    async def _say(answer: bytes, send: Send) -> None:
        headers = [(b"content-length", str(len(answer)).encode()), *FIXED]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def plain(scope: Scope) -> dict[bytes, bytes] | None:
    """The headers that matter of a plain request, by name; None of any other request."""
    if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != METHOD:
        return None
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _KNOWN:
            if name in found:
                return None
            found[name] = value
        elif name in _OTHERS:
            return None
    if found.get(b"content-type") != b"application/json" or b"authorization" not in found:
        return None
    length = found.get(b"content-length", b"")
    # As in `gateway.web.limits.expected_size`; a body without a length is not plain.
    is_fit = length.isdigit() and len(length) <= _DIGITS and int(length) <= MAX_BODY_BYTES
    return found if is_fit else None


async def _read(receive: Receive) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        return message.get("body", b"")  # nearly always: it came with its head
    chunks: list[bytes] = []
    while message["type"] == "http.request":
        chunks.append(message.get("body", b""))
        if sum(map(len, chunks)) > MAX_BODY_BYTES:
            raise RefusedError(TOO_LARGE)
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()
    raise RefusedError(None)
