"""Which decisions rest on a machine of some kind: found again when its maker, or somebody who
broke it, says that it should not have counted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from gateway.keeping.attested import Attested
from gateway.keeping.export import Wanted, decision_rows
from gateway.keeping.progress import Told, nobody
from gateway.keeping.rows import Row
from gateway.ledger.shards import shard_folders

LEDGER = "ledger"
_TOLD = ("id", "index", "tenant", "decided_at", "valid_until", "verdict", "action", "site")


@dataclass(frozen=True)
class Kind:
    """What is looked for; what is not given does not narrow it.

    Attributes:
        same: What a machine is said to be, by column of `attested`, such as `product`.
        firmware_at_most: Any of these components at or below its level. One that was not told
            may be as old, as in an appraisal policy.
        digest: Named anywhere in the evidence: of itself, of a certificate, of the policy.
        refused: Also what did not count, and also where nothing was permitted.
    """

    same: Mapping[str, str] = field(default_factory=dict[str, str])
    firmware_at_most: Mapping[str, int] = field(default_factory=dict[str, int])
    digest: str | None = None
    refused: bool = False

    def of(self, row: Row) -> list[Attested]:
        """The machines of a decision that are meant; none where it does not rest on them."""
        if not self.refused and row["verdict"] != "permit":
            return []
        if self.digest is not None and self.digest not in cast("list[str]", row["evidence"]):
            return []
        return [one for one in cast("list[Attested]", row["attested"]) if self._is_meant(one)]

    def _is_meant(self, one: Attested) -> bool:
        if not self.refused and one["verdict"] != "accepted":
            return False
        if any(one[name] != value for name, value in self.same.items()):
            return False
        levels = {
            str(level["component"]): cast("int", level["level"])
            for level in cast("list[Mapping[str, object]]", one["firmware"])
        }
        asked = self.firmware_at_most.items()
        return not asked or any(levels.get(part, 0) <= most for part, most in asked)


@dataclass
class Resting:
    """What was found so far. Mutable, for one thread.

    Attributes:
        entries: How many were looked at.
        erased: Of them, those that say nothing any more.
    """

    entries: int = 0
    erased: int = 0
    found: int = 0


def resting(
    state: Path, kind: Kind, wanted: Wanted, seen: Resting, told: Told = nobody
) -> Iterator[Row]:
    """The decisions of a state folder, also of logs that have ended, oldest first, each with
    the machines that are meant in `attested`.

    Args:
        seen: Counts what is looked at meanwhile.

    Raises:
        SnapshotError: There is no ledger.
        ExportError: An entry is no record of ours.
    """
    folders = [*(one / LEDGER for one in shard_folders(state)), state / LEDGER]
    for folder in folders:
        for row in decision_rows(folder, wanted, told):
            seen.entries += 1
            if row["kind"] == "erased":
                seen.erased += 1
                continue
            machines = kind.of(row)
            if machines:
                seen.found += 1
                yield {name: row[name] for name in _TOLD} | {"attested": machines}
