"""One decision, from the bytes of a question to the answer with its proof.

    request → facts → engines → decision → signed record → ledger → answer

No answer leaves before its record is durable and proven.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from typing import cast
from zoneinfo import ZoneInfo

from gateway.bundle import Bundle
from gateway.callers import Caller
from gateway.errors import AuthorisationError, RequestError, StatementMalformedError
from gateway.identifiers import uuid7
from gateway.keys import DecisionSigner
from gateway.ledger.log import Log, Receipt
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.combine import DEFAULT_TIMEOUT_S
from gateway.pdp.dates import LAST_DAY, boundaries, daily_zones, day_of, instant, midnight
from gateway.pdp.engine import Engine
from gateway.pdp.judge import Judge, Judged
from gateway.pdp.request import DecisionRequest
from gateway.record.canonical import Json, canonicalise, load_strict
from gateway.record.envelope import MAX_ENVELOPE, read_envelope, sign_envelope
from gateway.record.statement import (
    PAYLOAD_TYPE,
    Statement,
    digest_request,
    read_statement,
    write_statement,
)

MAX_BODY_BYTES = 1024 * 1024
MAX_VALIDITY = timedelta(hours=1)

log = logging.getLogger("charter")


class Service:
    """Decides with one bundle and one catalogue, and records what it decides."""

    def __init__(
        self,
        *,
        bundle: Bundle,
        catalogue: Catalogue,
        engines: Sequence[Engine],
        signer: DecisionSigner,
        ledger: Log,
        remember: int = 10_000,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Callable[[int], bytes] = os.urandom,
        engine_timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.bundle = bundle
        self.catalogue = catalogue
        self.ledger = ledger
        self._judge = Judge(
            bundle.program, catalogue, engines, remember=remember, timeout_s=engine_timeout_s
        )
        self._signer = signer
        self._clock = clock
        self._random = random
        self._boundaries = boundaries(bundle.program)
        self._daily = daily_zones(bundle.program)

    async def check_engines(self) -> None:
        """Put the bundle's agreement vectors to every engine.

        Raises:
            ConfigurationError: An engine does not answer as the bundle says it must.
        """
        await self._judge.check((vector.question, vector.answer) for vector in self.bundle.vectors)

    async def decide(self, body: bytes, caller: Caller) -> dict[str, object]:
        """The signed, recorded and proven answer to a question.

        Raises:
            JsonError: The body is no JSON, or has two meanings.
            RequestError: The question is malformed; the error names the field.
            AuthorisationError: The caller may not ask this.
            LedgerUnavailableError: The decision could not be recorded, so there is none.
        """
        started = perf_counter()
        value = load_strict(body, max_bytes=MAX_BODY_BYTES)
        request = DecisionRequest.read(value)
        _authorise(request, caller)
        now = self._clock()
        judged = await self._judge.judge(request, now=now, tenant=caller.tenant)
        decision_id = uuid7(now, self._random)
        predicate = self._predicate(judged, decision_id, caller.tenant, now)
        payload = _payload(digest_request(value), predicate)
        record = sign_envelope(payload, PAYLOAD_TYPE, self._signer).to_json()
        pending = self.ledger.append(decision_id, caller.tenant, canonicalise(record))
        receipt: Receipt = await asyncio.wrap_future(pending)
        self._report(judged, decision_id, caller, perf_counter() - started)
        return {**predicate, "record": record, "proof": receipt.proof_text}

    async def find(self, decision_id: str, caller: Caller) -> dict[str, object] | None:
        """A recorded decision of the caller's own tenant, as it was answered, with a proof
        against the newest checkpoint; None where the tenant has none of that id.

        Raises:
            LedgerError: The record is not on disk as it was logged.
        """
        stored = await asyncio.to_thread(self.ledger.get, decision_id)
        if stored is None or stored.tenant != caller.tenant:
            return None
        proof = await asyncio.to_thread(self.ledger.proof, decision_id)
        record = load_strict(stored.body, max_bytes=MAX_ENVELOPE, max_string=MAX_ENVELOPE)
        statement = read_statement(read_envelope(record).payload)
        return {**statement.predicate, "record": record, "proof": proof}

    def _predicate(
        self, judged: Judged, decision_id: str, tenant: str, now: datetime
    ) -> dict[str, object]:
        """What is signed of a decision; the answer repeats it member for member."""
        return {
            "id": decision_id,
            "tenant": tenant,
            **judged.body(),
            "bundle": self.bundle.digest,
            "catalogue": self.catalogue.digest,
            "evidence": [],
            "decided_at": instant(now),
            "valid_until": instant(self._valid_until(judged, now)),
        }

    def _valid_until(self, judged: Judged, now: datetime) -> datetime:
        """At most `MAX_VALIDITY` ahead; never past a midnight at which a date of the bundle
        changes the law, nor past the last day for which the catalogue vouches. What came of
        a fault is valid for no time at all."""
        if judged.combined.incident is not None:
            return now
        ends = [now + MAX_VALIDITY]
        for zone, today in judged.joined.question.today.items():
            days = [day for day in self._boundaries.get(zone, ()) if day > today]
            days += [today + 1] if zone in self._daily and today < LAST_DAY else []
            ends += [midnight(day_of(day), ZoneInfo(zone)) for day in sorted(days)[:1]]
        if judged.joined.vouched_until not in (None, date.max):
            ends.append(midnight(judged.joined.vouched_until + timedelta(days=1), UTC))
        return min(ends)

    def _report(self, judged: Judged, decision_id: str, caller: Caller, seconds: float) -> None:
        incident = judged.combined.incident
        log.log(
            logging.ERROR if incident else logging.INFO,
            "decision",
            extra={
                "charter": {
                    "decision_id": decision_id,
                    "decision": judged.decision.outcome.value,
                    "caller": caller.id,
                    "tenant": caller.tenant,
                    "incident": incident.description if incident else None,
                    "milliseconds": round(seconds * 1000, 3),
                }
            },
        )

    async def close(self) -> None:
        """Finish what is queued, then let go of the engines and the ledger."""
        await self._judge.close()
        await asyncio.to_thread(self.ledger.close)


def _authorise(request: DecisionRequest, caller: Caller) -> None:
    caller.may(request.action.name)
    tenant = request.subject.properties.get("tenant")
    if tenant is not None and tenant != caller.tenant:
        raise AuthorisationError("this token does not speak for that tenant")


def _payload(request_digest: str, predicate: Mapping[str, object]) -> bytes:
    try:
        return write_statement(Statement(request_digest, cast("Mapping[str, Json]", predicate)))
    except StatementMalformedError as error:
        # The facts are repeated in the record, so a question can be within its own limit and
        # its record beyond that of records.
        raise RequestError(
            "the facts are too large to be recorded; state fewer values", pointer="/context"
        ) from error
