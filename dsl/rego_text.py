"""Pieces of Rego text in the layout of `opa fmt`."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from dsl.core import Citation, Duty, DutyKind, Level, Rule

# Words that can name no rule: keywords, the two documents, and built-in functions that
# a rule of the same name would shadow.
RESERVED = frozenset(
    "as contains default else every false if import in input data not null package set some true "
    "with abs all any ceil concat count endswith floor format_int indexof intersection is_array "
    "is_boolean is_null is_number is_object is_set is_string lower max min mul plus print product "
    "rem replace round sort split sprintf startswith substring sum to_number trace trim type_name "
    "union upper walk minus div eq equal gt gte lt lte neq or and assign cast_array cast_boolean "
    "cast_null cast_object cast_set cast_string re_match set_diff trim_left trim_prefix trim_right "
    "trim_space trim_suffix strings array object json time regex glob graph units uuid bits crypto "
    "http io net numbers opa rego semver yaml urlquery hex base64 base64url graphql providers "
    "internal".split()
)

_KEYWORDS = frozenset(
    "as contains default else every false if import in not null package some true with".split()
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def quote(text: str) -> str:
    """A string literal; printable text stays as it is (RFC 8259 section 7)."""
    return json.dumps(text, ensure_ascii=False)


def member(document: str, name: str) -> str:
    """A reference to a member, with a dot where `opa fmt` would write one."""
    plain = _IDENTIFIER.fullmatch(name) and name not in _KEYWORDS
    return f"{document}.{name}" if plain else f"{document}[{quote(name)}]"


def quote_all(values: Iterable[str]) -> str:
    return ", ".join(quote(value) for value in values)


def clause(head: str, body: Sequence[str]) -> str:
    """One definition; without a body it holds always."""
    if not body:
        return head if " := " in head or " contains " in head else f"{head} if true"
    lines = "".join(f"\t{line}\n" for line in body)
    return f"{head} if {{\n{lines}}}"


def comment(text: str) -> str:
    return "# " + "".join(ch if ch.isprintable() else " " for ch in text)


def heading(text: str) -> str:
    """A comment that begins a part of the module."""
    rule = "-" * (76 - len(text))
    return f"# {text} {rule}"


def metadata(members: Mapping[str, object]) -> str:
    """An annotation block (Open Policy Agent documentation, "Annotations")."""
    return "\n".join(["# METADATA", *(f"# {line}" for line in _yaml(members, ""))])


def _yaml(members: Mapping[str, object], indent: str) -> Iterable[str]:
    for key, value in members.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _yaml(value, indent + "  ")  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, tuple):
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {_scalar(item)}" for item in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        else:
            yield f"{indent}{key}: {_scalar(value)}"


def _scalar(value: object) -> str:
    """A YAML scalar; text in double quotes (YAML 1.2.2 section 7.3.1), for an author's
    words may hold anything that YAML gives a meaning to."""
    if isinstance(value, bool | int):
        return json.dumps(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    if text.isprintable():
        return f'"{text}"'
    return '"' + "".join(ch if ch.isprintable() else f"\\U{ord(ch):08X}" for ch in text) + '"'


def cited(citations: Iterable[Citation]) -> tuple[str, ...]:
    """Citations as people write them: `GDPR art 44`."""
    return tuple(f"{citation.law} {citation.locator}".strip() for citation in citations)


def about_rule(rule: Rule) -> dict[str, object]:
    """The annotation of a rule."""
    custom: dict[str, object] = {"id": rule.id, "effect": rule.effect.value}
    if rule.level is not Level.ENFORCE:
        custom["level"] = rule.level.value
    if rule.weight:
        custom["weight"] = rule.weight
    if rule.citations:
        custom["citations"] = cited(rule.citations)
    if rule.remedies:
        custom["remedies"] = rule.remedies
    if rule.exceptions:
        custom["exceptions"] = {
            quote(note.id): "; ".join([note.title, *cited(note.citations)])
            for note in rule.exceptions
        }
    return {"title": rule.title, "description": rule.because, "custom": custom}


def about_duty(duty: Duty) -> dict[str, object]:
    """The annotation of a duty, or of advice."""
    kind = "obligation" if duty.kind is DutyKind.OBLIGATION else "advice"
    custom: dict[str, object] = {"id": duty.id, kind: duty.obligation, "rule": duty.rule}
    if duty.citations:
        custom["citations"] = cited(duty.citations)
    if duty.due is not None:
        custom["due"] = f"within {duty.due.amount} {duty.due.unit.value}"
    if duty.parameters:
        custom["parameters"] = {quote(name): value for name, value in duty.parameters}
    return {"title": duty.title, "custom": custom}
