"""Erasure of a record on legal grounds (GDPR art 17): said, signed, logged, and done.

What says why is an entry of the log, and in the same commit the body of the record and its
salt are overwritten. From then on the tombstone is answered in place of the record: the
signed statement with its proof, and the place of the erased entry without its salt.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from gateway.errors import GatewayError, LedgerError
from gateway.identifiers import uuid7
from gateway.keys import DecisionSigner
from gateway.ledger.erased import (
    ErasedEntryError,
    ErasureRefusedError,
    HeldEntryError,
    NothingToEraseError,
)
from gateway.ledger.interface import Ledger
from gateway.ledger.storage import StoredRecord
from gateway.record.canonical import Json, load_strict
from gateway.record.envelope import MAX_ENVELOPE, read_envelope
from gateway.record.statement import read_statement
from gateway.self_check import TENANT, own_record

ACTION = "erase"
HOLD, RELEASE = "hold", "release"
# What says something of another entry stays: nobody could check it otherwise.
_STAY = {ACTION: "says why another is erased", HOLD: "holds another", RELEASE: "releases another"}
MAX_WORDS = 1000


@dataclass(frozen=True)
class Grounds:
    """Why a record is erased, for ever in the log: `reason` in words, `authority` on whose
    word or by which article of which law, `by` who had it done. None of them may name the
    person whom the record is about.

    Raises:
        ErasureRefusedError: One is empty, too long, or not printable.
    """

    reason: str
    authority: str
    by: str

    def __post_init__(self) -> None:
        for name in ("reason", "authority", "by"):
            words = getattr(self, name)
            if not 0 < len(words) <= MAX_WORDS or not words.isprintable() or words.isspace():
                raise ErasureRefusedError(f"{name} has 1 to {MAX_WORDS} printable characters")


@dataclass(frozen=True)
class Erased:
    """A record that is erased, and the entry that says so. Unless `is_tidy`, somebody reads an
    older state of the files, and pages of it are left until that is over."""

    id: str
    index: int
    erasure_id: str
    erasure_index: int
    is_tidy: bool


def erase(
    ledger: Ledger,
    signer: DecisionSigner,
    *,
    entry: str | int,
    grounds: Grounds,
    now: datetime,
    random: Callable[[int], bytes] = os.urandom,
) -> Erased:
    """Erase the record of an entry, by its id or index; waits for the disk.

    Raises:
        ErasureRefusedError: There is no such entry (`NothingToEraseError`), it is one of the
            gateway's own, or it is held (`HeldEntryError`).
        ErasedEntryError: It is erased already.
        LedgerUnavailableError: It could not be logged, so nothing is erased, or nobody knows.
    """
    found = erasable(ledger, entry)
    for hold in open_holds(ledger, found.id):
        raise HeldEntryError(
            f"entry {found.index} is held by {hold.by}: {hold.reason} ({hold.authority}); it can "
            f"be erased once {hold.id!r} is released"
        )
    erasure_id = uuid7(now, random)
    members: dict[str, Json] = {"tenant": found.tenant, "erased": told_of(ledger, found, grounds)}
    body = own_record(erasure_id, now, ACTION, members, signer)
    receipt = ledger.erase(found.id, erasure_id, found.tenant, body).result()
    return Erased(found.id, found.index, erasure_id, receipt.index, ledger.is_tidy())


def erasable(ledger: Ledger, entry: str | int) -> StoredRecord:
    """An entry of which an erasure, or a hold, can be said; raises as `erase`."""
    found = ledger.get(entry) if isinstance(entry, str) else ledger.get_at(entry)
    if found is None:
        raise NothingToEraseError(f"there is no entry {entry!r} to erase or to hold")
    if found.tenant == TENANT:
        raise ErasureRefusedError(f"entry {found.index} is one of the gateway's own, and stays")
    stays = _STAY.get(str(_predicate(found).get("action")))
    if stays is not None:
        raise ErasureRefusedError(f"entry {found.index} {stays}, and stays")
    return found


@dataclass(frozen=True)
class Hold:
    """An entry that keeps another one from being erased, and why."""

    id: str
    reason: str
    authority: str
    by: str


def hold_id(target: str, number: int) -> str:
    """The id of the entry that holds another for the n-th time, so that it is found without
    looking at all entries."""
    return f"{HOLD}-{number}-{target}"


def release_id(target: str, number: int) -> str:
    """The id of the entry that releases what that hold held."""
    return f"{RELEASE}-{number}-{target}"


def open_holds(ledger: Ledger, target: str) -> Iterator[Hold]:
    """The holds of an entry that are not released, the oldest first.

    Raises:
        LedgerError: One is not in the log as it was logged.
    """
    number = 1
    while (found := ledger.get(hold_id(target, number))) is not None:
        if ledger.get(release_id(target, number)) is None:
            said = _predicate(found).get("held")
            if not isinstance(said, dict):
                raise LedgerError(f"entry {found.index} does not say why another is held")
            words = (str(said.get(name)) for name in ("reason", "authority", "by"))
            yield Hold(found.id, *words)
        number += 1


def told_of(ledger: Ledger, found: StoredRecord, grounds: Grounds) -> dict[str, Json]:
    """What an entry says of another one: which it is, and why."""
    told: dict[str, Json] = {
        "id": found.id,
        "index": found.index,
        "commitment": f"sha256:{found.commitment.hex()}",
        "reason": grounds.reason,
        "authority": grounds.authority,
        "by": grounds.by,
    }
    origin = _origin_of(ledger.proof(found.id) or "")
    if origin != _origin_of(f"\n\n{ledger.latest_checkpoint()}"):
        told["log"] = origin  # each log counts from 0
    return told


def _origin_of(proof: str) -> str:
    """The log of the checkpoint in a proof."""
    return proof.partition("\n\n")[2].partition("\n")[0]


def _predicate(found: StoredRecord) -> Mapping[str, Json]:
    """What a record says; nothing where it is none of ours."""
    try:
        value = load_strict(found.body, max_bytes=MAX_ENVELOPE, max_string=MAX_ENVELOPE)
        return read_statement(read_envelope(value).payload).predicate
    except GatewayError:
        return {}


def tombstone(ledger: Ledger, erased: ErasedEntryError) -> Mapping[str, object]:
    """What is answered in place of an erased record: its `id`, what was said of it, the
    `record` that says so with its `proof`, and the `place` of the erased entry in the log.

    Raises:
        LedgerError: The statement is not in the log as it was logged.
    """
    said = ledger.get(erased.erasure_id)
    if said is None:
        raise LedgerError(f"the entry that says why {erased.entry_id!r} is erased is not there")
    predicate = _predicate(said)
    if predicate.get("action") != ACTION:
        raise LedgerError(f"entry {said.index} does not say why another is erased")
    return {
        "id": erased.entry_id,
        "erased": predicate.get("erased"),
        "erased_at": predicate.get("decided_at"),
        "record": cast("object", json.loads(said.body)),
        "proof": ledger.proof(erased.erasure_id),
        "place": ledger.proof(erased.entry_id),
    }
