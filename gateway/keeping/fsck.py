"""Everything that a ledger serves, recomputed from its entries and held against what was
signed, in memory that does not grow with it.

 1. Each entry: body, salt, leaf, signature, place (`entries`), in one process or several.
 2. The tree of their leaves: every stored tile, and the root at every checkpoint.
 3. Each checkpoint: the log's own signature.
 4. The database: its pages, its schema, its owner.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.errors import LedgerError
from gateway.keeping import structure
from gateway.keeping.entries import Elsewhere, RangeChecked, went_back
from gateway.keeping.finding import Finding, Findings
from gateway.keeping.growing import Recomputed
from gateway.keeping.progress import Told, nobody
from gateway.keeping.ranges import ranges_of
from gateway.keeping.signed import Checkpoints
from gateway.keeping.snapshot import Snapshot, open_snapshot
from gateway.ledger.merkle import HASH_SIZE
from gateway.ledger.tree import TILE_WIDTH
from gateway.verify.trust import Trust

QUICK = 4 * TILE_WIDTH  # entries at the end, at least


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked and what was found.

    Attributes:
        first: The first entry that was checked; what is before it was believed.
        size: The number of entries.
        root: The root over all of them, in hex; None where the tree cannot be recomputed.
        checkpoints: How many were checked.
        bundles: The digest of each bundle that decided, with the first entry that names it.
        elsewhere: What its entries say of erased entries of other logs.
    """

    origin: str
    first: int
    size: int
    root: str | None
    checkpoints: int
    bundles: dict[str, int]
    findings: tuple[Finding, ...]
    damages: int
    notices: int
    elsewhere: tuple[Elsewhere, ...] = ()

    @property
    def is_good(self) -> bool:
        return self.damages == 0

    def beside(self, found: Sequence[Finding]) -> "Report":
        """The report with what was found elsewhere."""
        damages = sum(one.level == "damage" for one in found)
        return replace(
            self,
            findings=(*self.findings, *found),
            damages=self.damages + damages,
            notices=self.notices + len(found) - damages,
        )

    def to_json(self, *, good: bool) -> dict[str, object]:
        return {
            "good": good,
            "origin": self.origin,
            "from": self.first,
            "size": self.size,
            "root": self.root,
            "checkpoints": self.checkpoints,
            "bundles": self.bundles,
            "damages": self.damages,
            "notices": self.notices,
            "findings": [one.to_json() for one in self.findings],
        }


def check(
    folder: Path,
    trust: Trust,
    *,
    first: int = 0,
    quick: bool = False,
    jobs: int = 1,
    told: Told = nobody,
) -> Report:
    """Check the ledger in a folder, as it stands now.

    Args:
        folder: The one with the database.
        first: Believe what is before this entry, as far as the next checkpoint shows it.
        quick: The newest entries alone, and not the pages of the database.
        jobs: Processes that check entries.

    Raises:
        SnapshotError: There is nothing to check.
    """
    with open_snapshot(folder) as snapshot:
        return _Check(snapshot, trust, told).run(folder, first, quick, jobs)


class _Check:
    def __init__(self, snapshot: Snapshot, trust: Trust, told: Told) -> None:
        self._snapshot = snapshot
        self._trust = trust
        self._told = told
        self._found = Findings()
        self._bundles: dict[str, int] = {}
        self._elsewhere: list[Elsewhere] = []
        self._checkpoints = 0

    def run(self, folder: Path, first: int, quick: bool, jobs: int) -> Report:
        size = self._snapshot.size
        if quick:
            first = max(first, size - QUICK)
        first = max(0, min(first, size))
        first -= first % TILE_WIDTH
        root = None
        try:
            self._found.add(structure.check_structure(self._snapshot))
            self._found.add(structure.check_erasures(self._snapshot))
            self._found.add(structure.check_identity(self._snapshot, _logs(self._trust)))
            with ranges_of(self._snapshot, folder, self._trust, first, jobs) as ranges:
                root = self._tree(first, ranges)
            if not quick:
                self._told("pages", 0, 1)
                self._found.add(structure.check_pages(self._snapshot))
        except sqlite3.Error as error:
            self._found.add([Finding("database", f"the database cannot be read: {error}")])
        return Report(
            origin=self._snapshot.meta.get("origin", ""),
            first=first,
            size=size,
            root=None if root is None else root.hex(),
            checkpoints=self._checkpoints,
            bundles=self._bundles,
            findings=tuple(self._found.kept),
            damages=self._found.damages,
            notices=self._found.notices,
            elsewhere=tuple(self._elsewhere),
        )

    def _tree(self, first: int, ranges: Iterator[RangeChecked]) -> bytes | None:
        """Recompute the tree; its root, where every leaf was there."""
        size = self._snapshot.size
        try:
            tree = Recomputed.resume(first, self._snapshot.tile, self._tile)
        except LedgerError as error:
            self._found.add([Finding("tile", str(error), first)])
            return None
        checkpoints = Checkpoints(self._snapshot, self._trust, first)
        before: str | None = None
        for checked in ranges:
            self._found.add(checked.findings)
            if checked.times is not None:
                if before is not None and checked.times[0] < before:
                    went = went_back(checked.first, before, checked.times[0])
                    self._found.add([went])
                before = checked.times[1]
            for bundle, index in checked.bundles.items():
                self._bundles.setdefault(bundle, index)
            self._elsewhere += checked.elsewhere
            if tree.size != checked.first:
                continue  # an entry is missing: nothing after it has its place in the tree
            for at in range(0, len(checked.leaves), HASH_SIZE):
                self._found.add(checkpoints.at(tree))
                tree.add(checked.leaves[at : at + HASH_SIZE])
            self._told("entries", checked.end - first, size - first)
        self._found.add(checkpoints.at(tree))
        if tree.size == size:
            self._found.add(checkpoints.rest(size))
        self._checkpoints = checkpoints.checked
        return tree.root() if tree.size == size else None

    def _tile(self, level: int, index: int, hashes: bytes) -> None:
        try:
            stored = self._snapshot.tile(level, index)
        except LedgerError as error:
            self._found.add([Finding("tile", str(error), index)])
            return
        if stored != hashes:
            said = f"tile {index} of level {level} is not that of its entries"
            self._found.add([Finding("tile", said, index)])


def _logs(trust: Trust) -> dict[str, list[str]]:
    origins = [trust.origin, *(origin for origin, _ in trust.terms.further_logs)]
    return {origin: [key.vkey for key in trust.log_keys(origin)] for origin in origins}
