"""Has a gateway attest itself: once at each start and each reload, whatever the number of its
processes.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from gateway.keys import DecisionPublicKey
from gateway.own_evidence.document import Bound, Document
from gateway.own_evidence.kept import Kept
from gateway.own_evidence.quoting import TpmPlace, quote

log = logging.getLogger("charter")


class Attester:
    """One process of a gateway.

    Args:
        state: The state folder.
        key: The one that signs its decisions.
        origin: The name of its log.
        run: Of the gateway, from its start to its end; its processes have the same.
        clock: Tells the time, whether or not it is in doubt.
    """

    def __init__(
        self,
        place: TpmPlace,
        state: Path,
        *,
        key: DecisionPublicKey,
        origin: str,
        run: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._place = place
        self._kept = Kept(state)
        self._key = key
        self._origin = origin
        self._run = run
        self._clock = clock
        self._known: set[str] = set()

    def attest(self, *, bundle: str, catalogue: str) -> Document:
        """A document over what is about to decide, kept when this returns. It is the one of
        another process of this run, where this process has not seen that yet; else a new one.

        Raises:
            ConfigurationError: The TPM does not make one that counts, or it cannot be kept.
        """
        bound = Bound(self._key, bundle, catalogue, self._origin)
        with self._kept.alone():
            found = self._kept.of_run(self._run, bound.data())
            if found is None or found.sha256 in self._known:
                found = quote(self._place, bound, now=self._clock())
                self._kept.put(found)
                self._kept.share(self._run, found)
                log.info("attested", extra={"charter": {"evidence": found.digest}})
        self._known.add(found.sha256)
        return found
