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
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import cast
from zoneinfo import ZoneInfo

from dsl.evaluate import Answer, verdict
from gateway.bundle import Bundle
from gateway.callers import Caller
from gateway.errors import AuthorisationError, ConfigurationError
from gateway.identifiers import uuid7
from gateway.keys import DecisionSigner
from gateway.ledger.log import Log, Receipt
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.combine import Combined, ask_all
from gateway.pdp.decision import (
    OUTCOMES,
    UNANSWERED,
    Decider,
    Decision,
    Fact,
    boundaries,
    day_of,
)
from gateway.pdp.engine import Engine
from gateway.pdp.memo import Memo
from gateway.pdp.normalise import Joined, Normaliser
from gateway.pdp.request import DecisionRequest
from gateway.record.canonical import Json, canonicalise, load_strict
from gateway.record.envelope import read_envelope, sign_envelope
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


@dataclass(frozen=True)
class Judged:
    """A decision before it has an identity: what a dry run shows, and what is signed."""

    joined: Joined
    combined: Combined
    decision: Decision


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
        memo: Memo | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.bundle = bundle
        self.catalogue = catalogue
        self.engines = tuple(engines)
        self.ledger = ledger
        self._signer = signer
        self._clock = clock
        self._random = random
        self._normaliser = Normaliser(bundle.program, catalogue)
        self._decider = Decider(bundle.program)
        self._boundaries = boundaries(bundle.program)
        self._memo = Memo() if memo is None else memo

    async def check_engines(self) -> None:
        """Put the bundle's agreement vectors to every engine.

        Raises:
            ConfigurationError: An engine does not answer as the bundle says it must.
        """
        for vector in self.bundle.vectors:
            combined = await ask_all(self.engines, vector.question, timeout_s=5.0)
            if combined.incident is not None:
                raise ConfigurationError(f"engines: {combined.incident.description}")
            if combined.answer != vector.answer:
                asked = json.dumps(vector.question.document(), ensure_ascii=False)
                raise ConfigurationError(f"the engines misjudge a vector of the bundle: {asked}")

    async def judge(self, request: DecisionRequest, *, now: datetime) -> Judged:
        """What the engines and the rules say to a question at an instant; nothing is signed
        and nothing recorded.

        Raises:
            RequestError: The question is malformed; the error names the field.
        """
        joined = self._normaliser.join(request, now=now)
        key = Memo.key(joined.question)
        combined = self._memo.get(key)
        if combined is None:
            combined = await ask_all(self.engines, joined.question)
            self._memo.put(key, combined)
        if combined.answer is None:
            return Judged(joined, combined, UNANSWERED)
        decision = self._decider.decide(
            combined.answer, joined.question, joined.origins, today=now.astimezone(UTC).date()
        )
        return Judged(joined, combined, decision)

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
        judged = await self.judge(request, now=now)
        decision_id = uuid7(now, self._random)
        predicate = self._predicate(judged, decision_id, caller.tenant, now)
        payload = write_statement(
            Statement(digest_request(value), cast("Mapping[str, Json]", predicate))
        )
        record = sign_envelope(payload, PAYLOAD_TYPE, self._signer).to_json()
        pending = self.ledger.append(decision_id, caller.tenant, canonicalise(record))
        receipt: Receipt = await asyncio.wrap_future(pending)
        self._report(judged, decision_id, caller, perf_counter() - started)
        return {**predicate, "record": record, "proof": receipt.proof_text}

    async def find(self, decision_id: str, caller: Caller) -> dict[str, object] | None:
        """A recorded decision of the caller's own tenant, as it was answered, with a proof
        against the newest checkpoint; None where the tenant has none of that id."""
        stored = await asyncio.to_thread(self.ledger.get, decision_id)
        if stored is None or stored.tenant != caller.tenant:
            return None
        proof = await asyncio.to_thread(self.ledger.proof, decision_id)
        record = load_strict(stored.body, max_bytes=MAX_BODY_BYTES)
        statement = read_statement(read_envelope(record).payload)
        return {**statement.predicate, "record": record, "proof": proof}

    def _predicate(
        self, judged: Judged, decision_id: str, tenant: str, now: datetime
    ) -> dict[str, object]:
        """What is signed of a decision; the answer repeats it member for member."""
        return {
            "id": decision_id,
            "tenant": tenant,
            **describe(judged),
            "bundle": self.bundle.digest,
            "catalogue": self.catalogue.digest,
            "evidence": [],
            "decided_at": _instant(now),
            "valid_until": _instant(self._valid_until(judged.joined.question.today, now)),
        }

    def _valid_until(self, today: Mapping[str, int], now: datetime) -> datetime:
        """At most `MAX_VALIDITY` ahead, and never past a midnight at which a date of the
        bundle changes the law."""
        until = now + MAX_VALIDITY
        for zone, days in self._boundaries.items():
            day = next((day for day in days if day > today[zone]), None)
            if day is not None:
                midnight = datetime.combine(day_of(day), datetime.min.time(), ZoneInfo(zone))
                until = min(until, midnight.astimezone(UTC))
        return until

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
        for engine in self.engines:
            await engine.close()
        await asyncio.to_thread(self.ledger.close)


def describe(judged: Judged) -> dict[str, object]:
    """A judgement as JSON: decision, reasons, engines, and the facts it rests on."""
    question, combined = judged.joined.question, judged.combined
    incident = combined.incident
    return {
        "action": question.action,
        **judged.decision.body(),
        "engines": {name: _said(answer) for name, answer in combined.answers.items()},
        "incident": incident and {"kind": incident.kind.value, "description": incident.description},
        "facts": [
            Fact(path, question.facts[path], judged.joined.origins[path]).body()
            for path in sorted(question.facts)
        ],
        "today": {zone: day_of(day).isoformat() for zone, day in question.today.items()},
    }


def _authorise(request: DecisionRequest, caller: Caller) -> None:
    caller.may(request.action.name)
    tenant = request.subject.properties.get("tenant")
    if tenant is not None and tenant != caller.tenant:
        raise AuthorisationError("this token does not speak for that tenant")


def _said(answer: object) -> str:
    return OUTCOMES[verdict(answer)].value if isinstance(answer, Answer) else "error"


def _instant(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
