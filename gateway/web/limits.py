"""Bounds that every door keeps: how much, how long, and how many at once."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from starlette.requests import Request

from gateway.service import MAX_BODY_BYTES

BODY_TIMEOUT_S = 10.0
MAX_IN_FLIGHT = 64  # of one tenant


class BodyTooLargeError(Exception):
    """The body is larger than `MAX_BODY_BYTES`, or says that it will be."""


class TooBusyError(Exception):
    """The tenant has `MAX_IN_FLIGHT` questions open already."""


async def read_body(request: Request) -> bytes:
    """The whole body; not a byte more is read once it is known to be too large.

    Raises:
        BodyTooLargeError: Told by its declared length or by what came.
        TimeoutError: It did not come within `BODY_TIMEOUT_S`.
        ClientDisconnect: It never came.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 16 or int(declared) > MAX_BODY_BYTES:
        raise BodyTooLargeError
    chunks: list[bytes] = []
    size = 0
    async with asyncio.timeout(BODY_TIMEOUT_S):
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise BodyTooLargeError
            chunks.append(chunk)
    return b"".join(chunks)


class InFlight:
    """Counts the open questions of each tenant, so that one cannot crowd out another."""

    def __init__(self, limit: int = MAX_IN_FLIGHT) -> None:
        self._limit = limit
        self._open: Counter[str] = Counter()

    @contextmanager
    def one(self, tenant: str) -> Generator[None]:
        """Hold a place for the length of the block.

        Raises:
            TooBusyError: All places of the tenant are taken.
        """
        if self._open[tenant] >= self._limit:
            raise TooBusyError
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]
