"""What a replay found, for people and for logs."""

from collections.abc import Iterable, Mapping

from dsl.printable import printable
from gateway.cli.diagnose import many
from gateway.replay.compare import NO_RULE, Change
from gateway.replay.tally import Example, Group, Tally

_REASONS = {
    "erased": "erased from the ledger",
    "damaged": "not on disk as logged: run `charter ledger fsck`",
    "foreign": "a record of another form",
    "fault": "made while an engine failed",
    "bundle-not-kept": "the bundle is not in the state folder",
    "bundle-unreadable": "the bundle cannot be read",
    "catalogue-not-kept": "the catalogue is not in the state folder: give --catalogue",
    "catalogue-unreadable": "the catalogue cannot be read with these rules: give --catalogue",
    "unfit": "the facts are not those of the bundle",
    "engine-failed": "an engine gave no answer now",
}
_FACTS_SHOWN = 5


def to_text(tally: Tally, *, style: str, what_if: bool) -> str:
    """The counts, then what differs by rule with examples."""
    lines = [*_counts(tally, what_if), *_changes(tally), *_unknown(tally)]
    if style == "plain":
        lines = [" ".join(line.split()) for line in lines if line.strip()]
    return "".join(f"{printable(line)}\n" for line in lines)


def _counts(tally: Tally, what_if: bool) -> Iterable[str]:
    same = "would be the same" if what_if else "came out as recorded"
    other = "would change" if what_if else "came out otherwise"
    width = len(f"{tally.matched:,}")
    yield f"{many(tally.matched, 'decision')} of {_entries(tally.looked)} decided again."

    def counted(number: int, words: str) -> str:
        return f"  {number:>{width},} {words}"

    yield counted(tally.same, same)
    if tally.from_facts:
        alone = f"{tally.from_facts:,} from recorded facts alone"
        yield f"{'':{width + 4}}{alone}: their catalogue is not kept"
    if tally.words:
        yield f"{'':{width + 4}}{tally.words:,} with other words or facts shown"
    yield counted(tally.changed, other)
    if tally.cannot_tell:
        yield counted(tally.cannot_tell, "cannot be told")
    for outcome, number in sorted(tally.outcomes.items(), key=lambda item: (-item[1], item[0])):
        yield f"{'':{width + 4}}{number:,} {outcome}"
    if tally.left:
        yield f"The other rules do not know: {', '.join(sorted(tally.left))}."
    distinct, asked = tally.counts.distinct, tally.counts.asked
    if distinct:
        yield f"{many(distinct, 'distinct question')}, {asked:,} put to the engines."


def _entries(number: int) -> str:
    return f"{number:,} {'entry' if number == 1 else 'entries'}"


def _changes(tally: Tally) -> Iterable[str]:
    by_rule: dict[str, list[tuple[Change, Group]]] = {}
    for change, group in tally.groups.items():
        by_rule.setdefault(change.rule, []).append((change, group))
    ordered = sorted(by_rule.items(), key=lambda item: (-max(g.count for _, g in item[1]), item[0]))
    for rule, found in ordered:
        yield ""
        yield "No rule in particular" if rule == NO_RULE else rule
        for change, group in sorted(found, key=lambda item: (-item[1].count, item[0].kind)):
            yield f"  {change.kind}: {many(group.count, 'decision')}"
            for example in group.examples:
                yield from _example(example)


def _unknown(tally: Tally) -> Iterable[str]:
    if tally.unknown:
        yield ""
        yield "Cannot be told"
    for reason, group in sorted(tally.unknown.items()):
        yield f"  {_REASONS.get(reason, reason)}: {many(group.count, 'decision')}"
        for example in group.examples:
            yield from _example(example)


def _example(example: Example) -> Iterable[str]:
    about = ", ".join(filter(None, (example.action, *example.entities)))
    told = (example.id, about, f"tenant {example.tenant}", example.decided_at)
    yield f"    {'  '.join(filter(None, told))}"
    facts: Mapping[str, tuple[object, object]] = example.facts
    for path in list(facts)[:_FACTS_SHOWN]:
        before, after = facts[path]
        yield f"      {path}: {_value(before)} -> {_value(after)}"
    if len(facts) > _FACTS_SHOWN:
        yield f"      and {len(facts) - _FACTS_SHOWN} facts more"
    if example.words:
        yield f"      {example.words}"


def _value(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "{" + ", ".join(map(str, value)) + "}"  # pyright: ignore[reportUnknownArgumentType]
    return str(value)
