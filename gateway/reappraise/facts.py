"""The facts that a decision had of a machine, held against what its evidence comes to."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from gateway.nodes.attested import DECISION, Attested, as_written
from gateway.nodes.facts import ATTESTATION, RECORD, SOURCE, stated
from gateway.reappraise.again import LAST_YEAR
from gateway.reappraise.errors import FactsDifferError
from gateway.record.canonical import Json, canonicalise
from gateway.verify.instant import parse_instant

# What a record says of a source that follows from the evidence.
_FOLLOWS = ("origin", "about", "status", "observed_at", "digest")
# Records cut instants to this, and an age in minutes may have begun within it.
_CUT = timedelta(milliseconds=1)


def check_facts(predicate: Mapping[str, Json], held: Sequence[Attested], *, whole: bool) -> None:
    """That the facts of a record are those of its evidence, of the place that was asked about,
    and that the decision does not outlive it.

    Args:
        held: The evidence that came out as the record says.
        whole: Whether that is all that it names.

    Raises:
        FactsDifferError: A fact does not follow.
    """
    known = _facts(predicate)
    of_others, silent = _of_others(predicate), {one.node for one in held}
    for statement, said in _statements(predicate, ours=True):
        node = statement.get("id")
        found = [one for one in held if one.node == node]
        silent -= {one.node for one in found}
        for one in found:
            _check(predicate, one, statement, said)
        if not found and not whole:
            return  # it is said of the evidence why nobody can tell
        if not found and said:
            raise FactsDifferError(f"facts are stated of node {node!r}, and no evidence of it")
        for path, value in said.items():
            if path in known and _spelled(known[path]) != _spelled(value):
                raise FactsDifferError(f"`{path}` is another than its evidence states")
            known.pop(path, None)
    if silent:
        raise FactsDifferError(f"nothing is said of node {min(silent)!r}, which showed evidence")
    if whole and (strange := known.keys() - of_others):
        raise FactsDifferError(f"nothing states `{min(strange)}`")


def _check(
    predicate: Mapping[str, Json],
    attested: Attested,
    statement: Mapping[str, Json],
    said: Mapping[str, Json],
) -> None:
    node, decided_at = attested.node, _instant(predicate, "decided_at")
    site = attested.site if attested.site in _places(predicate) else None
    # The instant of the decision had more digits than its record.
    possible = [
        stated(attested, node, now=at, site=site).body() for at in (decided_at, decided_at + _CUT)
    ]
    for name in _FOLLOWS:
        if _spelled(statement.get(name)) != _spelled(possible[0][name]):
            raise FactsDifferError(
                f"`{name}` of what node {node!r} states is {statement.get(name)!r}, and follows "
                f"as {possible[0][name]!r}"
            )
    if _spelled(said) not in [_spelled(one["said"]) for one in possible]:
        raise FactsDifferError(f"what is stated of node {node!r} does not follow from its evidence")
    if attested.purpose == DECISION and attested.result.appraised_at != as_written(decided_at):
        raise FactsDifferError(f"what node {node!r} showed was for another decision alone")
    until = attested.result.valid_until
    if said and until is not None and _instant(predicate, "valid_until") > until:
        raise FactsDifferError(f"the decision outlives the evidence of node {node!r}")


def _of_others(predicate: Mapping[str, Json]) -> set[str]:
    """What other sources state. Where evidence is taken they state nothing of machines: whoever
    replays the decision would believe them in its place."""
    takes_evidence = bool(_listed(predicate, "evidence"))
    takes_evidence |= any(True for _ in _statements(predicate, ours=True))
    paths: set[str] = set()
    for statement, said in _statements(predicate, ours=False):
        of_machines = [path for path in said if path.startswith(f"{RECORD}.")]
        if statement.get("about") == ATTESTATION or (takes_evidence and of_machines):
            name = statement.get("source")
            raise FactsDifferError(f"source {name!r} speaks of a machine in place of its evidence")
        paths |= said.keys()
    return paths


def _facts(predicate: Mapping[str, Json]) -> dict[str, Json]:
    """The facts of machines that the record lists."""
    found: dict[str, Json] = {}
    for one in _listed(predicate, "facts"):
        match one:
            case {"path": str(path), "value": value} if path.startswith(f"{RECORD}."):
                found[path] = value
            case _:
                continue
    return found


def _statements(
    predicate: Mapping[str, Json], *, ours: bool
) -> Iterator[tuple[Mapping[str, Json], Mapping[str, Json]]]:
    """What sources stated: what evidence did, or all others."""
    for one in _listed(predicate, "sources"):
        match one:
            case {"source": found, "said": dict(said)} if (found == SOURCE) is ours:
                yield cast("Mapping[str, Json]", one), cast("Mapping[str, Json]", said)
            case _:
                continue


def _places(predicate: Mapping[str, Json]) -> set[str]:
    """The site that was asked about."""
    found: dict[str, str] = {}
    for one in _listed(predicate, "entities"):
        match one:
            case {"record": str(record), "id": str(entity)}:
                found[record] = entity
            case _:
                continue
    return {found["destination"]} if "destination" in found else set(found.values())


def _listed(predicate: Mapping[str, Json], name: str) -> list[Json]:
    value = predicate.get(name)
    return value if isinstance(value, list) else []


def _spelled(value: object) -> bytes:
    return canonicalise(value)


def _instant(predicate: Mapping[str, Json], name: str) -> datetime:
    try:
        found = parse_instant(predicate.get(name))
    except ValueError as error:
        raise FactsDifferError(f"`{name}` is {error}") from error
    if found.year > LAST_YEAR:
        raise FactsDifferError(f"`{name}` is in the year {found.year}")
    return found
