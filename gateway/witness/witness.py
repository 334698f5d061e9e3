"""A witness: takes checkpoints of the logs it knows, and cosigns what only grew.

1. The request is read and its signatures checked; nothing is locked meanwhile.
2. In one transaction: compare with what is known, store the new checkpoint, sync.
3. Only then is it signed. What was stored and not answered is signed when it is asked again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from gateway.witness.errors import RefusedError, StoreError
from gateway.witness.key import WitnessKey
from gateway.witness.protocol import (
    Logs,
    Request,
    Seen,
    check_signed,
    judge,
    note_of,
    read_request,
)
from gateway.witness.store import Store

# A clock that was set back by less is given the time that was signed before.
CLOCK_LEEWAY_S = 60

log = logging.getLogger("charter")


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that is stored, with the line of the witness."""

    seen: Seen
    line: str

    @property
    def note(self) -> str:
        """The checkpoint with the signatures of the log and of the witness."""
        return self.seen.note + self.line


class Witness:
    """One witness. Methods block, and may be called from any thread."""

    def __init__(
        self, key: WitnessKey, logs: Logs, store: Store, clock: Callable[[], datetime]
    ) -> None:
        self._key = key
        self._logs = logs
        self._store = store
        self._clock = clock
        self._by_hash = {sha256(one.encode()).hexdigest(): one for one in logs}

    def add_checkpoint(self, body: bytes) -> Cosigned:
        """Answer a request.

        Raises:
            RefusedError: It is not to be cosigned; see `gateway.witness.protocol`.
            StoreError: It cannot be remembered.
        """
        request = read_request(body)
        origin = request.checkpoint.origin
        check_signed(request, self._logs)
        try:
            seen = self._store.change(origin, lambda seen: self._next(request, seen))
        except RefusedError as error:
            log.warning(
                "not cosigned: %s",
                error,
                extra={"charter": {"origin": origin, "status": error.status}},
            )
            raise
        return self._cosigned(seen)

    def _next(self, request: Request, seen: Seen | None) -> Seen:
        signatures = judge(request, self._logs, seen)
        now = int(self._clock().timestamp())
        before = 0 if seen is None else seen.time
        if not 0 < now < 2**62 or now < before - CLOCK_LEEWAY_S:
            # As of a time before, another size was signed as the largest one.
            raise StoreError("the clock of the witness is behind what it signed before")
        text = request.note.text
        return Seen(request.checkpoint, note_of(text, signatures), max(now, before))

    def latest(self, origin_hash: str) -> Cosigned | None:
        """The newest checkpoint of the log whose origin has this SHA-256, in hex; None where
        nothing of it was cosigned. Raises `StoreError`."""
        origin = self._by_hash.get(origin_hash)
        seen = None if origin is None else self._store.find(origin)
        return None if seen is None else self._cosigned(seen)

    def _cosigned(self, seen: Seen) -> Cosigned:
        text = seen.checkpoint.text()
        return Cosigned(seen, self._key.cosign(seen.time, text))
