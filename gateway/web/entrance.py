"""How a body comes in, at every door that takes one: as JSON, within the bounds, in turn."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.callers import Caller
from gateway.service import MAX_BODY_BYTES
from gateway.web.limits import (
    MAX_BYTES_IN_FLIGHT,
    MAX_IN_FLIGHT,
    REFUSAL_PAUSE_S,
    BodyTooLargeError,
    InFlight,
    Place,
    TooBusyError,
    expected_size,
    part,
    read_body,
)
from gateway.web.problem import NOT_JSON, TOO_BUSY, TOO_LARGE, TOO_SLOW, Problem
from gateway.web.turns import Paced, Turns

# A decision may rest on what the caller keeps secret: no cache may hold it.
PRIVATE = {"Cache-Control": "no-store"}
# What is refused before its body was read leaves bytes behind that are no next request.
CLOSE = {"Connection": "close"}
# A recorded decision can be large, and to read it again takes the interpreter for as long as
# to decide.
READ_AT_ONCE = 2


class RefusedError(Exception):
    """The body cannot come in. `problem` says why; None where nobody is there to read it.
    It `closes` the connection unless the body was read to its end."""

    def __init__(self, problem: Problem | None, *, closes: bool = True) -> None:
        super().__init__()
        self.problem = problem
        self.closes = closes

    def response(self) -> Response:
        if self.problem is None:
            return Response(status_code=400)
        return self.problem.response(CLOSE if self.closes else None)


class Entrance:
    """The bounds that all doors of one gateway share."""

    def __init__(self, in_flight_of_tenant: int = MAX_IN_FLIGHT, workers: int = 1) -> None:
        """Of several workers, each has its part of what a tenant may have open."""
        of_one = MAX_BYTES_IN_FLIGHT // workers
        self._in_flight = InFlight(part(in_flight_of_tenant, workers), of_one)
        self.turns = Turns()
        self._readings = Turns(READ_AT_ONCE, at_most=READ_AT_ONCE)
        self._explanations = Turns(1, at_most=1)
        self._refusals = Paced(REFUSAL_PAUSE_S)

    def enter(self, caller: Caller, size: int) -> Place:
        """Take room for a question of that size, to be given back with `leave`; raises
        `TooBusyError` where there is none."""
        return self._in_flight.enter(caller.tenant, size)

    def leave(self, caller: Caller, place: Place) -> None:
        self._in_flight.leave(caller.tenant, place)

    async def too_busy(self, *, closes: bool = True) -> RefusedError:
        """What to raise where there was no room, after those that are refused before."""
        await self._refusals.come()
        return RefusedError(TOO_BUSY, closes=closes)

    @asynccontextmanager
    async def body(
        self, request: Request, caller: Caller, most: int = MAX_BODY_BYTES
    ) -> AsyncGenerator[bytes]:
        """The body, which takes its room for the length of the block.

        Raises:
            RefusedError: It is of another type, too large, too slow, or one too many.
        """
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" or "content-encoding" in request.headers:
            raise RefusedError(NOT_JSON)
        try:
            with self._in_flight.one(caller.tenant, expected_size(request, most)) as place:
                data = await _read(request, most)
                place.size = len(data)
                yield data
        except TooBusyError:
            raise await self.too_busy() from None
        except BodyTooLargeError:
            raise RefusedError(TOO_LARGE) from None

    def turn(self, caller: Caller, size: int) -> AbstractAsyncContextManager[None]:
        """Wait until something of that many bytes may be decided, and have the turn for the
        length of the block; raises `OverloadedError` where it does not come."""
        return self.turns.one(caller.tenant, size)

    def reading(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """Room to read something recorded again, and the turn for it, for the length of the
        block; apart from those to decide, so that nobody who decides waits for a disk.

        Raises:
            RefusedError: The tenant has too much open.
            OverloadedError: The turn does not come.
        """
        return self._in_turn(self._readings, caller)

    def explaining(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """The same to search for an explanation, which takes far longer."""
        return self._in_turn(self._explanations, caller)

    @asynccontextmanager
    async def _in_turn(self, turns: Turns, caller: Caller) -> AsyncGenerator[None]:
        try:
            place = self.enter(caller, 0)
        except TooBusyError:
            raise await self.too_busy(closes=False) from None
        try:
            async with turns.one(caller.tenant, 0):
                yield
        finally:
            self.leave(caller, place)


async def _read(request: Request, most: int) -> bytes:
    try:
        return await read_body(request, most)
    except TimeoutError:
        raise RefusedError(TOO_SLOW) from None
    except ClientDisconnect:
        raise RefusedError(None) from None
