"""What clients asked and were answered, and whether the log bears it out.

Every answer that somebody received must hold offline, be in the log once, with the record
that was received, and in the order of time: what was answered before something else was
asked has the smaller index.
"""

import http.client
import json
import random
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from gateway.keeping.fsck import check
from gateway.ledger.checkpoint import Checkpoint, check_extends, verify_checkpoint
from gateway.ledger.entry import commit, entry_leaf
from gateway.ledger.log import Log
from gateway.state import open_state
from gateway.verify import Trust, verify_decision
from tests.faults.running import Project, Running
from tests.gateway.world import question

# What may be answered instead of a decision.
REFUSALS = frozenset({408, 429, 500, 503})


@dataclass(frozen=True)
class Asked:
    """A question and the outcomes that are right for it on a whole machine."""

    question: dict[str, Any] = field(repr=False)
    right: str


def draw(chance: random.Random) -> Asked:
    """A question of the small law. Half of them must never be permitted."""
    age = chance.randrange(730)
    near = chance.random() < 0.7
    asked = question(
        resource__id="near" if near else "far",
        context__transfer__age=age,
        subject__id=f"w-{chance.randrange(10**9)}",
    )
    return Asked(asked, "permit" if near and age <= 365 else "deny")


@dataclass(frozen=True)
class Event:
    """One question, from sending it to its answer. `status` is 0 where none came."""

    asked: Asked
    sent: float
    ended: float
    status: int
    answer: dict[str, Any] | None = field(repr=False)
    words: str = ""
    retry_after_ms: int | None = None

    @property
    def decision(self) -> str | None:
        return None if self.answer is None else str(self.answer["decision"])


