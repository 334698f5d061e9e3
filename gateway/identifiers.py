"""Decision ids: UUID version 7 (RFC 9562, section 5.7), so that they sort by time and an
index over them stays small; and the name of the gateway among tenants."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

# Under which the gateway records what it did itself. No caller speaks for it.
OWN_TENANT = "self check"


def uuid7(now: datetime, random: Callable[[int], bytes]) -> str:
    """A new id; `random` gives that many random bytes."""
    chance = random(10).hex()
    variant = "89ab"[int(chance[4], 16) & 3]
    return f"{_time_of(now)}-7{chance[1:4]}-{variant}{chance[5:8]}-{chance[8:]}"


@lru_cache(maxsize=8)
def _time_of(now: datetime) -> str:
    """Its first 48 bits: milliseconds since 1970."""
    digits = f"{int(now.timestamp() * 1000) & (2**48 - 1):012x}"
    return f"{digits[:8]}-{digits[8:]}"
