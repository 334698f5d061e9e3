"""The newest checkpoint of each log that was opened here, in a file apart from the ledger.

    {"format": "charter-seen/v1",
     "logs": [{"checkpoint": "<signed note>", "ended": false, "keys": ["<vkey>"]}]}

`keys` are all that the log has had so far: a copy from before its key was replaced knows the
first of them alone, and must not take the log for another one.

Who puts an older copy of a ledger back leaves this file where it is, and it says that there
was more. So it must not lie where the copies are made from.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import cast

from gateway.errors import CheckpointMalformedError, CheckpointSignatureError, LedgerError
from gateway.keys import CheckpointPublicKey
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.note import parse_note, verify_note

SEEN_FORMAT = "charter-seen/v1"
MAX_FILE = 1024 * 1024
MAX_LOGS = 256


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint of one log; `ended` where nothing may be appended to it any more. `keys`
    are the verifier keys that the log is known to have had."""

    note: str
    checkpoint: Checkpoint
    ended: bool = False
    keys: tuple[str, ...] = ()

    @staticmethod
    def of(note: str, *, ended: bool = False, keys: tuple[str, ...] = ()) -> "Seen":
        """Raises `CheckpointMalformedError`; nothing is verified."""
        return Seen(note, parse_checkpoint(parse_note(note.encode())), ended, keys)

    def is_of(self, origin: str, keys: Sequence[CheckpointPublicKey]) -> bool:
        """Whether one of the keys of a log signed it."""
        if self.checkpoint.origin != origin:
            return False
        try:
            verify_note(parse_note(self.note.encode()), keys)
        except CheckpointSignatureError:
            return False
        return True

    def is_akin(self, origin: str, keys: Sequence[CheckpointPublicKey]) -> bool:
        """Whether it is of the log that has, or had, one of the keys."""
        had = {key.vkey for key in keys}.intersection(self.keys)
        return self.is_of(origin, keys) or (self.checkpoint.origin == origin and bool(had))


class SeenFile:
    """Reads and replaces the file; one writer at a time, which holds the lock of its ledger."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Seen]:
        """What was seen, of every log; nothing where there is no file.

        Raises:
            LedgerError: It cannot be read, or is none that was written here.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._damaged(error.strerror or "it cannot be read") from error
        try:
            return _parse(data)
        except (ValueError, RecursionError, CheckpointMalformedError) as error:
            raise self._damaged(str(error)) from error

    def write(self, now: Seen, keys: Sequence[CheckpointPublicKey]) -> None:
        """Put a checkpoint in the place of those of the same log; on disk when this returns.

        Raises:
            LedgerError: See `read`, or it cannot be written.
        """
        origin = now.checkpoint.origin
        known = self.read()
        others = [one for one in known if not one.is_akin(origin, keys)]
        before = (one.keys for one in known if one.is_akin(origin, keys))
        had = tuple(dict.fromkeys([*(key.vkey for key in keys), *chain(*before)]))
        logs = [_written(one) for one in [*others, replace(now, keys=had)][-MAX_LOGS:]]
        text = json.dumps({"format": SEEN_FORMAT, "logs": logs}, ensure_ascii=False, indent=1)
        beside = self.path.with_name(f".{self.path.name}.part")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self.path)
            _sync(self.path.parent)
        except OSError as error:
            raise LedgerError(f"{self.path}: cannot write it: {error.strerror}") from error

    def _damaged(self, words: str) -> LedgerError:
        return LedgerError(
            f"{self.path} does not say what was seen of the log ({words}): put back the file, or "
            "remove it if you are sure that the ledger is the newest there is"
        )


def _parse(data: bytes) -> list[Seen]:
    if len(data) > MAX_FILE:
        raise ValueError("it is too large")
    file = _members(json.loads(data), {"format", "logs"})
    logs = file["logs"]
    if file["format"] != SEEN_FORMAT or not isinstance(logs, list):
        raise ValueError(f"it is not of format {SEEN_FORMAT}")
    return [_row(one) for one in cast("list[object]", logs)]


def _written(one: Seen) -> dict[str, object]:
    row: dict[str, object] = {"checkpoint": one.note, "ended": one.ended}
    return {**row, "keys": list(one.keys)} if one.keys else row


def _row(value: object) -> Seen:
    row = _members(value, {"checkpoint", "ended"}, {"keys"})
    note, ended, keys = row["checkpoint"], row["ended"], row.get("keys", [])
    if not isinstance(note, str) or not isinstance(ended, bool) or not isinstance(keys, list):
        raise ValueError("a row has a checkpoint, and says whether the log has ended")  # noqa: TRY004
    listed = cast("list[object]", keys)
    if not all(isinstance(key, str) for key in listed):
        raise ValueError("keys of a log are verifier keys")
    return Seen.of(note, ended=ended, keys=tuple(map(str, listed)))


def _members(
    value: object, names: set[str], further: frozenset[str] | set[str] = frozenset()
) -> dict[str, object]:
    found = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if not names <= found.keys() <= names | further:
        raise ValueError(f"it has not exactly {', '.join(sorted(names))}")
    return found


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
