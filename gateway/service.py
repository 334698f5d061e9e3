"""One decision, from the bytes of a question to the answer with its proof.

    request → facts → engines → decision → signed record → ledger → answer

No answer leaves before its record is durable and proven.
"""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from typing import Literal, cast
from zoneinfo import ZoneInfo

from gateway.bundle import Bundle
from gateway.callers import Caller
from gateway.errors import AuthorisationError, RequestError, StatementMalformedError
from gateway.identifiers import uuid7
from gateway.keys import DecisionSigner
from gateway.ledger.log import Log, Receipt
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.combine import DEFAULT_TIMEOUT_S
from gateway.pdp.dates import LAST_DAY, boundaries, daily_zones, day_of, midnight
from gateway.pdp.decision import Outcome
from gateway.pdp.engine import Engine
from gateway.pdp.judge import Judge, Judged
from gateway.pdp.normalise import NO_CLAIMS, Claims
from gateway.pdp.request import DecisionRequest
from gateway.pdp.search import Searched, Searcher
from gateway.record.canonical import load_strict
from gateway.record.envelope import MAX_ENVELOPE, read_envelope, sign_envelope
from gateway.record.statement import (
    PAYLOAD_TYPE,
    digest_request,
    read_statement,
    state_predicate,
)
from gateway.self_check import self_check
from gateway.spelling import Speller, answer_text
from gateway.watch import Nobody, Watch, decisions, shown

MAX_BODY_BYTES = 1024 * 1024
MAX_VALIDITY = timedelta(hours=1)

log = logging.getLogger("charter")


