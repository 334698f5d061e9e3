"""The callers file and what it names, read again when they change, while the gateway runs.

What is wrong is told in the log and changes nothing: those who were known before still are.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from gateway.callers.known import Known
from gateway.callers.oidc import Issuers
from gateway.callers.spiffe import TrustDomains
from gateway.errors import ConfigurationError

LOOK_S = 1.0

log = logging.getLogger("charter")

Loaded = tuple[Issuers, TrustDomains]
_Stamp = tuple[int, int, int, int] | None
Stamps = Mapping[Path, _Stamp]


class CallersWatch:
    """Looks at files once a second.

    Args:
        known: Those who may ask; told who they are from now on.
        load: Reads everything again, and refuses what cannot be used.
        files: Names the files that are read; where it raises, those of before are looked at.
        admit: Takes over what the handshake of TLS needs, last of all.
        seen: The stamps of the files from before they were first read.
    """

    def __init__(
        self,
        known: Known,
        load: Callable[[], Loaded],
        files: Callable[[], Sequence[Path]],
        admit: Callable[[TrustDomains], None],
        seen: Stamps,
    ) -> None:
        self._known = known
        self._load = load
        self._files = files
        self._admit = admit
        self._seen = seen

    async def run(self, every_s: float = LOOK_S) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.look()

    async def look(self) -> bool:
        """Read again what has changed; whether others are known now."""
        # Before reading: what changes meanwhile has changed again at the next look.
        now = await asyncio.to_thread(lambda: stamps(self._named()))
        if now == self._seen:
            return False
        self._seen = now
        words = await self._read_again()
        if words is not None:
            log.error("callers stay as they were: %s", words)
            return False
        # The files that it names can be others now.
        named = await asyncio.to_thread(lambda: stamps(self._named()))
        self._seen = {path: now.get(path, stamp) for path, stamp in named.items()}
        log.info("callers read again")
        return True

    def _named(self) -> Iterable[Path]:
        try:
            return self._files()
        except ConfigurationError:  # said by whoever reads it
            return tuple(self._seen)

    async def _read_again(self) -> str | None:
        """Read and take over; why not, where it cannot be."""
        try:
            issuers, domains = await asyncio.to_thread(self._load)
            self._admit(domains)
        except ConfigurationError as error:
            return str(error)
        except Exception as error:  # a gateway that answers must not end of this
            return type(error).__name__
        self._known.replace(issuers, domains)
        return None


def stamps(files: Iterable[Path]) -> Stamps:
    """What tells the files as they are from what they will be."""
    return {path: _stamp(path) for path in files}


def _stamp(path: Path) -> _Stamp:
    """Tells one state of a file from another; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
