"""Erasure of evidence on legal grounds: said, signed, logged, and done.

The log and the store of evidence are two files, so it takes three steps: the evidence is
marked with the entry that is to say why; that entry is logged; the body is overwritten. What
was cut short is finished by asking again.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from gateway.erasure import Grounds
from gateway.errors import EntryConflictError, GatewayError, LedgerError
from gateway.identifiers import uuid7
from gateway.keys import DecisionSigner
from gateway.ledger.erased import ErasureRefusedError, NothingToEraseError
from gateway.ledger.interface import Ledger
from gateway.nodes.documents import EVIDENCE, Documents
from gateway.record.canonical import Json, load_strict
from gateway.record.envelope import MAX_ENVELOPE, read_envelope
from gateway.record.statement import read_statement
from gateway.self_check import TENANT, own_record

ACTION = "erase-evidence"


class EvidenceGoneError(LedgerError):
    """The evidence was erased before. `erasure_id` is the entry that says why."""

    reason = "evidence-erased"

    def __init__(self, sha256: str, erasure_id: str) -> None:
        super().__init__(f"evidence sha256:{sha256} is erased; see {erasure_id!r}")
        self.erasure_id = erasure_id


@dataclass(frozen=True)
class ErasedEvidence:
    """Evidence that is erased, and the entry that says so. Unless `is_tidy`, somebody reads an
    older state of the files."""

    sha256: str
    erasure_id: str
    erasure_index: int
    is_tidy: bool


def erase_evidence(
    documents: Documents,
    ledger: Ledger,
    signer: DecisionSigner,
    *,
    sha256: str,
    grounds: Grounds,
    now: datetime,
    random: Callable[[int], bytes] = os.urandom,
) -> ErasedEvidence:
    """Erase evidence by its digest, of every tenant that showed it; waits for the disk.

    Raises:
        NothingToEraseError: None is kept.
        ErasureRefusedError: It is a policy, anchors or a register.
        EvidenceGoneError: It is erased already.
        EvidenceStoreError: The store cannot be used.
        LedgerUnavailableError: It could not be logged, so nothing is erased, or nobody knows.
    """
    found = documents.of(sha256)
    if not found:
        raise NothingToEraseError(f"there is no evidence sha256:{sha256} to erase")
    kept = [one for one in found if one.kind == EVIDENCE]
    if not kept:
        raise ErasureRefusedError(f"sha256:{sha256} is a file by which evidence is judged")
    done = [one.erasure for one in kept if one.body is None and one.erasure is not None]
    if len(done) == len(kept):
        raise EvidenceGoneError(sha256, done[0])
    entry = documents.mark(sha256, uuid7(now, random))
    index = _say(ledger, signer, entry, sha256, grounds, now)
    return ErasedEvidence(sha256, entry, index, documents.remove(sha256))


def _say(
    ledger: Ledger,
    signer: DecisionSigner,
    entry: str,
    sha256: str,
    grounds: Grounds,
    now: datetime,
) -> int:
    """Log why, unless that was done before; the index of the entry."""
    said = ledger.get(entry)
    if said is None:
        told: dict[str, Json] = {
            "evidence": f"sha256:{sha256}",
            "reason": grounds.reason,
            "authority": grounds.authority,
            "by": grounds.by,
        }
        body = own_record(entry, now, ACTION, {"erased": told}, signer)
        try:
            return ledger.append(entry, TENANT, body).result().index
        except EntryConflictError:  # somebody erased it at the same time
            said = ledger.get(entry)
    if said is None:
        raise LedgerError(f"the entry that says why sha256:{sha256} is erased is not there")
    return said.index


def evidence_tombstone(ledger: Ledger, erasure_id: str) -> Mapping[str, object]:
    """What is answered in place of erased evidence: what was said of it, and the `record` that
    says so with its `proof`.

    Raises:
        LedgerError: The statement is not in the log as it was logged.
    """
    said = ledger.get(erasure_id)
    if said is None:
        raise LedgerError(f"the entry {erasure_id!r} that says why evidence is erased is not there")
    try:
        value = load_strict(said.body, max_bytes=MAX_ENVELOPE, max_string=MAX_ENVELOPE)
        predicate = read_statement(read_envelope(value).payload).predicate
    except GatewayError as error:
        raise LedgerError(f"entry {said.index} does not say why evidence is erased") from error
    return {
        "erased": predicate.get("erased"),
        "erased_at": predicate.get("decided_at"),
        "record": cast("object", json.loads(said.body)),
        "proof": ledger.proof(erasure_id),
    }
