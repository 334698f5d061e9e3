"""Bounds that every door keeps: how much, how long, and how many at once."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from gateway.errors import OverloadedError
from gateway.service import MAX_BODY_BYTES

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
    chunks: list[bytes] = []
    size = 0
    async with asyncio.timeout(BODY_TIMEOUT_S):
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise BodyTooLargeError
            chunks.append(chunk)
    return b"".join(chunks)


@dataclass
class Place:
    """Room that an open question takes."""

    size: int


class InFlight:
    """Counts the open questions of each tenant and their bytes, so that one cannot fill the
    memory of all."""

    def __init__(self, limit: int = MAX_IN_FLIGHT, limit_bytes: int = MAX_BYTES_IN_FLIGHT) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._open: dict[str, list[Place]] = {}

    @contextmanager
    def one(self, tenant: str, size: int) -> Generator[Place]:
        """Hold a place for the length of the block. Whoever learns the true size inside
        writes it there.

        Raises:
            TooBusyError: All places or bytes of the tenant are taken.
        """
        places = self._open.setdefault(tenant, [])
        taken = sum(place.size for place in places)
        if len(places) >= self._limit or (places and taken + size > self._limit_bytes):
            raise TooBusyError
        mine = Place(size)
        places.append(mine)
        try:
            yield mine
        finally:
            # By identity: places of one size are equal.
            places[:] = [place for place in places if place is not mine]
            if not places:
                self._open.pop(tenant, None)


@dataclass(eq=False)
class _Waiting:
    """A question that waits for its turn."""

    size: int
    called: asyncio.Event = field(default_factory=asyncio.Event)


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
        self._taken = 0
        self._taken_bytes = 0
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    @asynccontextmanager
    async def one(self, tenant: str, size: int) -> AsyncGenerator[None]:
        """Wait for a turn, and have it for the length of the block.

        Raises:
            OverloadedError: It did not come in time.
        """
        mine = _Waiting(min(size, self._limit_bytes))
        self._waiting.setdefault(tenant, deque()).append(mine)
        self._call_next()
        try:
            await self._called(mine)
            yield
        finally:
            self._leave(tenant, mine)
            self._call_next()

    async def _called(self, mine: _Waiting) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await mine.called.wait()
        except TimeoutError as error:
            if not mine.called.is_set():
                words = f"a question waited {self._timeout_s:g} s for its turn"
                raise OverloadedError(words) from error

    def _leave(self, tenant: str, mine: _Waiting) -> None:
        if mine.called.is_set():
            self._taken -= 1
            self._taken_bytes -= mine.size
        else:
            self._waiting[tenant].remove(mine)
            self._forget_if_idle(tenant)

    def _call_next(self) -> None:
        """Call whoever is first as long as there is room. The first is never passed over for
        a smaller one, so that large questions come to their turn as well."""
        while self._waiting:
            tenant, queue = next(iter(self._waiting.items()))
            first = queue[0]
            full = self._taken >= self._limit
            if full or self._taken_bytes + first.size > self._limit_bytes:
                return
            queue.popleft()
            self._taken += 1
            self._taken_bytes += first.size
            first.called.set()
            self._waiting.move_to_end(tenant)
            self._forget_if_idle(tenant)

    def _forget_if_idle(self, tenant: str) -> None:
        if not self._waiting[tenant]:
            del self._waiting[tenant]