@dataclass(frozen=True)
class Prepared:
    """A decision that is signed and not recorded. It is no answer yet."""

    judged: Judged
    id: str
    caller: Caller
    predicate: bytes
    record: bytes
    started: float

    @property
    def permits(self) -> bool:
        return self.judged.decision.outcome is Outcome.PERMIT


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
        self._searcher = Searcher(bundle.program, catalogue, self._judge)
        self._signer = signer
        self._clock = clock
        self._random = random
        self._speller = Speller(bundle=bundle.digest, catalogue=catalogue.digest, remember=remember)
        self._boundaries = boundaries(bundle.program)
        self._daily = daily_zones(bundle.program)
        # Whoever watches sets this.
        self.watch: Watch = Nobody()
        ledger.on_commit(lambda entries: self.watch.committed(entries))
        self._proven = False

    async def check_engines(self) -> None:
        """Put the bundle's agreement vectors to every engine.

        Raises:
            ConfigurationError: An engine does not answer as the bundle says it must.
        """
        await self._judge.check((vector.question, vector.answer) for vector in self.bundle.vectors)

    async def self_check(self, trust: Mapping[str, object]) -> None:
        """Make a first proof and verify it with what strangers are told to trust.

        Raises:
            ConfigurationError: It cannot be made, or does not hold.
        """
        loaded = {"bundle": self.bundle.digest, "catalogue": self.catalogue.digest}
        await self_check(
            self.ledger, self._signer, trust, loaded=loaded, clock=self._clock, random=self._random
        )
        self._proven = True

    def not_ready(self) -> str | None:
        """Why the next decision will not be answered, as far as is known; None where it
        should be."""
        if not self._proven:
            return "no decision has been recorded and proved since the start"
        return "the log takes no entries" if self.ledger.refusal() else None

    async def decide(self, body: bytes, caller: Caller) -> dict[str, object]:
        """The signed, recorded and proven answer to a question.

        Raises:
            JsonError: The body is no JSON, or has two meanings.
            RequestError: The question is malformed; the error names the field.
            AuthorisationError: The caller may not ask this.
            LedgerUnavailableError: The decision could not be recorded, so there is none.
        """
        return _read(await self.answer(body, caller))

    async def answer(self, body: bytes, caller: Caller) -> bytes:
        """As `decide`, the answer as it is sent."""
        value = load_strict(body, max_bytes=MAX_BODY_BYTES)
        prepared = await self.prepare(value, caller)
        (answer,) = await self.commit_texts([prepared])
        return answer

    async def prepare(
        self,
        value: object,
        caller: Caller,
        request: DecisionRequest | None = None,
        claims: Claims = NO_CLAIMS,
    ) -> Prepared:
        """Decide and sign, and record nothing yet: nobody may see this before `commit`.

        Args:
            value: The question as it came, whose digest is recorded.
            request: What a door that reads questions in its own way made of it.
            claims: What the caller says there of facts that only others may state.

        Raises:
            RequestError: The question is malformed; the error names the field.
            AuthorisationError: The caller may not ask this.
            OverloadedError: An engine has too many questions to answer before this one.
        """
        started = perf_counter()
        request = request or DecisionRequest.read(value)
        authorise(request, caller)
        now = self._clock()
        judged = await self._judge.judge(request, now=now, tenant=caller.tenant, claims=claims)
        decision_id = uuid7(now, self._random)
        predicate = self._speller.predicate(
            judged,
            decision_id=decision_id,
            tenant=caller.tenant,
            now=now,
            until=self._valid_until(judged, now),
        )
        payload = _payload(digest_request(value), predicate)
        record = sign_envelope(payload, PAYLOAD_TYPE, self._signer).to_bytes()
        return Prepared(judged, decision_id, caller, predicate, record, started)

    async def commit(self, prepared: Sequence[Prepared]) -> list[dict[str, object]]:
        """Record what was prepared, in one commit group: all of it or nothing. The answers,
        each with its own proof, in the same order.

        Raises:
            LedgerUnavailableError: It could not be recorded, so there are no decisions.
        """
        return [_read(text) for text in await self.commit_texts(prepared)]

    async def commit_texts(self, prepared: Sequence[Prepared]) -> list[bytes]:
        """As `commit`, the answers as they are sent."""
        bodies = [(one.id, one.caller.tenant, one.record) for one in prepared]
        pending = self.ledger.append_all(bodies)
        receipts: list[Receipt] = [await asyncio.wrap_future(one) for one in pending]
        self._proven = True
        for one in prepared:
            self._report(one.judged, one.id, one.caller, perf_counter() - one.started)
        return [
            answer_text(one.predicate, one.record, receipt.proof_text)
            for one, receipt in zip(prepared, receipts, strict=True)
        ]

    async def search(
        self,
        value: Mapping[str, object],
        sought: Literal["subject", "resource", "action"],
        caller: Caller,
    ) -> Searched:
        """For which subjects, resources or actions a question would be permitted. Nothing is
        recorded; raises as `Searcher.entities`."""
        now = self._clock()
        if sought == "action":
            names = [
                name
                for name in self.bundle.program.actions
                if caller.actions is None or name in caller.actions
            ]
            return await self._searcher.actions(value, names, now=now, tenant=caller.tenant)
        return await self._searcher.entities(value, sought, now=now, tenant=caller.tenant)

    async def find(self, decision_id: str, caller: Caller) -> dict[str, object] | None:
        """A recorded decision of the caller's own tenant, as it was answered, with a proof
        against the newest checkpoint; None where the tenant has none of that id.

        Raises:
            LedgerError: The record is not on disk as it was logged.
        """
        stored = await asyncio.to_thread(self.ledger.get, decision_id, tenant=caller.tenant)
        if stored is None:
            return None
        proof = await asyncio.to_thread(self.ledger.proof, decision_id)
        record = load_strict(stored.body, max_bytes=MAX_ENVELOPE, max_string=MAX_ENVELOPE)
        statement = read_statement(read_envelope(record).payload)
        return {**statement.predicate, "record": record, "proof": proof}

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
        outcome = judged.decision.outcome.value
        kind = incident.kind.value if incident else None
        self.watch.decided(outcome, caller.tenant, seconds, kind)
        if (told := decisions.get()) is not None:
            told.append((decision_id, outcome))
        log.log(
            logging.ERROR if incident else logging.INFO,
            "decision",
            extra={
                "charter": {
                    "decision_id": decision_id,
                    "decision": outcome,
                    "caller": shown(caller.id),
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


def authorise(request: DecisionRequest, caller: Caller) -> None:
    """Raise `AuthorisationError` unless the caller may put the question."""
    caller.may(request.action.name)
    tenant = request.subject.properties.get("tenant")
    if tenant is not None and tenant != caller.tenant:
        raise AuthorisationError("this token does not speak for that tenant")


def _read(answer: bytes) -> dict[str, object]:
    """An answer of ours, taken apart."""
    return cast("dict[str, object]", json.loads(answer))


def _payload(request_digest: str, predicate: bytes) -> bytes:
    try:
        return state_predicate(request_digest, predicate)
    except StatementMalformedError as error:
        # The facts are repeated in the record, so a question can be within its own limit and
        # its record beyond that of records.
        raise RequestError(
            "the facts are too large to be recorded; state fewer values", pointer="/context"
        ) from error
