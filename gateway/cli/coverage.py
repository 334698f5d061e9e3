"""How coverage reads: a table for people, lines for logs, JSON for programs."""

from collections.abc import Iterator

from dsl.coverage import Coverage, ExceptionSeen, RuleCoverage, Seen, percent

_TEXT = 72


def to_text(found: Coverage, *, style: str) -> str:
    """The coverage of every rule, and the total in the last line."""
    lines = _plain(found) if style == "plain" else _human(found)
    return "".join(f"{line}\n" for line in (*lines, total(found)))


def total(found: Coverage) -> str:
    """One line, such as `Coverage: 45 of 52 points, 86.5 %`."""
    return f"Coverage: {found.reached:,} of {found.points:,} points, {found.percent:.1f} %"


def to_body(found: Coverage) -> dict[str, object]:
    """The coverage as JSON."""
    return {
        "format": "charter-coverage/v1",
        "points": found.points,
        "reached": found.reached,
        "percent": found.percent,
        "rules": [_rule_body(rule) for rule in found.rules],
    }


def _rule_body(rule: RuleCoverage) -> dict[str, object]:
    return {
        "rule": rule.rule,
        "file": rule.span.source.shown,
        "line": rule.span.position[0],
        "cases": rule.cases,
        "points": rule.points,
        "reached": rule.reached,
        "conditions": [
            {
                "part": seen.watched.part,
                "text": seen.watched.text,
                "line": seen.watched.span.position[0],
                "true": seen.true,
                "false": seen.false,
                "unknown": seen.unknown,
                "can_be_unknown": seen.watched.can_be_unknown,
            }
            for seen in rule.conditions
        ],
        "exceptions": [
            {"id": one.id, "title": one.title, "used": one.used} for one in rule.exceptions
        ],
    }


def _human(found: Coverage) -> Iterator[str]:
    for rule in found.rules:
        share = f"{percent(rule.reached, rule.points):.1f} %"
        yield f"{rule.rule}: {rule.reached} of {rule.points}, {share}, {_cases(rule)}"
        part = ""
        for seen in rule.conditions:
            if seen.watched.part != part:
                part = seen.watched.part
                yield f"    {part}"
            text = seen.watched.text
            shown = text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
            yield f"  {'  ' if seen.reached == seen.points else '! '}    {shown}"
            yield f"          {_values(seen)}"
        for one in rule.exceptions:
            mark = "  " if one.used else "! "
            yield f"  {mark}exception {_short(one)}: {_used(one)}"
        yield ""


def _plain(found: Coverage) -> Iterator[str]:
    for rule in found.rules:
        yield f"rule {rule.rule}: {rule.reached} of {rule.points} points, {_cases(rule)}"
        for seen in rule.conditions:
            where = f"{seen.watched.span.source.shown}:{seen.watched.span.position[0]}"
            yield f"{where}: {seen.watched.part} {seen.watched.text}: {_values(seen)}"
        for one in rule.exceptions:
            yield f"exception {one.id}: {_used(one)}"


def _values(seen: Seen) -> str:
    counted = [("true", seen.true), ("false", seen.false)]
    if seen.watched.can_be_unknown:
        counted.append(("unknown", seen.unknown))
    return ", ".join(f"{word} {number}" if number else f"never {word}" for word, number in counted)


def _used(one: ExceptionSeen) -> str:
    return f"used by {one.used}" if one.used else "never used"


def _short(one: ExceptionSeen) -> str:
    return one.id.rpartition("/")[2]


def _cases(rule: RuleCoverage) -> str:
    return f"{rule.cases:,} case" + ("" if rule.cases == 1 else "s")
