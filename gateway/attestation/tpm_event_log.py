"""Event logs of a measured boot, and the registers they lead to (TCG PC Client Platform
Firmware Profile, section 10; TCG EFI Protocol Specification, section 5).

A log proves the order and the digests of events. What an event says beside its digest is
believed only where the digest is that of its data.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import Hash

from gateway.attestation import tpm_structures as tpm
from gateway.attestation.errors import EvidenceBindingError, EvidenceMalformedError
from gateway.attestation.tpm_structures import Values

MAX_LOG = 1024 * 1024
MAX_EVENTS = 10_000
_MAX_HASHES = 8
_NO_ACTION = 3
_SPEC_ID = b"Spec ID Event03\0"
_LOCALITY = b"StartupLocality\0"
_FILL = 0xFFFFFFFF  # where a firmware left room for more events


@dataclass(frozen=True)
class Event:
    """One event: the register, its type, its digest by hash, and its data."""

    index: int
    kind: int
    digests: Mapping[int, bytes]
    data: bytes


@dataclass(frozen=True)
class EventLog:
    """A log as it was read.

    Attributes:
        sizes: The length of digests by hash.
        locality: From which the machine was started, where it says so: the first value of PCR 0.
    """

    sizes: Mapping[int, int]
    events: tuple[Event, ...]
    locality: int

    def replay(self, bank: int) -> dict[int, bytes]:
        """The registers that the events lead to, of one bank; those without events are left
        out. EV_NO_ACTION extends nothing."""
        found: dict[int, bytes] = {}
        for event in self.events:
            if event.kind == _NO_ACTION or bank not in event.digests:
                continue
            before = found.get(event.index)
            if before is None:
                first = self.locality if event.index == 0 else 0
                before = first.to_bytes(tpm.HASHES[bank].digest_size)
            digest = Hash(tpm.HASHES[bank])
            digest.update(before + event.digests[bank])
            found[event.index] = digest.finalize()
        return found


def parse_event_log(data: bytes) -> EventLog:
    """A log in the format of TPM 2.0, or in the old one of SHA-1 alone.

    Raises:
        EvidenceMalformedError: It is cut, or out of its bounds.
    """
    if len(data) > MAX_LOG:
        raise EvidenceMalformedError(f"an event log of more than {MAX_LOG} bytes")
    reader = _Reader(data)
    first = reader.event({tpm.SHA1: 20}, is_old=True)
    sizes = _spec_id(first.data) if first.kind == _NO_ACTION else None
    events: list[Event] = [] if sizes is not None else [first]
    while not reader.is_over():
        if len(events) == MAX_EVENTS:
            raise EvidenceMalformedError(f"an event log of more than {MAX_EVENTS} events")
        events.append(reader.event(sizes or {tpm.SHA1: 20}, is_old=sizes is None))
    return EventLog(sizes or {tpm.SHA1: 20}, tuple(events), _locality(events))


class _Reader:
    """A place in little-endian bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise EvidenceMalformedError("an event log is cut off")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def is_over(self) -> bool:
        """Whether nothing follows but what fills the room that is left."""
        rest = self._data[self._at :]
        if rest[:4] == _FILL.to_bytes(4) and rest.strip(b"\xff"):
            raise EvidenceMalformedError("something follows the end of an event log")
        return not rest or rest[:4] == _FILL.to_bytes(4)

    def event(self, sizes: Mapping[int, int], *, is_old: bool) -> Event:
        index, kind = self.number(4), self.number(4)
        digests: dict[int, bytes] = {}
        if is_old:
            digests[tpm.SHA1] = self.take(20)
        else:
            count = self.number(4)
            if count > len(sizes):
                raise EvidenceMalformedError("an event has more digests than its log has hashes")
            for _ in range(count):
                bank = self.number(2)
                if bank not in sizes or bank in digests:
                    raise EvidenceMalformedError("an event has a digest that its log does not know")
                digests[bank] = self.take(sizes[bank])
        return Event(index, kind, digests, self.take(self.number(4)))


def _spec_id(data: bytes) -> dict[int, int] | None:
    """The hashes of a log and their lengths; None where the event is no Spec ID, so that the
    log is in the old format."""
    if not data.startswith(_SPEC_ID):
        return None
    reader = _Reader(data[len(_SPEC_ID) + 8 :])
    count = reader.number(4)
    if not 0 < count <= _MAX_HASHES:
        raise EvidenceMalformedError(f"an event log has 1 to {_MAX_HASHES} hashes")
    found: dict[int, int] = {}
    for _ in range(count):
        bank, size = reader.number(2), reader.number(2)
        if size > 64 or (bank in tpm.HASHES and size != tpm.HASHES[bank].digest_size):
            raise EvidenceMalformedError("a hash of an event log has another length")
        found[bank] = size
    return found


def _locality(events: list[Event]) -> int:
    for event in events:
        if event.kind == _NO_ACTION and event.data.startswith(_LOCALITY):
            rest = event.data[len(_LOCALITY) :]
            if len(rest) != 1 or rest[0] not in (0, 3, 4):
                raise EvidenceMalformedError("the locality of an event log is none")
            return rest[0]
    return 0


def check_events(log: EventLog, values: Values, bank: int) -> list[int]:
    """Check that the events lead to the quoted values of a bank.

    Args:
        values: Of the quote, whose digest holds.

    Returns:
        The registers that the log explains. Others, such as those that an operating system
        extends later, are not explained by it.

    Raises:
        EvidenceBindingError: A register has another value than the events lead to, or was not
            quoted.
    """
    found = log.replay(bank)
    for index, value in found.items():
        if values.get((bank, index)) != value:
            raise EvidenceBindingError(f"the events do not lead to the quoted value of PCR {index}")
    return sorted(found)
