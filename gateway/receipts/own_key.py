"""The key of a state folder that signs receipts: `receipt.key`, made when it is first needed.

It signs what a checkpoint of the log says, and is neither the key of the log, which signs
nothing but checkpoints, nor that of decisions, whose owner could then place them in no log.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from gateway import published
from gateway.errors import ConfigurationError
from gateway.keys import DecisionKey, DecisionPublicKey

FILE = "receipt.key"


def open_receipt_key(folder: Path, *, now: datetime) -> tuple[DecisionKey, bool]:
    """The key, which `trust.json` names when this returns, and whether it is named since now.

    Raises:
        ConfigurationError: There is no gateway here, or a file cannot be used.
    """
    told = published.read(folder)
    if told is None:
        raise ConfigurationError(f"{folder}: there is no gateway here, or its trust.json is gone")
    path = folder / FILE
    key = DecisionKey.load(path) if path.exists() else DecisionKey.create(path)
    listed = cast("list[Mapping[str, Any]]", told.document.get("receipt_keys", []))
    at = now.astimezone(UTC).replace(microsecond=0)
    named = [one for one in listed if one["keyid"] == key.key_id]
    if named:
        if "until" in named[0] and datetime.fromisoformat(named[0]["until"]) <= now:
            raise ConfigurationError(
                f"the key in {path} has ended, as {folder / published.FILE} says: take the file "
                "away, and another is made"
            )
        return key, False
    published.write(folder, with_receipt_key(told.document, key.public, told.log_key.name, at))
    return key, True


def _end(one: Mapping[str, object], at: datetime) -> datetime:
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
        {**one, "until": _end(one, at).isoformat()}
        if one["origin"] == origin and "until" not in one
        else one
        for one in listed
    ]
    start = at.isoformat()
    added: dict[str, object] = {
        "origin": origin, "keyid": new.key_id, "pem": new.pem, "from": start,
    }  # fmt: skip
    return {**document, "format": "charter-trust/v2", "receipt_keys": [added, *kept]}
