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
from queue import SimpleQueue
from time import monotonic

from gateway.ledger.note import parse_note
from gateway.witness.asking import Client, Exchange, Line, Tree
from gateway.witness.errors import NoCosignatureError
from gateway.witness.policy import Policy, PolicyWitness
from gateway.witness.protocol import note_of, write_line

log = logging.getLogger("charter")


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
            _Asker(Client(one, tree, exchange, clock))
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

    def __init__(self, client: "Client") -> None:
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
