"""The facts of one row of the catalogue: fields, maps and lists, held strictly.

TOML has dates of its own, which are taken for dates, and fractions in binary, which are
not taken for decimals: those are strings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import cast

from dsl.core import FactType, Kind, ListType, Program
from dsl.facts import MAX_ELEMENTS, fit
from dsl.near import nearest
from gateway.errors import ConfigurationError
from gateway.pdp.unfit import complaint, short


@dataclass(frozen=True)
class EntityFields:
    """What the catalogue may state of an entity, by the names of the fields: facts, the
    facts of a map by its keys, lists; and what is derived of them, which nobody states."""

    facts: dict[str, FactType] = field(default_factory=dict[str, FactType])
    maps: dict[str, dict[str, FactType]] = field(default_factory=dict[str, dict[str, FactType]])
    lists: dict[str, ListType] = field(default_factory=dict[str, ListType])
    derived: set[str] = field(default_factory=set[str])

    def names(self) -> list[str]:
        return sorted([*self.facts, *self.maps, *self.lists])


def entity_fields(program: Program) -> dict[str, EntityFields]:
    """What the catalogue may state, by entity type."""
    found: dict[str, EntityFields] = {}
    for place in program.places:
        prefix = f"{place.record}."
        fields = found.setdefault(place.entity, EntityFields())
        for path, fact in program.facts.items():
            if path.startswith(prefix):
                _sort_in(fields, path.removeprefix(prefix), fact, derived=path in program.derived)
        for path, listed in program.lists.items():
            if path.startswith(prefix):
                fields.lists[path.removeprefix(prefix)] = listed
    return found


def _sort_in(fields: EntityFields, name: str, fact: FactType, *, derived: bool) -> None:
    if derived:
        fields.derived.add(name)
        return
    of_map = map_of(name, fact)
    if of_map is None:
        fields.facts[name] = fact
    else:
        fields.maps.setdefault(of_map, {})[fact.wire[-1]] = fact


def map_of(path: str, fact: FactType) -> str | None:
    """The path of the map whose key a fact is; None of any other fact."""
    if not fact.wire or not path.endswith("]"):
        return None
    key = f"[{fact.wire[-1]}]"
    return path.removesuffix(key) if path.endswith(key) else None


def read_facts(raw: Mapping[str, object], fields: EntityFields, where: str) -> dict[str, object]:
    """The facts of a row as values of the wire, by field; the keys of a map each as a field
    of their own, `seal[SOV-2]`.

    Raises:
        ConfigurationError: A field is not declared, or its value does not fit.
    """
    read: dict[str, object] = {}
    for name, value in raw.items():
        if name in fields.facts:
            read[name] = _value(replace(fields.facts[name], path=name), value, where)
        elif name in fields.maps:
            read.update(_map(name, fields.maps[name], value, where))
        elif name in fields.lists:
            read[name] = _list(name, fields.lists[name], value, where)
        elif name in fields.derived:
            raise ConfigurationError(
                f"{where}: `{name}` is derived from other facts; no catalogue states it"
            )
        else:
            raise ConfigurationError(
                f"{where}: the vocabulary declares no field `{short(name)}`; it declares "
                f"{', '.join(fields.names())}"
            )
    return read


def _value(fact: FactType, value: object, where: str) -> object:
    if fact.kind is Kind.DAY and isinstance(value, date) and not isinstance(value, datetime):
        value = value.isoformat()
    if fit(fact, value) is None:
        raise ConfigurationError(f"{where}: {complaint(fact, value)}")
    return value


def _map(name: str, keys: Mapping[str, FactType], value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where}: `{name}` is a map: write a table, a value for each key")
    read: dict[str, object] = {}
    for key, item in cast("dict[str, object]", value).items():
        if key not in keys:
            raise ConfigurationError(f"{where}: {no_such_key(name, key, keys)}")
        path = f"{name}[{key}]"
        read[path] = _value(replace(keys[key], path=path), item, where)
    return read


def no_such_key(name: str, key: str, keys: Mapping[str, FactType]) -> str:
    """What to say of a key that a map has not."""
    guess = nearest(key, keys)
    listed = f"; it has {', '.join(sorted(keys))}" if len(keys) <= 12 else ""
    return f"`{name}` has no key `{short(key)}`" + (
        f"; did you mean `{guess}`?" if guess else listed
    )


def _list(name: str, listed: ListType, value: object, where: str) -> list[dict[str, object]]:
    elements = cast("Sequence[object]", value) if isinstance(value, list) else None
    if elements is None or not all(isinstance(element, dict) for element in elements):
        raise ConfigurationError(
            f"{where}: `{name}` is a list: write one table for each element, [[….facts.{name}]]"
        )
    if len(elements) > MAX_ELEMENTS:
        raise ConfigurationError(f"{where}: `{name}` has more than {MAX_ELEMENTS} elements")
    read: list[dict[str, object]] = []
    for number, element in enumerate(elements, start=1):
        members = cast("dict[str, object]", element)
        read.append(_element(members, listed, f"{where}: `{name}` {number}"))
    return read


def _element(members: Mapping[str, object], listed: ListType, where: str) -> dict[str, object]:
    read: dict[str, object] = {}
    for name, value in members.items():
        fact = listed.fields.get(name)
        if fact is None:
            guess = nearest(name, listed.fields)
            hint = f"did you mean `{guess}`?" if guess else f"it has {', '.join(listed.fields)}"
            raise ConfigurationError(f"{where} has no field `{short(name)}`; {hint}")
        read[name] = _value(replace(fact, path=name), value, where)
    return read
