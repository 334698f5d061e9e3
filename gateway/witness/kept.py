"""The newest checkpoint that a quorum cosigned, in a file beside the log."""

import os
from collections.abc import Callable
from pathlib import Path

from gateway.errors import LedgerError
from gateway.keys import CheckpointPublicKey
from gateway.ledger.checkpoint import check_extends, parse_checkpoint, verify_checkpoint
from gateway.ledger.note import MAX_NOTE, parse_note
from gateway.witness.asking import Tree
from gateway.witness.collect import Collected, lines_of
from gateway.witness.policy import Policy

FILE = "witnessed.note"


class Kept:
    """The file; written whole or not at all, and on disk when `write` returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE

    def write(self, cosigned: str) -> None:
        """Raises `OSError`."""
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            file.write(cosigned)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def read(
        self,
        policy: Policy,
        tree: Tree,
        newest: str,
        key: CheckpointPublicKey,
        say: Callable[[str], None],
    ) -> Collected | None:
        """What is in the file, where it is of this log and still a quorum.

        Args:
            newest: The newest checkpoint of the log.
            say: Told why the file is of no use, where it is there.

        Raises:
            LedgerError: Witnesses have cosigned what this log does not hold: it is an old
                copy, or another history.
        """
        try:
            data = self._path.read_bytes()[: MAX_NOTE + 1]
            checkpoint = verify_checkpoint(data, key, origin=key.name)
            found = lines_of(data.decode(), list(policy.witnesses.values()))
        except FileNotFoundError:
            return None
        except (OSError, LedgerError) as error:
            say(f"{self._path} is of no use: {error}")
            return None
        head = parse_checkpoint(parse_note(newest.encode()))
        try:
            path = (
                tree.consistency(checkpoint.size, head.size)
                if 0 < checkpoint.size < head.size
                else []
            )
            check_extends(checkpoint, head, path)
        except LedgerError as error:
            raise LedgerError(
                f"witnesses have cosigned another history than this ledger has, or a longer one "
                f"({error}): it is an old copy; put back the newest one, or begin a new log"
            ) from error
        if not policy.is_enough(found.lines):
            say(f"{self._path} is of no use: it has no quorum of the policy any more")
            return None
        return found