@dataclass
class History:
    events: list[Event] = field(default_factory=list[Event])
    checkpoints: list[bytes] = field(default_factory=list[bytes])

    def __iadd__(self, other: "History") -> "History":
        self.events += other.events
        self.checkpoints += other.checkpoints
        return self

    @property
    def late(self) -> int:
        """How many were told that it took too long: they may be in the log nevertheless."""
        return sum(event.words.endswith("/decision-timeout") for event in self.events)

    def some(self, number: int) -> "History":
        """As many of its answers, spread over all: to verify thousands takes its time."""
        answered = self.answered
        return History(answered[:: max(1, len(answered) // number)], self.checkpoints)

    @property
    def answered(self) -> list[Event]:
        return [event for event in self.events if event.answer is not None]

    def statuses(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for event in self.events:
            found[event.status] = found.get(event.status, 0) + 1
        return found


def put(running: Running, asked: Asked, **how: Any) -> Event:
    """One question, whatever comes of it."""
    sent = time.monotonic()
    try:
        reply = running.ask(asked.question, **how)
        body = reply.json
    except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
        return Event(asked, sent, time.monotonic(), 0, None, type(error).__name__)
    answer = body if reply.status == 200 else None
    ended = time.monotonic()
    return Event(
        asked,
        sent,
        ended,
        reply.status,
        answer,
        str(body.get("type", "")),
        body.get("retry_after_ms"),
    )


class Clients:
    """Callers that ask one question after another until they are told to stop.

    Args:
        patient: Go on where nobody answers; else the caller ends.
    """

    def __init__(
        self, running: Running, seed: int, count: int = 4, *, patient: bool = False, **how: Any
    ) -> None:
        self.history = History()
        self._running = running
        self._patient = patient
        self._how = how
        self._stop = threading.Event()
        chances = [random.Random(f"{seed}-{number}") for number in range(count)]  # noqa: S311
        self._threads = [threading.Thread(target=self._ask, args=(one,)) for one in chances]
        for thread in self._threads:
            thread.start()

    def _ask(self, chance: random.Random) -> None:
        while not self._stop.is_set():
            event = put(self._running, draw(chance), **self._how)
            self.history.events.append(event)
            if event.status == 0:
                if not self._patient:
                    return
                time.sleep(0.05)

    def wait_for(self, answers: int, within_s: float = 15) -> None:
        until = time.monotonic() + within_s
        while len(self.history.answered) < answers:
            assert time.monotonic() < until, f"no load: {self.history.statuses()}"
            time.sleep(0.02)

    def end(self) -> History:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a caller still waits for its answer"
        return self.history

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


# --- what must hold -----------------------------------------------------------------


def check_answers(
    events: Sequence[Event], within_s: float = 10.0, *, refusals: Collection[int] = REFUSALS
) -> None:
    """R5: an answer is right or a refusal, in time, and never a permit that is not right."""
    for event in events:
        assert event.ended - event.sent < within_s, f"{event.ended - event.sent:.1f} s: {event}"
        if event.answer is None:
            assert event.status == 0 or event.status in refusals, event
        elif event.decision != event.asked.right:
            assert event.decision == "indeterminate", event
            assert event.answer["incident"] is not None, event


def check_log(project: Project, history: History) -> int:
    """R2 to R4 on a ledger that nobody has open; its size."""
    trust = project.trust()
    indices: dict[str, int] = {}
    for event in history.answered:
        assert event.answer is not None
        verified = verify_decision(event.answer, trust, expect_request=event.asked.question)
        assert verified.id not in indices, "one id for two answers"
        indices[verified.id] = verified.index
    assert len(set(indices.values())) == len(indices), "one place for two answers"
    _check_order(history.answered, indices)
    with open_state(project.state).open_ledger() as ledger:
        for event in history.answered:
            _check_found(ledger, event, indices)
        for note in history.checkpoints:
            _check_extended(ledger, note, trust)
        _check_whole(ledger, trust)
        size = ledger.size
    # R8: and what operators check with finds nothing.
    report = check(project.state / "ledger", trust)
    assert report.is_good, report.findings
    assert report.size == size
    return size


def _check_order(events: Sequence[Event], indices: dict[str, int]) -> None:
    moments = [(e.ended, 1, e) for e in events] + [(e.sent, 0, e) for e in events]
    highest = -1
    for _, is_end, event in sorted(moments, key=lambda moment: moment[:2]):
        assert event.answer is not None
        index = indices[event.answer["id"]]
        if is_end:
            highest = max(highest, index)
        else:
            assert index > highest, "asked after another answer, and logged before it"


def _check_found(ledger: Log, event: Event, indices: dict[str, int]) -> None:
    assert event.answer is not None
    stored = ledger.get(event.answer["id"])
    assert stored is not None, f"{event.answer['id']} was answered and is lost"
    assert stored.index == indices[stored.id]
    assert json.loads(stored.body) == event.answer["record"]


def _check_extended(ledger: Log, note: bytes, trust: Trust) -> None:
    seen = _read(note, trust)
    path = ledger.consistency(seen.size, ledger.size) if seen.size else []
    check_extends(seen, _read(ledger.latest_checkpoint().encode(), trust), path)


def _check_whole(ledger: Log, trust: Trust) -> None:
    """R8: the root from the entries, by the definition of RFC 6962 section 2.1."""
    leaves: list[bytes] = []
    ids: set[str] = set()
    for index in range(ledger.size):
        stored = ledger.get_at(index)
        assert stored is not None, f"entry {index} is missing"
        assert stored.id not in ids, f"{stored.id} is there twice"
        ids.add(stored.id)
        leaves.append(entry_leaf(commit(stored.salt, stored.body)))
    head = _read(ledger.latest_checkpoint().encode(), trust)
    assert head.size == len(leaves)
    assert head.root == root_of(leaves)


def _read(note: bytes, trust: Trust) -> Checkpoint:
    return verify_checkpoint(note, trust.log_key, origin=trust.origin)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of leaf hashes, as RFC 6962 writes it down."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = root_of(leaves[:split]), root_of(leaves[split:])
    return sha256(b"\x01" + left + right).digest()
