"""One decision, from the bytes of a question to the answer with its proof.

    request → facts → engines → decision → signed record → ledger → answer

No answer leaves before its record is durable and proven.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Literal

from gateway.callers import Caller
from gateway.decision_log import Decided, Tell, tell
from gateway.errors import (
    AuthorisationError,
    ClockError,
    DecisionTimeoutError,
    RequestError,
    SigningError,
    StatementMalformedError,
)
from gateway.identifiers import uuid7
from gateway.in_force import InForce, InUse, counts_until
from gateway.keys import DecisionSigner
from gateway.keys.signer import RemoteSigner
from gateway.ledger.bodies import Enveloped
from gateway.ledger.interface import Ledger
from gateway.ledger.once import Once
from gateway.ledger.waiting import Waiting
from gateway.nodes.asking import Office, refuse_evidence
from gateway.nodes.desk import Desk
from gateway.nodes.question import MEMBER as EVIDENCE
from gateway.pdp.decision import Outcome
from gateway.pdp.fair import asking
from gateway.pdp.judge import Judged
from gateway.pdp.normalise import NO_CLAIMS, Claims
from gateway.pdp.request import DecisionRequest
from gateway.pdp.search import Searched
from gateway.pdp.standing import EngineState, first_down, states
from gateway.pdp.supplied import NOTHING, Supplied
from gateway.record.canonical import MAX_VALUES, Json, is_plain, load_strict
from gateway.record.envelope import (
    Envelope,
    EnvelopeSignature,
    pre_authentication_encoding,
    sign_envelope,
)
from gateway.record.statement import (
    PAYLOAD_TYPE,
    digest_request,
    digest_text,
    state_predicate,
)
from gateway.recorded import Recorded, read_answer
from gateway.repeated import repeated_text
from gateway.self_check import TENANT, own_record, self_check
from gateway.shapes import Asked, Shape
from gateway.spelling import answer_text
from gateway.watch import Nobody, Watch, decisions

MAX_BODY_BYTES = 1024 * 1024
DECISION_TIMEOUT_S = 2.0  # from the arrival of a question to its answer

# What a question leads to, at what instant, and until when a decision of it counts.
_Found = tuple[Shape, datetime, datetime]


@dataclass(frozen=True)
class Prepared:
    """A decision that is signed and not recorded. It is no answer yet."""

    judged: Judged
    id: str
    caller: Caller
    predicate: bytes
    record: bytes
    started: float
    until: float  # when it comes too late; both by the clock of `time.perf_counter`

    @property
    def permits(self) -> bool:
        return self.judged.decision.outcome is Outcome.PERMIT


class Service:
    """Decides with what is in force, and records what it decides."""

    def __init__(
        self,
        *,
        in_force: InForce,
        signer: DecisionSigner,
        ledger: Ledger,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Callable[[int], bytes] = os.urandom,
        timeout_s: float = DECISION_TIMEOUT_S,
        desk: Desk | None = None,
    ) -> None:
        self._in_force = in_force
        self._replaced: set[asyncio.Task[None]] = set()
        self.ledger = ledger
        # Where evidence of machines is taken; what it is judged by is in force.
        self.desk = desk
        self._signer = signer
        self._timeout_s = timeout_s
        self._key_id = signer.key_id
        # One that is elsewhere must be waited for.
        self._remote = signer if isinstance(signer, RemoteSigner) else None
        self.clock = clock
        self._random = random
        # Whoever watches sets this.
        self.watch: Watch = Nobody()
        # Whoever writes the log sets this.
        self.tell: Tell = tell
        ledger.on_commit(lambda entries: self.watch.committed(entries))
        self._proven = False
        self._waiting = Waiting()
        self.recorded = Recorded(ledger, self._steady_signer, lambda: self.clock(), random)

    @property
    def signer(self) -> DecisionSigner:
        """Who signs its decisions."""
        return self._signer

    @property
    def in_force(self) -> InForce:
        """What the next question is decided with. Whoever tells more than one thing of it
        reads this once."""
        return self._in_force

    def question(self) -> InUse:
        """What a question is decided with, from its reading to its answer: a block."""
        return self._in_force.in_use()

    def replace(self, in_force: InForce) -> None:
        """Decide from now on with something else. Questions that have begun end with what
        they began with, and then its engines are let go."""
        before, self._in_force = self._in_force, in_force
        closing = asyncio.get_running_loop().create_task(before.close())
        telling = asyncio.get_running_loop().create_task(self._tell_repeated(in_force))
        for task in (closing, telling):
            self._replaced.add(task)
            task.add_done_callback(self._replaced.discard)

    async def _tell_repeated(self, in_force: InForce) -> None:
        """Have the log keep what comes as a difference from what these rules say."""
        text = await asyncio.to_thread(repeated_text, in_force, self._key_id)
        self.ledger.repeats(text)

    async def check_engines(self) -> None:
        """Put the bundle's agreement vectors to every engine.

        Raises:
            ConfigurationError: An engine does not answer as the bundle says it must.
        """
        await self._in_force.check()

    async def self_check(self, trust: Mapping[str, object]) -> None:
        """Make a first proof and verify it with what strangers are told to trust.

        Raises:
            ConfigurationError: It cannot be made, or does not hold.
        """
        await self._tell_repeated(self._in_force)
        await self_check(
            self.ledger,
            self._signer,
            trust,
            loaded=self._in_force.named(),
            clock=self.clock,
            random=self._random,
        )
        self._proven = True

    async def record_own(self, action: str, members: Mapping[str, Json]) -> None:
        """Record something that the gateway did itself, as an entry of the log.

        Raises:
            LedgerUnavailableError: It could not be recorded.
        """
        at = self.clock()
        record_id = uuid7(at, self._random)
        # A signer can be far away.
        write = partial(own_record, record_id, at, action, members, self._signer)
        body = write() if self._remote is None else await asyncio.to_thread(write)
        (pending,) = self.ledger.append_all([(record_id, TENANT, body)])
        await asyncio.wrap_future(pending)

    def not_ready(self) -> str | None:
        """Why the next decision will not be answered, as far as is known; None where it
        should be."""
        if not self._proven:
            return "no decision has been recorded and proved since the start"
        try:
            self.clock()
        except ClockError:
            return "the clock is in doubt"
        if self.ledger.refusal():
            return "the log takes no entries"
        if self._remote is not None and self._remote.refusal():
            return "the key that signs decisions cannot be used"
        return first_down(self._in_force.judge.engines)

    def engines(self) -> list[EngineState]:
        """How each engine is, of what is in force."""
        return states(self._in_force.judge.engines)

    async def decide(self, body: bytes, caller: Caller) -> dict[str, object]:
        """The signed, recorded and proven answer to a question.

        Raises:
            JsonError: The body is no JSON, or has two meanings.
            RequestError: The question is malformed; the error names the field.
            AuthorisationError: The caller may not ask this.
            ClockError: Nobody knows the day to decide for.
            LedgerUnavailableError: The decision could not be recorded, so there is none.
        """
        return read_answer(await self.answer(body, caller))

    async def answer(self, body: bytes, caller: Caller, arrived: float | None = None) -> bytes:
        """As `decide`, the answer as it is sent.

        Args:
            arrived: When the body was there, by the clock of `time.perf_counter`; now where
                it is not given.

        Raises:
            DecisionTimeoutError: It took too long since.
        """
        value = load_strict(body, max_bytes=MAX_BODY_BYTES, max_values=MAX_VALUES)
        prepared = await self.prepare(value, caller, arrived=arrived, plain=is_plain(body))
        (answer,) = await self.commit_texts([prepared])
        return answer

    async def prepare(
        self,
        value: object,
        caller: Caller,
        request: DecisionRequest | None = None,
        claims: Claims = NO_CLAIMS,
        *,
        in_force: InForce | None = None,
        arrived: float | None = None,
        plain: bool = False,
    ) -> Prepared:
        """Decide and sign, and record nothing yet: nobody may see this before `commit`.

        Args:
            value: The question as it came, whose digest is recorded.
            request: What a door that reads questions in its own way made of it.
            claims: What the caller says there of facts that only others may state.
            in_force: With what that door read it, in use until this has returned.
            arrived: As of `answer`.
            plain: Whether `value` is what `load_strict` read of a text that is `is_plain`.

        Raises:
            RequestError: The question is malformed; the error names the field.
            AuthorisationError: The caller may not ask this.
            OverloadedError: An engine has too many questions to answer before this one.
        """
        if in_force is None:
            with self.question() as in_force:
                return await self.prepare(
                    value, caller, request, claims, in_force=in_force, arrived=arrived, plain=plain
                )
        started = perf_counter()
        until = (arrived or started) + self._timeout_s
        asked = in_force.shapes.read(value, caller.tenant) if plain and request is None else None
        found = None if asked is None else self._alike(asked, caller, in_force)
        if found is None:
            request = request or DecisionRequest.read(value)
            found = await self._judged(request, caller, claims, in_force, until)
            # What is known of a machine changes between two questions that name it.
            if asked is not None and EVIDENCE not in request.context:
                in_force.shapes.keep(asked, found[0])
        shape, now, ends = found
        decision_id = uuid7(now, self._random)
        predicate = shape.spelled.at(decision_id=decision_id, now=now, until=ends)
        digest = digest_request(value) if asked is None else digest_text(asked.text)
        record = await self._sign(_payload(digest, predicate), until)
        return Prepared(shape.judged, decision_id, caller, predicate, record, started, until)

    async def _judged(
        self,
        request: DecisionRequest,
        caller: Caller,
        claims: Claims,
        in_force: InForce,
        until: float,
    ) -> _Found:
        authorise(request.action.name, request.subject.properties.get("tenant"), caller)
        now = self.clock()
        verified = NOTHING
        if EVIDENCE in request.context:
            request, verified = await self._look(request, caller, claims, in_force, now, until)
        judged = await in_force.judge.judge(
            request, now=now, tenant=caller.tenant, claims=claims, verified=verified
        )
        if perf_counter() > until:
            raise DecisionTimeoutError(f"the engines took longer than {self._timeout_s:g} s in all")
        shape = in_force.shape(request, judged, caller.tenant, now)
        return shape, now, in_force.valid_until(judged, now)

    async def _look(
        self,
        request: DecisionRequest,
        caller: Caller,
        claims: Claims,
        in_force: InForce,
        now: datetime,
        until: float,
    ) -> tuple[DecisionRequest, Supplied]:
        """What is known of the machine that a question names, and the question without it."""
        if self.desk is None or in_force.attestation is None:
            refuse_evidence(request, in_force.bundle.program)
            return request, NOTHING
        check = partial(in_force.judge.check_question, now=now, tenant=caller.tenant, claims=claims)
        looking = Office(self.desk, in_force.attestation).look(
            request,
            tenant=caller.tenant,
            caller=caller.id,
            now=now,
            site=in_force.site_of(request),
            check=check,
        )
        try:
            async with asyncio.timeout(max(0.0, until - perf_counter())):
                return await looking
        except TimeoutError as error:
            raise DecisionTimeoutError("the evidence took too long to be verified") from error

    def _alike(self, asked: Asked, caller: Caller, in_force: InForce) -> _Found | None:
        """The same from what a question of the same shape led to, where it still does."""
        shape = in_force.shapes.find(asked)
        if shape is None:
            return None
        authorise(shape.action, shape.said_tenant, caller)
        now = self.clock()
        if not in_force.leads_to(shape, now):
            return None
        return shape, now, counts_until(now, shape.ends)

    async def _sign(self, payload: bytes, until: float) -> bytes:
        """The record of a payload, in no more time than there is."""
        signer = self._steady_signer()
        if self._remote is None:
            record = sign_envelope(payload, PAYLOAD_TYPE, signer).to_bytes()
            return Enveloped(record, payload)
        pending = self._remote.sign_later(pre_authentication_encoding(PAYLOAD_TYPE, payload))
        try:
            async with asyncio.timeout(max(0.0, until - perf_counter())):
                signature = await asyncio.wrap_future(pending)
        except TimeoutError as error:
            raise DecisionTimeoutError("the key that signs decisions is slow") from error
        line = EnvelopeSignature(signer.key_id, signature)
        return Enveloped(Envelope(PAYLOAD_TYPE, payload, (line,)).to_bytes(), payload)

    def _steady_signer(self) -> DecisionSigner:
        if self._signer.key_id != self._key_id:
            raise SigningError("the decision key is not the one of the start; restart the gateway")
        return self._signer

    async def commit(self, prepared: Sequence[Prepared]) -> list[dict[str, object]]:
        """Record what was prepared, in one commit group: all of it or nothing. The answers,
        each with its own proof, in the same order.

        Raises:
            LedgerUnavailableError: It could not be recorded, so there are no decisions.
        """
        return [read_answer(text) for text in await self.commit_texts(prepared)]

    async def commit_texts(
        self, prepared: Sequence[Prepared], *, once: Once | None = None
    ) -> list[bytes]:
        """As `commit`, the answers as they are sent.

        Args:
            once: The key under which it is recorded, used up with it and not without.

        Raises:
            KeyTakenError: The key is used up; nothing was recorded.
            KeysExhaustedError: The tenant has no room for one more.
            DecisionTimeoutError: It took too long; it may be recorded nevertheless.
        """
        bodies = [(one.id, one.caller.tenant, one.record) for one in prepared]
        # Several share a commit, which has its own time.
        until = prepared[0].until if len(prepared) == 1 else perf_counter() + self._timeout_s
        try:
            receipts = await self._waiting.append(self.ledger, bodies, until, once=once)
        except TimeoutError as error:
            raise DecisionTimeoutError("the disk of the log is slow") from error
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
        *,
        in_force: InForce | None = None,
    ) -> Searched:
        """For which subjects, resources or actions a question would be permitted by what is
        in use. Nothing is recorded; raises as `Searcher.entities`."""
        if in_force is None:
            with self.question() as in_force:
                return await self.search(value, sought, caller, in_force=in_force)
        now, searcher = self.clock(), in_force.searcher
        asking.set(caller.tenant)
        if sought == "action":
            names = [
                name
                for name in in_force.bundle.program.actions
                if caller.actions is None or name in caller.actions
            ]
            return await searcher.actions(value, names, now=now, tenant=caller.tenant)
        return await searcher.entities(value, sought, now=now, tenant=caller.tenant)

    async def find_once(self, key: bytes, now: int) -> Once | None:
        """What is known of a key that is used up; raises `LedgerUnavailableError`."""
        return await asyncio.to_thread(self.ledger.find_once, key, now)

    def _report(self, judged: Judged, decision_id: str, caller: Caller, seconds: float) -> None:
        incident = judged.combined.incident
        outcome = judged.decision.outcome.value
        kind = incident.kind.value if incident else None
        self.watch.decided(outcome, caller.tenant, seconds, kind)
        if (told := decisions.get()) is not None:
            told.append((decision_id, outcome))
        said = incident.description if incident else None
        self.tell(Decided(decision_id, outcome, caller.id, caller.tenant, said, seconds))

    async def close(self) -> None:
        """Finish what is queued, then let go of the engines and the ledger."""
        await asyncio.gather(self._in_force.close(), *self._replaced)
        await asyncio.to_thread(self.ledger.close)
        if self.desk is not None:
            await asyncio.to_thread(self.desk.close)


def authorise(action: str, said_tenant: object, caller: Caller) -> None:
    """Raise `AuthorisationError` unless the caller may put a question of that action about a
    workload of which it says that tenant."""
    caller.may(action)
    if said_tenant is not None and said_tenant != caller.tenant:
        raise AuthorisationError("this token does not speak for that tenant")


def _payload(request_digest: str, predicate: bytes) -> bytes:
    try:
        return state_predicate(request_digest, predicate)
    except StatementMalformedError as error:
        # The facts are repeated in the record, so a question can be within its own limit and
        # its record beyond that of records.
        raise RequestError(
            "the facts are too large to be recorded; state fewer values", pointer="/context"
        ) from error
