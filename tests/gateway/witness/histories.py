"""Logs that grow, and one that tells two stories; witnesses to tell them to."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.keys import CheckpointKey
from gateway.ledger.cosignature import WitnessPublicKey, verify_cosignatures
from gateway.ledger.log import Log
from gateway.ledger.note import parse_note
from gateway.witness import folder
from gateway.witness.protocol import Logs, write_request
from gateway.witness.store import Store
from gateway.witness.witness import Witness
from tests.gateway.ledger.logs import KEY, ORIGIN, append, open_log

NAME = "witness.example/w1"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
LOGS: Logs = {ORIGIN: (KEY.public,)}


@dataclass
class History:
    """What a log showed, checkpoint by checkpoint. `story` makes its entries its own."""

    log: Log
    story: str
    notes: dict[int, str] = field(default_factory=dict[int, str])

    @staticmethod
    def begin(place: Path, story: str = "true", *, signer: CheckpointKey = KEY) -> "History":
        log = open_log(place / story, origin=signer.public.name, signer=signer)
        return History(log, story, {0: log.latest_checkpoint()})

    def grow(self, *sizes: int) -> "History":
        """Append up to these sizes, and keep the checkpoint of each."""
        for size in sizes:
            append(self.log, *(f"{self.story}-{n}" for n in range(self.log.size, size)))
            self.notes[size] = self.log.latest_checkpoint()
        return self

    def request(self, old: int, new: int) -> bytes:
        """What the log sends, with the proof that belongs to it."""
        path = self.log.consistency(old, new) if 0 < old <= new else []
        return write_request(old, path, self.notes[new])


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def step(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Made:
    """A witness in a folder, which can be closed and opened again."""

    place: Path
    logs: Logs = field(default_factory=lambda: LOGS)
    clock: Clock = field(default_factory=Clock)
    name: str = NAME

    def __post_init__(self) -> None:
        self.key: WitnessPublicKey = folder.create(self.place, name=self.name).public
        self.witness: Witness
        self.store: Store
        self.open()

    def open(self) -> None:
        self.witness, self.store = folder.open_witness(self.place, self.logs, self.clock)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def size(self, origin: str = ORIGIN) -> int | None:
        """What it remembers of a log."""
        seen = self.store.find(origin)
        return None if seen is None else seen.checkpoint.size

    def check(self, note: str, line: str) -> int:
        """That a line is its cosignature of a note; when it was made."""
        parsed = parse_note((note + line).encode())
        return verify_cosignatures(parsed, [self.key], quorum=1)[self.name]
