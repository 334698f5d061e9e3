"""Every checkpoint that was signed, held against the tree as it grows."""

from collections.abc import Iterator

from gateway.errors import LedgerError
from gateway.keeping.finding import Finding
from gateway.keeping.growing import Recomputed
from gateway.keeping.snapshot import Snapshot
from gateway.verify.checkpoints import read_checkpoint
from gateway.verify.trust import Trust


class Checkpoints:
    """Goes along with the growing tree, from checkpoint to checkpoint."""

    def __init__(self, snapshot: Snapshot, trust: Trust, first: int) -> None:
        self._rows = snapshot.checkpoints(first)
        self._trust = trust
        self._next = next(self._rows, None)
        self._last = -1
        self.checked = 0

    def at(self, tree: Recomputed) -> Iterator[Finding]:
        """Check the checkpoint of the size that the tree has now, if there is one."""
        if self._next is None or self._next[0] != tree.size:
            return
        size, note, _ = self._next
        self._next, self._last = next(self._rows, None), size
        self.checked += 1
        try:
            signed = read_checkpoint(note.encode(), self._trust, witnessed=False)
        except LedgerError as error:
            yield Finding("checkpoint", f"the checkpoint of {size} does not hold: {error}", size)
            return
        if signed.size != size:
            said = f"the checkpoint that is stored for {size} is of {signed.size}"
            yield Finding("checkpoint", said, size)
        elif signed.root != tree.root():
            said = (
                f"the {size} entries have root {tree.root().hex()}, and root "
                f"{signed.root.hex()} was signed"
            )
            yield Finding("root", said, size)

    def rest(self, size: int) -> Iterator[Finding]:
        """What is stored beyond the entries, or missing for them."""
        if self._next is not None:
            said = f"there is a checkpoint of {self._next[0]}, and there are {size} entries"
            yield Finding("head", said, self._next[0])
        elif self._last != size:
            yield Finding("head", f"no checkpoint covers the {size} entries that are there", size)
