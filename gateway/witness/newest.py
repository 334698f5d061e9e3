"""What is cosigned of a log, as far as it is known here, and what there is to say of it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.witness.collect import Collected
from gateway.witness.policy import Policy


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint with at least one cosignature; `note` has all lines. `at` is when the last
    of the quorum signed, in seconds since 1970."""

    checkpoint: Checkpoint
    collected: Collected
    note: str
    at: int

    @staticmethod
    def of(collected: Collected) -> "Cosigned":
        checkpoint = parse_checkpoint(parse_note(collected.note.encode()))
        at = max((line.time for line in collected.lines.values()), default=0)
        return Cosigned(checkpoint, collected, collected.cosigned, at)


class Newest:
    """The newest checkpoint that a quorum cosigned, and a newer one with fewer lines."""

    def __init__(self, policy: Policy, kept: Collected | None) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self.whole = None if kept is None else Cosigned.of(kept)
        self._part: Cosigned | None = None
        self.by_witness: dict[str, tuple[int, int]] = {}
        if self.whole is not None:
            self._count(self.whole)

    def take(self, collected: Collected) -> Cosigned | None:
        """Remember a checkpoint that was collected; what it is where it has a quorum."""
        new = Cosigned.of(collected)
        with self._lock:
            self._count(new)
            if self._policy.is_enough(collected.lines):
                if self.whole is None or new.checkpoint.size >= self.whole.checkpoint.size:
                    self.whole = new
                return new
            if collected.lines:
                self._part = new
            return None

    def _count(self, new: Cosigned) -> None:
        for name, line in new.collected.lines.items():
            self.by_witness[name] = (new.checkpoint.size, line.time)

    def covering(self, index: int) -> Cosigned | None:
        """What an entry is best proved against: the newest with a quorum, then any."""
        for one in (self.whole, self._part):
            if one is not None and index < one.checkpoint.size:
                return one
        return None

    def of_note(self, note: str) -> Cosigned | None:
        """The one of this very checkpoint."""
        for one in (self.whole, self._part):
            if one is not None and one.collected.note == note:
                return one
        return None


def say(
    mode: str,
    newest: Newest,
    failures: Mapping[str, Mapping[str, int]],
    *,
    size: int,
    is_late: bool,
    clock: Callable[[], datetime],
) -> dict[str, object]:
    """What whoever watches is told. `behind` counts entries that no quorum covers."""
    whole = newest.whole
    covered = 0 if whole is None else whole.checkpoint.size
    now = int(clock().timestamp())
    return {
        "mode": mode,
        "late": is_late,
        "size": covered,
        "behind": max(0, size - covered),
        "age_s": None if whole is None else max(0, now - whole.at),
        "checkpoint": None if whole is None else whole.note,
        "at": None if whole is None else datetime.fromtimestamp(whole.at, UTC).isoformat(),
        "witnesses": {
            name: {"size": reached, "age_s": max(0, now - at)}
            for name, (reached, at) in newest.by_witness.items()
        },
        "failures": {name: dict(kinds) for name, kinds in failures.items()},
    }
