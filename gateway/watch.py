"""What the gateway tells whoever watches it, and the id of the request it is about.

Nothing here may hold a secret or what a question says: ids of our own, outcomes and times.
"""

import re
from contextvars import ContextVar
from hashlib import sha256
from typing import Protocol

# The request that the running task answers; empty outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="")
# The trace it belongs to, as W3C Trace Context writes it; empty where none is kept.
trace_id: ContextVar[str] = ContextVar("trace_id", default="")

# Ids and outcomes of what the running task decided, where somebody wants them.
decisions: ContextVar[list[tuple[str, str]] | None] = ContextVar("decisions", default=None)

_OURS = re.compile("[0-9a-f]{12}")


class Watch(Protocol):
    """Is told what happens; it must be quick and must not fail."""

    def decided(self, outcome: str, tenant: str, seconds: float, incident: str | None) -> None:
        """A decision is recorded and will be answered. `incident` is the kind of one."""
        ...

    def committed(self, entries: int) -> None:
        """So many entries were made durable together. Called in the thread of the ledger."""
        ...

    def reloaded(self, error: str | None) -> None:
        """Other rules and facts were to come into force. `error` says why they did not."""
        ...


class Nobody:
    """Watches nothing."""

    def decided(self, outcome: str, tenant: str, seconds: float, incident: str | None) -> None:
        """Nobody listens."""

    def committed(self, entries: int) -> None:
        """Nobody listens."""

    def reloaded(self, error: str | None) -> None:
        """Nobody listens."""


def shown(caller: str) -> str:
    """The id of a caller as logs may show it. One that we made says nothing of a person; any
    other is told by a digest."""
    if _OURS.fullmatch(caller):
        return caller
    return "sha256:" + sha256(caller.encode()).hexdigest()[:16]
