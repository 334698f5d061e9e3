"""Decision ids: UUID version 7 (RFC 9562, section 5.7), so that they sort by time and an
index over them stays small; and the name of the gateway among tenants."""

from collections.abc import Callable
from datetime import datetime

# Under which the gateway records what it did itself. No caller speaks for it.
OWN_TENANT = "self check"


def uuid7(now: datetime, random: Callable[[int], bytes]) -> str:
    """A new id; `random` gives that many random bytes."""
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    value = (milliseconds << 80) | int.from_bytes(random(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
