"""Decisions of the past, read again as they were answered, and erased on legal grounds."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import cast

from gateway.callers import Caller
from gateway.erasure import Erased, Grounds, erase, tombstone
from gateway.evidence_erasure import ErasedEvidence, erase_evidence, evidence_tombstone
from gateway.keys import DecisionSigner
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.interface import Ledger
from gateway.nodes.documents import Documents
from gateway.record.canonical import canonicalise, load_strict
from gateway.record.envelope import MAX_ENVELOPE, read_envelope
from gateway.record.statement import MAX_PAYLOAD_DEPTH, read_statement
from gateway.spelling import answer_text


class Recorded:
    """What is in one ledger. Whatever reads it does so in a thread to its end: a record can be
    large, and those who decide would wait.

    Args:
        signer: Who signs what is said of an erasure; raises `SigningError` where nobody does.
    """

    def __init__(
        self,
        ledger: Ledger,
        signer: Callable[[], DecisionSigner],
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        self._ledger = ledger
        self._signer = signer
        self._clock = clock
        self._random = random

    async def find(self, decision_id: str, caller: Caller) -> dict[str, object] | None:
        """A recorded decision of the caller's own tenant, as it was answered, with a proof
        against the newest checkpoint; None where the tenant has none of that id.

        Raises:
            ErasedEntryError: It was erased; see `tombstone`.
            LedgerError: The record is not on disk as it was logged.
        """
        answer = await self.again(decision_id, caller)
        return None if answer is None else read_answer(answer)

    async def again(self, decision_id: str, caller: Caller) -> bytes | None:
        """As `find`, the answer as it was sent but for its proof."""
        return await asyncio.to_thread(self._again, decision_id, caller.tenant)

    def _again(self, decision_id: str, tenant: str) -> bytes | None:
        stored = self._ledger.get(decision_id, tenant=tenant)
        if stored is None:
            return None
        proof = self._ledger.proof(decision_id)
        record = load_strict(stored.body, max_bytes=MAX_ENVELOPE, max_string=MAX_ENVELOPE)
        statement = read_statement(read_envelope(record).payload)
        predicate = canonicalise(statement.predicate, max_depth=MAX_PAYLOAD_DEPTH)
        return answer_text(predicate, stored.body, str(proof))

    async def proof(self, decision_id: str, caller: Caller) -> str | None:
        """The proof of a decision of the caller's own tenant against the newest checkpoint;
        None where the tenant has none of that id. Of an erased one it shows the place alone."""
        return await asyncio.to_thread(self._proof, decision_id, caller.tenant)

    def _proof(self, decision_id: str, tenant: str) -> str | None:
        try:
            if self._ledger.get(decision_id, tenant=tenant) is None:
                return None
        except ErasedEntryError:
            pass  # it is the tenant's own, and was there
        return self._ledger.proof(decision_id)

    async def erase(self, entry_id: str, grounds: Grounds) -> Erased:
        """Erase a record of any tenant; raises as `gateway.erasure.erase`."""
        at = self._clock()
        return await asyncio.to_thread(
            partial(
                erase,
                self._ledger,
                self._signer(),
                entry=entry_id,
                grounds=grounds,
                now=at,
                random=self._random,
            )
        )

    async def tombstone(self, erased: ErasedEntryError) -> Mapping[str, object]:
        """What is answered in place of an erased record; raises `LedgerError`."""
        return await asyncio.to_thread(tombstone, self._ledger, erased)

    async def erase_evidence(
        self, documents: Documents, sha256: str, grounds: Grounds
    ) -> ErasedEvidence:
        """Erase evidence of any tenant; raises as `gateway.evidence_erasure.erase_evidence`."""
        at = self._clock()
        return await asyncio.to_thread(
            partial(
                erase_evidence,
                documents,
                self._ledger,
                self._signer(),
                sha256=sha256,
                grounds=grounds,
                now=at,
                random=self._random,
            )
        )

    async def evidence_tombstone(self, erasure_id: str) -> Mapping[str, object]:
        """What is answered in place of erased evidence; raises `LedgerError`."""
        return await asyncio.to_thread(evidence_tombstone, self._ledger, erasure_id)


def read_answer(answer: bytes) -> dict[str, object]:
    """An answer of ours, taken apart."""
    return cast("dict[str, object]", json.loads(answer))
