"""How many connections one server holds, in all and of one client."""

import ipaddress
from collections import Counter
from dataclasses import dataclass

from gateway.web.limits import BODY_TIMEOUT_S

HEAD_TIMEOUT_S = 10.0
MIN_BODY_RATE = 500
BODY_LOOK_S = 2.0
MAX_CONNECTIONS = 512
MAX_CONNECTIONS_OF_CLIENT = 100


@dataclass(frozen=True)
class Bounds:
    """Seconds and numbers that a connection is held to."""

    head_timeout_s: float = HEAD_TIMEOUT_S
    # Whoever reads a body has a limit of its own, and a better answer.
    body_timeout_s: float = BODY_TIMEOUT_S + 1
    # Bytes a second, looked at each so many seconds: a burst does not pay for a rest.
    body_rate: int = MIN_BODY_RATE
    body_look_s: float = BODY_LOOK_S
    connections: int = MAX_CONNECTIONS
    of_client: int = MAX_CONNECTIONS_OF_CLIENT


class Connections:
    """Counts the open connections of one server."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._of_client: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count one more from an address; False, and not counted, where there are too many."""
        client = client_of(address)
        if self.is_full() or self._of_client[client] >= self._bounds.of_client:
            return False
        self._of_client[client] += 1
        return True

    def is_full(self) -> bool:
        """Whether there is no room for anybody."""
        return self._of_client.total() >= self._bounds.connections

    def leave(self, address: str) -> None:
        client = client_of(address)
        self._of_client[client] -= 1
        if not self._of_client[client]:
            del self._of_client[client]


def client_of(address: str) -> str:
    """Whom an address stands for: of IPv6 its first 64 bits, since one host has all that
    follow (RFC 4291, section 2.5.1)."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))
