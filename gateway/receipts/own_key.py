"""The key that signs receipts of a state folder: `receipt.key`, made when it is first needed, or
one in a token.

It signs what a checkpoint of the log says, and is neither the key of the log, which signs
nothing but checkpoints, nor that of decisions, whose owner could then place them in no log.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from gateway import published
from gateway.errors import ConfigurationError
from gateway.keys import DecisionPublicKey
from gateway.keys.custody import IN_FILE, IN_FILES, RECEIPT_FILE, Custody, close, receipt_key
from gateway.keys.signer import Signer


def open_receipt_key(
    folder: Path, *, now: datetime, custody: Custody = IN_FILES
) -> tuple[Signer[DecisionPublicKey], bool]:
    """The key, which `trust.json` names when this returns, and whether it is named since now.

    Raises:
        ConfigurationError: There is no gateway here, or a key or a file cannot be used.
    """
    told = published.read(folder)
    if told is None:
        raise ConfigurationError(f"{folder}: there is no gateway here, or its trust.json is gone")
    key = receipt_key(custody, folder)
    try:
        return key, _name(folder, told, key.public, now, place_of(folder, custody))
    except BaseException:
        close(key)
        raise


def place_of(folder: Path, custody: Custody) -> str:
    """Where the key is, for a person."""
    return str(folder / RECEIPT_FILE) if custody.receipt == IN_FILE else custody.receipt


def _name(
    folder: Path, told: published.Published, key: DecisionPublicKey, now: datetime, place: str
) -> bool:
    """Have `trust.json` name the key; whether it did not yet."""
    if key.key_id in told.ends:
        raise ConfigurationError(f"the key in {place} signs decisions: make another for receipts")
    listed = cast("list[Mapping[str, Any]]", told.document.get("receipt_keys", []))
    named = [one for one in listed if one["keyid"] == key.key_id]
    if named:
        if "until" in named[0] and datetime.fromisoformat(named[0]["until"]) <= now:
            raise ConfigurationError(
                f"the key in {place} has ended, as {folder / published.FILE} says: take the file "
                "away, and another is made, or name the place of the one that counts"
            )
        return False
    at = now.astimezone(UTC).replace(microsecond=0)
    document = published.with_receipt_key(told.document, key, told.log_key.name, at)
    published.write(folder, document)
    return True
