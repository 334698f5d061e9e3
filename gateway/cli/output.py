"""How answers read: for people, for screen readers and logs (plain), for programs (JSON)."""

import json
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from dsl.printable import printable
from dsl.wording import counted, grouped

_WIDTH = 88
_HEADS = {"permit": "PERMITTED", "deny": "DENIED", "indeterminate": "UNDETERMINED, so refused"}

_UNCOVERED = (
    "No rule of these charters permits `{action}`, and what is not permitted is denied. "
    "Charters of your own stand beside those of the pack, such as operator.baseline."
)

Json = Mapping[str, Any]


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def to_line(value: object) -> str:
    """JSON in one line, for a stream of values."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def decision(answer: Json, *, style: str, units: Mapping[str, str] | None = None) -> str:
    """An answer of `POST /v1/decisions` as text; `units` are those of numbers, by the path of
    the fact, as far as they are known."""
    if style == "json":
        return to_json(answer)
    text = _plain(answer, units or {}) if style == "plain" else _human(answer, units or {})
    # A gateway that is not ours must not steer the terminal.
    return "".join(f"{printable(line)}\n" for line in text.splitlines())


def _plain(answer: Json, units: Mapping[str, str]) -> str:
    lines = [f"decision {answer['decision']} {answer['action']} id {answer.get('id', 'none')}"]
    lines.extend(f"{e['record']} {e['type']} {e['id']}" for e in answer.get("entities", ()))
    lines.extend(f"day {day} in {zone}" for zone, day in answer["today"].items())
    if "valid_until" in answer:
        lines.append(f"valid until {answer['valid_until']}")
    lines.extend(f"engine {name} {said}" for name, said in answer["engines"].items())
    lines.extend(f"ground {g['rule']}: {_ground(g)}" for g in answer.get("grounds", ()))
    for reason in answer["reasons"]:
        lines.append(f"reason {reason['status']} {reason['rule']}: {reason['title']}")
        if reason["because"]:
            lines.append(f"because {reason['because']}")
        lines.extend(f"cites {_cited(citation)}" for citation in reason["citations"])
        lines.extend(f"fact {_fact(fact, units)}" for fact in reason["facts"])
        lines.extend(f"remedy {remedy}" for remedy in reason["remedies"])
    if _is_bare(answer):
        lines.append(_UNCOVERED.format(action=answer["action"]))
    lines.extend(f"missing {_missing(item)}" for item in answer["missing"])
    lines.extend(f"obligation {_obligation(o)}" for o in answer["obligations"])
    lines.extend(f"advice {_obligation(o)}" for o in answer.get("advice", ()))
    lines.extend(f"preference {_preference(p)}" for p in answer.get("preferences", ()))
    for level in ("warnings", "shadow"):
        word = level.removesuffix("s")
        lines.extend(f"{word} {_noted(reason)}" for reason in answer.get(level, ()))
    if answer["incident"]:
        lines.append(f"incident {answer['incident']['description']}")
    return "\n".join(lines) + "\n"


def _human(answer: Json, units: Mapping[str, str]) -> str:
    out = [f"{_HEADS[answer['decision']]}: {answer['action']}{_where(answer)}"]
    if answer["incident"]:
        out += _block("The engines do not agree or one failed", answer["incident"]["description"])
    if _is_bare(answer):
        out += ["", *_wrapped(_UNCOVERED.format(action=answer["action"]))]
    for reason in answer["reasons"]:
        out += ["", *_reason(reason, units)]
    if answer["missing"]:
        out += ["", "    Nobody has stated:"]
        out += [line for item in answer["missing"] for line in _item(_missing(item))]
    if answer.get("grounds"):
        out += ["", "    On the ground of:"]
        out += [line for ground in answer["grounds"] for line in _item(_ground(ground))]
    if answer["obligations"]:
        out += ["", "    On condition that you:"]
        out += [line for duty in answer["obligations"] for line in _item(_obligation(duty))]
    out += _beside(answer)
    if "id" in answer:
        engines = ", ".join(f"{name} says {said}" for name, said in answer["engines"].items())
        out += ["", f"  Decision {answer['id']}, valid until {answer['valid_until']}; {engines}."]
    return "\n".join(out) + "\n"


def _beside(answer: Json) -> list[str]:
    """What changes nothing about the answer: advice, preferences, and rules that are not
    enforced."""
    out: list[str] = []
    for title, member, words in (
        ("You are advised to", "advice", _obligation),
        ("Preferred, by", "preferences", _preference),
        ("Warnings, of rules that are not enforced", "warnings", _noted),
        ("Recorded, of rules on trial", "shadow", _noted),
    ):
        if answer.get(member):
            out += ["", f"    {title}:"]
            out += [line for item in answer[member] for line in _item(words(item))]
    return out


def _where(answer: Json) -> str:
    named = [f"{entity['record']} {entity['id']}" for entity in answer.get("entities", ())]
    days = sorted(set(answer["today"].values()))
    return "".join(f", {part}" for part in (*named, *([" / ".join(days)] if days else [])))


def _is_bare(answer: Json) -> bool:
    return answer["decision"] == "deny" and not answer["reasons"]


def _reason(reason: Json, units: Mapping[str, str]) -> list[str]:
    words = {
        "forbidden": "Forbidden by",
        "undetermined": "Perhaps forbidden by",
        "uncovered": "Not permitted by",
    }
    out = [f"  {words[reason['status']]} {reason['rule']}"]
    out += _wrapped(f"{reason['title']}.")
    for law, places in _by_law(reason["citations"]).items():
        out += _wrapped(f"{', '.join(places)} of {law}")
    if reason["because"]:
        out += ["", *_wrapped(reason["because"])]
    if reason["facts"]:
        out += ["", "    What is known:"]
        out += [line for fact in reason["facts"] for line in _item(_fact(fact, units))]
    if reason["remedies"]:
        out += ["", "    What would help:"]
        out += [line for remedy in reason["remedies"] for line in _item(remedy)]
    return out


def _by_law(citations: Iterable[Json]) -> dict[str, list[str]]:
    """The places cited, by law, in the order of the rule."""
    laws: dict[str, list[str]] = {}
    for citation in citations:
        celex = f", CELEX {citation['celex']}" if citation["celex"] else ""
        laws.setdefault(f"{citation['law']}, {citation['title']}{celex}", []).append(
            citation["locator"]
        )
    return laws


def _item(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent="      - ",
        subsequent_indent="        ",
        break_on_hyphens=False,
    )


def _block(title: str, text: str) -> list[str]:
    return ["", f"  {title}:", *_wrapped(text)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
    )


def _cited(citation: Json) -> str:
    celex = f", CELEX {citation['celex']}" if citation["celex"] else ""
    return f"{citation['law']} {citation['locator']}, {citation['title']}{celex}"


def _fact(fact: Json, units: Mapping[str, str]) -> str:
    value = _value(fact["value"])
    if fact["path"] in units:
        value = counted(grouped(value), units[fact["path"]])
    return f"{fact['path']} = {value} (from the {fact['origin']})"


def _ground(ground: Json) -> str:
    cited = "; ".join(
        f"{', '.join(places)} of {law}" for law, places in _by_law(ground["citations"]).items()
    )
    return f"{ground['title']} ({cited})"


def _missing(item: Json) -> str:
    if item["origin"] == "request" and item["pointer"] is not None:
        return f"{item['path']}, which the request gives at {item['pointer']}"
    return f"{item['path']}, which the {item['origin']} would have to state"


def _value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return "{" + ", ".join(str(item) for item in _items(value)) + "}"  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return str(value)


def _items(value: Iterable[object]) -> Iterable[object]:
    return value


def _obligation(obligation: Json) -> str:
    due = f", by {obligation['due']}" if obligation["due"] else ""
    given = ", ".join(
        f"{name} = {_value(v)}" for name, v in obligation.get("parameters", {}).items()
    )
    return f"{obligation['title']} [{obligation['id']}]{f' with {given}' if given else ''}{due}"


def _preference(preference: Json) -> str:
    return f"{preference['title']} [{preference['rule']}], {preference['weight']} points"


def _noted(reason: Json) -> str:
    would = {
        "forbidden": "would refuse",
        "undetermined": "could refuse",
        "permitted": "would permit",
    }.get(reason["status"], reason["status"])
    return f"{reason['rule']} {would}: {reason['title']}"
