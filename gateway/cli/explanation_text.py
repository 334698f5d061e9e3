"""An explanation as text: for people, and for screen readers and logs (plain)."""

import textwrap
from collections.abc import Iterable, Iterator

from dsl.core import FactType, Kind
from dsl.evaluate import Verdict
from dsl.facts import Value, wire_value
from dsl.printable import printable
from dsl.units import SPOKEN_BARE
from gateway.pdp.counterfactual import Explanation, Places
from gateway.pdp.explanation import Explained, day_of, known, vouched_until
from gateway.pdp.nearest import Change, Suggestion

_WIDTH = 88
_WARNING = (
    "This is information on the rules, and no advice to say what is not so: a fact may be "
    "stated only if it is true."
)
_VERDICTS = {
    Verdict.PERMIT: "permitted",
    Verdict.FORBIDDEN: "denied",
    Verdict.UNDETERMINED: "undetermined, so refused",
    Verdict.UNCOVERED: "denied, for no rule permits it",
}


def to_text(explained: Explained, *, style: str) -> str:
    """The explanation below the answer."""
    lines = _plain(explained) if style == "plain" else _human(explained)
    return "".join(f"{printable(line)}\n" for line in lines)


def _human(explained: Explained) -> Iterator[str]:
    found = explained.found
    if found.rests_on:
        yield ""
        yield "  What this rests on"
        for path in found.rests_on:
            yield from _item(_fact(explained, path))
    if found.verdict is not Verdict.PERMIT:
        yield ""
        yield "  What would change it"
        yield from _wrapped(_WARNING)
        changes = [*map(_suggested, found.suggestions), *_elsewhere(explained)]
        for words in changes:
            yield from _item(f"{words[0].upper()}{words[1:]}.")
        if not found.suggestions:
            yield from _item(_nothing(found))
    yield ""
    yield "  How long it holds"
    for words in _lasting(explained):
        yield from _item(f"{words[0].upper()}{words[1:]}.")


def _plain(explained: Explained) -> Iterator[str]:
    found = explained.found
    for path in found.rests_on:
        yield f"rests on {_fact(explained, path)}"
    if found.verdict is not Verdict.PERMIT:
        yield f"note {_WARNING}"
        for one in found.suggestions:
            yield f"change {_suggested(one)}"
        if not found.suggestions:
            yield f"change none: {_nothing(found)}"
        for words in _elsewhere(explained):
            yield f"elsewhere {words}"
    for words in _lasting(explained):
        yield f"lasts {words}"


def _fact(explained: Explained, path: str) -> str:
    fact = explained.program.facts[path]
    origin = explained.joined.origins[path].value
    said = explained.said(path)
    by = "" if said is None else f", {said.layer.name}: {said.source}"
    return f"{path} = {_value(fact, known(explained, path))} (from the {origin}{by})"


def _suggested(one: Suggestion) -> str:
    changes = " and ".join(map(_change, one.changes))
    duties = f", on condition of {_listed(one.obligations, 'and')}" if one.obligations else ""
    return f"it would be permitted if {changes}{duties}"


def _change(change: Change) -> str:
    fact = change.fact
    now = "not stated" if change.before is None else _value(fact, change.before)
    return f"{fact.path} were {_wanted(change)} (now: {now})"


def _wanted(change: Change) -> str:
    fact = change.fact
    if change.span is None:
        return _listed([_value(fact, value) for value in change.values], "or")
    first, last = (None if end is None else _value(fact, end) for end in change.span)
    dates = fact.kind is Kind.DAY
    if first is None:
        return f"{'on or before' if dates else 'at most'} {last}"
    if last is None:
        return f"{'on or after' if dates else 'at least'} {first}"
    return first if first == last else f"from {first} to {last}"


def _nothing(found: Explanation) -> str:
    early = "; the search ended early" if found.gave_up else ""
    return (
        "No change of at most two facts that the request may state was found to make it a "
        f"permit{early}."
    )


def _elsewhere(explained: Explained) -> Iterator[str]:
    for places in explained.found.places:
        if places.permitted:
            yield _at_others(places)
        elif places.tried:
            yield (
                f"with all else as it is, none of {places.tried:,} other {places.entity}s of the "
                "catalogue would be permitted"
            )


def _at_others(places: Places) -> str:
    more = places.permitted - len(places.ids)
    named = ", ".join(places.ids) + (f" and {more:,} more" if more else "")
    return (
        f"with all else as it is, {places.permitted:,} of {places.tried:,} other "
        f"{places.entity}s of the catalogue would be permitted: {named}"
    )


def _lasting(explained: Explained) -> Iterator[str]:
    later = explained.found.later
    if later is None:
        yield (
            "no day within a year, and none that the rules name beyond it, was found on which "
            "these facts get another answer"
        )
    else:
        duties = _listed(later.obligations, "and") or "no obligation"
        with_ = f" with {duties}" if later.verdict is Verdict.PERMIT else ""
        yield (
            f"from {day_of(explained, later).isoformat()} on, the same facts would be "
            f"{_VERDICTS[later.verdict]}{with_}"
        )
    vouched = vouched_until(explained)
    if vouched is not None:
        yield f"the catalogue vouches for its facts until {vouched}"


def _value(fact: FactType, value: Value) -> str:
    wire = wire_value(fact, value)
    if isinstance(wire, bool):
        return "yes" if wire else "no"
    if isinstance(wire, list):
        return "{" + ", ".join(wire) + "}"
    is_bare = fact.unit in SPOKEN_BARE
    unit = f" {fact.unit}" if fact.kind is Kind.INTEGER and fact.unit and not is_bare else ""
    return f"{wire}{unit}"


def _listed(words: Iterable[str], joint: str) -> str:
    *most, last = list(words) or [""]
    return f"{', '.join(most)} {joint} {last}" if most else last


def _item(text: str) -> list[str]:
    return _fill(text, "    - ", "      ")


def _wrapped(text: str) -> list[str]:
    return _fill(text, "    ", "    ")


def _fill(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False
    )
