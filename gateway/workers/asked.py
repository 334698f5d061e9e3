"""What a worker may ask of the writer: read from a frame, and what becomes of it."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Protocol, cast

from gateway.errors import FrameError
from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.workers.frames import Kind, write_frame
from gateway.workers.values import Failure, listed

Entry = tuple[str, str, bytes]


class Asker(Protocol):
    """Whoever is told the answer."""

    def send(self, data: bytes) -> None: ...


class Group:
    """What one worker has asked to be appended together."""

    def __init__(self, asker: Asker, number: int, futures: "list[Future[Receipt]]") -> None:
        self.asker = asker
        self._number = number
        self._futures = futures
        self._next = 0

    def watch(self, told: Callable[["Group"], None]) -> None:
        """Have somebody told when all are done. One is watched at a time: they are done in
        more than one thread."""

        def look(_: "Future[Receipt] | None" = None) -> None:
            while self._next < len(self._futures):
                future = self._futures[self._next]
                self._next += 1
                if not future.done():
                    future.add_done_callback(look)
                    return
            told(self)

        look()

    def answer(self) -> bytes:
        found: list[Receipt | Failure] = []
        for future in self._futures:
            error = future.exception()
            found.append(future.result() if error is None else Failure.of(error))
        return write_frame(Kind.ANSWER, self._number, found)


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
