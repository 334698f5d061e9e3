"""Stage 2, zones that are put together of other zones and of sets, with `+` and `-`."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import cast

from dsl import tree
from dsl.codes import Code
from dsl.core import InForce
from dsl.diagnostics import quoted
from dsl.found import Found
from dsl.imports import shown_circle, turned
from dsl.periods import Members, OtherClockError, join, without
from dsl.scope import Vocabulary, Zone
from dsl.tree import Word
from dsl.vocabularies import choose
from dsl.zones import vocabulary_of


def in_order(declared: Sequence[tree.Zone], found: Found) -> Iterator[tree.Zone]:
    """The zones of a charter, each after those of the charter that it is put together of.
    Those that are put together in a circle are left out and reported."""
    named = {zone.name.text: zone for zone in reversed(declared)}
    parts = {name: sorted(_zones_of(zone) & named.keys()) for name, zone in named.items()}
    twice = [zone for zone in declared if named[zone.name.text] is not zone]
    try:
        order = list(TopologicalSorter(parts).static_order())
    except CycleError as error:
        steps = cast("list[str]", error.args[1])
        circle = turned(steps, min(steps))
        found.report(
            Code.ZONE_CIRCLE,
            f"zones are put together of each other in a circle: {shown_circle(circle)}",
            named[circle[0]].name.span,
            "list the members of one of them",
        )
        for name in steps:
            found.doubt(name)
        yield from in_order([zone for zone in declared if zone.name.text not in steps], found)
        return
    yield from (named[name] for name in order)
    yield from twice


def _zones_of(zone: tree.Zone) -> set[str]:
    parts = zone.region.parts if zone.region is not None else ()
    return {part.text for part in parts if isinstance(part, Word)}


def composed(
    charter: str,
    declared: tree.Zone,
    region: tree.Region,
    zones: Mapping[str, Zone],
    vocabularies: Mapping[str, Vocabulary],
    found: Found,
) -> Zone | None:
    """A zone put together of others; None where a part is not one of the same vocabulary."""
    before = found.errors
    known = [zones[p.text] for p in region.parts if isinstance(p, Word) and p.text in zones]
    words = [p for p in region.parts if isinstance(p, Word) and p.text not in zones]
    for word in words:
        found.unknown(Code.UNKNOWN_ZONE, "zone", word, zones)
    if words:
        return None
    vocabulary = known[0].vocabulary if known else _of_sets(charter, declared, vocabularies, found)
    if vocabulary is None:
        return None
    parts = [_part(charter, part, vocabulary, zones, vocabularies, found) for part in region.parts]
    if found.errors > before:
        return None
    members = put_together(region, parts, found)
    return None if members is None else Zone(vocabulary, dict(sorted(members.items())))


def put_together(
    region: tree.Region, parts: Sequence[Members], found: Found
) -> dict[str, tuple[InForce, ...]] | None:
    """The parts of a region joined and taken away from left to right, or None where that
    cannot be done or leaves nothing."""
    members: dict[str, tuple[InForce, ...]] = {}
    for index, (written, part) in enumerate(zip(region.parts, parts, strict=True)):
        if index not in region.minus:
            members = join(members, part)
            continue
        try:
            members = without(members, part)
        except OtherClockError as error:
            found.report(
                Code.ZONE_CLOCKS,
                f"{quoted(written.span.text)} counts its days in {error.taken}, and the days of "
                f"{quoted(error.value)} are counted in {error.kept}",
                written.span,
                "declare both zones in charters with one time zone",
                note="a day begins at another instant there, so no day can be taken away exactly",
            )
            return None
        if not members:
            found.report(
                Code.EMPTY_SET,
                f"nothing is left of {quoted(region.span.text)}",
                written.span,
                "take away less, or change the order: the parts count from left to right",
            )
            return None
    return members


def _part(
    charter: str,
    part: Word | tree.ValueSet,
    vocabulary: str,
    zones: Mapping[str, Zone],
    vocabularies: Mapping[str, Vocabulary],
    found: Found,
) -> Members:
    if isinstance(part, Word):
        zone = zones[part.text]
        if zone.vocabulary != vocabulary:
            found.report(
                Code.TYPE_MISMATCH,
                f"{quoted(part.text)} is a zone of `{zone.vocabulary}`, and the zones before it "
                f"are of `{vocabulary}`",
                part.span,
                f"name a zone of `{vocabulary}`",
            )
        return zone.members
    known = vocabularies.get(vocabulary)
    if not part.values:
        found.report(
            Code.EMPTY_SET,
            "nothing can be in an empty set",
            part.span,
            "write at least one value between the braces",
        )
    for value in part.values:
        if not isinstance(value, Word) or (known is not None and value.text not in known.known):
            _strange_value(charter, value, vocabulary, known, found)
    return {value.text: () for value in part.values if isinstance(value, Word)}


def _strange_value(
    charter: str,
    value: tree.Literal,
    vocabulary: str,
    known: Vocabulary | None,
    found: Found,
) -> None:
    if isinstance(value, Word) and known is not None:
        help_ = choose(known, charter)
        found.unknown(Code.UNKNOWN_VALUE, known.name, value, known.values, help_=help_)
        return
    found.report(
        Code.TYPE_MISMATCH,
        f"{quoted(value.span.text)} is no value of `{vocabulary}`",
        value.span,
        f"write values of `{vocabulary}`",
    )


def _of_sets(
    charter: str, declared: tree.Zone, vocabularies: Mapping[str, Vocabulary], found: Found
) -> str | None:
    """The vocabulary of a zone that is put together of sets alone."""
    assert declared.region is not None  # noqa: S101 - the caller has looked
    sets = [part for part in declared.region.parts if isinstance(part, tree.ValueSet)]
    words = tuple(value for part in sets for value in part.values if isinstance(value, Word))
    if not words:
        found.report(
            Code.EMPTY_SET,
            f"the zone {quoted(declared.name.text)} has no members",
            declared.region.span,
            "write at least one value between the braces",
        )
        return None
    member = tree.Member(words, None, None, tree.Period(None, None))
    return vocabulary_of(
        charter, tree.Zone(declared.name, declared.title, (member,)), vocabularies, found
    )
