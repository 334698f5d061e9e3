"""Asks the witnesses of a policy to cosign a checkpoint (C2SP tlog-witness v1, the client).

Each witness is asked in a thread of its own, one thing at a time: one that hangs holds up
nobody else. Nothing that a witness says is believed but a cosignature that verifies.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from queue import SimpleQueue
from time import monotonic
from typing import Protocol

from gateway.errors import CosignatureError, FetchError, FetchTimeoutError, LedgerError
from gateway.fetch import Fetched, Sent
from gateway.ledger.checkpoint import parse_checkpoint, parse_decimal
from gateway.ledger.note import Note, parse_note
from gateway.witness.errors import NoCosignatureError
from gateway.witness.policy import Policy, PolicyWitness
from gateway.witness.protocol import CONFLICT, note_of, write_line, write_request

MAX_ANSWER = 16 * 1024
CLOCK_LEEWAY_S = 300
# For those who count; a witness chooses none of them.
KINDS = ("timeout", "unreachable", "refused", "conflict", "ahead", "malformed", "wrong")
_TYPES = {"Accept": "text/plain", "Content-Type": "text/plain; charset=utf-8"}
_STATUSES = frozenset({200, CONFLICT})

Exchange = Callable[[Sent], Fetched]
"""One bounded request over HTTPS; raises `FetchError`."""

log = logging.getLogger("charter")


class Tree(Protocol):
    """The log whose checkpoints are to be cosigned."""

    @property
    def size(self) -> int: ...

    def consistency(self, old_size: int, new_size: int) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Line:
    """A cosignature that was verified, and when it was made, in seconds since 1970."""

    text: str
    time: int


@dataclass(frozen=True, slots=True)
class Collected:
    """A checkpoint and the cosignatures of it, by the names of the policy."""

    note: str
    lines: Mapping[str, Line]

    @property
    def cosigned(self) -> str:
        """The checkpoint with all lines."""
        return self.note + "".join(line.text for line in self.lines.values())


class Collector:
    """Asks the witnesses that have an address. `failures` counts by witness and kind."""

    def __init__(
        self,
        policy: Policy,
        tree: Tree,
        exchange: Exchange,
        *,
        clock: Callable[[], datetime],
        timeout_s: float,
    ) -> None:
        self.policy = policy
        self.failures: dict[str, dict[str, int]] = {}
        self._timeout_s = timeout_s
        self._askers = [
            _Asker(_Client(one, tree, exchange, clock))
            for one in policy.witnesses.values()
            if one.url is not None
        ]

    def collect(
        self, note: str, have: Mapping[str, Line] | None = None, *, only_enough: bool = False
    ) -> Collected:
        """The cosignatures of a signed checkpoint that come in time.

        Args:
            have: Those that are there already; they are not asked for again.
            only_enough: Return as soon as there is a quorum.
        """
        lines = dict(have or {})
        asked: dict[Future[Line], str] = {}
        for asker in self._askers:
            if asker.name not in lines:
                asked[asker.ask(note)] = asker.name
        until = monotonic() + self._timeout_s
        while asked and not (only_enough and self.policy.is_enough(lines)):
            done, _ = wait(asked, max(0.0, until - monotonic()), FIRST_COMPLETED)
            if not done:
                break
            for future in done:
                self._take(asked.pop(future), future, lines)
        for future, name in asked.items():
            future.cancel()  # has no effect on what is being asked
            if not (only_enough and self.policy.is_enough(lines)):
                self._failed(name, NoCosignatureError("timeout", "it did not answer in time"))
        return Collected(note, lines)

    def _take(self, name: str, future: "Future[Line]", lines: dict[str, Line]) -> None:
        try:
            lines[name] = future.result()
        except NoCosignatureError as error:
            self._failed(name, error)

    def _failed(self, name: str, error: NoCosignatureError) -> None:
        of_it = self.failures.setdefault(name, {})
        first = error.kind not in of_it
        of_it[error.kind] = of_it.get(error.kind, 0) + 1
        grave = error.kind in ("ahead", "refused", "wrong")
        # Each kind once at its first time, for it can come with every checkpoint.
        log.log(
            logging.ERROR if grave and first else logging.WARNING if first else logging.DEBUG,
            "witness %s did not cosign: %s",
            name,
            error,
        )

    def close(self) -> None:
        """Ask nothing more. What is under way ends by itself."""
        for asker in self._askers:
            asker.close()


class _Asker:
    """A thread for one witness."""

    def __init__(self, client: "_Client") -> None:
        self.name = client.name
        self._client = client
        self._queue: SimpleQueue[tuple[str, Future[Line]] | None] = SimpleQueue()
        # A daemon: a name that is being resolved cannot be interrupted.
        name = f"witness-{self.name}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def ask(self, note: str) -> "Future[Line]":
        """Ask after what is being asked. Whoever no longer waits cancels it."""
        asked: Future[Line] = Future()
        self._queue.put((note, asked))
        return asked

    def close(self) -> None:
        self._queue.put(None)

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            note, future = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._client.cosignature(note))
            except NoCosignatureError as error:
                future.set_exception(error)
            except Exception as error:  # nobody else would be told
                failed = NoCosignatureError("malformed", f"unforeseen: {type(error).__name__}")
                failed.__cause__ = error
                future.set_exception(failed)


class _Client:
    """What is known of one witness, and how it is asked."""

    def __init__(
        self,
        witness: PolicyWitness,
        tree: Tree,
        exchange: Exchange,
        clock: Callable[[], datetime],
    ) -> None:
        self.name = witness.name
        self._witness = witness
        self._url = f"{(witness.url or '').rstrip('/')}/add-checkpoint"
        self._tree = tree
        self._exchange = exchange
        self._clock = clock
        self._known = 0  # the size that it cosigned last, as far as is known here

    def cosignature(self, note: str) -> Line:
        """Ask for one; once more where it knows another size than was thought.

        Raises:
            NoCosignatureError: It gave none that holds.
        """
        parsed = parse_note(note.encode())
        size = parse_checkpoint(parsed).size
        for _ in range(2):
            if self._known > size:
                raise self._is_ahead(size)
            answer = self._ask(note, size)
            if answer.status != CONFLICT:
                line = self._read(answer, parsed)
                self._known = size
                return line
            self._known = _read_size(answer.body)
        if self._known > size:
            raise self._is_ahead(size)
        raise NoCosignatureError("conflict", "it names another size each time")

    def _is_ahead(self, size: int) -> NoCosignatureError:
        known = self._known
        if known <= self._tree.size:
            return NoCosignatureError("conflict", f"it has cosigned size {known} already")
        self._known = 0  # asked anew the next time: it may have lied
        return NoCosignatureError(
            "ahead",
            f"it says that it has cosigned size {known}, and this log has {size} entries: is "
            "this ledger an old copy? then stop the gateway, before the log has two histories",
        )

    def _ask(self, note: str, size: int) -> Fetched:
        try:
            path = self._tree.consistency(self._known, size) if 0 < self._known < size else []
            body = write_request(self._known, path, note)
            return self._exchange(Sent(self._url, body, _TYPES, _STATUSES))
        except FetchTimeoutError as error:
            raise NoCosignatureError("timeout", str(error)) from error
        except FetchError as error:
            raise NoCosignatureError("unreachable", str(error)) from error
        except LedgerError as error:  # such as that it is closed
            raise NoCosignatureError("malformed", f"no proof could be made: {error}") from error

    def _read(self, answer: Fetched, note: Note) -> Line:
        if answer.status != 200:
            self._known = 0
            raise NoCosignatureError("refused", f"it answered with status {answer.status}")
        return read_cosignature(
            answer.body, note, self._witness, now=int(self._clock().timestamp())
        )


def read_cosignature(body: bytes, note: Note, witness: PolicyWitness, *, now: int) -> Line:
    """The cosignature of a witness in its answer; lines of others are ignored.

    Raises:
        NoCosignatureError: There is none, it does not hold, or it is of another time.
    """
    if len(body) > MAX_ANSWER:
        raise NoCosignatureError("malformed", "its answer is too long")
    try:
        lines = parse_note(note.text.encode() + b"\n" + body).signatures
    except LedgerError as error:
        raise NoCosignatureError("malformed", f"its answer is none: {error}") from error
    key = witness.key
    ours = [one for one in lines if (one.name, one.key_id) == (key.name, key.key_id)]
    if len(ours) != 1:
        raise NoCosignatureError("wrong", f"its answer has {len(ours)} lines of its key")
    try:
        time = key.verify(ours[0].signature, note.text)
    except CosignatureError as error:
        raise NoCosignatureError("wrong", str(error)) from error
    if abs(time - now) > CLOCK_LEEWAY_S:
        raise NoCosignatureError("wrong", f"its cosignature is {time - now} s from now")
    return Line(write_line(ours[0]), time)


def _read_size(body: bytes) -> int:
    try:
        return parse_decimal(body.decode("ascii").removesuffix("\n"))
    except ValueError as error:
        raise NoCosignatureError("malformed", "its conflict names no size") from error


def read_witnessed(url: str, origin: str, exchange: Exchange) -> bytes | None:
    """The newest checkpoint of a log that a witness serves; None where it has none. Nothing
    is verified.

    Raises:
        NoCosignatureError: It could not be asked, or said something else.
    """
    place = f"{url.rstrip('/')}/{sha256(origin.encode()).hexdigest()}/checkpoint"
    try:
        answer = exchange(Sent(place, headers={"Accept": "text/plain"}))
    except FetchTimeoutError as error:
        raise NoCosignatureError("timeout", str(error)) from error
    except FetchError as error:
        raise NoCosignatureError("unreachable", str(error)) from error
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise NoCosignatureError("refused", f"it answered with status {answer.status}")
    return answer.body


def lines_of(note: str, witnesses: Sequence[PolicyWitness]) -> Collected:
    """A cosigned checkpoint, taken apart: with the lines of these witnesses that hold.

    Raises:
        CosignatureError: A line that names one of them does not hold.
        CheckpointMalformedError: It is no note.
    """
    parsed = parse_note(note.encode())
    known = {(one.key.name, one.key.key_id): one for one in witnesses}
    lines: dict[str, Line] = {}
    others = list(parsed.signatures)
    for line in parsed.signatures:
        witness = known.get((line.name, line.key_id))
        if witness is not None:
            time = witness.key.verify(line.signature, parsed.text)
            lines[witness.name] = Line(write_line(line), time)
            others.remove(line)
    return Collected(note_of(parsed.text, others), lines)
