"""What a change of keys begins with: a state folder whose log nobody else has open."""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway import published
from gateway.errors import ConfigurationError, LedgerError, LedgerUnavailableError
from gateway.keys import CheckpointPublicKey, CheckpointSigner
from gateway.keys.custody import Custody
from gateway.keys.errors import RotationError
from gateway.ledger.guard import Guard
from gateway.ledger.log import Log
from gateway.published import Published
from gateway.state import RESTORED, origin_of, seen_place


@dataclass(frozen=True)
class Given:
    """A state folder, where its keys are, and what stands for the world; `seen_file` as of
    `gateway.state.State.open_ledger`."""

    folder: Path
    custody: Custody
    seen_file: Path | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Callable[[int], bytes] = os.urandom


def known(given: Given) -> tuple[str, Published]:
    """The name of the log, and what strangers are told.

    Raises:
        ConfigurationError: The folder holds no gateway.
    """
    origin = origin_of(given.folder)
    if origin is None:
        raise RotationError(f"{given.folder} holds no gateway yet: nothing can be replaced")
    told = published.read(given.folder)
    if told is None:
        raise RotationError(f"{given.folder / published.FILE} is missing: put it back")
    return origin, told


@contextmanager
def locked_ledger(
    given: Given, signer: CheckpointSigner, earlier: Sequence[CheckpointPublicKey]
) -> Generator[Log]:
    """The log, which nobody else has open meanwhile.

    Raises:
        ConfigurationError: A gateway has it.
    """
    try:
        ledger = Log.open(
            given.folder / "ledger",
            origin=signer.public.name,
            signer=signer,
            clock=given.clock,
            earlier=earlier,
            guard=Guard(
                given.seen_file or seen_place(given.folder), restored=given.folder / RESTORED
            ),
        )
    except LedgerUnavailableError as error:
        raise ConfigurationError(
            f"{error}: stop the gateway on {given.folder}, change the key, and start it again"
        ) from error
    with ledger:
        yield ledger


def instant(given: Given, ledger: Log) -> datetime:
    """Now, to the millisecond, and not before the newest entry."""
    now = given.clock()
    try:
        newest = ledger.get_at(ledger.size - 1)
    except LedgerError:  # it is erased
        newest = None
    if newest is not None:
        now = max(now, datetime.fromisoformat(newest.logged_at))
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
