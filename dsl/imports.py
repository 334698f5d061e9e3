"""Stage 2, charters as wholes: heads, imports and circles of imports."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from dsl import tree
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.found import Found
from dsl.near import nearest
from dsl.tree import Word


def distinct(charters: Sequence[tree.Charter], found: Found) -> tuple[tree.Charter, ...]:
    """The charters without those whose name is taken: all of their declarations would seem
    to be declared twice."""
    kept: dict[str, tree.Charter] = {}
    for charter in sorted(charters, key=lambda c: (c.name.text, c.source.name)):
        earlier = kept.setdefault(charter.name.text, charter)
        if earlier is not charter:
            found.repeats("charter", charter.name, earlier.name)
    return tuple(kept.values())


def imported_first(charters: Sequence[tree.Charter]) -> tuple[tree.Charter, ...]:
    """The charters, each after those it imports; as they are where imports form a circle."""
    named = {charter.name.text: charter for charter in charters}
    graph = {
        name: sorted({word.text for word in charter.imports} & named.keys())
        for name, charter in named.items()
    }
    try:
        return tuple(named[name] for name in TopologicalSorter(graph).static_order())
    except CycleError:
        return tuple(charters)


def check_heads(charters: Sequence[tree.Charter], found: Found) -> None:
    """Laws and time zones of the heads."""
    for charter in charters:
        found.twice("law", [law.name for law in charter.laws])
        found.twice("import", charter.imports, verb="listed")
        _check_time_zone(charter.time_zone, found)


def _check_time_zone(word: Word | None, found: Found) -> None:
    if word is None:
        return
    try:
        ZoneInfo(word.text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        guess = nearest(word.text, available_timezones())
        written = f"write `{guess}`" if guess else "write a name such as `Europe/Brussels`"
        found.report(
            Code.UNKNOWN_TIME_ZONE,
            f"there is no time zone {quoted(word.text)}",
            word.span,
            written,
            note="time zones have the names of the IANA time zone database",
            fix=Fix(word.span, guess) if guess else None,
        )


def check_imports(charters: Sequence[tree.Charter], found: Found) -> None:
    """Imports that lead nowhere, and circles."""
    names = {charter.name.text for charter in charters}
    words: dict[tuple[str, str], Word] = {}
    graph: dict[str, set[str]] = {name: set() for name in names}
    strange: list[tuple[str, Word]] = []
    for charter in charters:
        for word in charter.imports:
            if word.text not in names:
                strange.append((charter.source.name, word))
                continue
            words[charter.name.text, word.text] = word
            graph[charter.name.text].add(word.text)
    for _, word in strange:
        found.unknown(Code.UNKNOWN_IMPORT, "charter", word, names)
    for source, _ in strange:
        found.blind(source)
    _check_circle(graph, words, found)


def _check_circle(
    graph: Mapping[str, set[str]], words: Mapping[tuple[str, str], Word], found: Found
) -> None:
    try:
        TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).prepare()
    except CycleError as error:
        steps = cast("list[str]", error.args[1])
        circle = turned(steps, min(steps))
        found.add(
            Diagnostic(
                Code.IMPORT_CYCLE,
                f"charters import each other in a circle: {shown_circle(circle)}",
                (Label(words[circle[0], circle[1]].span),),
                help="move what both need into a charter that imports neither",
            )
        )


def turned(circle: Sequence[str], start: str) -> list[str]:
    """A circle as graphlib names it, which is against the arrows, along them from `start`."""
    steps = circle[:0:-1]
    at = steps.index(start)
    return [*steps[at:], *steps[:at], start]


def shown_circle(circle: Sequence[str]) -> str:
    """The names with arrows; the middle of a long way is left out."""
    names = [*circle[:4], "…", *circle[-3:]] if len(circle) > 8 else list(circle)
    return " → ".join(names)
