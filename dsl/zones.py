"""Stage 2, zones: members with the days on which they belong."""

from collections.abc import Mapping

from dsl import tree
from dsl.codes import Code
from dsl.core import InForce
from dsl.diagnostics import Label, quoted
from dsl.found import Found
from dsl.scope import Vocabulary, Zone, in_force, time_zone
from dsl.tree import Word
from dsl.vocabularies import choose

MAX_STRANGE = 5


def zone(
    charter: tree.Charter,
    declared: tree.Zone,
    vocabularies: Mapping[str, Vocabulary],
    found: Found,
) -> Zone | None:
    """The zone, its members in order, or None where they are of no one vocabulary."""
    _check_dated(declared, found)
    _check_repeats(declared, found)
    vocabulary = vocabulary_of(charter.name.text, declared, vocabularies, found)
    if vocabulary is None:
        return None
    clock = time_zone(charter)
    members: dict[str, list[InForce]] = {}
    for member in declared.members:
        period = in_force(member.period, clock, found)
        for word in member.values:
            members.setdefault(word.text, []).append(period)
    always = InForce(clock, None, None)
    return Zone(
        vocabulary,
        {
            value: () if always in periods else tuple(dict.fromkeys(periods))
            for value, periods in sorted(members.items())
        },
    )


def vocabulary_of(
    charter: str, declared: tree.Zone, vocabularies: Mapping[str, Vocabulary], found: Found
) -> str | None:
    """The one vocabulary that has all members of a zone; None where it is reported."""
    words = [word for member in declared.members for word in member.values]
    texts = {word.text for word in words}
    shared = {name: len(texts & known.known) for name, known in vocabularies.items()}
    holding = sorted(name for name, count in shared.items() if count == len(texts))
    if len(holding) == 1:
        return holding[0]
    # The vocabulary that knows most of the members is the one that was meant.
    best = max(sorted(shared), key=lambda name: shared[name], default=None)
    if best is not None and shared[best] and not holding:
        strange = [word for word in words if word.text not in vocabularies[best].known]
        _report_strange(declared, strange, vocabularies[best], charter, found)
        return None
    _report_no_vocabulary(declared, holding, found)
    return None


def _report_strange(
    declared: tree.Zone, strange: list[Word], vocabulary: Vocabulary, charter: str, found: Found
) -> None:
    for word in strange[:MAX_STRANGE]:
        help_ = choose(vocabulary, charter)
        found.unknown(Code.UNKNOWN_VALUE, vocabulary.name, word, vocabulary.values, help_=help_)
    if len(strange) > MAX_STRANGE:
        found.report(
            Code.ZONE_ELEMENTS,
            f"{len(strange) - MAX_STRANGE:,} more members of {quoted(declared.name.text)} are "
            f"no values of `{vocabulary.name}`",
            declared.name.span,
            f"use values of `{vocabulary.name}`, or declare these",
        )


def _report_no_vocabulary(declared: tree.Zone, holding: list[str], found: Found) -> None:
    name = quoted(declared.name.text)
    if holding:
        found.report(
            Code.ZONE_ELEMENTS,
            f"the members of the zone {name} are values of several enumerations",
            declared.name.span,
            "import only the charter with the one that is meant",
            note=f"all of them hold these values: {', '.join(holding[:8])}",
        )
        return
    first = declared.members[0].values[0]
    found.unknown_elements(declared.name, first)


def _check_dated(declared: tree.Zone, found: Found) -> None:
    dated = [m for m in declared.members if m.period.first or m.period.last]
    undated = [m for m in declared.members if not m.period.first and not m.period.last]
    if not dated:
        return
    for member in undated:
        found.report(
            Code.UNDATED_MEMBER,
            f"{quoted(member.values[0].text)} has no date, but other members of "
            f"{quoted(declared.name.text)} have",
            member.values[0].span,
            "write since when it belongs, with `from` and a day",
            Label(dated[0].values[0].span, "has a date"),
        )


def _check_repeats(declared: tree.Zone, found: Found) -> None:
    # A second period of the same member is a renewal; the same period again is a mistake.
    seen: dict[tuple[str, object, object], Word] = {}
    for member in declared.members:
        first, last = member.period.first, member.period.last
        for word in member.values:
            key = (word.text, first and first.day, last and last.day)
            earlier = seen.setdefault(key, word)
            if earlier is not word:
                found.repeats("member", word, earlier, verb="listed")
