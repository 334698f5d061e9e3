"""Bounds that every door keeps: how much, how long, and how many at once."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from starlette.requests import Request

from gateway.errors import OverloadedError
from gateway.service import MAX_BODY_BYTES
from gateway.web.waits import Deadlines, within

BODY_TIMEOUT_S = 10.0
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_BATCH = 100  # questions
MAX_PAGE = 1000  # entries
MAX_IN_FLIGHT = 64  # of one tenant
MAX_BYTES_IN_FLIGHT = 8 * 1024 * 1024  # of one tenant
# Of all tenants. Enough to fill a group commit of the ledger; few enough for a small
# question to come soon.
MAX_AT_ONCE = 16
MAX_BYTES_AT_ONCE = 128 * 1024
TURN_TIMEOUT_S = 1.0


def part(limit: int, workers: int) -> int:
    """What one of several workers holds of a limit: rounded up, so that it is never nothing."""
    return -(-limit // workers)


class BodyTooLargeError(Exception):
    """The body is larger than its door takes, or says that it will be."""


class TooBusyError(Exception):
    """The tenant has `MAX_IN_FLIGHT` questions open already, or too large ones."""


def expected_size(request: Request, most: int = MAX_BODY_BYTES) -> int:
    """The bytes that the body will have, or at most can have where it does not say.

    Raises:
        BodyTooLargeError: It says more than `most`, or nothing that is a number.
    """
    if "transfer-encoding" in request.headers:
        return most
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 16 or int(declared) > most:
        raise BodyTooLargeError
    return int(declared)


async def read_body(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """The whole body; not a byte more is read once it is known to be too large.

    Raises:
        BodyTooLargeError: Told by what came.
        TimeoutError: It did not come within `BODY_TIMEOUT_S`.
        ClientDisconnect: It never came.
    """

    async def read() -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise BodyTooLargeError
            chunks.append(chunk)
        return b"".join(chunks)

    return await within(BODY_TIMEOUT_S, read)


@dataclass(eq=False)
class _Taken:
    """What a tenant has open."""

    questions: int = 0
    size: int = 0


class Place:
    """Room that an open question takes."""

    def __init__(self, taken: _Taken, size: int) -> None:
        self._taken = taken
        self._size = size

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._taken.size += size - self._size
        self._size = size


class InFlight:
    """Counts the open questions of each tenant and their bytes, so that one cannot fill the
    memory of all."""

    def __init__(self, limit: int = MAX_IN_FLIGHT, limit_bytes: int = MAX_BYTES_IN_FLIGHT) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._open: dict[str, _Taken] = {}

    def enter(self, tenant: str, size: int) -> Place:
        """Take a place, which must be left again. Whoever learns the true size writes it there.

        Raises:
            TooBusyError: All places or bytes of the tenant are taken.
        """
        taken = self._open.get(tenant)
        if taken is None:
            taken = self._open[tenant] = _Taken()
        elif taken.questions >= self._limit or taken.size + size > self._limit_bytes:
            raise TooBusyError
        taken.questions += 1
        taken.size += size
        return Place(taken, size)

    def leave(self, tenant: str, place: Place) -> None:
        """Give a place back."""
        place.size = 0
        taken = self._open[tenant]
        taken.questions -= 1
        if not taken.questions:
            del self._open[tenant]

    @contextmanager
    def one(self, tenant: str, size: int) -> Generator[Place]:
        """Hold a place for the length of the block; raises as `enter`."""
        mine = self.enter(tenant, size)
        try:
            yield mine
        finally:
            self.leave(tenant, mine)


@dataclass(eq=False, slots=True)
class Turn:
    """The turn of a question, which has come once it is `called`."""

    size: int
    called: bool = False
    wait: "asyncio.Future[None] | None" = None


class Turns:
    """Lets a few questions be decided at a time, in turn by tenant.

    A tenant with many or large questions waits behind its own; another tenant's next
    question comes after those that are being decided now, and one of each other tenant.

    Args:
        limit: Questions at once.
        limit_bytes: Bytes at once; a question of more counts as that many.
        timeout_s: Seconds to wait for a turn.
    """

    def __init__(
        self,
        limit: int = MAX_AT_ONCE,
        limit_bytes: int = MAX_BYTES_AT_ONCE,
        timeout_s: float = TURN_TIMEOUT_S,
    ) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s
        self._deadlines = Deadlines(timeout_s)
        self._taken = 0
        self._taken_bytes = 0
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()

    @asynccontextmanager
    async def one(self, tenant: str, size: int) -> AsyncGenerator[None]:
        """Wait for a turn, and have it for the length of the block; raises as `come`."""
        mine = self.enter(tenant, size)
        try:
            await self.come(mine)
            yield
        finally:
            self.leave(tenant, mine)

    def enter(self, tenant: str, size: int) -> Turn:
        """Ask for a turn, which must be left again, whether or not it has come."""
        mine = Turn(min(size, self._limit_bytes))
        if not self._waiting and self._has_room_for(mine):
            self._call(mine)
        else:
            self._waiting.setdefault(tenant, deque()).append(mine)
            self._call_next()
        return mine

    async def come(self, mine: Turn) -> None:
        """Wait until a turn comes.

        Raises:
            OverloadedError: It did not come in time.
        """
        if mine.called:
            return
        mine.wait = asyncio.get_running_loop().create_future()
        self._deadlines.add(mine.wait)
        try:
            await mine.wait
        except TimeoutError as error:
            words = f"a question waited {self._timeout_s:g} s for its turn"
            raise OverloadedError(words) from error

    def leave(self, tenant: str, mine: Turn) -> None:
        """Give a turn back, or wait for it no longer."""
        if mine.called:
            self._taken -= 1
            self._taken_bytes -= mine.size
        else:
            self._waiting[tenant].remove(mine)
            self._forget_if_idle(tenant)
        if self._waiting:
            self._call_next()

    def _has_room_for(self, turn: Turn) -> bool:
        is_full = self._taken >= self._limit
        return not is_full and self._taken_bytes + turn.size <= self._limit_bytes

    def _call(self, turn: Turn) -> None:
        self._taken += 1
        self._taken_bytes += turn.size
        turn.called = True
        if turn.wait is not None and not turn.wait.done():
            turn.wait.set_result(None)

    def _call_next(self) -> None:
        """Call whoever is first as long as there is room. The first is never passed over for
        a smaller one, so that large questions come to their turn as well."""
        while self._waiting:
            tenant, queue = next(iter(self._waiting.items()))
            first = queue[0]
            if not self._has_room_for(first):
                return
            queue.popleft()
            self._call(first)
            self._waiting.move_to_end(tenant)
            self._forget_if_idle(tenant)

    def _forget_if_idle(self, tenant: str) -> None:
        if not self._waiting[tenant]:
            del self._waiting[tenant]
