"""Legal holds: a record that is not erased until whoever holds it lets go.

A hold is an entry of the log, and so is its release; both are signed, and stay for ever. Their
ids follow from that of the record, so that an erasure finds them without looking at all entries:
`hold-1-<id>`, `release-1-<id>`, and so on. Who places one has the log to himself, so that no
erasure is under way.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.erasure import (
    HOLD,
    RELEASE,
    Grounds,
    erasable,
    hold_id,
    open_holds,
    release_id,
    told_of,
)
from gateway.keys import DecisionSigner
from gateway.ledger.erased import ErasureRefusedError
from gateway.ledger.interface import Ledger
from gateway.record.canonical import Json
from gateway.self_check import own_record

_TIMEOUT_S = 30.0
MAX_HOLDS = 1000  # of one record, also released ones


@dataclass(frozen=True)
class Held:
    """What was logged: the entry `entry_id` at `entry_index`, about the record `id`."""

    id: str
    index: int
    entry_id: str
    entry_index: int


def hold(
    ledger: Ledger, signer: DecisionSigner, *, target: str, grounds: Grounds, now: datetime
) -> Held:
    """Hold a record, once more where it is held already.

    Raises:
        ErasureRefusedError: There is no such record, or it is one that is never erased.
        ErasedEntryError: It is erased.
        LedgerUnavailableError: It could not be logged, or nobody knows.
    """
    return _log(ledger, signer, HOLD, target, _next(ledger, target), grounds, now)


def release(
    ledger: Ledger,
    signer: DecisionSigner,
    *,
    target: str,
    grounds: Grounds,
    now: datetime,
    which: str | None = None,
) -> Held:
    """Release a hold.

    Args:
        which: The entry that holds the record; may be left out where there is one.

    Raises:
        ErasureRefusedError: It is not held, not by that entry, or by several.
        LedgerError: As `hold`.
    """
    held = [one.id for one in open_holds(ledger, target)]
    if which is None and len(held) > 1:
        raise ErasureRefusedError(f"{target!r} is held by {', '.join(held)}: name one of them")
    chosen = which or (held[0] if held else None)
    if chosen is None or chosen not in held:
        raise ErasureRefusedError(f"{target!r} is not held" + (f" by {which!r}" if which else ""))
    number = int(chosen.split("-", 2)[1])
    return _log(ledger, signer, RELEASE, target, number, grounds, now)


def _next(ledger: Ledger, target: str) -> int:
    for number in range(1, MAX_HOLDS + 1):
        if ledger.get(hold_id(target, number)) is None:
            return number
    raise ErasureRefusedError(f"{target!r} was held {MAX_HOLDS} times, which is enough")


def _log(
    ledger: Ledger,
    signer: DecisionSigner,
    action: str,
    target: str,
    number: int,
    grounds: Grounds,
    now: datetime,
) -> Held:
    found = erasable(ledger, target)
    entry_id = (hold_id if action == HOLD else release_id)(target, number)
    told = told_of(ledger, found, grounds)
    if action == RELEASE:
        told["hold"] = hold_id(target, number)
    name = "held" if action == HOLD else "released"
    members: dict[str, Json] = {"tenant": found.tenant, name: told}
    body = own_record(entry_id, now, action, members, signer)
    receipt = ledger.append(entry_id, found.tenant, body).result(_TIMEOUT_S)
    return Held(found.id, found.index, entry_id, receipt.index)
