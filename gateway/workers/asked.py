"""What a worker may ask of the writer: read from a frame, and what becomes of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from gateway.errors import FrameError, LedgerError, LedgerUnavailableError
from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.ledger.once import Once
from gateway.ledger.pending import Entry, Pending
from gateway.workers.frames import Kind, write_frame, write_pieces
from gateway.workers.pieces import write_receipts
from gateway.workers.values import Failure, listed


class Asker(Protocol):
    """Whoever is told the answer."""

    def send(self, data: bytes) -> None: ...


class Group(Pending):
    """What one worker has asked to be appended together. `is_plain` where it is answered with
    nothing but receipts if all goes well."""

    __slots__ = ("_told", "asker", "is_plain", "number")

    def __init__(
        self,
        asker: Asker,
        number: int,
        told: Callable[["Group"], None],
        entries: Sequence[Entry],
        *,
        once: Once | None = None,
        erases: str | None = None,
        is_plain: bool = False,
    ) -> None:
        super().__init__(entries, once=once, erases=erases)
        self.asker = asker
        self.number = number
        self.is_plain = is_plain
        self._told = told

    def tell(self) -> None:
        self._told(self)

    def has_failed(self) -> bool:
        """Whether the ledger may take nothing at present."""
        return any(isinstance(one, LedgerUnavailableError) for one in self.outcomes)

    def answer(self) -> bytes:
        found = [one if isinstance(one, Receipt) else _failure(one) for one in self.outcomes]
        return write_frame(Kind.ANSWER, self.number, found)


def answers(groups: Sequence[Group]) -> list[bytes]:
    """Frames that answer groups of one worker."""
    plain: list[tuple[int, list[Receipt]]] = []
    frames: list[bytes] = []
    for one in groups:
        receipts = [found for found in one.outcomes if isinstance(found, Receipt)]
        if one.is_plain and len(receipts) == len(one):
            plain.append((one.number, receipts))
        else:
            frames.append(one.answer())
    if plain:
        frames.append(write_pieces(Kind.RECEIPTS, write_receipts(plain)))
    return frames


def _failure(outcome: LedgerError | None) -> Failure:
    return Failure.of(outcome or LedgerUnavailableError("it is told too early"))


# --- read from a frame ---------------------------------------------------------------

_READS: Mapping[object, tuple[type | tuple[type, ...], ...]] = {
    "get": (str, (str, type(None))),
    "get_at": (int,),
    "proof": (str,),
    "find_once": (bytes, int),
    "witnessed": (),
    "is_tidy": (),
    "repeats": (bytes,),
}


def entry_of(value: object) -> Entry:
    entry_id, tenant, body = listed(value, 3)
    if isinstance(entry_id, str) and isinstance(tenant, str) and isinstance(body, bytes):
        return entry_id, tenant, body
    raise FrameError("an entry is an id, a tenant and a body")


def read_of(ledger: Ledger, name: object, arguments: list[object]) -> Callable[[], object]:
    if not isinstance(name, str) or name not in _READS:
        raise FrameError("this cannot be asked")
    types = _READS[name]
    if len(arguments) != len(types) or not all(
        isinstance(one, kind) for one, kind in zip(arguments, types, strict=False)
    ):
        raise FrameError(f"{name} takes other arguments")

    def read() -> object:
        if name == "get":
            entry_id, tenant = arguments
            return ledger.get(cast("str", entry_id), tenant=cast("str | None", tenant))
        if name == "is_tidy":
            return int(ledger.is_tidy())
        return getattr(ledger, name)(*arguments)

    return read
