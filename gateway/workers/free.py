"""Waits for a gateway on the same state folder that is about to end.

Where a supervisor was killed, its workers answer what is in flight and the writer ends after
them, by themselves; until then they hold the lock of the ledger, and for a moment the port.
Whoever starts meanwhile waits for them, and is refused after `HEARD_S` where a gateway goes on, or
is about to serve at the same address.
"""

import errno
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gateway.errors import ConfigurationError
from gateway.workers.socket_file import is_deserted

# Longer than workers may take to answer what is in flight, and the writer after them.
WITHIN_S = 20.0
# Until the others have heard that their supervisor is gone, and at the end until the log is closed.
HEARD_S = 0.5
_AGAIN_S = 0.02

Held = TypeVar("Held")


class TakenError(ConfigurationError):
    """Another process holds it, and may be about to end."""


def once_free(
    state: Path,
    take: Callable[[], Held],
    *,
    within_s: float = WITHIN_S,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Held:
    """What `take` gives, as soon as nobody of a gateway that ends on this folder holds it.

    Raises:
        TakenError: As `take`: somebody goes on holding it.
    """
    started = deserted = now()
    while True:
        try:
            return take()
        except TakenError:
            if is_deserted(state):
                deserted = now()
            # The last thing that a writer does but one is to take its socket away.
            if now() - started >= within_s or now() - deserted >= HEARD_S:
                raise
        pause(_AGAIN_S)


def claim(address: tuple[str, int]) -> socket.socket:
    """Hold an address, until the socket and its copies in other processes are closed, so that no
    other gateway serves there. The system would spread connections over all processes of a user
    that share a port, whichever gateway they are of; and as long as none of them listens, which
    takes seconds, it says to nobody else that the port is taken.

    It is a name in the abstract namespace (unix(7)), which is of the network namespace as ports
    are, and leaves nothing behind.

    Raises:
        TakenError: Another gateway holds it.
        ConfigurationError: It cannot be held.
    """
    host, port = address
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        held.bind(f"\0charter/{host}/{port}")
    except OSError as error:
        held.close()
        if error.errno == errno.EADDRINUSE:
            words = f"cannot listen on {host} port {port}: another gateway is about to"
            raise TakenError(f"{words}; give another --port") from error
        words = f"cannot hold {host} port {port}: {error.strerror}"
        raise ConfigurationError(words) from error
    return held
