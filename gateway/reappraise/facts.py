"""The facts that a decision had of a machine, held against what its evidence comes to."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from gateway.nodes.attested import Attested
from gateway.reappraise.errors import FactsDifferError
from gateway.record.canonical import Json
from gateway.verify.instant import parse_instant

# The name under which a record lists what evidence stated.
SOURCE = "attestation"


def check_facts(predicate: Mapping[str, Json], held: Sequence[Attested], *, whole: bool) -> None:
    """That facts are stated of accepted evidence alone, of the place that was asked about, and
    that the decision does not outlive it.

    Args:
        held: The evidence that came out as the record says.
        whole: Whether that is all that it names.

    Raises:
        FactsDifferError: A fact does not follow.
    """
    decided_at = _instant(predicate, "decided_at")
    for node, said in _statements(predicate):
        found = [one for one in held if one.node == node]
        if not found:
            if not whole:
                continue  # it is said of the evidence why nobody can tell
            raise FactsDifferError(f"facts are stated of node {node!r}, and no evidence of it")
        if said:
            _check(predicate, found[0], decided_at)


def _check(predicate: Mapping[str, Json], attested: Attested, decided_at: datetime) -> None:
    node = attested.node
    if not attested.counts_at(decided_at):
        raise FactsDifferError(f"facts are stated of node {node!r}, whose evidence did not count")
    if attested.site != _destination(predicate):
        raise FactsDifferError(f"facts are stated of node {node!r}, which is at another site")
    until = attested.result.valid_until
    if until is not None and _instant(predicate, "valid_until") > until:
        raise FactsDifferError(f"the decision outlives the evidence of node {node!r}")


def _statements(predicate: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """What the record lists as stated by evidence: the node, and the facts."""
    sources = predicate.get("sources")
    for one in cast("list[Json]", sources) if isinstance(sources, list) else []:
        match one:
            case {"source": found, "id": str(node), "said": dict(said)} if found == SOURCE:
                yield node, cast("Mapping[str, Json]", said)
            case _:
                continue


def _destination(predicate: Mapping[str, Json]) -> str | None:
    entities = predicate.get("entities")
    for one in cast("list[Json]", entities) if isinstance(entities, list) else []:
        match one:
            case {"record": "destination", "id": str(site)}:
                return site
            case _:
                continue
    return None


def _instant(predicate: Mapping[str, Json], name: str) -> datetime:
    try:
        return parse_instant(predicate.get(name))
    except ValueError as error:
        raise FactsDifferError(f"`{name}` is {error}") from error
