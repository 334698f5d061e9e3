"""What a gateway tells strangers to trust: `trust.json` of its state folder.

It is written at first start and by each change of keys, and may be added to by its operator.
Here it is read for what the gateway itself must know: which of its keys count, and since when
no longer. `gateway.verify.trust` reads it as a verifier does, and refuses what is not strict.
"""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from gateway.errors import ConfigurationError, KeyMalformedError
from gateway.keys import CheckpointPublicKey, DecisionPublicKey

FILE = "trust.json"
_V1, _V2 = "charter-trust/v1", "charter-trust/v2"
_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class Published:
    """`earlier` are the keys that the log had before `log_key`, the newest first; of them
    `ending` still signs alongside. `ends` are the decision keys by id, with their last instant."""

    document: Mapping[str, object]
    log_key: CheckpointPublicKey
    earlier: tuple[CheckpointPublicKey, ...]
    ending: CheckpointPublicKey | None
    ends: Mapping[str, datetime | None]

    def counts(self, key_id: str, at: datetime) -> bool:
        """Whether a decision key is named, and has not ended."""
        end = self.ends.get(key_id)
        return key_id in self.ends and (end is None or at < end)


def first(decision: DecisionPublicKey, log: CheckpointPublicKey) -> dict[str, object]:
    """The document of a new gateway."""
    return {
        "format": _V1,
        "log": {"origin": log.name, "vkey": log.vkey},
        "decision_keys": [{"keyid": decision.key_id, "pem": decision.pem}],
    }


def read(folder: Path) -> Published | None:
    """The document of a state folder; None where there is none.

    Raises:
        ConfigurationError: It does not tell the keys of a gateway.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            text = file.read(_MAX + 1)
        if len(text) > _MAX:
            raise ConfigurationError(f"{path} is too large to be a trust file")
        return _read(json.loads(text.decode()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, RecursionError, KeyMalformedError) as error:
        raise ConfigurationError(
            f"{path} does not tell the keys of this gateway: put back the one that was there, "
            "from GET /v1/trust, a backup, or whoever verifies"
        ) from error


def _read(document: dict[str, Any]) -> Published:
    log_key = CheckpointPublicKey.from_vkey(document["log"]["vkey"])
    if document["log"]["origin"] != log_key.name:
        raise ValueError("the key of a log is named as the log")
    same = [one for one in document.get("further_logs", []) if one["origin"] == log_key.name]
    earlier = tuple(CheckpointPublicKey.from_vkey(one["vkey"]) for one in same)
    ending = [key for key, one in zip(earlier, same, strict=True) if "last_size" not in one]
    if len(ending) > 1:
        raise ValueError("one key can sign alongside another, and not more")
    ends = {str(one["keyid"]): _instant(one.get("until")) for one in document["decision_keys"]}
    return Published(document, log_key, earlier, ending[0] if ending else None, ends)


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    instant = datetime.fromisoformat(str(value))
    if instant.tzinfo is None:
        raise ValueError("an instant has a zone")
    return instant


# --- changes -------------------------------------------------------------------------


def with_decision_key(
    document: Mapping[str, object],
    new: DecisionPublicKey,
    old: Collection[str],
    *,
    at: str,
    until: str,
) -> dict[str, object]:
    """The document in which a new decision key counts from `at` on, and the old ones before
    `until`; both in RFC 3339."""
    listed = cast("list[dict[str, object]]", document["decision_keys"])
    kept = [{**one, "until": until} if one["keyid"] in old else one for one in listed]
    added: dict[str, object] = {"keyid": new.key_id, "pem": new.pem, "from": at}
    return {**document, "format": _V2, "decision_keys": [added, *kept]}


def _end_of_receipts(one: Mapping[str, object], at: datetime) -> datetime:
    """After what the key signed in this second, and after its beginning, wherever the clock was."""
    begins = datetime.fromisoformat(str(one.get("from", at.isoformat())))
    return max(begins, at) + timedelta(seconds=1)


def with_receipt_key(
    document: Mapping[str, object], new: DecisionPublicKey, origin: str, at: datetime
) -> dict[str, object]:
    """The document in which a new key signs receipts of a log from `at` on; one that did so
    before ends."""
    listed = cast("list[dict[str, object]]", document.get("receipt_keys", []))
    kept = [
        {**one, "until": _end_of_receipts(one, at).isoformat()}
        if one["origin"] == origin and "until" not in one
        else one
        for one in listed
    ]
    start = at.isoformat()
    added: dict[str, object] = {
        "origin": origin, "keyid": new.key_id, "pem": new.pem, "from": start,
    }  # fmt: skip
    return {**document, "format": "charter-trust/v2", "receipt_keys": [added, *kept]}


def with_log_key(document: Mapping[str, object], new: CheckpointPublicKey) -> dict[str, object]:
    """The document in which the log has a new key, and the one it had signs alongside."""
    further = cast("list[object]", document.get("further_logs", []))
    log = {"origin": new.name, "vkey": new.vkey}
    return {**document, "format": _V2, "log": log, "further_logs": [document["log"], *further]}


def with_end(
    document: Mapping[str, object], old: CheckpointPublicKey, last_size: int
) -> dict[str, object]:
    """The document in which a key of the log counts up to a size and signs no more."""
    further = cast("list[dict[str, object]]", document["further_logs"])
    ended = [{**one, "last_size": last_size} if one["vkey"] == old.vkey else one for one in further]
    return {**document, "format": _V2, "further_logs": ended}


def write(folder: Path, document: Mapping[str, object]) -> None:
    """Put a document in the place of the one there, in one step; on disk when this returns.

    Raises:
        ConfigurationError: It cannot be written; the one before is there.
    """
    replace_file(folder / FILE, (json.dumps(document, indent=2) + "\n").encode())


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file in one step: whoever reads it finds the old content or the new.

    Raises:
        ConfigurationError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk; raises `OSError`."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
