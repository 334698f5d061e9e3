"""Asks one witness for a cosignature, and reads what it says; nothing else is believed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.errors import CosignatureError, FetchError, FetchTimeoutError, LedgerError
from gateway.fetch import Fetched, Sent
from gateway.ledger.checkpoint import parse_checkpoint, parse_decimal
from gateway.ledger.note import Note, parse_note
from gateway.witness.errors import NoCosignatureError
from gateway.witness.policy import PolicyWitness
from gateway.witness.protocol import CONFLICT, write_line, write_request

MAX_ANSWER = 16 * 1024
CLOCK_LEEWAY_S = 300
# For those who count; a witness chooses none of them.
KINDS = ("timeout", "unreachable", "refused", "conflict", "ahead", "malformed", "wrong")
_TYPES = {"Accept": "text/plain", "Content-Type": "text/plain; charset=utf-8"}
_STATUSES = frozenset({200, CONFLICT})

Exchange = Callable[[Sent], Fetched]
"""One bounded request over HTTPS; raises `FetchError`."""


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


class Client:
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
