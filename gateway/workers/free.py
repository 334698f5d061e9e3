"""Waits for a gateway on the same state folder that is about to end.

Where a supervisor was killed, its workers answer what is in flight and the writer ends after
them, by themselves; until then they hold the lock of the ledger, and for a moment the port.
Whoever starts meanwhile waits for them, and is refused at once by a gateway that goes on.
"""

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
