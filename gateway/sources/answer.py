"""One answer of a source: read strictly, its facts held against the vocabulary.

    {"format": "charter-facts/v1", "id": "fr-par-1", "observed_at": "2026-11-22T09:30:00Z",
     "facts": {"status": "operating"}}

An answer about something else, or with a fact that the source may not state, is none at all.
A value that does not fit its type is unknown, and the others count.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import cast

from dsl.core import FactType, Kind, ListType
from dsl.facts import MAX_ELEMENTS, Elements, Value, fit, wire_value
from gateway.errors import CanonicalFormError, FactSourceError
from gateway.pdp.catalogue_facts import EntityFields
from gateway.pdp.supplied import Status
from gateway.pdp.unfit import short
from gateway.record.canonical import Json, canonicalise
from gateway.sources.interface import Key, Raw

FORMAT = "charter-facts/v1"
MAX_SAID = 64 * 1024  # of what is used of it: all of it stands in the record
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII
)  # RFC 3339 section 5.6
_REQUIRED, _OPTIONAL = {"format", "id", "facts"}, {"tenant", "observed_at"}


@dataclass(frozen=True)
class Answer:
    """What a source said of one thing. `unfit` names facts whose values do not fit."""

    observed_at: datetime
    digest: str
    said: dict[str, object] = field(default_factory=dict[str, object])
    facts: dict[str, Value] = field(default_factory=dict[str, Value])
    lists: dict[str, Elements] = field(default_factory=dict[str, Elements])
    unfit: list[str] = field(default_factory=list[str])


def read_answer(raw: Raw, key: Key, fields: EntityFields) -> Answer:
    """The answer to a question.

    Args:
        fields: What the source may state.

    Raises:
        FactSourceError: It is malformed, about something else, says not when, or states what
            it may not.
    """
    document = raw.document
    if not isinstance(document, dict) or not document.keys() >= _REQUIRED:
        raise _malformed("the answer is no object with `format`, `id` and `facts`")
    strange = document.keys() - _REQUIRED - _OPTIONAL
    if strange:
        raise _malformed(f"the answer has a member `{short(min(strange))}` that is not known")
    if document["format"] != FORMAT:
        raise _malformed(f"the answer is not of the format {FORMAT}")
    if (document["id"], document.get("tenant")) != (key.id, key.tenant):
        raise _malformed("the answer is about something else than what was asked")
    facts = document["facts"]
    if not isinstance(facts, dict):
        raise _malformed("`facts` is no object")
    answer = Answer(_observed(document, raw.date), _digest(document))
    for name, value in facts.items():
        _read(answer, name, value, fields)
    if len(canonicalise(answer.said)) > MAX_SAID:
        raise _malformed(f"the facts are longer than {MAX_SAID} bytes")
    return answer


def _malformed(detail: str) -> FactSourceError:
    return FactSourceError(Status.MALFORMED.value, detail)


def _digest(document: Json) -> str:
    try:
        return f"sha256:{sha256(canonicalise(document)).hexdigest()}"
    except CanonicalFormError as error:
        raise _malformed("the answer has no canonical form") from error


def _observed(document: Mapping[str, Json], date: str | None) -> datetime:
    """When what is stated was so: what the answer says or, where it says nothing, when it
    was made."""
    try:
        if "observed_at" in document:
            text = document["observed_at"]
            if isinstance(text, str) and _INSTANT.fullmatch(text):
                return datetime.fromisoformat(text).astimezone(UTC)
        elif date is not None:
            made = parsedate_to_datetime(date)
            if made.tzinfo is not None:
                return made.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _malformed("the answer does not say when what it states was observed")


def _read(answer: Answer, name: str, value: Json, fields: EntityFields) -> None:
    if name in fields.facts:
        _fact(answer, name, fields.facts[name], value)
    elif name in fields.maps:
        if not isinstance(value, dict):
            answer.unfit.append(name)
            return
        for key, item in value.items():
            if key not in fields.maps[name]:
                raise _malformed(f"`{name}` has no key `{short(key)}`")
            _fact(answer, f"{name}[{key}]", fields.maps[name][key], item)
    elif name in fields.lists:
        _list(answer, name, fields.lists[name], value)
    else:
        raise _malformed(f"it may not state `{short(name)}`")


def _fact(answer: Answer, name: str, fact: FactType, value: Json) -> None:
    says_nothing = fact.kind is Kind.TERMS and value == [] and not fact.may_be_empty
    if value is None or says_nothing:
        return
    fitted = fit(fact, value)
    if fitted is None:
        answer.unfit.append(name)
        return
    answer.facts[name] = fitted
    answer.said[name] = wire_value(fact, fitted)


def _list(answer: Answer, name: str, listed: ListType, value: Json) -> None:
    """All of it or nothing: what is computed from a list is wrong without an element."""
    if value is None:
        return
    elements = cast("list[object]", value) if isinstance(value, list) else None
    if elements is None or len(elements) > MAX_ELEMENTS:
        answer.unfit.append(name)
        return
    read: list[dict[str, Value]] = []
    for element in elements:
        fitted = _element(element, listed, name)
        if fitted is None:
            answer.unfit.append(name)
            return
        read.append(fitted)
    answer.lists[name] = tuple(read)
    answer.said[name] = [
        {field: wire_value(listed.fields[field], one) for field, one in element.items()}
        for element in read
    ]


def _element(raw: object, listed: ListType, name: str) -> dict[str, Value] | None:
    if not isinstance(raw, dict):
        return None
    read: dict[str, Value] = {}
    for member, value in cast("dict[str, object]", raw).items():
        fact = listed.fields.get(member)
        if fact is None:
            raise _malformed(f"an element of `{name}` has no field `{short(member)}`")
        if value is None:
            continue
        fitted = fit(fact, value)
        if fitted is None:
            return None
        read[member] = fitted
    return read
