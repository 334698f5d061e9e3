"""Bounds that every door keeps: how much, how long, and how many at once."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import Request

from gateway.record.canonical import MAX_VALUES
from gateway.service import MAX_BODY_BYTES
from gateway.web.waits import within

BODY_TIMEOUT_S = 10.0
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_BATCH = 100  # questions
MAX_BATCH_VALUES = 4 * MAX_VALUES
MAX_PAGE = 1000  # entries
MAX_IN_FLIGHT = 64  # of one tenant
MAX_BYTES_IN_FLIGHT = 8 * 1024 * 1024  # of one tenant
# Of one tenant, or of several that share. Enough to fill a group commit of the ledger; few
# enough for a small question to come soon.
MAX_AT_ONCE = 16
MAX_BYTES_AT_ONCE = 128 * 1024
TURN_TIMEOUT_S = 1.0
# Between two that are refused because their tenant has too much open.
REFUSAL_PAUSE_S = 0.001


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
