"""What a decision names of evidence of machines: by digest, with what each is."""

from collections.abc import Iterator, Mapping
from typing import cast

KINDS = {"digest": "evidence", "policy": "policy", "anchors": "anchors", "register": "register"}
_PREFIX = "sha256:"


def named_documents(predicate: Mapping[str, object]) -> dict[str, str]:
    """The kind of each document, by SHA-256 in hexadecimal; empty where a record names none."""
    evidence = predicate.get("evidence")
    found: dict[str, str] = {}
    for one in cast("list[object]", evidence) if isinstance(evidence, list) else []:
        if isinstance(one, dict) and "node" in one:
            found |= dict(_named(cast("Mapping[str, object]", one)))
    return found


def _named(said: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for member, kind in KINDS.items():
        value = said.get(member)
        if isinstance(value, dict):
            value = cast("Mapping[str, object]", value).get("digest")
        if isinstance(value, str) and value.startswith(_PREFIX):
            yield value.removeprefix(_PREFIX), kind
