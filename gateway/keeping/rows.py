"""What an entry says, as one row: the columns that other programs get.

A row is read from the record and verifies nothing by itself: `leaf` and `index` lead back to
the signed record and its proof.
"""

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from gateway.keeping.attested import ATTESTED, attested_of
from gateway.keeping.payload import read_payload
from gateway.ledger.storage import StoredRecord

_CITATION = "STRUCT(rule VARCHAR, law VARCHAR, celex VARCHAR, locator VARCHAR, url VARCHAR)"
DECISIONS: Mapping[str, str] = MappingProxyType(
    {
        "index": "BIGINT",
        "id": "VARCHAR",
        "tenant": "VARCHAR",
        "kind": "VARCHAR",
        "logged_at": "TIMESTAMP WITH TIME ZONE",
        "decided_at": "TIMESTAMP WITH TIME ZONE",
        "valid_until": "TIMESTAMP WITH TIME ZONE",
        "action": "VARCHAR",
        "verdict": "VARCHAR",
        "site": "VARCHAR",
        "origin_site": "VARCHAR",
        "countries": "VARCHAR[]",
        "entities": "STRUCT(record VARCHAR, type VARCHAR, id VARCHAR)[]",
        "grounds": "VARCHAR[]",
        "reasons": "STRUCT(rule VARCHAR, status VARCHAR)[]",
        "obligations": "STRUCT(id VARCHAR, rule VARCHAR, due VARCHAR)[]",
        "rules": "VARCHAR[]",
        "citations": f"{_CITATION}[]",
        "missing": "VARCHAR[]",
        "facts": "STRUCT(path VARCHAR, origin VARCHAR, value VARCHAR)[]",
        "evidence": "VARCHAR[]",
        "attested": ATTESTED,
        "engines": "STRUCT(name VARCHAR, said VARCHAR)[]",
        "incident": "VARCHAR",
        "bundle": "VARCHAR",
        "catalogue": "VARCHAR",
        "request_digest": "VARCHAR",
        "key_ids": "VARCHAR[]",
        "leaf": "VARCHAR",
        "erased_by": "BIGINT",
        "erased_after": "VARCHAR",
    }
)
"""The columns with their types in SQL. Names are never given another meaning."""

Row = dict[str, object]
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


def row_of(record: StoredRecord) -> Row:
    """The row of an entry; of an erased one, what is left of it.

    Raises:
        ValueError, LookupError, TypeError: Its body is no record.
    """
    row: Row = dict.fromkeys(DECISIONS, cast("object", None))
    row |= {
        "index": record.index,
        "id": record.id,
        "tenant": record.tenant,
        "logged_at": record.logged_at,
        "leaf": record.leaf_hash.hex(),
    }
    if record.is_erased:
        by = {"erased_by": record.erased_by, "erased_after": record.erased_after}
        return row | {"kind": "erased", **by}
    statement, key_ids = read_payload(record.body)
    said = cast("dict[str, Any]", statement["predicate"])
    return row | {
        "kind": "decision" if "facts" in said else "own",
        "key_ids": key_ids,
        "request_digest": f"sha256:{statement['subject'][0]['digest']['sha256']}",
        "verdict": said.get("decision"),
        **{name: said.get(name) for name in _PLAIN},
        **_places(said),
        **_rules(said),
        "incident": _description(said.get("incident")),
        "engines": [{"name": k, "said": v} for k, v in said.get("engines", {}).items()],
        "missing": [one["path"] for one in said.get("missing", ())],
        "facts": [
            {"path": one["path"], "origin": one["origin"], "value": _text(one["value"])}
            for one in said.get("facts", ())
        ],
        "evidence": sorted(set(_digests(said.get("evidence", ())))),
        "attested": attested_of(said.get("evidence")),
    }


_PLAIN = ("action", "decided_at", "valid_until", "bundle", "catalogue")


def _description(incident: dict[str, Any] | None) -> object:
    return None if incident is None else incident.get("description")


def _places(said: Mapping[str, Any]) -> Row:
    entities = [dict(one) for one in said.get("entities", ())]
    by_record = {one["record"]: one["id"] for one in entities}
    countries = [
        one["value"] for one in said.get("facts", ()) if one["path"] == "destination.countries"
    ]
    return {
        "entities": entities,
        "site": by_record.get("destination"),
        "origin_site": by_record.get("origin"),
        "countries": countries[0] if countries else [],
    }


def _rules(said: Mapping[str, Any]) -> Row:
    grounds, reasons, duties = (
        said.get(name, ()) for name in ("grounds", "reasons", "obligations")
    )
    cited = [
        (one["rule"], citation)
        for one in (*grounds, *reasons, *duties)
        for citation in one["citations"]
    ]
    citations = [
        {"rule": rule, **{name: one.get(name) for name in ("law", "celex", "locator", "url")}}
        for rule, one in cited
    ]
    unique = {json.dumps(one, sort_keys=True): one for one in citations}
    return {
        "grounds": [one["rule"] for one in grounds],
        "reasons": [{"rule": one["rule"], "status": one["status"]} for one in reasons],
        "obligations": [{name: one.get(name) for name in ("id", "rule", "due")} for one in duties],
        "rules": list(dict.fromkeys(one["rule"] for one in (*grounds, *reasons, *duties))),
        "citations": list(unique.values()),
    }


def _digests(value: object) -> Iterator[str]:
    """Every digest in what a record says of its evidence, however it is arranged."""
    if isinstance(value, str):
        if _DIGEST.fullmatch(value):
            yield f"sha256:{value.removeprefix('sha256:')}"
    elif isinstance(value, dict):
        for name, member in cast("dict[str, object]", value).items():
            # These can be as long as a digest.
            if name not in ("nonce", "attester", "measurements"):
                yield from _digests(member)
    elif isinstance(value, list):
        for element in cast("list[object]", value):
            yield from _digests(element)


def _text(value: object) -> str:
    """A string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
