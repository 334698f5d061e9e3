"""What a check of a ledger found: where, what, and what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

# Beyond these they are counted and not kept: a ledger can have ten million wrong entries.
MAX_KEPT = 1_000

Level = Literal["damage", "notice"]

_RESTORE = (
    "keep a copy of the state folder as it is, and restore the newest backup that `charter "
    "ledger fsck` finds good"
)
_WHO = "find out who changed it: nothing of Charter does; then restore the newest good backup"
WHAT_TO_DO: Mapping[str, str] = MappingProxyType(
    {
        "database": "copy the state folder, then check the disk; restore the newest good backup",
        "schema": _WHO,
        "identity": "give the trust file of this very gateway, or put back its own",
        "gap": _RESTORE,
        "duplicate": _WHO,
        "body": _RESTORE,
        "record": _WHO,
        "place": _WHO,
        "tombstone": _RESTORE,
        "erasure": "keep the ledger from others until it is mended: what the law wanted erased "
        "is in it; restore the newest good backup and erase again",
        "cosignature": "keep the file, and ask the witnesses for what they have: it may show that "
        "the ledger is an old copy or another history; where the file alone is damaged, remove "
        "it, and it is collected again",
        "timestamp": "put the two files back into `timestamps` from a backup; what they bounded "
        "in time is bounded by the next one only",
        "once": "find out who changed it: nothing of Charter does; a question that is sent again "
        "under that key may be decided again, and the log holds without it",
        "unfinished": "start the gateway once, or run `charter ledger erase` for that entry again: "
        "either finishes it",
        "time": "compare with the clock of the machine and the log lines of that day",
        "tile": _RESTORE,
        "checkpoint": _WHO,
        "root": _RESTORE,
        "head": _RESTORE,
        "evidence": "put `attestation.sqlite3` back from the newest good backup that has it; "
        "without it decisions verify, and their evidence cannot be judged again",
        "ended": "put the ledger of that log back into `shards` of the state folder, from the "
        "newest good backup; where it was moved away, its decisions are read there",
        "bundle": "put the file back into `bundles` of the state folder from a backup; without "
        "it the decision verifies and cannot be replayed",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be.

    Attributes:
        check: The stable name of what was checked, a key of `WHAT_TO_DO`.
        what: What is wrong, in a sentence.
        index: The entry, tile or tree size that it is about.
        id: The id of the entry.
        level: A notice may have an honest reason.
    """

    check: str
    what: str
    index: int | None = None
    id: str | None = None
    level: Level = "damage"

    @property
    def do(self) -> str:
        """What a person should do about it."""
        return WHAT_TO_DO[self.check]

    def to_json(self) -> dict[str, object]:
        return {
            "check": self.check,
            "level": self.level,
            "index": self.index,
            "id": self.id,
            "what": self.what,
            "do": self.do,
        }


@dataclass
class Findings:
    """Findings as they come, bounded. Mutable, for one thread."""

    kept: list[Finding] = field(default_factory=list[Finding])
    damages: int = 0
    notices: int = 0

    def add(self, found: Iterable[Finding]) -> None:
        for one in found:
            if one.level == "damage":
                self.damages += 1
            else:
                self.notices += 1
            if len(self.kept) < MAX_KEPT:
                self.kept.append(one)
