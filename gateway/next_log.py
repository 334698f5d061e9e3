"""Ends a log and begins another in its place, while no gateway runs.

    next/ made whole → shard.json → the old log ends → folders change places → shard.json away

Until `shard.json` is there nothing has happened; from then on the same command again finishes
it, and no gateway starts on the folder. The first entry of the new log holds the last checkpoint
of the old one, signed by the decision key, so that the two are one history.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError, KeyMalformedError
from gateway.identifiers import uuid7
from gateway.keys import CheckpointKey, CheckpointSigner
from gateway.keys.purposes import raw_of_vkey
from gateway.ledger.guard import LedgerBehindError, LedgerEndUnknownError, LedgerForkedError
from gateway.ledger.log import Log
from gateway.ledger.seen import Seen
from gateway.ledger.shards import shard_folders
from gateway.next_log_files import (
    KEY,
    NEXT,
    ORIGIN,
    TRUST,
    TRUST_FORMAT_2,
    files_of_old,
    finish,
    read_trust,
    write_json,
    write_next_trust,
    write_text,
)
from gateway.self_check import TENANT, own_record
from gateway.state import NEXT_LOG, State, seen_place

ACTION = "new-log"


@dataclass(frozen=True)
class Changed:
    """The log that ended, its last checkpoint, and the one that takes its place."""

    old: str
    size: int
    new: str
    vkey: str


def prepare(state: State, origin: str, *, key: CheckpointSigner | None = None) -> str:
    """Make the key of the next log, and tell strangers of it before it signs anything; its
    verifier key. The log goes on meanwhile.

    Args:
        key: The one that is made already, in a token.

    Raises:
        ConfigurationError: It cannot be made, or is prepared already.
    """
    _check(state, origin)
    folder = state.folder / NEXT
    if (folder / ORIGIN).exists():
        raise ConfigurationError(f"{folder}: a next log is prepared already")
    document = read_trust(state.folder)
    used = _make_key(folder, origin, key, document)
    vkey = used.public.vkey
    further = [*document.get("further_logs", []), {"origin": origin, "vkey": vkey}]
    write_text(folder / ORIGIN, origin + "\n")
    write_json(
        state.folder / TRUST, {**document, "format": TRUST_FORMAT_2, "further_logs": further}
    )
    return vkey


def change(
    state: State,
    origin: str,
    *,
    reason: str,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes] = os.urandom,
    seen: Sequence[tuple[str, bytes]] = (),
    seen_file: Path | None = None,
    lost: bool = False,
    key: CheckpointSigner | None = None,
) -> Changed:
    """End the log and begin the next one.

    Args:
        origin: The name of the next log.
        reason: Why, for the first entry of the next log.
        lost: The newest entries of the log are gone; it ends where it was last seen.
        key: Of the next log, in a token; without it, one in a file is made.

    Raises:
        ConfigurationError: The next log cannot have this name, or a folder cannot be written.
        LedgerError: The log is open somewhere, or behind what was seen of it and not `lost`.
    """
    _check(state, origin)
    place = seen_file or seen_place(state.folder)
    last = _last(state, clock, seen, place, lost=lost)
    new = _make_key(state.folder / NEXT, origin, key, read_trust(state.folder))
    old: dict[str, Any] = {
        "origin": last.checkpoint.origin,
        "vkey": state.checkpoint_key.public.vkey,
        "last_size": last.checkpoint.size,
    }
    _begin(state, new, {**old, "checkpoint": last.note, "lost": lost}, reason, clock, random)
    write_next_trust(state.folder, new.public, old)
    # Older ones can have been moved away.
    number = max((int(one.name) for one in shard_folders(state.folder)), default=0) + 1
    told = {
        "number": number,
        "old": old,
        "checkpoint": last.note,
        "seen_file": str(place.absolute()),
        "new": origin,
        "of_old": files_of_old(state.folder),
    }
    write_json(state.folder / NEXT_LOG, told)
    finish(state.folder)
    return Changed(last.checkpoint.origin, last.checkpoint.size, origin, new.public.vkey)


# --- what it takes -------------------------------------------------------------------


def _check(state: State, origin: str) -> None:
    try:
        CheckpointKey.generate(origin)
    except KeyMalformedError as error:
        raise ConfigurationError(f"`{origin}` cannot name a log: {error}") from error
    document = read_trust(state.folder)
    prepared = state.folder / NEXT / ORIGIN
    waits = prepared.read_text(encoding="utf-8").strip() if prepared.exists() else None
    if waits is not None and waits != origin:
        raise ConfigurationError(f"the log `{waits}` is prepared as the next one")
    names = {document["log"]["origin"]} | {
        one["origin"] for one in document.get("further_logs", []) if one["origin"] != waits
    }
    if origin in names:
        raise ConfigurationError(f"`{origin}` is or was a log of this gateway: name another")


def _last(
    state: State,
    clock: Callable[[], datetime],
    seen: Sequence[tuple[str, bytes]],
    place: Path,
    *,
    lost: bool,
) -> Seen:
    """The last checkpoint of the log: of the ledger, or what was seen of it."""
    try:
        with state.open_ledger(clock, seen=seen, seen_file=place) as ledger:
            return Seen.of(ledger.latest_checkpoint())
    except LedgerEndUnknownError:
        if not lost:
            raise
        with state.open_ledger(clock, seen=seen, seen_file=place, lost=True) as ledger:
            return Seen.of(ledger.latest_checkpoint())
    except (LedgerBehindError, LedgerForkedError) as error:
        if not lost or error.seen is None:
            raise
        return error.seen


def _make_key(
    folder: Path, origin: str, given: CheckpointSigner | None, document: Mapping[str, Any]
) -> CheckpointSigner:
    """The key of the next log: the one that was prepared, a new one in a file, or one that is
    given."""
    logs = [document["log"], *document.get("further_logs", [])]
    prepared = [one["vkey"] for one in logs if one["origin"] == origin]
    if given is not None:
        others = (one["vkey"] for one in logs if one["origin"] != origin)
        if raw_of_vkey(given.public.vkey) in set(map(raw_of_vkey, others)):
            raise ConfigurationError("the next log needs a key that no log has had: make another")
        if prepared not in ([], [given.public.vkey]):
            raise ConfigurationError(f"the next log is prepared with another key: {prepared[0]}")
    try:
        if (folder / ORIGIN).exists():
            shutil.rmtree(folder / "ledger", ignore_errors=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        if given is not None:
            return given
        if prepared and not (folder / KEY).exists():
            raise ConfigurationError(
                f"the next log is prepared with a key that is in no file: name its token, "
                f"{prepared[0]}"
            )
        is_there = (folder / KEY).exists()
        return (CheckpointKey.load if is_there else CheckpointKey.create)(folder / KEY, name=origin)
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}") from error


def _begin(
    state: State,
    key: CheckpointSigner,
    old: dict[str, Any],
    reason: str,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
) -> None:
    """The ledger of the next log, with its first entry."""
    at = clock()
    entry_id = uuid7(at, random)
    said = {"log": old, "reason": reason}
    body = own_record(entry_id, at, ACTION, said, state.decision_key)
    folder = state.folder / NEXT / "ledger"
    with Log.open(folder, origin=key.public.name, signer=key, clock=clock) as log:
        log.append(entry_id, TENANT, body).result(30)
