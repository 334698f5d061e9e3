"""What a stored record says, read without checking it: whoever relies on it checks it first,
by `charter ledger fsck` or `charter verify`."""

import json
from base64 import b64decode
from typing import Any, cast


def read_payload(body: bytes) -> tuple[dict[str, Any], list[str]]:
    """The statement of an envelope, and the ids of the keys that say they signed it.

    Raises:
        ValueError, LookupError, TypeError: The body is no record.
    """
    envelope = cast("dict[str, Any]", json.loads(body))
    statement = cast("dict[str, Any]", json.loads(b64decode(envelope["payload"])))
    return statement, [str(line["keyid"]) for line in envelope["signatures"]]


def read_predicate(body: bytes) -> dict[str, Any]:
    """The predicate alone; raises as `read_payload`."""
    predicate = read_payload(body)[0]["predicate"]
    return cast("dict[str, Any]", predicate)
