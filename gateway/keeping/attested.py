"""What a record says of the machines whose evidence was shown with the question, as rows: one
for each machine, and one for each GPU that is bound to it.

Like every row it is read and not verified; `digest` leads to the evidence itself.
"""

from collections.abc import Iterator, Mapping
from typing import cast

ATTESTED = (
    "STRUCT(node VARCHAR, site VARCHAR, place VARCHAR, technology VARCHAR, product VARCHAR, "
    "firmware STRUCT(component VARCHAR, level BIGINT)[], tcb_status VARCHAR, attester VARCHAR, "
    "verdict VARCHAR, reason VARCHAR, freshness VARCHAR, policy VARCHAR, policy_digest VARCHAR, "
    "digest VARCHAR, appraised_at VARCHAR)[]"
)
"""The type of the column in SQL."""

GPU = "nvidia-gpu"
_PLAIN = (
    "node",
    "site",
    "place",
    "technology",
    "product",
    "tcb_status",
    "attester",
    "verdict",
    "reason",
    "freshness",
    "digest",
    "appraised_at",
)
# What a GPU has of its own; the rest is that of its machine.
_OWN = ("product", "tcb_status", "attester")

Attested = dict[str, object]


def attested_of(evidence: object) -> list[Attested]:
    """The rows of what a record names as evidence; empty where it is of another form."""
    found = cast("list[object]", evidence) if isinstance(evidence, list) else []
    return [row for one in found for row in _rows(one)]


def _rows(one: object) -> Iterator[Attested]:
    said = _object(one)
    if not isinstance(said.get("node"), str) or not isinstance(said.get("technology"), str):
        return
    row = _row(said)
    yield row
    gpus = said.get("gpus")
    for gpu in cast("list[object]", gpus) if isinstance(gpus, list) else []:
        theirs = _row(_object(gpu))
        own = {name: theirs[name] for name in (*_OWN, "firmware")}
        yield row | own | {"technology": GPU}


def _row(said: Mapping[str, object]) -> Attested:
    named = _object(said.get("policy"))
    return {
        **{name: _text(said.get(name)) for name in _PLAIN},
        "firmware": _firmware(said.get("firmware")),
        "policy": _text(named.get("id")),
        "policy_digest": _text(named.get("digest")),
    }


def _firmware(value: object) -> list[dict[str, object]]:
    return [
        {"component": component, "level": level}
        for component, level in sorted(_object(value).items())
        if isinstance(level, int) and not isinstance(level, bool)
    ]


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
